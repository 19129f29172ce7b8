//! Messages and fields as JSON schemas.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::{
    contract::Contract,
    json::{
        Kind, MessageId, Schema, Shape,
        schema::{Field, Message},
    },
};

/// Where schemas of messages are.
const COMPONENTS: &str = "#/components/schemas/";

/// The name of the error schema; messages have dots in theirs.
const ERROR: &str = "Error";

/// All messages that a request or an answer can hold, and the error.
pub(super) fn components(contract: &Contract) -> Map<String, Value> {
    let (mut inputs, mut outputs) = (BTreeSet::new(), BTreeSet::new());
    for rpc in &contract.rpcs {
        collect(&contract.schema, rpc.input, &mut inputs);
        // A file is no JSON and has no schema.
        if rpc.file.is_none() {
            collect(&contract.schema, rpc.output, &mut outputs);
        }
    }
    let mut components = Map::new();
    let used = |id: &MessageId| inputs.contains(id) || outputs.contains(id);
    for (id, message) in contract.schema.messages().filter(|(id, _)| used(id)) {
        // What only requests hold needs nothing to be there; answers hold every field.
        components.insert(
            message.full_name.to_string(),
            object(&contract.schema, message, outputs.contains(&id) && !inputs.contains(&id)),
        );
    }
    components.insert(ERROR.to_owned(), error());
    components
}

fn collect(schema: &Schema, id: MessageId, found: &mut BTreeSet<MessageId>) {
    if found.insert(id) {
        for field in &schema.message(id).fields {
            if let Kind::Message(inner) = field.kind {
                collect(schema, inner, found);
            }
        }
    }
}

/// A reference to a message's schema.
pub(super) fn reference(message: &Message) -> Value {
    json!({"$ref": format!("{COMPONENTS}{}", message.full_name)})
}

/// A reference to the error's schema.
pub(super) fn error_reference() -> Value {
    json!({"$ref": format!("{COMPONENTS}{ERROR}")})
}

/// An object; answers hold all of its fields.
fn object(schema: &Schema, message: &Message, all_required: bool) -> Value {
    object_of(schema, message, &message.fields.iter().collect::<Vec<_>>(), all_required)
}

/// An object with some of a message's fields.
pub(super) fn object_of(schema: &Schema, message: &Message, fields: &[&Field], all_required: bool) -> Value {
    let properties: Map<String, Value> =
        fields.iter().map(|field| (field.json.to_string(), described(of_field(schema, field), &field.doc))).collect();
    let mut object = json!({"type": "object", "properties": properties});
    if all_required && !fields.is_empty() {
        object["required"] = fields.iter().map(|field| Value::from(&*field.json)).collect();
    }
    described(object, &message.doc)
}

/// Adds a sentence, if there is one.
pub(super) fn described(mut schema: Value, doc: &str) -> Value {
    if !doc.is_empty() {
        schema["description"] = doc.into();
    }
    schema
}

/// The schema of a field's value.
pub(super) fn of_field(schema: &Schema, field: &Field) -> Value {
    match field.shape {
        Shape::Plain => of_kind(schema, field.kind),
        Shape::Optional => nullable(of_kind(schema, field.kind)),
        Shape::Repeated { .. } => json!({"type": "array", "items": of_kind(schema, field.kind)}),
        Shape::Map(_) => json!({"type": "object", "additionalProperties": of_kind(schema, field.kind)}),
    }
}

fn nullable(schema: Value) -> Value {
    match schema.get("type") {
        Some(Value::String(kind)) if schema.get("enum").is_none() => {
            let mut schema = schema.clone();
            schema["type"] = json!([kind, "null"]);
            schema
        }
        _ => json!({"anyOf": [schema, {"type": "null"}]}),
    }
}

pub(super) fn of_kind(schema: &Schema, kind: Kind) -> Value {
    match kind {
        Kind::Double => json!({"type": "number", "format": "double"}),
        Kind::Float => json!({"type": "number", "format": "float"}),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => json!({"type": "integer", "format": "int32"}),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => json!({"type": "integer", "format": "int64"}),
        Kind::Uint32 | Kind::Fixed32 => json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}),
        Kind::Uint64 | Kind::Fixed64 => json!({"type": "integer", "minimum": 0, "maximum": u64::MAX}),
        Kind::Bool => json!({"type": "boolean"}),
        Kind::String => json!({"type": "string"}),
        Kind::NumberOrWord => json!({"type": ["integer", "string"]}),
        Kind::Bytes => json!({"type": "string", "contentEncoding": "base64"}),
        Kind::Timestamp => json!({"type": "string", "format": "date-time"}),
        Kind::Enum(id) => json!({"type": "string", "enum": schema.words(id).allowed}),
        Kind::Message(id) => reference(schema.message(id)),
    }
}

fn error() -> Value {
    let list = json!({"type": "array", "items": {"type": "string"}});
    let codes: Vec<&str> = codepop_shared::Code::ALL.iter().map(|code| code.word()).collect();
    json!({
        "type": "object",
        "description": "What went wrong.",
        "required": ["error", "detail", "code", "request_id"],
        "properties": {
            "error": {"type": "string", "description": "What happened, in a few words."},
            "detail": {"type": "string", "description": "What happened and what to do."},
            "code": {"type": "string", "enum": codes, "description": "What happened, for programs."},
            "request_id": {"type": "string", "description": "The id under which logs tell more."},
            "fields": {"type": "object", "additionalProperties": list, "description": "What is wrong with which field."},
            "non_field_errors": list,
            "alternatives": {"type": "array", "description": "Who could be asked instead, nearest first."},
        },
    })
}
