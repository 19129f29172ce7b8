//! The OpenAPI page: valid, complete, and made from the contract alone.

use serde_json::{Value, json};

use crate::support::{Gateway, Node};

async fn page() -> Value {
    let node = Node::store("main", 1001, 0.0).await;
    Gateway::before(&[&node]).await.get("/openapi.json").await.json()
}

/// What the OpenAPI 3.1 schema demands of the objects that the page uses.
fn essentials() -> Value {
    let schema_object = json!({"$ref": "https://json-schema.org/draft/2020-12/schema"});
    let content = json!({"type": "object", "additionalProperties": {"type": "object", "required": ["schema"], "properties": {"schema": schema_object}}});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["openapi", "info", "paths"],
        "additionalProperties": false,
        "properties": {
            "openapi": {"pattern": "^3\\.1\\.\\d+$"},
            "jsonSchemaDialect": {"type": "string"},
            "info": {"type": "object", "required": ["title", "version"]},
            "paths": {
                "type": "object", "minProperties": 1, "additionalProperties": false,
                "patternProperties": {"^/[^?#]*$": {
                    "type": "object", "additionalProperties": false,
                    "patternProperties": {"^(get|put|post|delete|patch)$": {"$ref": "#/$defs/operation"}},
                }},
            },
            "components": {
                "type": "object", "additionalProperties": false,
                "properties": {
                    "schemas": {"type": "object", "propertyNames": {"pattern": "^[a-zA-Z0-9._-]+$"}, "additionalProperties": schema_object},
                    "responses": {"type": "object", "additionalProperties": {"$ref": "#/$defs/response"}},
                    "securitySchemes": {"type": "object", "additionalProperties": {
                        "type": "object", "required": ["type"],
                        "if": {"properties": {"type": {"const": "http"}}}, "then": {"required": ["scheme"]},
                        "else": {"required": ["in", "name"]},
                    }},
                },
            },
        },
        "$defs": {
            "operation": {
                "type": "object", "required": ["operationId", "responses"], "additionalProperties": false,
                "properties": {
                    "operationId": {"type": "string"}, "summary": {"type": "string"}, "description": {"type": "string"},
                    "tags": {"type": "array", "items": {"type": "string"}},
                    "parameters": {"type": "array", "items": {
                        "type": "object", "required": ["name", "in", "schema"], "additionalProperties": false,
                        "properties": {
                            "name": {"type": "string", "minLength": 1}, "in": {"enum": ["query", "path", "header"]}, "required": {"type": "boolean"},
                            "description": {"type": "string"}, "schema": schema_object,
                        },
                        "if": {"properties": {"in": {"const": "path"}}}, "then": {"required": ["required"], "properties": {"required": {"const": true}}},
                    }},
                    "requestBody": {"type": "object", "required": ["content"], "additionalProperties": false,
                        "properties": {"content": content, "required": {"type": "boolean"}}},
                    "responses": {"type": "object", "minProperties": 1, "additionalProperties": false,
                        "patternProperties": {"^([1-5][0-9][0-9]|default)$": {"anyOf": [{"$ref": "#/$defs/response"}, {"type": "object", "required": ["$ref"]}]}}},
                    "security": {"type": "array", "items": {"type": "object", "additionalProperties": {"type": "array"}}},
                },
            },
            "response": {"type": "object", "required": ["description"], "additionalProperties": false,
                "properties": {"description": {"type": "string"}, "content": content}},
        },
    })
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

fn check(page: &Value) {
    let validator = jsonschema::draft202012::new(&essentials()).unwrap();
    let problems: Vec<String> =
        validator.iter_errors(page).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(problems.is_empty(), "{problems:#?}");
    let mut found = Vec::new();
    references(page, &mut found);
    for reference in &found {
        assert!(page.pointer(reference.trim_start_matches('#')).is_some(), "{reference} leads nowhere");
    }
    let mut ids = Vec::new();
    for (path, item) in page["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            ids.push(operation["operationId"].as_str().unwrap());
            let in_path =
                operation["parameters"].as_array().unwrap().iter().filter(|parameter| parameter["in"] == "path");
            for parameter in in_path.clone() {
                assert!(path.contains(&format!("{{{}}}", parameter["name"].as_str().unwrap())), "{path}");
            }
            assert_eq!(in_path.count(), path.matches('{').count(), "{path}");
        }
    }
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "operation ids are unique");
}

