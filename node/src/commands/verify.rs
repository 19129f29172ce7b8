//! `verify`: looks for damage in a node's own data, whether it runs or not, or compares two running nodes. It never changes
//! anything.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use codepop_proto::nodes::{AudienceDigest, GetDigestRequest, nodes_service_client::NodesServiceClient};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{client, print, run::location};
use crate::{
    clock::Clock,
    config::{ClientConfig, Database, VerifyConfig},
    identity::{Expected, NodeIdentity},
    replication::inspect::{Inspection, inspect},
    storage::Db,
};

/// How long two nodes are given to have the same events: what is said just now takes a moment to arrive.
const SETTLE_MAX: Duration = Duration::from_secs(20);

/// Pause between two comparisons.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Everything was said already; only the exit status is left to be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(pub u8);

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit status {}", self.0)
    }
}

impl std::error::Error for Exit {}

/// Something differs or is damaged.
const DIFFERS: Exit = Exit(1);

/// It could not be found out.
const UNKNOWN: Exit = Exit(2);

pub(super) async fn verify(config: &VerifyConfig) -> Result<()> {
    let found = match config {
        VerifyConfig::Own { data_dir, database, json } => own(data_dir, database, *json).await,
        VerifyConfig::Against { client, peer } => against(client, peer).await,
    };
    match found {
        Ok(true) => Ok(()),
        Ok(false) => Err(DIFFERS.into()),
        Err(error) => {
            eprint(&format!("codepop-node: {error:#}"));
            Err(UNKNOWN.into())
        }
    }
}

fn eprint(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Looks at the own data; true when nothing is damaged.
async fn own(data_dir: &Path, database: &Database, as_json: bool) -> Result<bool> {
    let author = NodeIdentity::load(data_dir, &Expected::default())?.author();
    let clock = Arc::new(Clock::new(author.id.uuid));
    let opened = Db::inspect(&location(data_dir, database), clock, Arc::new(author)).await;
    let mut tx = opened.context("open the database")?;
    // A file can be so damaged that its tables cannot be read: that is an answer too.
    let inspection = inspect(&mut tx).await.unwrap_or_else(|error| Inspection {
        findings: vec![format!("the database cannot be read: {error}")],
        damaged: 1,
        ..Inspection::default()
    });
    if as_json {
        let told = json!({
            "streams": inspection.streams,
            "events": inspection.events,
            "damaged": inspection.damaged,
            "findings": inspection.findings,
        });
        print(&serde_json::to_string_pretty(&told).context("print as JSON")?)?;
    } else {
        for finding in &inspection.findings {
            print(finding)?;
        }
        let verdict = match inspection.damaged {
            0 => "nothing is damaged".to_owned(),
            damaged => format!("{damaged} things are damaged: linked to its peers, the node puts back what they have"),
        };
        print(&format!("{} events of {} streams: {verdict}", inspection.events, inspection.streams))?;
    }
    Ok(inspection.damaged == 0)
}

/// What was found about one audience.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Equal(u64),
    /// They do not have the same events yet, or not the same wait in quarantine.
    Apart,
    /// Nouns whose rows differ, with how many there are; and whether the live events differ.
    Differs(Vec<(String, u64, u64)>, bool),
}

/// Compares two nodes; true when they are equal.
async fn against(config: &ClientConfig, peer: &str) -> Result<bool> {
    let other = ClientConfig { url: peer.to_owned(), ..config.clone() };
    let until = Instant::now() + SETTLE_MAX;
    let verdicts = loop {
        let (ours, theirs) = (digests(config).await?, digests(&other).await?);
        let verdicts = compare(&ours, &theirs);
        let is_settled = verdicts.iter().all(|(_, verdict)| matches!(verdict, Verdict::Equal(_)));
        if is_settled || Instant::now() >= until {
            break verdicts;
        }
        sleep(AGAIN_AFTER).await;
    };
    anyhow::ensure!(!verdicts.is_empty(), "the two nodes share no audience");
    let equal = verdicts.iter().all(|(_, verdict)| matches!(verdict, Verdict::Equal(_)));
    if config.json {
        let audiences: serde_json::Map<String, Value> =
            verdicts.iter().map(|(audience, verdict)| (audience.clone(), as_json(verdict))).collect();
        let told = json!({"equal": equal, "audiences": audiences});
        print(&serde_json::to_string_pretty(&told).context("print as JSON")?)?;
    } else {
        for (audience, verdict) in &verdicts {
            print(&format!("{audience:<12} {}", in_words(verdict)))?;
        }
    }
    Ok(equal)
}

