//! Certificates that are right, and every way in which one is not.

use uuid::Uuid;
use webpki::KeyUsage;

use super::*;
use crate::request::{KeyMaterial, RegionKey};

fn id(chain: &str) -> SpiffeId {
    format!("spiffe://{chain}/hub/C/1/01890a5d-ac96-774b-bcce-b302099a8057").parse().unwrap()
}

fn issue(authority: &Authority, chain: &str, now: DateTime<Utc>) -> Result<Certified, Error> {
    let keys = KeyMaterial::generate(true).unwrap();
    let id = id(chain);
    let pem = authority.issue(Order {
        csr: &keys.csr(id.uuid).unwrap(),
        event_key: keys.event_key(),
        id,
        name: "Hub",
        dns: &["localhost".to_owned()],
        ips: &[],
        now,
        valid: CERTIFICATE_VALID,
    })?;
    use rustls_pki_types::pem::PemObject as _;
    let der = rustls_pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    Ok(Certified::verify(&der, authority.certificate())?)
}

#[test]
fn what_it_signs_can_be_read_back() {
    let now = Utc::now();
    let first = Authority::create("demo", now).unwrap();
    let again = Authority::from_pem(first.pem(), &first.key_pem()).unwrap();
    let certified = issue(&again, "demo", now).unwrap();
    assert_eq!(certified.id, id("demo"));
    assert!(certified.is_valid_at(now) && !certified.is_valid_at(now + 2 * CERTIFICATE_VALID));
    assert!(Certified::verify(&certified.der, first.certificate()).is_ok());
}

#[test]
fn an_expired_certificate_still_proves_who_announced_itself() {
    let long_ago = Utc::now() - 3 * CERTIFICATE_VALID;
    let authority = Authority::create("demo", long_ago).unwrap();
    assert!(issue(&authority, "demo", long_ago).is_ok());
}

#[test]
fn other_chains_and_changed_bytes_are_refused() {
    let now = Utc::now();
    let (ours, theirs) = (Authority::create("demo", now).unwrap(), Authority::create("demo", now).unwrap());
    assert!(matches!(issue(&ours, "other", now), Err(Error::Identity(identity::Error::OtherChain { .. }))));
    let certified = issue(&ours, "demo", now).unwrap();
    assert!(Certified::verify(&certified.der, theirs.certificate()).is_err());
    for at in 0..certified.der.len() {
        let mut changed = certified.der.clone();
        changed[at] ^= 1;
        assert!(Certified::verify(&changed, ours.certificate()).is_err(), "byte {at}");
    }
    assert!(matches!(Authority::from_pem(ours.pem(), &theirs.key_pem()), Err(Error::Key)));
    assert!(matches!(Authority::create("De mo", now), Err(Error::Chain(_))));
}

/// A hub's authority, made as `pki issue` does it.
pub(crate) fn region(authority: &Authority, region: &str, number: u32) -> RegionSigner {
    region_until(authority, region, number, Utc::now(), Utc::now() + 2 * CERTIFICATE_VALID)
}

fn region_until(
    authority: &Authority,
    region: &str,
    number: u32,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> RegionSigner {
    let hub = format!("spiffe://{}/hub/{region}/{number}/{}", authority.chain(), Uuid::now_v7()).parse().unwrap();
    let key = RegionKey::generate().unwrap();
    let pem = authority.issue_region(&hub, &key.csr(hub.uuid).unwrap(), now, until).unwrap();
    RegionSigner::from_pem(&pem, &key.pem(), authority.certificate()).unwrap()
}

/// A certificate of the chain's authority for a new holder, good from `now` for as long as said.
fn held(authority: &Authority, place: &str, now: DateTime<Utc>, valid: Duration) -> Certified {
    let id: SpiffeId = format!("spiffe://{}/{place}/{}", authority.chain(), Uuid::now_v7()).parse().unwrap();
    let keys = KeyMaterial::generate(id.kind.signs_events()).unwrap();
    let order = Order {
        csr: &keys.csr(id.uuid).unwrap(),
        event_key: keys.event_key(),
        id,
        name: "Logan",
        dns: &["localhost".to_owned(), "logan.example".to_owned()],
        ips: &[IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])],
        now,
        valid,
    };
    read(&authority.issue(order).unwrap())
}

