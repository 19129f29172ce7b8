//! `init`: makes the node's identity once, and shows it ever after.

use anyhow::{Context as _, Result, bail, ensure};
use chrono::{SubsecRound as _, Utc};
use codepop_shared::{
    authority::REGION_FILE,
    identity::Kind,
    request::{self, PKI_FOLDER, REQUEST_FILE},
};
use uuid::Uuid;

use super::print;
use crate::{
    authority::CERTIFICATE_FILE,
    config::{GivenIdentity, InitConfig},
    identity::{DataLock, NodeSettings, type_word},
};

pub(super) fn init(config: &InitConfig) -> Result<()> {
    let dir = &config.data_dir;
    let (settings, new) = match NodeSettings::load(dir)? {
        Some(settings) => {
            check_same(&settings, &config.identity)?;
            (settings, false)
        }
        None => {
            let settings = new_settings(&config.identity)?;
            let _lock = DataLock::take(dir)?;
            settings.create(dir)?;
            (settings, true)
        }
    };
    let (kind, name) = (settings.node_type, &settings.display_name);
    let (request, _) = request::init(dir, kind, settings.uuid, name, &settings.region)?;
    ensure!(
        request.uuid == settings.uuid,
        "{} is of node {}, not of {}",
        dir.join(REQUEST_FILE).display(),
        request.uuid,
        settings.uuid
    );
    show(&settings, new, config).context("print")
}

fn new_settings(given: &GivenIdentity) -> Result<NodeSettings> {
    let Some(node_type) = given.kind else {
        bail!("--type (or NODE_TYPE) is not set: must be STORE or SUPPLY_HUB");
    };
    let Some(display_name) = given.display_name.clone() else {
        bail!("--name (or NODE_DISPLAY_NAME) is not set: must be 1 to 200 printable characters");
    };
    let Some(region) = given.region.clone() else {
        bail!("--region (or SUPPLY_HUB_REGION) is not set: must be 1 to 10 letters or digits");
    };
    Ok(NodeSettings {
        version: NodeSettings::VERSION,
        uuid: given.node_id.unwrap_or_else(Uuid::now_v7),
        node_type,
        display_name,
        api_url: given.api_url.clone(),
        latitude: given.place.map(|place| place.latitude),
        longitude: given.place.map(|place| place.longitude),
        region,
        hub_urls: given.hub_urls.clone().unwrap_or_default(),
        created_at: Utc::now().trunc_subsecs(6),
    })
}

/// What is certified can't be changed by repeating `init`.
fn check_same(settings: &NodeSettings, given: &GivenIdentity) -> Result<()> {
    let differs = |name: &str, value: String, stored: String| {
        bail!("{name} is \"{value}\": must be {stored}, which this data directory has; another node needs another one")
    };
    if let Some(uuid) = given.node_id.filter(|uuid| *uuid != settings.uuid) {
        return differs("NODE_ID", uuid.to_string(), settings.uuid.to_string());
    }
    if let Some(kind) = given.kind.filter(|kind| *kind != settings.node_type) {
        return differs("NODE_TYPE", type_word(kind).to_owned(), type_word(settings.node_type).to_owned());
    }
    match &given.region {
        Some(region) if *region != settings.region => {
            differs("SUPPLY_HUB_REGION", region.clone(), settings.region.clone())
        }
        _ => Ok(()),
    }
}

fn show(settings: &NodeSettings, new: bool, config: &InitConfig) -> std::io::Result<()> {
    let dir = &config.data_dir;
    let what = if settings.node_type == Kind::Hub { "Supply hub" } else { "Store" };
    let how = if new { "was made" } else { "is there already and was kept" };
    print(&format!("{what} \"{}\" {how} in {}.", settings.display_name, dir.display()))?;
    print(&format!("  node id  {}", settings.uuid))?;
    print(&format!("  region   {}", settings.region))?;
    let has = |name: &str| dir.join(PKI_FOLDER).join(name).exists();
    if has(CERTIFICATE_FILE) && (settings.node_type != Kind::Hub || has(REGION_FILE)) {
        return print("It has its certificate. Next: codepop-node run");
    }
    if has(CERTIFICATE_FILE) {
        print(
            "It has its certificate, but not the one with which it renews those of its region's stores (region.pem).",
        )?;
    }
    let request = dir.join(REQUEST_FILE);
    print("Next, where the chain's authority is kept:")?;
    print(&format!("  codepop-node pki issue {} --dir PKI_DIR --host NAME_OR_IP", request.display()))?;
    let files = if settings.node_type == Kind::Hub { "node.pem, region.pem and ca.pem" } else { "node.pem and ca.pem" };
    print(&format!("and bring {files} to {}.", dir.join(PKI_FOLDER).display()))
}
