//! Connections between nodes, and from gateways and operators to nodes: mutual TLS 1.3 and nothing else. Both sides show
//! a certificate of the chain's authority, and both check the SPIFFE id in it; host names prove nothing here.
//!
//! [`Credentials`] are the own files, [`Trust`] what of them and of others may change while connections are open,
//! [`server_config`] and [`client_config`] the rules, [`listen`] takes connections in, [`Connector`] makes them. Either end
//! yields a [`PeerInfo`]: who is there, and a handle to cut the connection.

mod config;
mod connector;
mod credentials;
mod listener;
mod renewal;
mod slots;
mod stream;
mod trust;
mod verify;

pub use config::{ClientTls, ServerTls, client_config, server_config};
pub use connector::{CONNECT_TIMEOUT, Connector, PeerHandle};
pub use credentials::{Credentials, TlsFiles};
pub use listener::{Incoming, Limits, Security, listen, listen_with};
pub use renewal::{keep_renewed, warning};
pub use slots::{Slot, Slots};
pub use stream::{PeerInfo, PeerStream};
pub use trust::{Refusal, Refused, Trust};
pub use verify::Expect;

use std::{io, path::PathBuf};

use crate::identity;

/// Why there is no connection or no configuration for one. Holds nothing secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is not there or can't be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file's content is not what it should be.
    #[error("{}: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A certificate is not of the chain.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// The key and certificate don't fit, or TLS can't be set up.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The other end is of the chain and refused all the same.
    #[error("{0}")]
    Refused(String),
    /// The new certificate is not one for the same holder.
    #[error("the certificate is not renewed: {0}")]
    Renewal(String),
    /// The address of a peer is not of the form `https://host:port`, or plain text is not allowed there.
    #[error("address \"{url}\": {problem}")]
    Address {
        /// The address as given.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The peer can't be reached, or one side refuses the other.
    #[error("connect to {url}: {problem}")]
    Connect {
        /// The address.
        url: String,
        /// The innermost cause.
        problem: String,
    },
}