fn read(pem: &str) -> Certified {
    use rustls_pki_types::pem::PemObject as _;
    Certified::parse(&rustls_pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap()
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A certificate for the holder of another one, signed by whoever.
fn signed(held: &Certified, by: &Issuer<'_, KeyPair>, change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let leaf = Leaf { id: &held.id, event_key: held.event_key, replaces: &[], name: "x", dns: &[], ips: &[] };
    let mut params = leaf.params().unwrap();
    set_validity(&mut params, Utc::now() - BACKDATED, Utc::now() + DAY);
    change(&mut params);
    params.signed_by(&KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(), by).unwrap().der().to_vec()
}

#[test]
fn a_hub_renews_what_a_store_holds_and_changes_nothing_but_the_dates() {
    let now = Utc::now();
    let authority = Authority::create("demo", now).unwrap();
    let hub = region(&authority, "C", 1);
    let first = held(&authority, "store/C/1000", now - 11 * DAY, 20 * DAY);
    let renewed = hub.renew(&first, now).unwrap();
    let proven = Certified::verify(&renewed.der, authority.certificate()).unwrap();
    assert_eq!(proven, renewed);
    assert_eq!(proven.issuer.as_ref().unwrap().hub, *hub.hub());
    assert_eq!((&proven.id, proven.event_key), (&first.id, first.event_key));
    assert_eq!(proven.life(), 20 * DAY, "as long as the first");
    assert_eq!(proven.not_after.timestamp(), (now + 20 * DAY).timestamp());
    let x509 = |certified: &Certified| {
        use x509_parser::prelude::FromDer as _;
        let list = certified.certificates();
        let (_, x509) = x509_parser::certificate::X509Certificate::from_der(&list[0]).unwrap();
        let names = x509.subject_alternative_name().unwrap().unwrap().value.general_names.iter();
        let names: Vec<String> = names.map(ToString::to_string).collect();
        (names, x509.public_key().raw.to_vec(), x509.subject().to_string(), x509.raw_serial().to_vec())
    };
    let (before, after) = (x509(&first), x509(&proven));
    assert_eq!((&before.0, &before.1, &before.2), (&after.0, &after.1, &after.2), "names and key");
    // And again, by another hub of the region, from what the first one signed.
    let again = region(&authority, "C", 2).renew(&proven, now + DAY).unwrap();
    assert_eq!(x509(&again).0, before.0);
    assert!(again.not_after > proven.not_after && x509(&again).3 != after.3);
    // What is written into a file comes back.
    let pem = again.pem().unwrap();
    assert_eq!(pem.matches("BEGIN CERTIFICATE").count(), 2);
}

#[test]
fn what_replaces_another_node_goes_on_doing_so() {
    let now = Utc::now();
    let authority = Authority::create("demo", now).unwrap();
    let keys = KeyMaterial::generate(true).unwrap();
    let id: SpiffeId = format!("spiffe://demo/store/C/1001/{}", Uuid::now_v7()).parse().unwrap();
    let csr = keys.csr(id.uuid).unwrap();
    let event_key = keys.event_key();
    let order = Order { id, event_key, csr: &csr, name: "n", dns: &[], ips: &[], now, valid: 9 * DAY };
    let replaces = [Replaced { number: 1000, uuid: Uuid::from_u128(7) }];
    let first = read(&authority.issue_replacing(order, &replaces).unwrap());
    let renewed = region(&authority, "C", 1).renew(&first, now + DAY).unwrap();
    assert_eq!(renewed.replaces, replaces);
}

#[test]
fn a_hub_renews_for_no_longer_than_it_may() {
    let now = Utc::now();
    let authority = Authority::create("demo", now).unwrap();
    let hub = region(&authority, "C", 1);
    let long = held(&authority, "store/C/1000", now - 650 * DAY, CERTIFICATE_VALID);
    assert_eq!(hub.renew(&long, now).unwrap().not_after.timestamp(), (now + RENEWED_VALID).timestamp());
    let short = region_until(&authority, "C", 2, now - DAY, now + 100 * DAY);
    let renewed = short.renew(&long, now).unwrap();
    assert_eq!(renewed.not_after, short.not_after(), "no longer than the hub's authority itself");
    // Nothing is gained, or nothing can be.
    let fresh = held(&authority, "store/C/1001", now, CERTIFICATE_VALID);
    assert!(matches!(hub.renew(&fresh, now), Err(Error::Renewal(_))), "its end is far");
    let ended = region_until(&authority, "C", 3, now - 30 * DAY, now - DAY);
    assert!(matches!(ended.renew(&long, now), Err(Error::Renewal(_))), "the hub's authority has ended");
    let ends_first = region_until(&authority, "C", 3, now - 30 * DAY, now + DAY);
    assert!(matches!(ends_first.renew(&long, now), Err(Error::Renewal(_))));
    assert!(hub.renew(&long, now - 10 * DAY).is_err(), "a clock far behind that of the chain's authority");
    for other in ["store/D/1002", "hub/C/2", "gateway/-/0", "operator/-/0"] {
        let other = held(&authority, other, now - 20 * DAY, 21 * DAY);
        assert!(hub.renew(&other, now).is_err(), "{}", other.id);
    }
}

#[test]
fn what_a_region_s_authority_may_not_sign_counts_for_nothing() {
    let now = Utc::now();
    let authority = Authority::create("demo", now).unwrap();
    let (hub, ca) = (region(&authority, "C", 1), authority.certificate());
    let verify = |leaf: Vec<u8>| Certified::verify(&[leaf, hub.der.to_vec()].concat(), ca);
    let store = held(&authority, "store/C/1000", now, DAY);
    verify(signed(&store, &hub.issuer, |_| ())).unwrap();
    for place in ["store/D/1000", "hub/C/2", "gateway/-/0", "operator/-/0"] {
        let forged = verify(signed(&held(&authority, place, now, DAY), &hub.issuer, |_| ()));
        assert!(matches!(forged, Err(identity::Error::Region(_))), "{place}: {forged:?}");
    }
    let other = Authority::create("other", now).unwrap();
    assert!(verify(signed(&held(&other, "store/C/1000", now, DAY), &hub.issuer, |_| ())).is_err());
    let too_long = signed(&store, &hub.issuer, |params| {
        set_validity(params, now, hub.not_after() + chrono::TimeDelta::seconds(1));
    });
    assert!(matches!(verify(too_long), Err(identity::Error::Region(_))));
    let is_ca = signed(&store, &hub.issuer, |params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    assert!(verify(is_ca).is_err(), "an authority as leaf");
    // Nor does one that the chain's authority signed get better or worse by what follows it.
    let direct = store.der.clone();
    assert!(matches!(verify(direct.clone()), Err(identity::Error::Region(_))), "the hub did not sign it");
    Certified::verify(&direct, ca).unwrap();
}

#[test]
fn only_a_region_s_authority_of_the_chain_stands_between() {
    let now = Utc::now();
    let (ours, theirs) = (Authority::create("demo", now).unwrap(), Authority::create("demo", now).unwrap());
    let (hub, ca) = (region(&ours, "C", 1), ours.certificate());
    let store = held(&ours, "store/C/1000", now - DAY / 2, DAY);
    let renewed = hub.renew(&store, now).unwrap();
    let [leaf, between] = &renewed.certificates()[..] else { panic!("two") };
    assert!(Certified::verify(between, ca).is_err(), "an authority alone is nobody");
    assert!(Certified::verify(leaf, ca).is_err(), "without the authority that signed it");
    for list in [[between, leaf].map(|der| der.to_vec()).concat(), [leaf, leaf].map(|der| der.to_vec()).concat()] {
        assert!(Certified::verify(&list, ca).is_err());
    }
    let three = [leaf, between, between].map(|der| der.to_vec()).concat();
    assert!(Certified::verify(&three, ca).is_err());
    let list = [leaf.clone(), between.clone(), between.clone()];
    let time = rustls_pki_types::UnixTime::now();
    assert!(Certified::shown(&list, ca, time, KeyUsage::server_auth()).is_err(), "three");
    Certified::shown(&list[..2], ca, time, KeyUsage::server_auth()).unwrap();
    assert!(Certified::shown(&[], ca, time, KeyUsage::server_auth()).is_err());
    // A store is no authority, whatever it signs.
    let keys = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let by_store = Issuer::from_ca_cert_der(&store.certificates()[0], keys).unwrap();
    let forged = [signed(&store, &by_store, |_| ()), store.der.clone()].concat();
    assert!(Certified::verify(&forged, ca).is_err(), "a leaf as issuer");
    // An authority of the same chain's name and region that another one signed.
    let stranger = region(&theirs, "C", 1).renew(&store, now).unwrap();
    assert!(Certified::verify(&stranger.der, theirs.certificate()).is_ok());
    assert!(Certified::verify(&stranger.der, ca).is_err());
}

#[test]
fn an_authority_of_another_shape_is_none_of_a_region() {
    let now = Utc::now();
    let authority = Authority::create("demo", now).unwrap();
    let (hub, ca) = (region(&authority, "C", 1), authority.certificate());
    let store = held(&authority, "store/C/1000", now, DAY);
    type Change = fn(&mut CertificateParams);
    let changes: [(&str, Option<Change>); 6] = [
        ("as it should be", None),
        ("path length 1", Some(|params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1)))),
        ("no path length", Some(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained))),
        ("no authority", Some(|params| params.is_ca = IsCa::ExplicitNoCa)),
        ("for nothing", Some(|params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature])),
        ("a second name", Some(|params| params.subject_alt_names.push(params.subject_alt_names[0].clone()))),
    ];
    for (what, change) in changes {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, what);
        let uri = identity::RegionAuthority::uri(hub.hub());
        params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        set_validity(&mut params, now - DAY, now + 9 * DAY);
        change.into_iter().for_each(|change| change(&mut params));
        let made = params.signed_by(&key, &authority.issuer).unwrap();
        let leaf = signed(&store, &Issuer::from_ca_cert_der(made.der(), key).unwrap(), |_| ());
        let read = Certified::verify(&[leaf, made.der().to_vec()].concat(), ca);
        assert_eq!(read.is_ok(), change.is_none(), "{what}: {read:?}");
    }
}

