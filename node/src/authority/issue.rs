//! Verifies a request, gives a number, signs, and writes certificate and authority's certificate where the holder looks.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::{DateTime, Utc};
use codepop_shared::{
    authority::{Authority, CERTIFICATE_VALID, Order, REGION_FILE, REGION_OUTLIVES},
    files::replace,
    identity::{Kind, SpiffeId},
    request::{CertificateRequest, PKI_FOLDER},
};
use ed25519_dalek::VerifyingKey;

use super::{CA_FILE, CA_KEY_FILE, CERTIFICATE_FILE, Entry, Error, Register, file};
use crate::identity::DataLock;

/// The name that is certified beside those asked for, so that tools on the node's own machine get in.
const LOCAL_NAME: &str = "localhost";

/// The address that is certified beside those asked for.
const LOCAL_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What to issue.
#[derive(Clone, Debug)]
pub struct Issue {
    /// The request file.
    pub request: PathBuf,
    /// The authority's folder.
    pub dir: PathBuf,
    /// Host names and addresses to certify; those of the last time when empty.
    pub hosts: Vec<String>,
    /// How long it is good, at most [`CERTIFICATE_VALID`].
    pub valid: Duration,
    /// The wanted number; the next free one when left out.
    pub number: Option<u32>,
    /// The number whose place it takes.
    pub replaces: Option<u32>,
    /// Where to write; `pki/` beside the request when left out.
    pub out: Option<PathBuf>,
}

/// What was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The certified id.
    pub id: SpiffeId,
    /// The holder's name for people.
    pub name: String,
    /// Until when the certificate is good.
    pub not_after: DateTime<Utc>,
    /// The folder with `node.pem` and `ca.pem`, and a hub's `region.pem`.
    pub out: PathBuf,
    /// Whether the holder had been certified before and keeps its number.
    pub again: bool,
    /// How a hub stands as the authority of its region; none for others.
    pub region: Option<Region>,
}

/// How a hub stands as the authority of its region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// It may certify stores until then.
    Until(DateTime<Utc>),
    /// So too, but the chain's authority is one from before there were such hubs: foreign programs refuse what they sign.
    UntilButForeignRefuse(DateTime<Utc>),
    /// It did not ask for it: its request is that of an older program.
    NotAsked,
}

/// Issues a certificate. The same request gets the same number, with a certificate that is good from now on.
///
/// # Errors
/// The request is not valid, the register does not allow it, or a file can't be read or written. The register is on disk
/// before the certificate is: a number may be lost, never given twice.
pub fn issue(order: &Issue, now: DateTime<Utc>) -> Result<Issued, Error> {
    if !order.dir.join(CA_FILE).exists() {
        let problem = "there is no authority: run `codepop-node pki init --dir DIR --chain NAME`, or name its folder \
                       with --dir";
        return Err(Error::Content { path: order.dir.join(CA_FILE), problem: problem.to_owned() });
    }
    // Two at a time could give one number twice.
    let _lock = DataLock::take(&order.dir).map_err(|e| Error::Register(e.to_string()))?;
    let authority = load(&order.dir)?;
    let request = CertificateRequest::read(&order.request)?;
    let (csr, event_key) = request.verify()?;
    let out = destination(order, &authority)?;
    let mut register = Register::load(&order.dir)?;
    let (at, again) = enter(&mut register, order, &request, event_key.as_ref(), now)?;
    let entry = register.entries[at].clone();
    let id = id_of(&register.chain, &entry);
    let (dns, ips) = names(&entry.hosts);
    let certificate = Order {
        id: id.clone(),
        event_key,
        csr: &csr,
        name: &entry.name,
        dns: &dns,
        ips: &ips,
        now,
        valid: order.valid.min(CERTIFICATE_VALID),
    };
    let pem = authority.issue_replacing(certificate, &register.predecessors(&entry))?;
    let (region, region_pem) = region(&authority, &request, &id, now, entry.not_after)?;
    register.save(&order.dir)?;
    let own = [(CERTIFICATE_FILE, pem.as_str()), (CA_FILE, authority.pem())];
    for (name, text) in region_pem.iter().map(|pem| (REGION_FILE, pem.as_str())).chain(own) {
        replace(&out.join(name), text.as_bytes()).map_err(file(out.join(name)))?;
    }
    Ok(Issued { id, name: entry.name, not_after: entry.not_after, out, again, region })
}

