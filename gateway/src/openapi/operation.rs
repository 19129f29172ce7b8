//! One operation: an RPC on one of its paths.

use http::Method;
use serde_json::{Map, Value, json};

use super::schema;
use crate::{
    contract::{Binding, Contract, Rpc},
    json::{Body, Kind, Shape, schema::Field},
};

/// What a key is for.
const KEY_DOC: &str =
    "A key of the client's own making. The request is carried out once, however often it is sent with it.";

/// The operation of an RPC's binding.
pub(super) fn operation(contract: &Contract, rpc: &Rpc, index: usize) -> Value {
    let binding = &rpc.bindings[index];
    let suffix = if index == 0 { String::new() } else { format!("_{}", index + 1) };
    let noun = rpc.service.rsplit('.').next().unwrap_or(&rpc.service);
    let mut operation = json!({
        "operationId": format!("{}.{}{suffix}", rpc.service, rpc.name),
        "tags": [noun],
        "summary": summary(&rpc.doc, &rpc.name),
        "description": rpc.doc,
        "parameters": parameters(contract, rpc, binding),
        "responses": responses(contract, rpc, binding),
        "security": security(rpc),
    });
    if let Some(body) = request_body(contract, rpc, binding) {
        operation["requestBody"] = body;
    }
    operation
}

/// Without a session where none is needed; it is looked at nevertheless.
fn security(rpc: &Rpc) -> Value {
    match rpc.needs_session {
        true => json!([{"token": []}, {"session": []}]),
        false => json!([{}, {"token": []}, {"session": []}]),
    }
}

fn summary<'a>(doc: &'a str, name: &'a str) -> &'a str {
    let first = doc.split_once(". ").map_or(doc, |(first, _)| first).trim_end_matches('.');
    if first.is_empty() { name } else { first }
}

fn parameters(contract: &Contract, rpc: &Rpc, binding: &Binding) -> Vec<Value> {
    let schema = &contract.schema;
    let mut parameters = Vec::new();
    for var in &binding.vars {
        if let Some(field) = schema.target(var) {
            let value = schema::of_kind(schema, field.kind);
            parameters.push(parameter(&schema.spell(var), "path", true, value, &field.doc));
        }
    }
    for (name, path) in &rpc.headers {
        if let Some(field) = schema.target(path) {
            parameters.push(parameter(name.as_str(), "header", false, schema::of_kind(schema, field.kind), &field.doc));
        }
    }
    if !rpc.repeatable {
        let text = json!({"type": "string", "minLength": 1, "maxLength": 255});
        parameters.push(parameter("Idempotency-Key", "header", false, text, KEY_DOC));
    }
    if binding.body == Body::Whole {
        return parameters;
    }
    for field in remaining(contract, rpc, binding) {
        if !matches!(field.kind, Kind::Message(_)) && !matches!(field.shape, Shape::Map(_)) {
            let value = match field.shape {
                Shape::Repeated { .. } => schema::of_field(schema, field),
                _ => schema::of_kind(schema, field.kind),
            };
            parameters.push(parameter(&field.json, "query", false, value, &field.doc));
        }
    }
    parameters
}

/// The request's fields that neither the path nor the body fills.
fn remaining<'c>(contract: &'c Contract, rpc: &Rpc, binding: &Binding) -> Vec<&'c Field> {
    let taken = |index: usize| {
        let mut filled = binding.vars.iter().chain(rpc.headers.iter().map(|(_, field)| field));
        matches!(binding.body, Body::Field(body) | Body::Raw(body) if body == index)
            || filled.any(|var| var.0.len() == 1 && var.0[0].1 == index)
    };
    let fields = contract.schema.message(rpc.input).fields.iter().enumerate();
    fields.filter(|(index, _)| !taken(*index)).map(|(_, field)| field).collect()
}

fn parameter(name: &str, place: &str, required: bool, value: Value, doc: &str) -> Value {
    schema::described(json!({"name": name, "in": place, "required": required, "schema": value}), doc)
}

fn request_body(contract: &Contract, rpc: &Rpc, binding: &Binding) -> Option<Value> {
    let message = contract.schema.message(rpc.input);
    let content = match binding.body {
        Body::None => return None,
        Body::Raw(_) => return Some(json!({"required": false, "content": {"*/*": {"schema": {}}}})),
        Body::Field(index) => schema::of_field(&contract.schema, &message.fields[index]),
        Body::Whole if binding.vars.is_empty() && rpc.headers.is_empty() => schema::reference(message),
        Body::Whole => schema::object_of(&contract.schema, message, &remaining(contract, rpc, binding), false),
    };
    Some(json!({"required": false, "content": {"application/json": {"schema": content}}}))
}

fn responses(contract: &Contract, rpc: &Rpc, binding: &Binding) -> Map<String, Value> {
    let mut responses = Map::new();
    let message = contract.schema.message(rpc.output);
    let doc = if message.doc.is_empty() { "Success." } else { &message.doc };
    let file = rpc.file.as_ref().map(|kind| String::from_utf8_lossy(kind.as_bytes()).into_owned());
    let content = match binding.response_body {
        Some(index) => schema::of_field(&contract.schema, &message.fields[index]),
        None => schema::reference(message),
    };
    let success = match rpc.success {
        204 => json!({"description": doc}),
        _ if let Some(kind) = file => json!({"description": doc, "content": {kind: {"schema": {}}}}),
        // Each event has one message in its data.
        _ if rpc.is_stream => json!({"description": doc, "content": {"text/event-stream": {"schema": {
            "type": "string", "contentMediaType": "application/json", "contentSchema": content,
        }}}}),
        _ => json!({"description": doc, "content": {"application/json": {"schema": content}}}),
    };
    if rpc.ok_when.is_some() {
        responses.insert("200".to_owned(), success.clone());
    }
    responses.insert(rpc.success.to_string(), success);
    for status in errors(rpc, binding) {
        responses.insert(status.to_string(), json!({"$ref": "#/components/responses/Error"}));
    }
    responses.insert("default".to_owned(), json!({"$ref": "#/components/responses/Error"}));
    responses
}

/// The error statuses that are worth naming.
fn errors(rpc: &Rpc, binding: &Binding) -> Vec<u16> {
    let mut errors = vec![400, 401];
    if rpc.needs_session {
        errors.push(403);
    }
    if !binding.vars.is_empty() {
        errors.push(404);
    }
    if binding.method != Method::GET && binding.body != Body::None {
        errors.push(413);
    }
    if matches!(binding.body, Body::Whole | Body::Field(_)) {
        errors.push(415);
    }
    errors.extend([429, 503, 504]);
    errors
}

pub(super) fn error_response() -> Value {
    json!({
        "description": "What went wrong.",
        "content": {"application/json": {"schema": schema::error_reference()}},
    })
}
