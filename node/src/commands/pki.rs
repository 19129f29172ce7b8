//! `pki init`, `pki issue` and `pki operator`.

use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};

use super::print;
use crate::{
    authority::{self, Issue, Region},
    config::cli::{PkiInitArgs, PkiOperatorArgs},
};

pub(super) fn init(args: &PkiInitArgs) -> Result<()> {
    let made = authority::init(&args.dir, &args.chain, Utc::now())?;
    let dir = args.dir.display();
    print(&format!("The authority of chain \"{}\" was made in {dir}.", made.chain)).context("print")?;
    print(&format!("  operator {}", made.operator)).context("print")?;
    print("Keep ca.key and the operator's keys off the nodes, and a copy in a safe.").context("print")
}

pub(super) fn issue(issue: &Issue) -> Result<()> {
    let issued = authority::issue(issue, Utc::now())?;
    let how = if issued.again { "keeps" } else { "gets" };
    print(&format!("\"{}\" {how} number {}.", issued.name, issued.id.number)).context("print")?;
    print(&format!("  id          {}", issued.id)).context("print")?;
    print(&format!("  good until  {}", issued.not_after.format("%Y-%m-%d"))).context("print")?;
    print(&format!("  written to  {}", issued.out.display())).context("print")?;
    issued.region.map_or(Ok(()), |region| print(&as_authority(region))).context("print")
}

/// How a hub stands as the authority of its region.
fn as_authority(region: Region) -> String {
    let until = |time: DateTime<Utc>| {
        format!("It may renew the certificates of its region's stores until {} (region.pem).", time.format("%Y-%m-%d"))
    };
    match region {
        Region::Until(time) => until(time),
        Region::UntilButForeignRefuse(time) => format!(
            "{} This chain's ca.pem allows no authority below it (path length 0): foreign clients (grpcurl, Envoy) will \
             refuse stores that it renewed; nodes and gateways take them.",
            until(time)
        ),
        Region::NotAsked => {
            "It can't renew the certificates of its region's stores: run `init` there again, which makes a \
                             key for that, and `pki issue` with the new request."
                .to_owned()
        }
    }
}

pub(super) fn operator(args: &PkiOperatorArgs) -> Result<()> {
    let made = authority::operator(&args.dir, args.out.as_ref().unwrap_or(&args.dir), Utc::now())?;
    let what = if made.again { "certified anew" } else { "made" };
    print(&format!("The operator was {what}.")).context("print")?;
    print(&format!("  id          {}", made.id)).context("print")?;
    print(&format!("  good until  {}", made.not_after.format("%Y-%m-%d"))).context("print")?;
    print(&format!("  written to  {}", made.out.display())).context("print")
}
