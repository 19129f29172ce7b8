//! From an RPC's descriptor and options to what the gateway serves: names are resolved, and what cannot be served is
//! refused when the gateway starts.

use codepop_proto::options::{HeaderField, Permission, Route, route};
use http::{HeaderName, HeaderValue, Method, uri::PathAndQuery};
use prost_reflect::MethodDescriptor;

use super::{
    Binding, Error, Rpc, Target, TargetField,
    docs::Docs,
    options::{Options, Rule},
    template::Template,
};
use crate::json::{Body, FieldPath, Kind, MessageId, Schema, Shape};

/// The standard's message for answers that are files.
const HTTP_BODY: &str = "google.api.HttpBody";

/// What a file is when nobody says what.
const ANY_FILE: &str = "application/octet-stream";

/// Resolves the names in an RPC's options.
pub(super) struct Builder<'a> {
    pub(super) schema: &'a Schema,
    pub(super) method: &'a MethodDescriptor,
    pub(super) input: MessageId,
    pub(super) output: MessageId,
}

impl Builder<'_> {
    fn error(&self, what: impl std::fmt::Display) -> Error {
        Error::Contract(format!("{}: {what}", self.method.full_name()))
    }

    pub(super) fn rpc(&self, options: &Options, docs: &Docs) -> Result<Rpc, Error> {
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
            bindings: options
                .rules
                .iter()
                .map(|rule| self.binding(rule, &options.rest.raw_body))
                .collect::<Result<_, _>>()?,
            target: self.target(options.route.target.as_ref())?,
            or_hub: self.or_hub(&options.route)?,
            repeatable: options.repeatable,
            success,
            ok_when: self.ok_when(&options.rest.ok_when)?,
            needs_session: !matches!(options.access.permission(), Permission::Public | Permission::Certificate),
            begins_session: options.access.begins_session,
            lenient: options.access.lenient,
            is_stream: self.method.is_server_streaming(),
            file: self.file(&options.rest.content_type)?,
            headers: options.rest.headers.iter().map(|header| self.header(header)).collect::<Result<_, _>>()?,
        })
    }

    fn binding(&self, rule: &Rule, raw_body: &str) -> Result<Binding, Error> {
        let template = Template::parse(&rule.template)?;
        if self.method.is_server_streaming() && (rule.method != Method::GET || !rule.body.is_empty()) {
            return Err(self.error("a stream of answers needs GET and no body"));
        }
        let vars: Vec<FieldPath> = template.variables().map(|name| self.variable(name)).collect::<Result<_, _>>()?;
        let body = match (rule.body.as_str(), raw_body) {
            ("", "") => Body::None,
            ("", name) => Body::Raw(self.raw_body(name)?),
            ("*", "") => Body::Whole,
            (name, "") => Body::Field(self.index(self.input, name)?),
            _ => return Err(self.error("raw_body takes the place of body; both are given")),
        };
        let response_body = match rule.response_body.as_str() {
            "" => None,
            _ if self.is_file() => return Err(self.error("a file is its own body; response_body has no meaning")),
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

    fn raw_body(&self, name: &str) -> Result<usize, Error> {
        let index = self.index(self.input, name)?;
        let field = &self.schema.message(self.input).fields[index];
        if field.kind == Kind::Bytes && matches!(field.shape, Shape::Plain | Shape::Optional) {
            Ok(index)
        } else {
            Err(self.error("raw_body must name a bytes field"))
        }
    }

    /// A header that fills a field. The field is not optional: without the header it is empty, whatever else is sent.
    fn header(&self, header: &HeaderField) -> Result<(HeaderName, FieldPath), Error> {
        let name = header.header.parse().map_err(|_| self.error(format!("{:?} is no header", header.header)))?;
        let path = self.schema.path(self.input, &header.field);
        let path = path.ok_or_else(|| self.error(format!("there is no field {:?}", header.field)))?;
        match self.schema.target(&path) {
            Some(field) if field.kind == Kind::String && field.shape == Shape::Plain => Ok((name, path)),
            _ => Err(self.error(format!("the header {name} needs a text field that is not optional"))),
        }
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

    /// Whether the answer is a file instead of JSON.
    fn is_file(&self) -> bool {
        self.method.output().full_name() == HTTP_BODY
    }

    fn file(&self, content_type: &str) -> Result<Option<HeaderValue>, Error> {
        match (self.is_file(), content_type) {
            (false, "") => Ok(None),
            (false, _) => Err(self.error(format!("content_type is for answers that are a {HTTP_BODY}"))),
            (true, "") => Ok(Some(HeaderValue::from_static(ANY_FILE))),
            (true, name) => {
                let value = HeaderValue::from_str(name);
                value.map(Some).map_err(|_| self.error(format!("{name:?} is no content type")))
            }
        }
    }

    fn or_hub(&self, route: &Route) -> Result<bool, Error> {
        use route::Target::{AnyHub, AnyStore, ChosenStore, NumberField, RegionField, StoreField};
        match (route.or_hub, &route.target) {
            (false, _) => Ok(false),
            (true, Some(StoreField(_) | RegionField(_) | NumberField(_) | AnyStore(true) | ChosenStore(true))) => {
                Ok(true)
            }
            (true, None | Some(AnyHub(_) | AnyStore(_) | ChosenStore(_))) => {
                Err(self.error("or_hub adds nothing: hubs can answer anyway"))
            }
        }
    }

    fn target(&self, route: Option<&route::Target>) -> Result<Target, Error> {
        Ok(match route {
            None
            | Some(route::Target::AnyStore(false) | route::Target::AnyHub(false) | route::Target::ChosenStore(false)) => {
                Target::Any
            }
            Some(route::Target::ChosenStore(true)) => Target::ChosenStore,
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