async fn digests(config: &ClientConfig) -> Result<Vec<AudienceDigest>> {
    let mut client = NodesServiceClient::new(client::connect(config).await?);
    let digests = client.get_digest(GetDigestRequest {}).await.map_err(client::said)?;
    Ok(digests.into_inner().digests)
}

/// Audiences that one node alone speaks in are its own affair, and that of whom it addresses.
fn is_shared(audience: &str) -> bool {
    !audience.starts_with("hub:") && !audience.starts_with("store:")
}

fn compare(ours: &[AudienceDigest], theirs: &[AudienceDigest]) -> Vec<(String, Verdict)> {
    let pair = |ours: &AudienceDigest| {
        let theirs = theirs.iter().find(|theirs| theirs.audience == ours.audience)?;
        Some((ours.audience.clone(), judge(ours, theirs)))
    };
    ours.iter().filter(|digest| is_shared(&digest.audience)).filter_map(pair).collect()
}

fn judge(ours: &AudienceDigest, theirs: &AudienceDigest) -> Verdict {
    if ours.basis != theirs.basis {
        return Verdict::Apart;
    }
    let rows = |noun: &str| theirs.nouns.iter().find(|theirs| theirs.noun == noun);
    let differing: Vec<(String, u64, u64)> = ours
        .nouns
        .iter()
        .filter(|noun| rows(&noun.noun).is_none_or(|theirs| theirs.digest != noun.digest))
        .map(|noun| (noun.noun.clone(), noun.rows, rows(&noun.noun).map_or(0, |theirs| theirs.rows)))
        .collect();
    let live = ours.live != theirs.live;
    if differing.is_empty() && !live { Verdict::Equal(ours.rows) } else { Verdict::Differs(differing, live) }
}

fn in_words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Equal(rows) => format!("equal ({rows} rows)"),
        Verdict::Apart => "not comparable: the two do not have the same events (yet)".to_owned(),
        Verdict::Differs(nouns, live) => {
            let mut parts: Vec<String> =
                nouns.iter().map(|(noun, here, there)| format!("{noun} ({here} rows here, {there} there)")).collect();
            if *live {
                parts.push("live events".to_owned());
            }
            format!("differs: {}", parts.join(", "))
        }
    }
}

fn as_json(verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Equal(rows) => json!({"verdict": "equal", "rows": rows}),
        Verdict::Apart => json!({"verdict": "apart"}),
        Verdict::Differs(nouns, live) => {
            let nouns: Vec<Value> = nouns
                .iter()
                .map(|(noun, here, there)| json!({"noun": noun, "rows": here, "rows_there": there}))
                .collect();
            json!({"verdict": "differs", "nouns": nouns, "live_events": live})
        }
    }
}

#[cfg(test)]
mod tests {
    use codepop_proto::nodes::NounDigest;

    use super::*;

    fn digest(basis: &str, catalog: &str, live: &str) -> AudienceDigest {
        let noun = NounDigest { noun: "catalog".into(), digest: catalog.into(), rows: 3 };
        let (basis, live) = (basis.into(), live.into());
        AudienceDigest { audience: "everyone".into(), basis, live, nouns: vec![noun], rows: 3, ..Default::default() }
    }

    #[test]
    fn what_differs_is_named() {
        let ours = digest("1", "a", "x");
        assert_eq!(judge(&ours, &digest("1", "a", "x")), Verdict::Equal(3));
        assert_eq!(judge(&ours, &digest("2", "b", "x")), Verdict::Apart);
        let differs = judge(&ours, &digest("1", "b", "y"));
        assert_eq!(in_words(&differs), "differs: catalog (3 rows here, 3 there), live events");
        assert!(compare(&[AudienceDigest { audience: "hub:C".into(), ..ours.clone() }], &[ours]).is_empty());
    }
}
