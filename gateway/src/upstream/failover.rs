//! Sends a request to the nodes that can answer it, one after the other, as long as that is safe.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use codepop_shared::{Code, Failure};
use metrics::counter;
use serde_json::json;
use tonic::{Code as Grpc, Status};
use uuid::Uuid;

use super::{
    Upstream,
    choose::{self, Choice, Wanted, choose},
    grpc::{Call, CallError},
    table::Node,
};
use crate::contract::Rpc;

/// Nodes that a request reaches at the most: the first, and two more when that is safe.
const ATTEMPTS_MAX: usize = 3;

/// When to try again after 503: about as long as a node needs to be found again.
const RETRY_AFTER: Duration = Duration::from_secs(3);

/// How many stores are named when one is away.
const ALTERNATIVES_MAX: usize = 3;

/// A request on its way to whatever node.
#[derive(Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) rpc: &'a Rpc,
    /// The message, without frame.
    pub(crate) message: &'a [u8],
    pub(crate) call: Call,
    /// The store that the caller would like to answer.
    pub(crate) preferred: Option<Uuid>,
}

/// What one attempt says about the next one.
enum Verdict {
    /// Nobody else could do better.
    Final(Failure),
    /// Another node may be asked; this is what to say if there is none.
    Next(Option<Failure>),
}

impl Upstream {
    /// Gets an answer from a node that can give one.
    pub(crate) async fn call(&self, outgoing: &Outgoing<'_>) -> Result<Bytes, Failure> {
        let wanted = Wanted::of(&outgoing.rpc.target, outgoing.message)?;
        let answer = self.attempt(outgoing, &wanted).await;
        // A node that refers to another one has done nothing; it is followed once.
        let next = match &answer {
            Err(failure) if failure.code == Code::AskHub => Wanted::AnyHub,
            Err(failure) if failure.code == Code::AskStore => Wanted::AnyStore,
            _ => return answer,
        };
        counter!("gateway_referrals_total", "rpc" => outgoing.rpc.path.to_string()).increment(1);
        self.attempt(outgoing, &next).await
    }

    async fn attempt(&self, outgoing: &Outgoing<'_>, wanted: &Wanted) -> Result<Bytes, Failure> {
        let table = self.table();
        let mut candidates = match choose(&table, self.shared.home, wanted, outgoing.preferred) {
            Choice::Candidates(candidates) => candidates,
            Choice::Away(node) => return Err(self.away(&node)),
            Choice::Nobody(sentence) => return Err(Failure::new(Code::Unavailable, sentence).retry_after(RETRY_AFTER)),
            Choice::Unknown(sentence) => return Err(choose::unknown(sentence, self.shared.is_settled())),
        };
        let (mut said, mut at, mut attempts) = (None, 0, 0);
        while let Some(node) = candidates.get(at).filter(|_| attempts < ATTEMPTS_MAX).cloned() {
            if at > 0 {
                counter!("gateway_retries_total", "rpc" => outgoing.rpc.path.to_string()).increment(1);
            }
            let limit = limit(outgoing, candidates.len() - at);
            at += 1;
            let error = match node.link.call(&outgoing.call, limit).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if !matches!(error, CallError::NotSent(_)) {
                attempts += 1;
            }
            match verdict(outgoing, &error, &node) {
                Verdict::Final(failure) => return Err(failure),
                Verdict::Next(failure) => said = failure.or(said),
            }
            // The only one that could answer is asked once more when nothing but the connection broke.
            if matches!(error, CallError::Lost(_)) && candidates.len() == 1 {
                candidates.push(node);
            }
        }
        Err(said.unwrap_or_else(|| match candidates.first() {
            Some(only) if is_single(wanted) => self.away(only),
            _ => Failure::new(Code::Unavailable, "No node that could answer can be reached.").retry_after(RETRY_AFTER),
        }))
    }

    /// The one node that could answer is away: says which, and who else is near.
    fn away(&self, node: &Arc<Node>) -> Failure {
        let stores = self.table().stores_near(node.info.place, node.info.id, ALTERNATIVES_MAX);
        let alternatives: Vec<_> = stores
            .iter()
            .map(|(store, miles)| json!({"store_id": store.info.id, "name": store.info.name, "distance_miles": miles}))
            .collect();
        let name = if node.info.name.is_empty() { node.info.id.to_string() } else { node.info.name.clone() };
        let sentence = format!("{name} cannot be reached at the moment; nothing was changed.");
        let failure = Failure::new(Code::Unavailable, sentence).retry_after(RETRY_AFTER);
        failure.with("alternatives", serde_json::Value::from(alternatives).to_string())
    }
}

fn is_single(wanted: &Wanted) -> bool {
    matches!(wanted, Wanted::Store(_) | Wanted::Number(_) | Wanted::HomeStore)
}

/// How long an attempt may take. While others could still be asked safely, a silent node gets half of what is left.
fn limit(outgoing: &Outgoing<'_>, candidates_left: usize) -> Instant {
    let (now, deadline) = (Instant::now(), outgoing.call.deadline);
    if outgoing.rpc.repeatable && candidates_left > 1 {
        now + deadline.saturating_duration_since(now) / 2
    } else {
        deadline
    }
}

fn verdict(outgoing: &Outgoing<'_>, error: &CallError, node: &Node) -> Verdict {
    let late = || Failure::new(Code::DeadlineExceeded, "The answer did not come in time.");
    let reason = match error {
        CallError::NotSent(_) => "not_sent",
        CallError::Lost(_) => "lost",
        CallError::Late => "late",
        CallError::Answered(_) => "answered",
    };
    if reason != "answered" {
        counter!("gateway_upstream_failures_total", "node" => node.info.number.to_string(), "reason" => reason)
            .increment(1);
        tracing::debug!(node.id = %node.info.id, %error, "call failed");
    }
    match error {
        CallError::NotSent(_) if Instant::now() >= outgoing.call.deadline => Verdict::Final(late()),
        CallError::NotSent(_) => Verdict::Next(None),
        CallError::Late if outgoing.rpc.repeatable && Instant::now() < outgoing.call.deadline => {
            Verdict::Next(Some(late()))
        }
        CallError::Late => Verdict::Final(late()),
        CallError::Lost(_) if outgoing.rpc.repeatable => Verdict::Next(None),
        CallError::Lost(_) => Verdict::Final(
            Failure::new(
                Code::Unavailable,
                "The connection broke before the answer came; it is not known whether the request was carried out.",
            )
            .retry_after(RETRY_AFTER),
        ),
        CallError::Answered(status) => answered(outgoing, status, node),
    }
}

fn answered(outgoing: &Outgoing<'_>, status: &Status, node: &Node) -> Verdict {
    let mut failure = Failure::from(status);
    if failure.code == Code::Internal && status.details().is_empty() {
        // Not a sentence of ours: it may tell what is nobody's business.
        tracing::error!(node.id = %node.info.id, rpc.path = %outgoing.rpc.path, %status, "a node failed");
        failure.detail = "The node could not answer because of a fault of its own.".to_owned();
    }
    // With these words a node says that it has done nothing.
    let refused = matches!(failure.code, Code::Overloaded | Code::StorageUnavailable | Code::StaleDatabase)
        && status.code() != Grpc::ResourceExhausted;
    if refused || (status.code() == Grpc::Unavailable && outgoing.rpc.repeatable) {
        Verdict::Next(Some(failure))
    } else {
        Verdict::Final(failure)
    }
}
