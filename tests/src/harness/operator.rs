//! The operator's side: gRPC with the operator's certificate.

use std::{net::SocketAddr, path::Path};

use codepop_shared::tls::{Connector, Credentials, Error, Expect, TlsFiles, client_config};
use tonic::transport::Channel;

/// The operator of a chain.
#[derive(Clone, Debug)]
pub struct Operator {
    credentials: Credentials,
}

impl Operator {
    /// The one whose files `pki init` wrote into this folder.
    ///
    /// # Panics
    /// They are not there or not good.
    pub fn of(pki: &Path) -> Self {
        Self { credentials: TlsFiles::of_operator(pki).load().unwrap() }
    }

    /// The operator's own certificate and key.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// A connection to a node.
    ///
    /// # Errors
    /// The node does not answer, or refuses.
    pub async fn dial(&self, address: SocketAddr) -> Result<Channel, Error> {
        dial(&self.credentials, address).await
    }
}

/// A connection to the node at an address, as whoever has these credentials.
pub(super) async fn dial(credentials: &Credentials, address: SocketAddr) -> Result<Channel, Error> {
    let connector = Connector::tls(client_config(credentials, Expect::AnyNode)?);
    Ok(connector.connect(&format!("https://{address}")).await?.0)
}