#[test]
fn every_changed_byte_of_either_certificate_is_noticed() {
    let now = Utc::now();
    let authority = Authority::create("demo", now).unwrap();
    let renewed = region(&authority, "C", 1).renew(&held(&authority, "store/C/1000", now, DAY), now + DAY / 2).unwrap();
    for at in 0..renewed.der.len() {
        let mut changed = renewed.der.clone();
        changed[at] ^= 1;
        assert!(Certified::verify(&changed, authority.certificate()).is_err(), "byte {at}");
    }
    assert!(Certified::verify(&[&renewed.der[..], &[0]].concat(), authority.certificate()).is_err());
}

#[test]
fn dates_are_looked_at_in_a_handshake_and_not_in_what_was_announced() {
    let long_ago = Utc::now() - 3 * CERTIFICATE_VALID;
    let authority = Authority::create("demo", long_ago).unwrap();
    let hub = region_until(&authority, "C", 1, long_ago, long_ago + 9 * DAY);
    let renewed = hub.renew(&held(&authority, "store/C/1000", long_ago, 5 * DAY), long_ago + DAY).unwrap();
    let ca = authority.certificate();
    assert!(Certified::verify(&renewed.der, ca).is_ok());
    let at = |time: DateTime<Utc>| {
        let time = Duration::from_secs(time.timestamp().try_into().unwrap());
        let time = rustls_pki_types::UnixTime::since_unix_epoch(time);
        Certified::shown(&renewed.certificates(), ca, time, KeyUsage::client_auth())
    };
    at(long_ago + 2 * DAY).unwrap();
    let ended = |error| matches!(error, Err(identity::Error::Signature(webpki::Error::CertExpired { .. })));
    assert!(ended(at(long_ago + 7 * DAY)) && ended(at(Utc::now())));
    // The authority has ended, what it signed (against the rule) has not.
    let store = held(&authority, "store/C/1000", long_ago, 50 * DAY);
    let leaf = signed(&store, &hub.issuer, |params| set_validity(params, long_ago, long_ago + 40 * DAY));
    let list = [leaf.into(), renewed.certificates()[1].clone()];
    let time = Duration::from_secs((long_ago + 20 * DAY).timestamp().try_into().unwrap());
    let shown =
        Certified::shown(&list, ca, rustls_pki_types::UnixTime::since_unix_epoch(time), KeyUsage::client_auth());
    assert!(ended(shown));
}

