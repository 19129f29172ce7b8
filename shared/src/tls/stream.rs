//! A connection whose other end is known, and which can be cut from elsewhere: when a certificate is revoked or runs out.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use chrono::Utc;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Sleep,
};
use tokio_rustls::TlsStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use super::{Error, slots::Slot};
use crate::identity::Certified;

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct PeerInfo {
    /// The peer's certificate, proven by the handshake; none with insecure plain text.
    pub certified: Option<Arc<Certified>>,
    /// The peer's network address.
    pub address: SocketAddr,
    /// Cuts this connection when cancelled.
    pub cut: CancellationToken,
}

/// A connection to a known peer.
pub struct PeerStream {
    io: Io,
    info: PeerInfo,
    /// Ends when the connection must: cut, or the peer's certificate has run out.
    end: Pin<Box<dyn Future<Output = ()> + Send>>,
    ended: bool,
    /// How long the other end may take for its first words, until it has said them.
    awaited: Option<Awaited>,
    _slot: Option<Slot>,
}

/// The first words of a connection: a server's own timers run only after them.
struct Awaited {
    deadline: Pin<Box<Sleep>>,
    bytes: usize,
}

/// What an HTTP/2 connection begins with: the preface and the head of the first frame.
const FIRST_WORDS: usize = 24 + 9;

enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl PeerStream {
    pub(super) fn plain(io: TcpStream, address: SocketAddr, slot: Option<Slot>) -> Self {
        Self::new(Io::Plain(io), PeerInfo { certified: None, address, cut: CancellationToken::new() }, slot)
    }

    /// Takes over a stream whose handshake is done.
    pub(super) fn tls(io: TlsStream<TcpStream>, address: SocketAddr, slot: Option<Slot>) -> Result<Self, Error> {
        let certificates = io.get_ref().1.peer_certificates().unwrap_or_default();
        let certificate = certificates.first().ok_or(rustls::Error::NoCertificatesPresented)?;
        let certified = Some(Arc::new(Certified::parse(certificate)?));
        let info = PeerInfo { certified, address, cut: CancellationToken::new() };
        Ok(Self::new(Io::Tls(Box::new(io)), info, slot))
    }

    fn new(io: Io, info: PeerInfo, slot: Option<Slot>) -> Self {
        let cut = info.cut.clone().cancelled_owned();
        let end: Pin<Box<dyn Future<Output = ()> + Send>> = match &info.certified {
            None => Box::pin(cut),
            Some(certified) => {
                // Good through its last second, as handshakes see it.
                let end = certified.not_after + Duration::from_secs(1);
                let left = (end - Utc::now()).to_std().unwrap_or(Duration::ZERO);
                Box::pin(async move {
                    // Either of the two is an end.
                    let _ = tokio::time::timeout(left, cut).await;
                })
            }
        };
        Self { io, info, end, ended: false, awaited: None, _slot: slot }
    }

    /// Ends the connection when the other end has not said its first words within this time.
    pub(super) fn expecting_words_within(mut self, time: Duration) -> Self {
        self.awaited = Some(Awaited { deadline: Box::pin(tokio::time::sleep(time)), bytes: 0 });
        self
    }

    /// Who is at the other end.
    pub fn info(&self) -> &PeerInfo {
        &self.info
    }

    /// Fails once the connection was cut, and otherwise sees to it that the task is woken when that happens.
    fn check_end(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if !self.ended && self.end.as_mut().poll(cx).is_ready() {
            self.ended = true;
        }
        if self.awaited.as_mut().is_some_and(|awaited| awaited.deadline.as_mut().poll(cx).is_ready()) {
            self.ended = true;
        }
        if self.ended {
            Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the connection was cut"))
        } else {
            Ok(())
        }
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check_end(cx)?;
        let before = buf.filled().len();
        let read = match &mut self.io {
            Io::Plain(io) => Pin::new(io).poll_read(cx, buf),
            Io::Tls(io) => Pin::new(io).poll_read(cx, buf),
        };
        if let Some(awaited) = &mut self.awaited {
            awaited.bytes += buf.filled().len() - before;
            if awaited.bytes >= FIRST_WORDS {
                self.awaited = None;
            }
        }
        read
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check_end(cx)?;
        match &mut self.io {
            Io::Plain(io) => Pin::new(io).poll_write(cx, buf),
            Io::Tls(io) => Pin::new(io).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_end(cx)?;
        match &mut self.io {
            Io::Plain(io) => Pin::new(io).poll_flush(cx),
            Io::Tls(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(io) => Pin::new(io).poll_shutdown(cx),
            Io::Tls(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}

impl Connected for PeerStream {
    type ConnectInfo = PeerInfo;

    fn connect_info(&self) -> PeerInfo {
        self.info.clone()
    }
}

impl fmt::Debug for PeerStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerStream").field("info", &self.info).finish_non_exhaustive()
    }
}
