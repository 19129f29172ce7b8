//! The signing hand of a region's authority: a hub, which certifies the stores of its region anew before their certificates
//! end. It takes everything from the certificate that it renews, so there is nothing to be forged.

use std::{
    fmt, fs,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::{DateTime, SubsecRound as _, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData as _, SanType, SerialNumber, SubjectPublicKeyInfo,
};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer as _};

use super::{Authority, Error, Leaf, holds_key, set_validity};
use crate::{
    identity::{self, BACKDATED, CaCertificate, Certified, Kind, RegionAuthority, SpiffeId},
    request::REGION_KEY_FILE,
};

/// The certificate of a hub's authority, beside the hub's own.
pub const REGION_FILE: &str = "region.pem";

/// How much longer than the hub's own certificate that of its authority is good: as long as what it signs at the most, so
/// that a hub which is good may renew for the whole of that.
pub const REGION_OUTLIVES: Duration = RENEWED_VALID;

/// How long a certificate that a hub renewed is good at the most. Half a year: a store that its hub does not renew any more
/// is found out by then.
pub const RENEWED_VALID: Duration = Duration::from_secs(180 * 24 * 60 * 60);

/// How far the certificate of a hub's authority is dated back: what the hub signs is dated back too, by a clock that may be
/// behind that of the chain's authority.
const REGION_BACKDATED: Duration = Duration::from_secs(24 * 60 * 60);

/// Largest file that is read; real ones have about 1 KiB.
const FILE_MAX: u64 = 64 * 1024;

/// Random bytes of a serial number, with the topmost bit cleared (RFC 5280, 4.1.2.2: positive, 20 bytes at the most).
const SERIAL_LEN: usize = 16;

impl Authority {
    /// Signs the certificate of a hub's authority, as PEM; good until `until`. It may certify stores of the hub's region
    /// and nobody else. `csr` is its signing request (PKCS #10, DER), of which only the public key is taken over.
    ///
    /// # Errors
    /// The id is not a hub's of this chain, the request's own signature does not hold, or its key is not ECDSA P-256.
    pub fn issue_region(
        &self,
        hub: &SpiffeId,
        csr: &[u8],
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<String, Error> {
        if hub.kind != Kind::Hub {
            return Err(Error::Renewal("only hubs are authorities of a region"));
        }
        let mut request = CertificateSigningRequestParams::from_der(&csr.into())?;
        if *request.public_key.algorithm() != PKCS_ECDSA_P256_SHA256 {
            return Err(rcgen::Error::UnsupportedSignatureAlgorithm.into());
        }
        let mut params = CertificateParams::default();
        // At most 59 characters. No other authority of the chain has this name, or foreign programs would mix them up.
        params.distinguished_name.push(DnType::CommonName, format!("Region {}, hub {}", hub.region, hub.uuid));
        params.subject_alt_names = vec![SanType::URI(RegionAuthority::uri(hub).try_into()?)];
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial_number());
        set_validity(&mut params, now - REGION_BACKDATED, until);
        request.params = params;
        let certificate = request.signed_by(&self.issuer)?;
        RegionAuthority::verify(certificate.der(), &self.certificate)?;
        Ok(certificate.pem())
    }
}

/// A region's authority with its private key.
pub struct RegionSigner {
    authority: RegionAuthority,
    pub(super) der: CertificateDer<'static>,
    pub(super) issuer: Issuer<'static, KeyPair>,
    ca: CaCertificate,
}

/// Where a hub has the certificate and the key of its region's authority.
#[derive(Clone, Debug)]
pub struct RegionFiles {
    certificate: PathBuf,
    key: PathBuf,
}

impl RegionFiles {
    /// In a hub's folder of keys and certificates.
    pub fn in_folder(folder: &Path) -> Self {
        Self { certificate: folder.join(REGION_FILE), key: folder.join(REGION_KEY_FILE) }
    }

    /// The certificate's file.
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// Reads them, for the hub of this name.
    ///
    /// # Errors
    /// One is missing or not what it should be; the message names the file.
    pub fn load(&self, hub: &SpiffeId, ca: &CaCertificate) -> Result<RegionSigner, Error> {
        let content = |problem: &dyn fmt::Display| Error::File(format!("{}: {problem}", self.certificate.display()));
        let signer = RegionSigner::from_pem(&read(&self.certificate)?, &read(&self.key)?, ca);
        let signer = signer.map_err(|error| content(&error))?;
        if signer.authority.hub == *hub {
            Ok(signer)
        } else {
            Err(content(&format!("it is the authority's of {}", signer.authority.hub)))
        }
    }
}

