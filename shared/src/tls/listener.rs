//! Takes connections in: handshakes run side by side, each with a time limit, and neither a failed nor a stuck one keeps
//! others out.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rustls::ServerConfig;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::TlsAcceptor;
use tokio_stream::Stream;
use tracing::{debug, warn};

use super::{
    PeerStream,
    slots::{Slot, Slots},
};

/// Connections that passed the handshake and wait for the server to pick them up; it does so at once.
const ACCEPTED_MAX: usize = 64;

/// How long a connection may take, after the handshake, for the first words of HTTP/2. Every client sends them with the
/// handshake's end; before them the server's own keepalive does not run.
const FIRST_WORDS_MAX: Duration = Duration::from_secs(5);

/// How long accepting rests after the system refused a connection, mostly for want of file descriptors.
const REST_AFTER_ERROR: Duration = Duration::from_millis(100);

/// How long a connection may be idle before the system asks whether the other end is alive. Shorter than the 30 s after
/// which some home routers forget a connection.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(20);

/// How long between such questions; the system gives up after its own count of them.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// How many connections and handshakes there may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections in all. 1,024: a hub has at most some hundred stores, and a process 1,024 file descriptors by
    /// default on most systems.
    pub connections: usize,
    /// Open connections per address (IPv6: per /64). 256: several nodes and gateways may stand behind one router.
    pub connections_per_address: usize,
    /// Handshakes under way in all. 256: at 1 ms of work each, the last still ends within its time.
    pub handshakes: usize,
    /// Handshakes under way per address. 64: leaves room for others when one address opens connections and says nothing.
    pub handshakes_per_address: usize,
    /// Time for a handshake. 5 s: three round trips on a very bad line.
    pub handshake_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_024,
            connections_per_address: 256,
            handshakes: 256,
            handshakes_per_address: 64,
            handshake_time: Duration::from_secs(5),
        }
    }
}

/// Whether connections are encrypted.
#[derive(Clone)]
pub enum Security {
    /// Mutual TLS with the rules of [`super::server_config`].
    Tls(Arc<ServerConfig>),
    /// Plain text, for `--insecure`. Only on loopback.
    Plain,
}

/// Accepted connections, for `serve_with_incoming`. Dropping it closes the listening socket.
#[derive(Debug)]
pub struct Incoming {
    accepted: mpsc::Receiver<PeerStream>,
    address: SocketAddr,
}

impl Incoming {
    /// The address that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Stream for Incoming {
    type Item = io::Result<PeerStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.accepted.poll_recv(cx).map(|peer| peer.map(Ok))
    }
}

/// Accepts connections with the usual limits. Must be called within a tokio runtime.
///
/// # Errors
/// The socket has no address, or plain text was asked for on an address that is not loopback.
pub fn listen(listener: TcpListener, security: Security) -> io::Result<Incoming> {
    listen_with(listener, security, Limits::default())
}

/// Accepts connections with the given limits.
///
/// # Errors
/// As [`listen`].
pub fn listen_with(listener: TcpListener, security: Security, limits: Limits) -> io::Result<Incoming> {
    let address = listener.local_addr()?;
    if matches!(security, Security::Plain) && !address.ip().to_canonical().is_loopback() {
        return Err(io::Error::other(format!("plain text is for loopback only, not for {address}")));
    }
    let (sender, accepted) = mpsc::channel(ACCEPTED_MAX);
    let door = Door {
        connections: Slots::new(limits.connections, limits.connections_per_address),
        handshakes: Slots::new(limits.handshakes, limits.handshakes_per_address),
        limits,
        security,
        accepted: sender,
    };
    tokio::spawn(door.run(listener));
    Ok(Incoming { accepted, address })
}

struct Door {
    connections: Arc<Slots>,
    handshakes: Arc<Slots>,
    limits: Limits,
    security: Security,
    accepted: mpsc::Sender<PeerStream>,
}

impl Door {
    async fn run(self, listener: TcpListener) {
        loop {
            let socket = tokio::select! {
                () = self.accepted.closed() => return,
                socket = listener.accept() => socket,
            };
            match socket {
                Ok((socket, address)) => self.admit(socket, address),
                Err(error) => {
                    warn!(%error, "accept a connection");
                    tokio::time::sleep(REST_AFTER_ERROR).await;
                }
            }
        }
    }

    /// Starts the handshake of a connection, if there is room; otherwise the connection is closed.
    fn admit(&self, socket: TcpStream, address: SocketAddr) {
        let (Some(connection), Some(handshake)) =
            (self.connections.take(address.ip()), self.handshakes.take(address.ip()))
        else {
            metrics::counter!("codepop_connections_refused_total").increment(1);
            debug!(peer.address = %address, "connection refused: too many are open");
            return;
        };
        let (security, accepted, time) = (self.security.clone(), self.accepted.clone(), self.limits.handshake_time);
        tokio::spawn(async move {
            let peer = tokio::time::timeout(time, shake_hands(security, socket, address, connection)).await;
            drop(handshake);
            match peer.unwrap_or_else(|_| Err("it took too long".into())) {
                // A server that is going away takes no more.
                Ok(peer) => {
                    let peer = peer.expecting_words_within(FIRST_WORDS_MAX);
                    accepted.send(peer).await.unwrap_or_default();
                }
                Err(error) => {
                    metrics::counter!("codepop_handshakes_failed_total").increment(1);
                    debug!(peer.address = %address, %error, "handshake failed");
                }
            }
        });
    }
}

async fn shake_hands(
    security: Security,
    socket: TcpStream,
    address: SocketAddr,
    slot: Slot,
) -> Result<PeerStream, Box<dyn std::error::Error + Send + Sync>> {
    prepare(&socket)?;
    match security {
        Security::Plain => Ok(PeerStream::plain(socket, address, Some(slot))),
        Security::Tls(config) => {
            let stream = TlsAcceptor::from(config).accept(socket).await?;
            Ok(PeerStream::tls(stream.into(), address, Some(slot))?)
        }
    }
}

/// Sends small frames at once, and notices a dead other end.
pub(super) fn prepare(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
    SockRef::from(socket).set_tcp_keepalive(&keepalive)
}
