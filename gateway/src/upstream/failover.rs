//! Sends a request to the nodes that can answer it, one after the other, as long as that is safe.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use codepop_shared::{Code, Failure};
use metrics::counter;
use serde_json::json;
use tonic::{Code as Grpc, Status};
use uuid::Uuid;

use super::{
    Upstream,
    choose::{self, Choice, Wanted, choose},
    grpc::{Answer, Call, CallError},
    said::Said,
    table::Node,
};
use crate::contract::Rpc;

/// Nodes that a request reaches at the most: the first, and two more when that is safe.
const ATTEMPTS_MAX: usize = 3;

/// When to try again after 503: about as long as a node needs to be found again.
const RETRY_AFTER: Duration = Duration::from_secs(3);

/// The detail of `ask_store` with a number of a thing: the node that knows of it can answer.
const NUMBER: &str = "number";

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
    /// The store that the caller names in a header: where it matters, no other one answers.
    pub(crate) chosen: Option<Uuid>,
    /// Whether a node that carried it out already would know it again and only repeat its answer.
    pub(crate) is_known_again: bool,
}

/// Why there is no answer, and what a node said beside it.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) failure: Failure,
    pub(crate) said: Said,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self { failure, said: Said::default() }
    }
}

/// What one attempt says about the next one.
enum Verdict {
    /// Nobody else could do better.
    Final(Refusal),
    /// Another node may be asked; this is what to say if there is none.
    Next(Option<Refusal>),
    /// Only the same node may be asked, once more; this is what to say if that fails too.
    Again(Refusal),
}

impl Upstream {
    /// Gets an answer from a node that can give one.
    pub(crate) async fn call(&self, outgoing: &Outgoing<'_>) -> Result<Answer, Refusal> {
        let wanted = Wanted::of(outgoing.rpc, outgoing.message, outgoing.chosen)?;
        let answer = self.attempt(outgoing, &wanted).await;
        // A node that refers to another one has done nothing; it is followed once.
        let Some(next) = answer.as_ref().err().and_then(|refusal| referral(&refusal.failure)) else { return answer };
        counter!("gateway_referrals_total", "rpc" => outgoing.rpc.path.to_string()).increment(1);
        self.attempt(outgoing, &next).await
    }

    async fn attempt(&self, outgoing: &Outgoing<'_>, wanted: &Wanted) -> Result<Answer, Refusal> {
        let mut candidates = self.candidates(outgoing, wanted)?;
        let (mut said, mut at, mut attempts, mut pinned) = (None, 0, 0, false);
        while let Some(node) = candidates.get(at).filter(|_| attempts < ATTEMPTS_MAX).cloned() {
            if at > 0 {
                counter!("gateway_retries_total", "rpc" => outgoing.rpc.path.to_string()).increment(1);
            }
            let limit = limit(outgoing, candidates.len() - at);
            at += 1;
            let answer = match outgoing.rpc.is_stream {
                false => node.link.call(&outgoing.call, limit).await,
                true => node.link.open(&outgoing.call, limit).await,
            };
            let error = match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if !matches!(error, CallError::NotSent(_)) {
                attempts += 1;
            }
            // The only one that could answer is asked once more when nothing but the connection broke.
            let again = matches!(error, CallError::Lost(_)) && candidates.len() == 1 && outgoing.rpc.repeatable;
            match verdict(outgoing, error, &node) {
                Verdict::Final(refusal) => return Err(refusal),
                Verdict::Next(refusal) => {
                    // What a pinned node says now tells nothing of what became of the first attempt.
                    said = if pinned { said } else { refusal.or(said) };
                    candidates.extend(again.then_some(node));
                }
                Verdict::Again(refusal) if pinned => return Err(refusal),
                Verdict::Again(refusal) => {
                    (said, pinned) = (Some(refusal), true);
                    candidates.truncate(at);
                    candidates.push(node);
                }
            }
        }
        Err(said.unwrap_or_else(|| match candidates.first() {
            Some(only) if is_single(wanted) => self.away(only).into(),
            _ => nobody("No node that could answer can be reached.".to_owned()).into(),
        }))
    }

