//! Makes connections to nodes, for tonic's channels.

use std::{
    fmt, io,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use http::{Uri, uri::Scheme};
use hyper_util::rt::TokioIo;
use rustls::{CertificateError, OtherError};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use tower::Service;

use super::{ClientTls, Error, PeerInfo, PeerStream, listener::prepare};

/// Time for name look-up, TCP and TLS together. 5 s: as long as the other side gives the handshake.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest chain of causes that is searched for the innermost one.
const CAUSES_MAX: usize = 16;

/// Tells who answered the last connection that a [`Connector`] made.
#[derive(Clone, Debug, Default)]
pub struct PeerHandle(Arc<Mutex<Option<PeerInfo>>>);

impl PeerHandle {
    /// The peer of the latest connection; none before the first.
    pub fn get(&self) -> Option<PeerInfo> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, info: PeerInfo) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(info);
    }
}

/// Dials nodes. Clones share the [`PeerHandle`]; use one connector per peer.
#[derive(Clone)]
pub struct Connector {
    tls: Option<ClientTls>,
    peer: PeerHandle,
}

impl Connector {
    /// Dials by mutual TLS with the rules of [`super::client_config`].
    pub fn tls(config: ClientTls) -> Self {
        Self { tls: Some(config), peer: PeerHandle::default() }
    }

    /// Dials in plain text, for `--insecure`. Only loopback addresses.
    pub fn plain() -> Self {
        Self { tls: None, peer: PeerHandle::default() }
    }

    /// Where the peer will be known after connecting.
    pub fn peer(&self) -> PeerHandle {
        self.peer.clone()
    }

    /// The endpoint for an address like `https://127.0.0.1:7101`, to which time limits can be added before
    /// `connect_with_connector(connector)`. Towards tonic the scheme is always http, because tonic would otherwise
    /// insist on its own TLS; what is spoken is decided here.
    ///
    /// # Errors
    /// The address is not of that form, or its scheme is not that of this connector.
    pub fn endpoint(&self, url: &str) -> Result<Endpoint, Error> {
        let wrong = |problem| Error::Address { url: url.to_owned(), problem };
        let uri: Uri = url.parse().map_err(|_| wrong("must be https://host:port"))?;
        let scheme = if self.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        if uri.scheme() != Some(&scheme) {
            return Err(wrong(if self.tls.is_some() { "must begin with https://" } else { "must begin with http://" }));
        }
        if uri.port_u16().is_none_or(|port| port == 0) || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(wrong("must be host and port, without a path"));
        }
        let (Some(authority), Some(host)) = (uri.authority(), uri.host()) else {
            return Err(wrong("must name a host"));
        };
        if authority.as_str().contains('@') {
            return Err(wrong("must not name a user"));
        }
        if self.tls.is_none() && !is_loopback(host) {
            return Err(wrong("plain text is for loopback only"));
        }
        let dialled = Uri::builder().scheme(Scheme::HTTP).authority(authority.clone()).path_and_query("/").build();
        Ok(Endpoint::from(dialled.map_err(|_| wrong("must be https://host:port"))?).origin(uri.clone()))
    }

    /// Connects and tells who answered. With TLS 1.3 a client is done before the server has looked at its certificate:
    /// a refusal by the server may come as the failure of the first call.
    ///
    /// # Errors
    /// The address is wrong, nobody answers in time, or one side refuses the other.
    pub async fn connect(&self, url: &str) -> Result<(Channel, PeerInfo), Error> {
        self.connect_to(self.endpoint(url)?, url).await
    }

    /// Connects to an endpoint made by [`Connector::endpoint`] and tells who answered.
    ///
    /// # Errors
    /// Nobody answers in time, or one side refuses the other.
    pub async fn connect_to(&self, endpoint: Endpoint, url: &str) -> Result<(Channel, PeerInfo), Error> {
        let failed = |problem: String| Error::Connect { url: url.to_owned(), problem };
        let channel = endpoint.connect_with_connector(self.clone()).await.map_err(|e| failed(innermost(&e)))?;
        let peer = self.peer.get().ok_or_else(|| failed("nobody answered".to_owned()))?;
        Ok((channel, peer))
    }

    async fn dial(self, uri: Uri) -> io::Result<TokioIo<PeerStream>> {
        let bad = |problem| io::Error::new(io::ErrorKind::InvalidInput, problem);
        let host = uri.host().ok_or_else(|| bad("no host in the address"))?.trim_matches(['[', ']']);
        let port = uri.port_u16().ok_or_else(|| bad("no port in the address"))?;
        if self.tls.is_none() && !is_loopback(host) {
            return Err(bad("plain text is for loopback only"));
        }
        let socket = TcpStream::connect((host, port)).await?;
        prepare(&socket)?;
        let address = socket.peer_addr()?;
        let peer = match self.tls {
            // The name may resolve to anything.
            None if !address.ip().is_loopback() => return Err(bad("plain text is for loopback only")),
            None => PeerStream::plain(socket, address, None),
            Some(ClientTls { config, trust }) => {
                let name = ServerName::IpAddress(address.ip().into());
                let stream = TlsConnector::from(config).connect(name, socket).await.map_err(explained)?;
                PeerStream::tls(stream.into(), address, &trust, None).map_err(io::Error::other)?
            }
        };
        self.peer.set(peer.info().clone());
        Ok(TokioIo::new(peer))
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<PeerStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dial = self.clone().dial(uri);
        Box::pin(async {
            let timed_out = |_| io::Error::new(io::ErrorKind::TimedOut, "no connection within 5 seconds");
            tokio::time::timeout(CONNECT_TIMEOUT, dial).await.map_err(timed_out)?
        })
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("tls", &self.tls.is_some()).field("peer", &self.peer).finish()
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// Says why the peer's certificate is refused in a sentence instead of the library's debug form.
fn explained(error: io::Error) -> io::Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(why)))) => {
            io::Error::new(error.kind(), why.to_string())
        }
        _ => error,
    }
}

/// The cause at the end of the chain says why; those before it only that.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    for _ in 0..CAUSES_MAX {
        match cause.source() {
            Some(next) => cause = next,
            None => break,
        }
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_on_this_machine() {
        let plain = Connector::plain();
        for url in ["http://127.0.0.1:7101", "http://[::1]:7101", "http://localhost:7101/"] {
            assert!(plain.endpoint(url).is_ok(), "{url}");
        }
        for url in ["http://10.0.0.1:7101", "https://127.0.0.1:7101", "http://127.0.0.1", "http://u@127.0.0.1:1", "x"] {
            assert!(plain.endpoint(url).is_err(), "{url}");
        }
    }
}