/// Certifies a hub, whose own certificate ends at `ends`, as the authority of its region, if it asks for that.
fn region(
    authority: &Authority,
    request: &CertificateRequest,
    hub: &SpiffeId,
    now: DateTime<Utc>,
    ends: DateTime<Utc>,
) -> Result<(Option<Region>, Option<String>), Error> {
    if hub.kind != Kind::Hub {
        return Ok((None, None));
    }
    let Some(csr) = request.verified_region()? else { return Ok((Some(Region::NotAsked), None)) };
    let until = ends + REGION_OUTLIVES;
    let pem = authority.issue_region(hub, &csr, now, until)?;
    let is_taken_by_all = authority.certificate().allows_regions();
    let region = if is_taken_by_all { Region::Until(until) } else { Region::UntilButForeignRefuse(until) };
    Ok((Some(region), Some(pem)))
}

pub(super) fn load(dir: &Path) -> Result<Authority, Error> {
    let read = |name: &str| fs::read_to_string(dir.join(name)).map_err(file(dir.join(name)));
    Ok(Authority::from_pem(&read(CA_FILE)?, &read(CA_KEY_FILE)?)?)
}

/// Finds or makes the holder's entry; returns where it is and whether it was there.
fn enter(
    register: &mut Register,
    order: &Issue,
    request: &CertificateRequest,
    event_key: Option<&VerifyingKey>,
    now: DateTime<Utc>,
) -> Result<(usize, bool), Error> {
    let found = register.find(request)?;
    let at = match found {
        Some(at) => {
            register.entries[at].require_good()?;
            check_unchanged(&register.entries[at], order)?;
            at
        }
        None => {
            if let Some(replaced) = order.replaces {
                register.check_replaces(request.kind, &request.region, replaced)?;
            }
            let id = SpiffeId {
                chain: register.chain.clone(),
                kind: request.kind,
                region: request.region.clone(),
                number: register.number(request.kind, order.number)?,
                uuid: request.uuid,
            };
            let entry = Entry::new(&id.checked()?, &request.name, event_key, now, now);
            register.entries.push(Entry { replaces: order.replaces, ..entry });
            register.entries.len() - 1
        }
    };
    let entry = &mut register.entries[at];
    entry.issued_at = now;
    entry.not_after = now + order.valid.min(CERTIFICATE_VALID);
    if !order.hosts.is_empty() {
        entry.hosts.clone_from(&order.hosts);
    }
    Ok((at, found.is_some()))
}

fn check_unchanged(entry: &Entry, order: &Issue) -> Result<(), Error> {
    if let Some(number) = order.number.filter(|number| *number != entry.number) {
        let given = entry.number;
        return Err(Error::Register(format!("--number is \"{number}\": must be {given}, which this uuid has already")));
    }
    if let Some(replaced) = order.replaces.filter(|replaced| Some(*replaced) != entry.replaces) {
        return Err(Error::Register(format!(
            "--replaces is \"{replaced}\": this uuid has number {} already; a node that takes another's place needs a \
             new identity, made by `init` in an empty data directory",
            entry.number
        )));
    }
    Ok(())
}

fn id_of(chain: &str, entry: &Entry) -> SpiffeId {
    SpiffeId {
        chain: chain.to_owned(),
        kind: entry.kind,
        region: entry.region.clone(),
        number: entry.number,
        uuid: entry.uuid,
    }
}

fn names(hosts: &[String]) -> (Vec<String>, Vec<IpAddr>) {
    let (mut dns, mut ips) = (vec![LOCAL_NAME.to_owned()], vec![LOCAL_ADDRESS]);
    for host in hosts {
        match host.parse() {
            Ok(ip) if !ips.contains(&ip) => ips.push(ip),
            Err(_) if !dns.contains(host) => dns.push(host.clone()),
            _ => {}
        }
    }
    (dns, ips)
}

/// The folder to write to; one that belongs to another authority is left alone.
fn destination(order: &Issue, authority: &Authority) -> Result<PathBuf, Error> {
    let beside = order.request.parent().unwrap_or(Path::new("")).join(PKI_FOLDER);
    let out = match &order.out {
        Some(out) => {
            fs::create_dir_all(out).map_err(file(out))?;
            out.clone()
        }
        None if beside.is_dir() => beside,
        None => {
            let problem = "is not there: say with --out DIR where to write the certificate".to_owned();
            return Err(Error::Content { path: beside, problem });
        }
    };
    match fs::read_to_string(out.join(CA_FILE)) {
        Ok(pem) if pem != authority.pem() => {
            let problem = "is the certificate of another authority: nothing was changed".to_owned();
            Err(Error::Content { path: out.join(CA_FILE), problem })
        }
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(file(out.join(CA_FILE))(error)),
        _ => Ok(out),
    }
}
