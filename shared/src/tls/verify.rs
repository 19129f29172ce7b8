//! The check that both ends of a handshake make of the other's certificate: signed by the chain's authority or one of its
//! regions' within its bounds, good today, and the right id. No host name is compared; addresses change, ids don't.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls13_signature},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use uuid::Uuid;
use webpki::KeyUsage;

use super::Trust;
use crate::identity::{Certified, Error};

/// Whom one dials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The store or hub with this UUID.
    Node(Uuid),
    /// Any store or hub of the chain: the first contact by address.
    AnyNode,
}

/// Checks the other side's certificate, as server or as client.
#[derive(Debug)]
pub(super) struct Verifier {
    trust: Trust,
    provider: Arc<CryptoProvider>,
    /// Whom a client expects; a server takes every caller of the chain.
    expect: Option<Expect>,
    hints: Vec<DistinguishedName>,
}

impl Verifier {
    pub(super) fn new(trust: Trust, provider: Arc<CryptoProvider>, expect: Option<Expect>) -> Self {
        Self { trust, provider, expect, hints: Vec::new() }
    }

    fn check(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
        usage: KeyUsage,
    ) -> Result<(), rustls::Error> {
        let list: Vec<_> = std::iter::once(leaf).chain(between).cloned().collect();
        let certified = Certified::shown(&list, self.trust.ca(), now, usage).map_err(refusal)?;
        if let Some(refused) = self.trust.refusal_of(&certified) {
            match self.expect {
                // The alert says so to the caller, unless it is let in for a moment to see the proof.
                None if !refused.is_told => return Err(CertificateError::Revoked.into()),
                None => {}
                Some(_) => return Err(other(NotTrusted(certified.id.to_string(), refused.why))),
            }
        }
        let expected = match self.expect {
            None => true,
            Some(Expect::AnyNode) => certified.id.is_node(),
            Some(Expect::Node(uuid)) => certified.id.is_node() && certified.id.uuid == uuid,
        };
        if expected { Ok(()) } else { Err(other(Unexpected(certified.id.to_string()))) }
    }

    fn check_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }
}

/// The peer is of the chain, but not the one dialled.
#[derive(Debug, thiserror::Error)]
#[error("{0} answered, which is not the node expected there")]
struct Unexpected(String);

/// The peer is of the chain, and must not be linked to.
#[derive(Debug, thiserror::Error)]
#[error("{0} answered, but is refused: {1}")]
struct NotTrusted(String, String);

fn refusal(error: Error) -> rustls::Error {
    match error {
        Error::Signature(webpki::Error::CertExpired { .. }) => CertificateError::Expired.into(),
        Error::Signature(webpki::Error::CertNotValidYet { .. }) => CertificateError::NotValidYet.into(),
        // Another authority of the same name signs with another key.
        Error::Signature(webpki::Error::UnknownIssuer | webpki::Error::InvalidSignatureForPublicKey) => {
            CertificateError::UnknownIssuer.into()
        }
        error => other(error),
    }
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> rustls::Error {
    CertificateError::Other(OtherError(Arc::new(error))).into()
}

/// TLS 1.2 is never offered; should it come up all the same, it ends here.
fn no_tls12() -> Result<HandshakeSignatureValid, rustls::Error> {
    Err(rustls::Error::General("TLS 1.3 is required".to_owned()))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(end_entity, intermediates, now, KeyUsage::server_auth()).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.check_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Verifier {
    /// None: every certificate of a chain goes back to its one authority, and some clients choose none if the hint's
    /// spelling differs.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.check(end_entity, intermediates, now, KeyUsage::client_auth()).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.check_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