    fn candidates(&self, outgoing: &Outgoing<'_>, wanted: &Wanted) -> Result<Vec<Arc<Node>>, Failure> {
        match choose(&self.table(), self.shared.home, wanted, outgoing.preferred) {
            Choice::Candidates(candidates) => Ok(candidates),
            Choice::Away(node) => Err(self.away(&node)),
            Choice::Nobody(sentence) => Err(nobody(sentence)),
            Choice::Unknown(sentence) => Err(choose::unknown(sentence, self.shared.is_settled())),
        }
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

/// Who can answer instead, if the node says so.
fn referral(failure: &Failure) -> Option<Wanted> {
    match failure.code {
        Code::AskHub => Some(Wanted::AnyHub),
        Code::AskStore => {
            let number = failure.metadata.get(NUMBER).and_then(|number| number.parse().ok());
            Some(number.and_then(Wanted::of_number).unwrap_or(Wanted::AnyStore))
        }
        _ => None,
    }
}

fn nobody(sentence: String) -> Failure {
    Failure::new(Code::Unavailable, sentence).retry_after(RETRY_AFTER)
}

fn is_single(wanted: &Wanted) -> bool {
    matches!(wanted, Wanted::Store(_) | Wanted::Number(_) | Wanted::OldNumbers)
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

fn verdict(outgoing: &Outgoing<'_>, error: CallError, node: &Node) -> Verdict {
    count(&error, node);
    let late = || Failure::new(Code::DeadlineExceeded, "The answer did not come in time.");
    match error {
        CallError::NotSent(_) if Instant::now() >= outgoing.call.deadline => Verdict::Final(late().into()),
        CallError::NotSent(_) => Verdict::Next(None),
        CallError::Late if outgoing.rpc.repeatable && Instant::now() < outgoing.call.deadline => {
            Verdict::Next(Some(late().into()))
        }
        CallError::Late => Verdict::Final(late().into()),
        CallError::Lost(_) if outgoing.rpc.repeatable => Verdict::Next(None),
        CallError::Lost(_) if outgoing.is_known_again => Verdict::Again(lost().into()),
        CallError::Lost(_) => Verdict::Final(lost().into()),
        CallError::Answered(status, said) => answered(outgoing, &status, said, node),
    }
}

fn count(error: &CallError, node: &Node) {
    let reason = match error {
        CallError::NotSent(_) => "not_sent",
        CallError::Lost(_) => "lost",
        CallError::Late => "late",
        CallError::Answered(..) => return,
    };
    counter!("gateway_upstream_failures_total", "node" => node.info.number.to_string(), "reason" => reason)
        .increment(1);
    tracing::debug!(node.id = %node.info.id, %error, "call failed");
}

fn lost() -> Failure {
    let sentence = "The connection broke before the answer came; it is not known whether the request was carried out.";
    Failure::new(Code::Unavailable, sentence).retry_after(RETRY_AFTER)
}

fn answered(outgoing: &Outgoing<'_>, status: &Status, said: Said, node: &Node) -> Verdict {
    let failure = spoken(status, outgoing.rpc, node.info.id);
    // With these words a node says that it has done nothing.
    let refused = matches!(failure.code, Code::Overloaded | Code::StorageUnavailable | Code::StaleDatabase)
        && status.code() != Grpc::ResourceExhausted;
    let may_be_repeated = status.code() == Grpc::Unavailable && outgoing.rpc.repeatable;
    let refusal = Refusal { failure, said };
    if refused || may_be_repeated { Verdict::Next(Some(refusal)) } else { Verdict::Final(refusal) }
}

/// A node's error as clients may see it.
fn spoken(status: &Status, rpc: &Rpc, node: Uuid) -> Failure {
    let mut failure = Failure::from(status);
    if failure.code == Code::Internal && status.details().is_empty() {
        // Not a sentence of ours: it may tell what is nobody's business.
        tracing::error!(node.id = %node, rpc.path = %rpc.path, %status, "a node failed");
        failure.detail = "The node could not answer because of a fault of its own.".to_owned();
    }
    failure
}

/// Why a stream of answers ended, as clients may see it.
pub(crate) fn broken_off(error: &CallError, rpc: &Rpc, node: Uuid) -> Failure {
    match error {
        CallError::Answered(status, _) => spoken(status, rpc, node),
        _ => nobody("The connection to the node broke; listen again.".to_owned()),
    }
}
