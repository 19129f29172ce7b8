//! The signing hand of a chain's certificate authority: makes its own certificate and signs those of others. It keeps no
//! files and gives no numbers; the node's `pki` commands do. It stands here, so that tests of every crate can make a
//! throw-away chain. [`Authority`] is the chain's, [`RegionSigner`] that of a hub for the stores of its region.

mod region;

pub use region::{REGION_FILE, REGION_OUTLIVES, RENEWED_VALID, RegionFiles, RegionSigner};

use std::{net::IpAddr, time::Duration};

use chrono::{DateTime, Utc};
use ed25519_dalek::VerifyingKey;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};

use crate::identity::{self, BACKDATED, CaCertificate, Certified, EVENT_KEY_URI, Kind, Replaced, SpiffeId, chain_name};

/// How long the authority's own certificate is good: longer than any till stands in a store.
const AUTHORITY_VALID: Duration = Duration::from_secs(20 * 365 * 24 * 60 * 60);

/// How long a node's, gateway's or operator's certificate is good: two years, the life of a lease.
pub const CERTIFICATE_VALID: Duration = Duration::from_secs(2 * 365 * 24 * 60 * 60);

/// Path length of the authority's own certificate: a region's authority may stand below it.
const AUTHORITIES_BELOW: u8 = 1;

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
    /// A file of the region's authority can't be read, or is not what it should be.
    #[error("{0}")]
    File(String),
    /// The region's authority may not sign it.
    #[error("{0}")]
    Renewal(&'static str),
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
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(AUTHORITIES_BELOW));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        set_validity(&mut params, now - BACKDATED, now + AUTHORITY_VALID);
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
        let Order { event_key, name, dns, ips, .. } = order;
        let mut params = Leaf { id: &id, event_key, replaces, name, dns, ips }.params()?;
        set_validity(&mut params, now - BACKDATED, now + order.valid);
        request.params = params;
        let certificate = request.signed_by(&self.issuer)?;
        Certified::verify(certificate.der(), &self.certificate)?;
        Ok(certificate.pem())
    }
}

/// What a holder's certificate says, but for its dates and who signs it.
struct Leaf<'a> {
    id: &'a SpiffeId,
    event_key: Option<VerifyingKey>,
    replaces: &'a [Replaced],
    name: &'a str,
    dns: &'a [String],
    ips: &'a [IpAddr],
}

impl Leaf<'_> {
    fn params(&self) -> Result<CertificateParams, Error> {
        let mut params = CertificateParams::default();
        let name: String = self.name.chars().take(COMMON_NAME_MAX).collect();
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names = self.names()?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usages(self.id.kind);
        params.use_authority_key_identifier_extension = true;
        Ok(params)
    }

    fn names(&self) -> Result<Vec<SanType>, Error> {
        let mut names = vec![SanType::URI(self.id.to_string().try_into()?)];
        if let Some(key) = self.event_key {
            names.push(SanType::URI(format!("{EVENT_KEY_URI}{}", hex::encode(key.as_bytes())).try_into()?));
        }
        for name in self.dns {
            names.push(SanType::DnsName(name.as_str().try_into()?));
        }
        names.extend(self.ips.iter().copied().map(SanType::IpAddress));
        for replaced in self.replaces {
            names.push(SanType::URI(replaced.uri().try_into()?));
        }
        Ok(names)
    }
}

fn holds_key(certificate: &[u8], key: &KeyPair) -> bool {
    use x509_parser::prelude::FromDer as _;
    x509_parser::certificate::X509Certificate::from_der(certificate)
        .is_ok_and(|(_, x509)| x509.public_key().subject_public_key.data.as_ref() == key.public_key_raw())
}

/// Only nodes are ever dialled.
fn usages(kind: Kind) -> Vec<ExtendedKeyUsagePurpose> {
    let mut usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    if kind.is_node() {
        usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    }
    usages
}

fn set_validity(params: &mut CertificateParams, from: DateTime<Utc>, until: DateTime<Utc>) {
    let since_1970 = |time: DateTime<Utc>| Duration::from_secs(time.timestamp().try_into().unwrap_or_default());
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + since_1970(from);
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + since_1970(until);
}

#[cfg(test)]
pub(crate) mod tests;