#[test]
fn an_authority_from_before_regions_says_that_foreign_programs_refuse_them() {
    let now = Utc::now();
    let authority = Authority::create("demo", now).unwrap();
    assert!(authority.certificate().allows_regions());
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::URI("spiffe://demo".try_into().unwrap())];
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    set_validity(&mut params, now, now + CERTIFICATE_VALID);
    let older = Authority::with_key(params.self_signed(&key).unwrap().pem(), key).unwrap();
    assert!(!older.certificate().allows_regions());
    // This program takes what is signed below it all the same.
    let renewed = region(&older, "C", 1).renew(&held(&older, "store/C/1000", now, DAY), now + DAY / 2).unwrap();
    assert!(Certified::verify(&renewed.der, older.certificate()).is_ok());
}

#[test]
fn a_region_s_authority_needs_its_own_key_and_a_hub() {
    let now = Utc::now();
    let (ours, theirs) = (Authority::create("demo", now).unwrap(), Authority::create("demo", now).unwrap());
    let [key, other] = [0, 1].map(|_| RegionKey::generate().unwrap());
    let issue = |place: &str| {
        let id: SpiffeId = format!("spiffe://demo/{place}/{}", Uuid::now_v7()).parse().unwrap();
        ours.issue_region(&id, &key.csr(id.uuid).unwrap(), now, now + DAY)
    };
    let pem = issue("hub/C/1").unwrap();
    RegionSigner::from_pem(&pem, &key.pem(), ours.certificate()).unwrap();
    assert!(RegionSigner::from_pem(&pem, &other.pem(), ours.certificate()).is_err());
    assert!(RegionSigner::from_pem(&pem, &key.pem(), theirs.certificate()).is_err());
    assert!(issue("store/C/1000").is_err() && issue("gateway/-/0").is_err());
}
