//! The two configurations: TLS 1.3, HTTP/2, certificates on both sides, no resumption.

use std::sync::Arc;

use rustls::{
    ClientConfig, ServerConfig,
    client::{ResolvesClientCert, Resumption},
    crypto::ring,
    server::NoServerSessionStorage,
    version::TLS13,
};

use tokio_rustls::TlsAcceptor;

use super::{Error, Expect, Trust, trust::Own, verify::Verifier};

/// The one protocol spoken.
const ALPN: &[u8] = b"h2";

/// How a node takes connections, and whom it refuses.
#[derive(Clone, Debug)]
pub struct ServerTls {
    pub(super) config: Arc<ServerConfig>,
    pub(super) trust: Trust,
}

impl From<ServerTls> for TlsAcceptor {
    fn from(tls: ServerTls) -> Self {
        Self::from(tls.config)
    }
}

/// How a node or gateway dials, and whom it refuses.
#[derive(Clone, Debug)]
pub struct ClientTls {
    pub(super) config: Arc<ClientConfig>,
    pub(super) trust: Trust,
}

impl ServerTls {
    /// The settings of TLS.
    pub fn config(&self) -> &ServerConfig {
        &self.config
    }
}

impl ClientTls {
    /// The settings of TLS.
    pub fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// The same, with other certificates to show: for those who try what is refused.
    #[must_use]
    pub fn showing(mut self, certificates: Arc<dyn ResolvesClientCert>) -> Self {
        Arc::make_mut(&mut self.config).client_auth_cert_resolver = certificates;
        self
    }

    /// The certificates that are shown.
    pub fn certificates(&self) -> Arc<dyn ResolvesClientCert> {
        Arc::clone(&self.config.client_auth_cert_resolver)
    }
}

/// How a node takes connections: only from holders of a certificate of the chain that is good today.
///
/// # Errors
/// TLS can't be set up with these credentials.
pub fn server_config(trust: impl Into<Trust>) -> Result<ServerTls, Error> {
    let trust = trust.into();
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(Verifier::new(trust.clone(), Arc::clone(&provider), None));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(Own(trust.clone())));
    config.alpn_protocols = vec![ALPN.to_vec()];
    // A resumed session would skip the look at certificate and clock.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(ServerTls { config: Arc::new(config), trust })
}

/// How a node or gateway dials: shows its own certificate, and goes on only if the expected node answers.
///
/// # Errors
/// TLS can't be set up with these credentials.
pub fn client_config(trust: impl Into<Trust>, expect: Expect) -> Result<ClientTls, Error> {
    let trust = trust.into();
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(Verifier::new(trust.clone(), Arc::clone(&provider), Some(expect)));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(Own(trust.clone())));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    // No host name is verified, so none is told to whoever listens on the way.
    config.enable_sni = false;
    Ok(ClientTls { config: Arc::new(config), trust })
}