impl RegionSigner {
    /// From the content of `region.pem` and `region.key`.
    ///
    /// # Errors
    /// One of them can't be read, they don't belong together, or the chain's authority did not sign it.
    pub fn from_pem(certificate: &str, key: &str, ca: &CaCertificate) -> Result<Self, Error> {
        let der = CertificateDer::from_pem_slice(certificate.as_bytes())
            .map_err(|_| identity::Error::Malformed("no PEM certificate"))?;
        let key = KeyPair::from_pkcs8_pem_and_sign_algo(key, &PKCS_ECDSA_P256_SHA256)?;
        let authority = RegionAuthority::verify(&der, ca)?;
        if !holds_key(&der, &key) {
            return Err(Error::Renewal("region.key is not the key of region.pem"));
        }
        let issuer = Issuer::from_ca_cert_der(&der, key)?;
        Ok(Self { authority, der, issuer, ca: ca.clone() })
    }

    /// The hub that it is.
    pub fn hub(&self) -> &SpiffeId {
        &self.authority.hub
    }

    /// Until when it is good.
    pub fn not_after(&self) -> DateTime<Utc> {
        self.authority.not_after
    }

    /// Certifies a store of the region anew: the same id, keys and names, for as long as the present certificate was made
    /// for, at most [`RENEWED_VALID`], and never for longer than this authority is good. `held` must be proven.
    ///
    /// # Errors
    /// It is not a store's of the region, or the new one would not end later than the present one.
    pub fn renew(&self, held: &Certified, now: DateTime<Utc>) -> Result<Certified, Error> {
        let from = now - BACKDATED;
        // To the second, as certificates have it.
        let until = (now + held.life().min(RENEWED_VALID)).trunc_subsecs(0).min(self.authority.not_after);
        if self.authority.not_after <= now {
            return Err(Error::Renewal(
                "the region's authority has ended; the hub is to be certified anew (pki issue)",
            ));
        }
        if until <= held.not_after {
            return Err(Error::Renewal("the new certificate would end no later than the present one"));
        }
        self.authority.check_may_sign(&held.id, from, until)?;
        let leaf = held.certificates();
        let leaf = leaf.first().ok_or(identity::Error::Malformed("there is none"))?;
        let (_, x509) = X509Certificate::from_der(leaf).map_err(|_| identity::Error::Malformed("not X.509"))?;
        let key = SubjectPublicKeyInfo::from_der(x509.public_key().raw)?;
        if *key.algorithm() != PKCS_ECDSA_P256_SHA256 {
            return Err(rcgen::Error::UnsupportedSignatureAlgorithm.into());
        }
        let name = x509.subject().iter_common_name().next().and_then(|name| name.as_str().ok()).unwrap_or_default();
        let (dns, ips) = hosts(&x509);
        let leaf =
            Leaf { id: &held.id, event_key: held.event_key, replaces: &held.replaces, name, dns: &dns, ips: &ips };
        let mut params = leaf.params()?;
        params.serial_number = Some(serial_number());
        set_validity(&mut params, from, until);
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Certified::verify(&[certificate.der(), &self.der[..]].concat(), &self.ca)?)
    }
}

impl fmt::Debug for RegionSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RegionSigner({})", self.authority.hub)
    }
}

/// Programs that keep certificates by issuer and number take two with one number for a fraud.
fn serial_number() -> SerialNumber {
    let mut bytes: [u8; SERIAL_LEN] = rand::random();
    bytes[0] &= 0x7f;
    SerialNumber::from_slice(&bytes)
}

/// Host names and addresses in a certificate.
fn hosts(x509: &X509Certificate<'_>) -> (Vec<String>, Vec<IpAddr>) {
    let names = x509.subject_alternative_name().ok().flatten();
    let names = names.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
    let (mut dns, mut ips) = (Vec::new(), Vec::new());
    for name in names {
        match name {
            GeneralName::DNSName(name) => dns.push((*name).to_owned()),
            GeneralName::IPAddress(bytes) => {
                let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
                ips.extend(v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok());
            }
            _ => {}
        }
    }
    (dns, ips)
}

fn read(path: &Path) -> Result<String, Error> {
    let failed = |error: std::io::Error| Error::File(format!("{}: {error}", path.display()));
    if fs::metadata(path).map_err(failed)?.len() > FILE_MAX {
        return Err(Error::File(format!("{}: longer than 64 KiB", path.display())));
    }
    fs::read_to_string(path).map_err(failed)
}