#[tokio::test]
async fn the_page_is_valid_and_complete() {
    let page = page().await;
    check(&page);
    let create = &page["paths"]["/library/books"]["post"];
    assert_eq!(
        (&create["summary"], &create["security"]),
        (&json!("Adds a book"), &json!([{"token": []}, {"session": []}]))
    );
    assert!(create["responses"]["201"].is_object() && create["responses"]["413"].is_object());
    assert_eq!(
        page["paths"]["/library/books"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["type"],
        "array"
    );
    assert!(page["paths"]["/library/books/{book_id}"]["delete"]["responses"]["204"].get("content").is_none());
    let lend = &page["paths"]["/library/branches/{branch_id}/loans"]["post"];
    assert!(lend["responses"]["200"].is_object() && lend["responses"]["201"].is_object(), "ok_when");
    assert!(lend["requestBody"]["content"]["application/json"]["schema"]["properties"].get("branch_id").is_none());
    let book = &page["components"]["schemas"]["library.v1.Book"]["properties"];
    assert_eq!(book["BookID"], json!({"type": "integer", "format": "int64", "description": "Number of the book."}));
    assert_eq!(book["page_count"]["type"], json!(["integer", "null"]));
    assert_eq!(book["kind"]["enum"], json!(["UNSPECIFIED", "NOVEL", "HISTORY"]));
    assert!(page["paths"].get("/library/hidden").is_none() && page["paths"].get("/library/exchange").is_none());
    let echo = &page["components"]["schemas"]["library.v1.Everything"]["properties"];
    assert_eq!(echo["ticket"]["type"], json!(["integer", "string"]));
    let watch = &page["paths"]["/library/watch"]["get"]["responses"]["200"]["content"]["text/event-stream"]["schema"];
    assert_eq!(watch["contentMediaType"], "application/json");
    assert!(watch["contentSchema"].to_string().contains("library.v1.Book"), "response_body: {watch}");
    let answers = |path: &str| page["paths"][path]["get"]["responses"]["200"]["content"].clone();
    assert_eq!(answers("/library/reports"), json!({"text/csv": {"schema": {}}}));
    assert_eq!(answers("/library/catalogue"), json!({"application/octet-stream": {"schema": {}}}));
    assert!(page["components"]["schemas"].get("google.api.HttpBody").is_none(), "a file has no schema");
    let dismiss = &page["paths"]["/library/appointments"]["delete"];
    assert!(dismiss["requestBody"]["content"]["application/json"].is_object(), "a body on DELETE");
    assert_eq!(dismiss["parameters"], json!([]));
    let parcel = &page["paths"]["/library/parcels/{shelf}"]["post"];
    assert_eq!(parcel["requestBody"]["content"], json!({"*/*": {"schema": {}}}));
    assert!(parcel["responses"]["413"].is_object() && parcel["responses"]["415"].is_null());
    let named = |operation: &Value| -> Vec<String> {
        let all = operation["parameters"].as_array().unwrap().iter();
        all.map(|one| format!("{} {}", one["in"].as_str().unwrap(), one["name"].as_str().unwrap())).collect()
    };
    assert_eq!(named(parcel), ["path shelf", "header x-seal", "header Idempotency-Key", "query word"]);
    assert_eq!(named(&page["paths"]["/library/anyone"]["get"]), [""; 0]);
    let parameters = page["paths"]["/library/search"]["get"]["parameters"].as_array().unwrap();
    assert!(parameters.iter().any(|parameter| parameter["name"] == "kinds" && parameter["schema"]["type"] == "array"));
}

#[tokio::test]
async fn answers_are_what_the_page_says() {
    let node = Node::store("main", 1001, 0.0).await;
    let gateway = Gateway::before(&[&node]).await;
    let page = gateway.get("/openapi.json").await.json();
    let schema = |pointer: &str| {
        let mut schema = page.pointer(pointer).unwrap().clone();
        schema["components"] = page["components"].clone();
        jsonschema::draft202012::new(&schema).unwrap()
    };
    let error = gateway.get("/library/books/x").await.json();
    let errors: Vec<String> =
        schema("/components/schemas/Error").iter_errors(&error).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    node.on("Echo", crate::support::Reply::Echo);
    let sent = json!({"books": [{}], "time": "2026-02-02T10:00:00Z", "inner": {"kind": "NOVEL"}, "maybe": 1, "shelf": {"1": {}}});
    let answer = gateway.post("/library/echo", &sent).await.json();
    let echo = schema("/components/schemas/library.v1.Everything");
    let errors: Vec<String> =
        echo.iter_errors(&answer).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:?}");
}
