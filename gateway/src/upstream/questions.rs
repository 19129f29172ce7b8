//! The questions that the gateway asks nodes of its own accord.

use std::time::Instant;

use codepop_proto::nodes::{DiscoverPeersRequest, GetHealthRequest, ListRevocationsRequest};
use http::{HeaderMap, uri::PathAndQuery};
use prost::Message;

use super::grpc::{self, Call};

/// Whether the node works; also the sign of life that is asked of nodes that were away.
pub(super) fn health(deadline: Instant) -> Call {
    question("/codepop.nodes.v1.NodesService/GetHealth", &GetHealthRequest {}, deadline)
}

/// Whom the node knows.
pub(super) fn peers(deadline: Instant) -> Call {
    let request = DiscoverPeersRequest { include_unreachable: Some(true), ..Default::default() };
    question("/codepop.nodes.v1.NodesService/DiscoverPeers", &request, deadline)
}

/// Whose certificates are revoked; `known` is the digest of the last answer.
pub(super) fn revocations(known: Vec<u8>, deadline: Instant) -> Call {
    question("/codepop.nodes.v1.NodesService/ListRevocations", &ListRevocationsRequest { known }, deadline)
}

fn question(path: &'static str, message: &impl Message, deadline: Instant) -> Call {
    Call {
        path: PathAndQuery::from_static(path),
        metadata: HeaderMap::new(),
        framed: grpc::frame(&message.encode_to_vec()),
        deadline,
        awaits_first: false,
    }
}
