//! The documents for readers of other languages: JSON Schema and AsyncAPI.

use serde_json::{Map, Value, json};

use super::model::{Message, Model};

const COMMENT: &str = "Generated from crates/protocol by `cargo xtask gen`. Do not edit.";

/// One JSON Schema document, draft 2020-12: a definition for every type and message, and for each direction.
pub(super) fn json_schema(model: &Model) -> Value {
    let mut definitions = model.definitions.clone();
    definitions.insert("ClientMessage".to_owned(), union("What a client says.", &model.client));
    definitions.insert("ServerMessage".to_owned(), union("What the server says.", &model.server));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": COMMENT,
        "title": "Cossistant realtime",
        "anyOf": [{ "$ref": "#/$defs/ClientMessage" }, { "$ref": "#/$defs/ServerMessage" }],
        "$defs": definitions,
    })
}

fn union(doc: &str, messages: &[Message]) -> Value {
    let members: Vec<Value> =
        messages.iter().map(|message| json!({ "$ref": format!("#/$defs/{}", message.name) })).collect();
    json!({ "description": doc, "oneOf": members })
}

/// The AsyncAPI 3.0 document, from the server's point of view.
pub(super) fn asyncapi(model: &Model) -> Value {
    let mut schemas = Value::Object(model.definitions.clone());
    move_references(&mut schemas);
    let all = || model.client.iter().chain(&model.server);
    let channel: Map<String, Value> = all()
        .map(|message| (message.name.clone(), json!({ "$ref": format!("#/components/messages/{}", message.name) })))
        .collect();
    let messages: Map<String, Value> = all().map(|message| (message.name.clone(), describe(message))).collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Cossistant realtime",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What a client and the server say to each other over one WebSocket: text frames, one JSON object each.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "channels": {
            "ws": {
                "address": "/ws",
                "title": "The WebSocket",
                "description": "The client may offer the subprotocol `cossistant.v1`. Unknown fields are ignored.",
                "messages": channel,
                "bindings": { "ws": { "method": "GET", "bindingVersion": "0.1.0" } },
            },
        },
        "operations": {
            "receive": operation("receive", "What a client says.", &model.client),
            "send": operation("send", "What the server says.", &model.server),
        },
        "components": { "messages": messages, "schemas": schemas },
        "x-comment": COMMENT,
    })
}

fn operation(action: &str, summary: &str, messages: &[Message]) -> Value {
    let messages: Vec<Value> =
        messages.iter().map(|message| json!({ "$ref": format!("#/channels/ws/messages/{}", message.name) })).collect();
    json!({ "action": action, "channel": { "$ref": "#/channels/ws" }, "summary": summary, "messages": messages })
}

fn describe(message: &Message) -> Value {
    let examples: Vec<Value> = [("full", message.example.full), ("least", message.example.least)]
        .into_iter()
        .filter_map(|(name, text)| Some(json!({ "name": name, "payload": serde_json::from_str::<Value>(text).ok()? })))
        .collect();
    json!({
        "name": message.type_name,
        "summary": message.doc,
        "payload": { "$ref": format!("#/components/schemas/{}", message.name) },
        "examples": examples,
    })
}

/// Definitions stand elsewhere in this document.
fn move_references(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get_mut("$ref") {
                *reference = reference.replace("#/$defs/", "#/components/schemas/");
            }
            object.values_mut().for_each(move_references);
        }
        Value::Array(items) => items.iter_mut().for_each(move_references),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
