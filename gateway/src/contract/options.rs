//! The options of an RPC: the standard's HTTP mapping, and the contract's own `access`, `route` and `rest`.

use codepop_proto::options::{Access, CallerKind, Rest, Route};
use http::Method;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, Value};

use super::Error;

/// One HTTP rule of an RPC.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) method: Method,
    pub(super) template: String,
    pub(super) body: String,
    pub(super) response_body: String,
}

/// The options of one RPC.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) rules: Vec<Rule>,
    pub(super) access: Access,
    pub(super) route: Route,
    pub(super) rest: Rest,
    /// Whether the RPC may be sent again although it may have been executed.
    pub(super) repeatable: bool,
}

impl Options {
    pub(super) fn read(pool: &DescriptorPool, method: &MethodDescriptor) -> Result<Self, Error> {
        let options = method.options();
        let mut rules = Vec::new();
        if let Some(http) = extension(pool, &options, "google.api.http") {
            collect_rules(&http, &mut rules)
                .map_err(|what| Error::Contract(format!("{}: {what}", method.full_name())))?;
        }
        Ok(Self {
            rules,
            access: own(pool, &options, "codepop.options.v1.access")?,
            route: own(pool, &options, "codepop.options.v1.route")?,
            rest: own(pool, &options, "codepop.options.v1.rest")?,
            // 1 is NO_SIDE_EFFECTS, 2 is IDEMPOTENT.
            repeatable: options
                .get_field_by_name("idempotency_level")
                .and_then(|level| level.as_enum_number())
                .is_some_and(|level| matches!(level, 1 | 2)),
        })
    }

    /// Whether gateways may call the RPC.
    pub(super) fn for_gateways(&self) -> bool {
        self.access.callers().any(|caller| caller == CallerKind::Gateway)
    }
}

fn extension(pool: &DescriptorPool, options: &DynamicMessage, name: &str) -> Option<DynamicMessage> {
    let extension = pool.get_extension_by_name(name)?;
    if !options.has_extension(&extension) {
        return None;
    }
    options.get_extension(&extension).as_message().cloned()
}

fn own<T: prost::Message + Default>(pool: &DescriptorPool, options: &DynamicMessage, name: &str) -> Result<T, Error> {
    match extension(pool, options, name) {
        Some(message) => message.transcode_to().map_err(|error| Error::Contract(format!("option {name}: {error}"))),
        None => Ok(T::default()),
    }
}

fn collect_rules(rule: &DynamicMessage, rules: &mut Vec<Rule>) -> Result<(), String> {
    let text = |name: &str| {
        rule.get_field_by_name(name).and_then(|value| value.as_str().map(str::to_owned)).filter(|text| !text.is_empty())
    };
    let verbs = [
        ("get", Method::GET),
        ("put", Method::PUT),
        ("post", Method::POST),
        ("delete", Method::DELETE),
        ("patch", Method::PATCH),
    ];
    let (method, template) = verbs
        .into_iter()
        .find_map(|(name, method)| text(name).map(|template| (method, template)))
        .ok_or("the HTTP rule names none of get, put, post, delete, patch")?;
    rules.push(Rule {
        method,
        template,
        body: text("body").unwrap_or_default(),
        response_body: text("response_body").unwrap_or_default(),
    });
    if let Some(Value::List(more)) = rule.get_field_by_name("additional_bindings").as_deref() {
        for rule in more.iter().filter_map(Value::as_message) {
            collect_rules(rule, rules)?;
        }
    }
    Ok(())
}
