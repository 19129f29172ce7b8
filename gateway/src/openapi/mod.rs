//! The OpenAPI 3.1 page, made from the same descriptors and in the same spelling as the routes and the JSON.

mod operation;
mod schema;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{contract::Contract, server::SESSION_COOKIE};

/// The page.
pub(crate) fn page(contract: &Contract) -> Value {
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "REST interface",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Made from the protobuf contract. Every path works with and without a trailing slash. \
                Unset optional fields are null; unknown keys are ignored.",
        },
        "paths": paths(contract),
        "components": {
            "schemas": schema::components(contract),
            "responses": {"Error": operation::error_response()},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token of a log-in, as `Bearer …` or `Token …`.",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": SESSION_COOKIE,
                    "description": "The session that answers set by themselves. It counts only without the header \
                        Origin or with an allowed one, and for other methods than GET only with JSON or without a body.",
                },
            },
        },
    })
}

fn paths(contract: &Contract) -> Map<String, Value> {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for rpc in &contract.rpcs {
        for (index, binding) in rpc.bindings.iter().enumerate() {
            let path = paths.entry(&binding.shown).or_default();
            let operation = operation::operation(contract, rpc, index);
            path.insert(binding.method.as_str().to_ascii_lowercase(), operation);
        }
    }
    paths.into_iter().map(|(path, item)| (path.to_owned(), Value::Object(item))).collect()
}
