//! How nodes are dialled: mutual TLS, or plain text on loopback.

use codepop_shared::tls::{self, Connector, Expect, Trust};
use uuid::Uuid;

/// How nodes are dialled.
#[derive(Clone)]
pub enum Security {
    /// Mutual TLS 1.3 with the gateway's own certificate.
    Tls(Trust),
    /// Plain text, on loopback only.
    Insecure,
}

impl Security {
    /// What connections are judged by; none in plain text.
    pub(super) fn trust(&self) -> Option<Trust> {
        match self {
            Self::Tls(trust) => Some(trust.clone()),
            Self::Insecure => None,
        }
    }

    /// What dials a node; with `expect`, only the node with this UUID is good enough.
    pub(super) fn connector(&self, expect: Option<Uuid>) -> Result<Connector, tls::Error> {
        match self {
            Self::Insecure => Ok(Connector::plain()),
            Self::Tls(trust) => {
                let expect = expect.map_or(Expect::AnyNode, Expect::Node);
                tls::client_config(trust, expect).map(Connector::tls)
            }
        }
    }
}

impl std::fmt::Debug for Security {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tls(_) => "Tls",
            Self::Insecure => "Insecure",
        })
    }
}
