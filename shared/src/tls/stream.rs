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
    sync::OwnedSemaphorePermit,
    time::Sleep,
};
use tokio_rustls::TlsStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use super::{Error, Trust, slots::Slot, trust::Entered};
use crate::identity::Certified;

/// How long a refused caller may listen to why: time for one question and its answer on a bad line.
const TOLD_FOR: Duration = Duration::from_secs(3);

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
    /// Room among those who are told why they are refused.
    told: Option<OwnedSemaphorePermit>,
    _entered: Option<Entered>,
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
        Self::new(Io::Plain(io), PeerInfo { certified: None, address, cut: CancellationToken::new() }, slot, None)
    }

    /// Takes over a stream whose handshake is done. It is cut when the other end comes to be refused; a caller that is
    /// refused already and is to be told why has a moment for it.
    pub(super) fn tls(
        io: TlsStream<TcpStream>,
        address: SocketAddr,
        trust: &Trust,
        slot: Option<Slot>,
    ) -> Result<Self, Error> {
        let certificates = io.get_ref().1.peer_certificates().unwrap_or_default();
        if certificates.is_empty() {
            return Err(rustls::Error::NoCertificatesPresented.into());
        }
        let certified = Arc::new(Certified::parse_list(certificates)?);
        let is_inbound = slot.is_some();
        let info = PeerInfo { certified: Some(Arc::clone(&certified)), address, cut: CancellationToken::new() };
        // First entered, then looked up: whoever is refused in between is found by one of the two.
        let entered = trust.enter(Arc::clone(&certified), info.cut.clone());
        let mut stream = Self::new(Io::Tls(Box::new(io)), info, slot, Some(entered));
        if let Some(refusal) = trust.refusal_of(&certified) {
            stream.told = trust.tell().filter(|_| refusal.is_told && is_inbound);
            if stream.told.is_none() {
                return Err(Error::Refused(refusal.why));
            }
            stream.end = Box::pin(tokio::time::sleep(TOLD_FOR));
        }
        Ok(stream)
    }

    fn new(io: Io, info: PeerInfo, slot: Option<Slot>, entered: Option<Entered>) -> Self {
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
        Self { io, info, end, ended: false, awaited: None, _slot: slot, told: None, _entered: entered }
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
