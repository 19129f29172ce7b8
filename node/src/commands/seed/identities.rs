//! Keys, certificates and settings of the authority, of every node and of a gateway, and how to start them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use chrono::{SubsecRound as _, Utc};
use codepop_shared::{
    authority::CERTIFICATE_VALID,
    files::write_new,
    request::{self, REQUEST_FILE},
};
use uuid::Uuid;

use super::{
    Steps,
    folder::{AUTHORITY, NODES_FILE},
};
use crate::{
    authority::{self, Issue},
    config::SeedConfig,
    identity::NodeSettings,
    seed::{HOME, Profile, Site},
};

/// The gateway's folder.
pub(super) const GATEWAY: &str = "gateway";

/// The file with what a program is told by its environment.
const ENVIRONMENT: &str = "env";

/// A node of the chain.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// What it is.
    pub(super) site: Site,
    /// Its folder.
    pub(super) dir: PathBuf,
    /// Its UUID.
    pub(super) uuid: Uuid,
    /// Its address.
    pub(super) url: String,
}

/// Makes the authority, and the identity of every site and of the gateway. It blocks.
///
/// # Errors
/// A file can't be written.
pub(super) fn make(
    folder: &Path,
    config: &SeedConfig,
    profile: Profile,
    sites: &[Site],
    steps: &mut Steps,
) -> Result<Vec<Node>> {
    let pki = folder.join(AUTHORITY);
    authority::init(&pki, profile.word(), Utc::now())?;
    let ports = config.node_port..;
    let all: Vec<(Node, u16)> = sites.iter().zip(ports).map(|(site, port)| (node(folder, site, port), port)).collect();
    for (node, port) in &all {
        steps.next("certify", &node.site.code);
        let settings = settings(node, &all);
        fs::create_dir_all(&node.dir).with_context(|| format!("make {}", node.dir.display()))?;
        settings.create(&node.dir)?;
        request::init(&node.dir, node.site.kind, node.uuid, &node.site.name, node.site.region)?;
        certify(&pki, &node.dir, Some(node.site.number))?;
        let data_dir = quoted(&node.dir);
        let text = format!("NODE_DATA_DIR={data_dir}\nNODE_LISTEN=127.0.0.1:{port}\n");
        write_environment(&node.dir, "codepop-node run", &text)?;
    }
    let nodes: Vec<Node> = all.into_iter().map(|(node, _)| node).collect();
    make_gateway(folder, &pki, config, &nodes)?;
    write_list(folder, &nodes)?;
    Ok(nodes)
}

/// The nodes that were made before. It blocks.
///
/// # Errors
/// Settings of one can't be read.
pub(super) fn load(folder: &Path, sites: &[Site]) -> Result<Vec<Node>> {
    let load = |site: &Site| {
        let dir = folder.join(site.folder());
        let settings = NodeSettings::require(&dir)?;
        let url = settings.api_url.unwrap_or_default();
        Ok(Node { site: site.clone(), dir, uuid: settings.uuid, url })
    };
    sites.iter().map(load).collect()
}

fn node(folder: &Path, site: &Site, port: u16) -> Node {
    let url = format!("https://127.0.0.1:{port}");
    Node { site: site.clone(), dir: folder.join(site.folder()), uuid: Uuid::now_v7(), url }
}

/// A store begins with its own hub and the one of the first stores, a hub with all others.
fn settings(node: &Node, all: &[(Node, u16)]) -> NodeSettings {
    let site = &node.site;
    let mut hubs: Vec<&Node> = all.iter().map(|(other, _)| other).filter(|other| other.site.is_hub()).collect();
    hubs.retain(|hub| hub.uuid != node.uuid && (site.is_hub() || [site.region, HOME].contains(&hub.site.region)));
    hubs.sort_by_key(|hub| hub.site.region != site.region);
    NodeSettings {
        version: NodeSettings::VERSION,
        uuid: node.uuid,
        node_type: site.kind,
        display_name: site.name.clone(),
        api_url: Some(node.url.clone()),
        latitude: Some(site.latitude),
        longitude: Some(site.longitude),
        region: site.region.to_owned(),
        hub_urls: hubs.into_iter().map(|hub| hub.url.clone()).collect(),
        created_at: Utc::now().trunc_subsecs(6),
    }
}

fn certify(pki: &Path, dir: &Path, number: Option<u32>) -> Result<()> {
    let request = dir.join(REQUEST_FILE);
    let (dir, valid) = (pki.to_owned(), CERTIFICATE_VALID);
    let order = Issue { request, dir, hosts: Vec::new(), valid, number, replaces: None, out: None };
    authority::issue(&order, Utc::now())?;
    Ok(())
}

fn make_gateway(folder: &Path, pki: &Path, config: &SeedConfig, nodes: &[Node]) -> Result<()> {
    let dir = folder.join(GATEWAY);
    request::init_gateway(&dir, "Gateway")?;
    certify(pki, &dir, None)?;
    let urls: Vec<&str> = nodes.iter().map(|node| node.url.as_str()).collect();
    let (data_dir, port, urls) = (quoted(&dir), config.gateway_port, urls.join(","));
    let text = format!("GATEWAY_DATA_DIR={data_dir}\nGATEWAY_LISTEN=127.0.0.1:{port}\nGATEWAY_NODES={urls}\n");
    write_environment(&dir, "codepop-gateway run", &text)
}

fn write_environment(dir: &Path, command: &str, text: &str) -> Result<()> {
    let path = dir.join(ENVIRONMENT);
    let text = format!("# To start it: (set -a; . {}; exec {command})\n{text}", quoted(&path));
    write_new(&path, text.as_bytes()).with_context(|| format!("write {}", path.display()))
}

/// A path as one word of the shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

fn write_list(folder: &Path, nodes: &[Node]) -> Result<()> {
    let mut text = "# folder\tnumber\turl\tuuid\tname\n".to_owned();
    for node in nodes {
        let (dir, number) = (node.site.folder(), node.site.number);
        text += &format!("{dir}\t{number}\t{}\t{}\t{}\n", node.url, node.uuid, node.site.name);
    }
    let path = folder.join(NODES_FILE);
    write_new(&path, text.as_bytes()).with_context(|| format!("write {}", path.display()))
}
