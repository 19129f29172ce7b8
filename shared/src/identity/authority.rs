//! The authority's own certificate: the one thing that everybody in a chain trusts.

use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime, pem::PemObject as _};
use webpki::{EndEntityCert, KeyUsage, ring::ECDSA_P256_SHA256};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer as _};

use super::{Error, chain_name};

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

    /// Checks that the authority itself signed `der` for this use, and that it is valid at `time`. Intermediates are not
    /// a thing here: the authority signs every certificate on its own.
    pub(crate) fn check(&self, der: &CertificateDer<'_>, time: UnixTime, usage: KeyUsage) -> Result<(), Error> {
        let anchors = std::slice::from_ref(&self.anchor);
        EndEntityCert::try_from(der)
            .and_then(|cert| {
                cert.verify_for_usage(&[ECDSA_P256_SHA256], anchors, &[], time, usage, None, None).map(|_| ())
            })
            .map_err(Error::Signature)
    }
}
