//! The contract as the gateway sees it: which RPCs it may call, how each is reached over HTTP, which node answers it,
//! and the messages they use. Everything comes from descriptors; nothing here knows a product.

pub(crate) mod docs;
mod options;
pub(crate) mod template;

use codepop_proto::options::{Permission, route};
use http::{Method, uri::PathAndQuery};
use prost_reflect::{DescriptorPool, MethodDescriptor};

use self::{
    docs::Docs,
    options::{Options, Rule},
    template::Template,
};
use crate::json::{Body, FieldPath, Kind, MessageId, Schema, Shape};

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
    /// Whether it may be sent again although it may have been executed.
    pub(crate) repeatable: bool,
    /// HTTP status of success.
    pub(crate) success: u16,
    /// Number of the boolean response field that turns the status of success into 200.
    pub(crate) ok_when: Option<u32>,
    /// Whether only logged-in users get anywhere with it.
    pub(crate) needs_user: bool,
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
        if method.is_client_streaming() || method.is_server_streaming() {
            return Err(Error::Contract(format!("{}: streams have no REST face", method.full_name())));
        }
        let input = self.schema.add(&method.input(), docs)?;
        let output = self.schema.add(&method.output(), docs)?;
        let builder = Builder { schema: &self.schema, method, input, output };
        let rpc = builder.rpc(options, docs)?;
        self.rpcs.push(rpc);
        Ok(())
    }
}

/// Resolves the names in an RPC's options.
struct Builder<'a> {
    schema: &'a Schema,
    method: &'a MethodDescriptor,
    input: MessageId,
    output: MessageId,
}

impl Builder<'_> {
    fn error(&self, what: impl std::fmt::Display) -> Error {
        Error::Contract(format!("{}: {what}", self.method.full_name()))
    }

    fn rpc(&self, options: Options, docs: &Docs) -> Result<Rpc, Error> {
        let service = self.method.parent_service();
        let path = format!("/{}/{}", service.full_name(), self.method.name());
        let success = match options.rest.success_status {
            0 => 200,
            status => u16::try_from(status)
                .ok()
                .filter(|status| (200..300).contains(status))
                .ok_or_else(|| self.error(format!("success_status {status} is no HTTP status of success")))?,
        };
        Ok(Rpc {
            service: service.full_name().to_owned(),
            name: self.method.name().to_owned(),
            doc: docs.of(&service.parent_file(), self.method.path()).to_owned(),
            path: PathAndQuery::try_from(path).map_err(|error| self.error(error))?,
            input: self.input,
            output: self.output,
            bindings: options.rules.iter().map(|rule| self.binding(rule)).collect::<Result<_, _>>()?,
            target: self.target(options.route.as_ref())?,
            repeatable: options.repeatable,
            success,
            ok_when: self.ok_when(&options.rest.ok_when)?,
            needs_user: !matches!(options.access.permission(), Permission::Public | Permission::Certificate),
        })
    }

    fn binding(&self, rule: &Rule) -> Result<Binding, Error> {
        let template = Template::parse(&rule.template)?;
        let vars: Vec<FieldPath> = template.variables().map(|name| self.variable(name)).collect::<Result<_, _>>()?;
        let body = match rule.body.as_str() {
            "" => Body::None,
            "*" => Body::Whole,
            name => Body::Field(self.index(self.input, name)?),
        };
        let response_body = match rule.response_body.as_str() {
            "" => None,
            name => Some(self.index(self.output, name)?),
        };
        let spell =
            |name: &str| self.schema.path(self.input, name).map_or_else(String::new, |path| self.schema.spell(&path));
        let shown = template.shown(spell);
        Ok(Binding { method: rule.method.clone(), template, vars, body, response_body, shown })
    }

    fn index(&self, message: MessageId, name: &str) -> Result<usize, Error> {
        self.schema.message(message).by_name(name).ok_or_else(|| self.error(format!("there is no field {name:?}")))
    }

    fn variable(&self, name: &str) -> Result<FieldPath, Error> {
        let path = self.schema.path(self.input, name);
        let path = path.ok_or_else(|| self.error(format!("there is no field {name:?}")))?;
        match self.schema.target(&path) {
            Some(field)
                if !matches!(field.kind, Kind::Message(_)) && matches!(field.shape, Shape::Plain | Shape::Optional) =>
            {
                Ok(path)
            }
            _ => Err(self.error(format!("the field {name:?} cannot be a path variable"))),
        }
    }

    fn ok_when(&self, name: &str) -> Result<Option<u32>, Error> {
        if name.is_empty() {
            return Ok(None);
        }
        let field = &self.schema.message(self.output).fields[self.index(self.output, name)?];
        if field.kind == Kind::Bool {
            Ok(Some(field.number))
        } else {
            Err(self.error("ok_when must name a bool field"))
        }
    }

    fn target(&self, route: Option<&route::Target>) -> Result<Target, Error> {
        Ok(match route {
            None | Some(route::Target::AnyStore(false) | route::Target::AnyHub(false)) => Target::Any,
            Some(route::Target::AnyStore(true)) => Target::AnyStore,
            Some(route::Target::AnyHub(true)) => Target::AnyHub,
            Some(route::Target::StoreField(name)) => {
                Target::Store(self.target_field(name, |kind| kind == Kind::String)?)
            }
            Some(route::Target::RegionField(name)) => {
                Target::Region(self.target_field(name, |kind| kind == Kind::String)?)
            }
            Some(route::Target::NumberField(name)) => Target::Number(self.target_field(name, |kind| {
                matches!(kind, Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::Sint32 | Kind::Sint64)
            })?),
        })
    }

    fn target_field(&self, name: &str, fits: impl Fn(Kind) -> bool) -> Result<TargetField, Error> {
        let field = &self.schema.message(self.input).fields[self.index(self.input, name)?];
        if !fits(field.kind) || !matches!(field.shape, Shape::Plain | Shape::Optional) {
            return Err(self.error(format!("the field {name:?} cannot decide the route")));
        }
        let zigzag = matches!(field.kind, Kind::Sint32 | Kind::Sint64);
        Ok(TargetField { number: field.number, json: field.json.to_string(), zigzag })
    }
}

fn retired(line: &str, rpc: &str) -> Result<Retired, Error> {
    let problem = || Error::Contract(format!("{rpc}: {line:?} is not METHOD /path"));
    let (method, template) = line.split_once(' ').ok_or_else(problem)?;
    let method = method.parse().map_err(|_| problem())?;
    Ok(Retired { method, template: Template::parse(template)?, rpc: rpc.to_owned() })
}
