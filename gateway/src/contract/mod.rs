//! The contract as the gateway sees it: which RPCs it may call, how each is reached over HTTP, which node answers it,
//! and the messages they use. Everything comes from descriptors; nothing here knows a product.

mod builder;
pub(crate) mod docs;
mod options;
pub(crate) mod template;

use http::{HeaderName, HeaderValue, Method, uri::PathAndQuery};
use prost_reflect::{DescriptorPool, MethodDescriptor};

use self::{builder::Builder, docs::Docs, options::Options, template::Template};
use crate::json::{Body, FieldPath, MessageId, Schema};

/// Why a contract cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are no descriptor set.
    #[error("read the descriptor set: {0}")]
    Descriptors(#[from] prost_reflect::DescriptorError),
    /// An RPC is declared in a way that the gateway cannot serve.
    #[error("{0}")]
    Contract(String),
}

/// What the gateway serves.
#[derive(Debug)]
pub struct Contract {
    pub(crate) schema: Schema,
    pub(crate) rpcs: Vec<Rpc>,
    pub(crate) retired: Vec<Retired>,
}

/// Which node can answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Any,
    AnyStore,
    AnyHub,
    /// The store that a header names; any one without it.
    ChosenStore,
    /// The store whose UUID the field with this number holds.
    Store(TargetField),
    /// The node where the number in this field was born.
    Number(TargetField),
    /// The hub of the region whose code this field holds.
    Region(TargetField),
}

/// A field of the outermost message that decides who answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TargetField {
    pub(crate) number: u32,
    pub(crate) json: String,
    pub(crate) zigzag: bool,
}

/// One RPC that gateways may call.
#[derive(Debug)]
pub(crate) struct Rpc {
    /// Full name of the service.
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) doc: String,
    /// `/service/method`.
    pub(crate) path: PathAndQuery,
    pub(crate) input: MessageId,
    pub(crate) output: MessageId,
    pub(crate) bindings: Vec<Binding>,
    pub(crate) target: Target,
    /// Whether hubs can answer too: without a target, and after it.
    pub(crate) or_hub: bool,
    /// Whether it may be sent again although it may have been executed.
    pub(crate) repeatable: bool,
    /// HTTP status of success.
    pub(crate) success: u16,
    /// Number of the boolean response field that turns the status of success into 200.
    pub(crate) ok_when: Option<u32>,
    /// Whether nobody without a session gets anywhere with it.
    pub(crate) needs_session: bool,
    /// Whether a caller without a session is given one by the node.
    pub(crate) begins_session: bool,
    /// Whether credentials that are not good count as none.
    pub(crate) lenient: bool,
    /// Whether it answers with a stream of messages, which become server-sent events, or the pieces of a file.
    pub(crate) is_stream: bool,
    /// What a file is unless the node says it; `None` when answers are JSON.
    pub(crate) file: Option<HeaderValue>,
    /// Request headers and the text fields that they fill.
    pub(crate) headers: Vec<(HeaderName, FieldPath)>,
}

/// One way to reach an RPC over HTTP.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) method: Method,
    pub(crate) template: Template,
    /// The fields that the path's variables fill, in their order.
    pub(crate) vars: Vec<FieldPath>,
    pub(crate) body: Body,
    /// Index of the response field that is the body.
    pub(crate) response_body: Option<usize>,
    /// The path as people see it.
    pub(crate) shown: String,
}

/// A path that is no longer served.
#[derive(Debug)]
pub(crate) struct Retired {
    pub(crate) method: Method,
    pub(crate) template: Template,
    /// Full name of the RPC that took its place.
    pub(crate) rpc: String,
}

impl Contract {
    /// Reads an encoded `FileDescriptorSet` with options and comments.
    ///
    /// # Errors
    ///
    /// When the bytes are no descriptors, or an RPC is declared in a way that cannot be served.
    pub fn load(descriptors: &[u8]) -> Result<Self, Error> {
        let pool = DescriptorPool::decode(descriptors)?;
        let docs = Docs::new(&pool);
        let mut contract = Self { schema: Schema::default(), rpcs: Vec::new(), retired: Vec::new() };
        for service in pool.services() {
            for method in service.methods() {
                contract.add(&pool, &method, &docs)?;
            }
        }
        Ok(contract)
    }

    fn add(&mut self, pool: &DescriptorPool, method: &MethodDescriptor, docs: &Docs) -> Result<(), Error> {
        let options = Options::read(pool, method)?;
        for line in &options.rest.retired {
            self.retired.push(retired(line, method.full_name())?);
        }
        if options.rules.is_empty() || !options.for_gateways() {
            return Ok(());
        }
        if method.is_client_streaming() {
            return Err(Error::Contract(format!("{}: streams of requests have no REST face", method.full_name())));
        }
        let input = self.schema.add(&method.input(), docs)?;
        let output = self.schema.add(&method.output(), docs)?;
        let builder = Builder { schema: &self.schema, method, input, output };
        let rpc = builder.rpc(&options, docs)?;
        self.rpcs.push(rpc);
        Ok(())
    }
}

fn retired(line: &str, rpc: &str) -> Result<Retired, Error> {
    let problem = || Error::Contract(format!("{rpc}: {line:?} is not METHOD /path"));
    let (method, template) = line.split_once(' ').ok_or_else(problem)?;
    let method = method.parse().map_err(|_| problem())?;
    Ok(Retired { method, template: Template::parse(template)?, rpc: rpc.to_owned() })
}

#[cfg(test)]
mod tests;
