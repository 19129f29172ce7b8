//! The authority's own certificate: the one thing that everybody in a chain trusts.

use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime, pem::PemObject as _};
use webpki::{EndEntityCert, KeyUsage, ring::ECDSA_P256_SHA256};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer as _};

use super::{Error, chain_name};

/// Authorities between a certificate and the chain's own: a region's.
const BETWEEN_MAX: usize = 1;

/// The certificate of a chain's authority; its URI SAN `spiffe://<chain>` names the chain.
#[derive(Clone, Debug)]
pub struct CaCertificate {
    chain: String,
    der: CertificateDer<'static>,
    anchor: TrustAnchor<'static>,
}

impl CaCertificate {
    /// Reads the first certificate of a PEM file's content.
    ///
    /// # Errors
    /// It is no PEM, or not an authority's certificate.
    pub fn from_pem(pem: &[u8]) -> Result<Self, Error> {
        let der =
            CertificateDer::from_pem_slice(pem).map_err(|_| Error::Malformed("no PEM certificate in the file"))?;
        Self::parse(&der)
    }

    /// Reads an authority's certificate.
    ///
    /// # Errors
    /// It is not an authority's, or names no chain.
    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        let (rest, x509) = X509Certificate::from_der(der).map_err(|_| Error::Malformed("not X.509"))?;
        if !rest.is_empty() || !x509.is_ca() {
            return Err(Error::Malformed("not an authority's certificate"));
        }
        let san = x509.subject_alternative_name().ok().flatten();
        let chain = san
            .and_then(|san| match san.value.general_names[..] {
                [GeneralName::URI(uri)] => uri.strip_prefix("spiffe://"),
                _ => None,
            })
            .and_then(|name| chain_name(name).ok())
            .ok_or(Error::Malformed("the authority names no chain"))?
            .to_owned();
        let der = CertificateDer::from(der.to_vec());
        let anchor = webpki::anchor_from_trusted_cert(&der).map_err(Error::Signature)?.to_owned();
        Ok(Self { chain, der, anchor })
    }

    /// The chain's name.
    pub fn chain(&self) -> &str {
        &self.chain
    }

    /// The certificate's bytes.
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// Whether it signed a certificate; nothing else is looked at.
    pub(super) fn has_signed(&self, der: &[u8]) -> bool {
        let read = |der| X509Certificate::from_der(der).ok().map(|(_, x509)| x509);
        let signed = || Some(read(der)?.verify_signature(Some(read(&self.der)?.public_key())).is_ok());
        signed().unwrap_or(false)
    }

    /// Whether foreign programs take what a region's authority below this one signed. This program takes it anyway: the
    /// path length of a certificate that is trusted as such says nothing to it.
    pub fn allows_regions(&self) -> bool {
        let read = X509Certificate::from_der(&self.der).ok();
        let constraints = read.and_then(|(_, x509)| Some(x509.basic_constraints().ok()??.value.path_len_constraint));
        constraints.is_some_and(|length| length != Some(0))
    }

    /// Checks that the authority signed the first of `list` for this use, and that it is valid at `time`: itself, or
    /// through a region's authority, which is the second of `list` then. Nothing in `list` goes unused.
    pub(crate) fn check(&self, list: &[CertificateDer<'_>], time: UnixTime, usage: KeyUsage) -> Result<(), Error> {
        let Some((leaf, between)) = list.split_first() else { return Err(Error::Malformed("there is none")) };
        if between.len() > BETWEEN_MAX {
            return Err(Error::Malformed("more than one authority stands between it and the chain's"));
        }
        let anchors = std::slice::from_ref(&self.anchor);
        let leaf = EndEntityCert::try_from(leaf).map_err(Error::Signature)?;
        let path = leaf
            .verify_for_usage(&[ECDSA_P256_SHA256], anchors, between, time, usage, None, None)
            .map_err(Error::Signature)?;
        // Who is named as having signed it must have.
        if path.intermediate_certificates().count() != between.len() {
            return Err(Error::Region("did not sign it"));
        }
        Ok(())
    }
}
