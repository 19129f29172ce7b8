//! The signing hand of a chain's certificate authority: makes its own certificate and signs those of others. It keeps no
//! files and gives no numbers; the node's `pki` commands do. It stands here, so that tests of every crate can make a
//! throw-away chain.

use std::{net::IpAddr, time::Duration};

use chrono::{DateTime, Utc};
use ed25519_dalek::VerifyingKey;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};

use crate::identity::{self, CaCertificate, Certified, EVENT_KEY_URI, Kind, Replaced, SpiffeId, chain_name};

/// How long the authority's own certificate is good: longer than any till stands in a store.
const AUTHORITY_VALID: Duration = Duration::from_secs(20 * 365 * 24 * 60 * 60);

/// How long a node's, gateway's or operator's certificate is good: two years, the life of a lease.
pub const CERTIFICATE_VALID: Duration = Duration::from_secs(2 * 365 * 24 * 60 * 60);

/// How far certificates are dated back, so that a peer whose clock is slow accepts a fresh one.
const BACKDATED: Duration = Duration::from_secs(60 * 60);

/// Longest common name (RFC 5280, appendix A.1, `ub-common-name`).
const COMMON_NAME_MAX: usize = 64;

/// Why nothing could be signed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The chain's name is not allowed.
    #[error("chain \"{0}\": must be 1 to 63 of a-z, 0-9 and -")]
    Chain(String),
    /// The certificate and the key of the authority don't belong together.
    #[error("ca.key is not the key of ca.pem")]
    Key,
    /// The id or the certificate is not of the chain's form.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// The key, the request or a name in it can't be used.
    #[error("the certificate can't be made: {0}")]
    Certificate(#[from] rcgen::Error),
}

/// A chain's authority with its private key.
pub struct Authority {
    certificate: CaCertificate,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// What goes into a certificate.
pub struct Order<'a> {
    /// Who it is for.
    pub id: SpiffeId,
    /// The event key to bind; none for gateways.
    pub event_key: Option<VerifyingKey>,
    /// The holder's signing request (PKCS #10, DER); only its public key is taken over.
    pub csr: &'a [u8],
    /// A name for people, shown by tools.
    pub name: &'a str,
    /// Host names under which foreign clients reach it.
    pub dns: &'a [String],
    /// Addresses under which foreign clients reach it.
    pub ips: &'a [IpAddr],
    /// The present time.
    pub now: DateTime<Utc>,
    /// How long it is good from now on.
    pub valid: Duration,
}

impl Authority {
    /// A new authority with a new key.
    ///
    /// # Errors
    /// The name is not allowed, or the system has no randomness.
    pub fn create(chain: &str, now: DateTime<Utc>) -> Result<Self, Error> {
        chain_name(chain).map_err(|_| Error::Chain(chain.to_owned()))?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, format!("CodePop authority of {chain}"));
        params.subject_alt_names = vec![SanType::URI(format!("spiffe://{chain}").try_into()?)];
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        set_validity(&mut params, now, AUTHORITY_VALID);
        let pem = params.self_signed(&key)?.pem();
        Self::with_key(pem, key)
    }

    /// An authority from the content of `ca.pem` and `ca.key`.
    ///
    /// # Errors
    /// One of them can't be read, or they don't belong together.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, Error> {
        let key = KeyPair::from_pkcs8_pem_and_sign_algo(key, &PKCS_ECDSA_P256_SHA256)?;
        Self::with_key(certificate.to_owned(), key)
    }

    fn with_key(pem: String, key: KeyPair) -> Result<Self, Error> {
        let certificate = CaCertificate::from_pem(pem.as_bytes())?;
        if !holds_key(certificate.der(), &key) {
            return Err(Error::Key);
        }
        let issuer = Issuer::from_ca_cert_der(certificate.der(), key)?;
        Ok(Self { certificate, pem, issuer })
    }

    /// The authority's certificate.
    pub fn certificate(&self) -> &CaCertificate {
        &self.certificate
    }

    /// The chain's name.
    pub fn chain(&self) -> &str {
        self.certificate.chain()
    }

    /// The content of `ca.pem`.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The content of `ca.key`. Secret.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// Signs a certificate and returns it as PEM, after checking it as a peer would.
    ///
    /// # Errors
    /// The id is not of this chain, the request's own signature does not hold, or its key is not ECDSA P-256.
    pub fn issue(&self, order: Order<'_>) -> Result<String, Error> {
        self.issue_replacing(order, &[])
    }

    /// As [`Authority::issue`], for a node that takes the place of others.
    ///
    /// # Errors
    /// As [`Authority::issue`], or it cannot take their place.
    pub fn issue_replacing(&self, order: Order<'_>, replaces: &[Replaced]) -> Result<String, Error> {
        let (now, id) = (order.now, order.id.checked()?);
        let mut request = CertificateSigningRequestParams::from_der(&order.csr.into())?;
        if *request.public_key.algorithm() != PKCS_ECDSA_P256_SHA256 {
            return Err(rcgen::Error::UnsupportedSignatureAlgorithm.into());
        }
        let mut params = CertificateParams::default();
        let name: String = order.name.chars().take(COMMON_NAME_MAX).collect();
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names = names(&id, order.event_key, order.dns, order.ips)?;
        for replaced in replaces {
            params.subject_alt_names.push(SanType::URI(replaced.uri().try_into()?));
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usages(id.kind);
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, now, order.valid);
        request.params = params;
        let certificate = request.signed_by(&self.issuer)?;
        Certified::verify(certificate.der(), &self.certificate)?;
        Ok(certificate.pem())
    }
}

fn holds_key(certificate: &[u8], key: &KeyPair) -> bool {
    use x509_parser::prelude::FromDer as _;
    x509_parser::certificate::X509Certificate::from_der(certificate)
        .is_ok_and(|(_, x509)| x509.public_key().subject_public_key.data.as_ref() == key.public_key_raw())
}

fn names(id: &SpiffeId, key: Option<VerifyingKey>, dns: &[String], ips: &[IpAddr]) -> Result<Vec<SanType>, Error> {
    let mut names = vec![SanType::URI(id.to_string().try_into()?)];
    if let Some(key) = key {
        names.push(SanType::URI(format!("{EVENT_KEY_URI}{}", hex::encode(key.as_bytes())).try_into()?));
    }
    for name in dns {
        names.push(SanType::DnsName(name.as_str().try_into()?));
    }
    names.extend(ips.iter().copied().map(SanType::IpAddress));
    Ok(names)
}

/// Only nodes are ever dialled.
fn usages(kind: Kind) -> Vec<ExtendedKeyUsagePurpose> {
    let mut usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    if kind.is_node() {
        usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    }
    usages
}

fn set_validity(params: &mut CertificateParams, now: DateTime<Utc>, valid: Duration) {
    let since_1970 = Duration::from_secs(now.timestamp().try_into().unwrap_or_default());
    let now = rcgen::date_time_ymd(1970, 1, 1) + since_1970;
    params.not_before = now - BACKDATED;
    params.not_after = now + valid;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::KeyMaterial;

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
}
