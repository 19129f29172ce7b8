//! Clients that mean harm: raw connections to a node or a gateway, and what can be sent on them to keep others out.
//!
//! Read [`Door`], then `wire.rs` (frames by hand), then [`Attack`].

mod attack;
mod wire;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use codepop_shared::tls::{Credentials, Expect, client_config};
use rustls::ClientConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpSocket, TcpStream},
};
use tokio_rustls::TlsConnector;

pub use self::attack::{Attack, Ended};

/// A connection, encrypted or not.
pub trait Line: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Line for T {}

/// Where attackers come in, and from which address.
#[derive(Clone)]
pub struct Door {
    address: SocketAddr,
    from: Ipv4Addr,
    tls: Option<Arc<ClientConfig>>,
}

impl Door {
    /// A node's, for somebody with a certificate of the chain.
    pub fn of_node(address: SocketAddr, credentials: &Credentials, from: Ipv4Addr) -> Self {
        Self { address, from, tls: Some(client_config(credentials, Expect::AnyNode).unwrap()) }
    }

    /// A gateway's, which is open to everybody.
    pub fn of_gateway(address: SocketAddr, from: Ipv4Addr) -> Self {
        Self { address, from, tls: None }
    }

    /// A TCP connection.
    ///
    /// # Errors
    /// Nobody takes it.
    pub async fn knock(&self) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        // From another address than everybody else, so that limits by address can be told from limits in all.
        socket.bind(SocketAddr::new(self.from.into(), 0))?;
        socket.connect(self.address).await
    }

    /// A connection on which HTTP can be spoken.
    ///
    /// # Errors
    /// Nobody takes it.
    pub async fn open(&self) -> io::Result<Box<dyn Line>> {
        let socket = self.knock().await?;
        Ok(match &self.tls {
            None => Box::new(socket),
            Some(config) => {
                let name = "localhost".try_into().unwrap();
                Box::new(TlsConnector::from(Arc::clone(config)).connect(name, socket).await?)
            }
        })
    }
}
