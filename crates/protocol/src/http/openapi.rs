//! The HTTP API as an OpenAPI 3.1 document.

use schemars::generate::{Contract, SchemaSettings};
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::endpoint::EndpointSchemas;
use super::{
    Access, Endpoint, HttpMethod, MessageUnseen, PROBLEM_TYPE, Problem, WebhookEvent, WebhookMessageUpdated,
    WebhookPayload,
};
use crate::{ConversationAssigned, ConversationCreated, ConversationStatusChanged, NewMessage};

/// The OpenAPI 3.1 document of every [`Endpoint`], with keys in a fixed order.
#[must_use]
pub fn openapi() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
        settings.contract = Contract::Serialize;
    });
    let mut generator = settings.into_generator();
    let problem = generator.subschema_for::<Problem>();
    let mut paths = Map::new();
    for endpoint in Endpoint::ALL {
        let item = paths.entry(endpoint.path).or_insert_with(|| Value::Object(Map::new()));
        item[endpoint.method.as_str().to_ascii_lowercase()] = operation(endpoint, &mut generator);
    }
    let webhooks = webhooks(&mut generator);
    let mut schemas = Value::Object(generator.take_definitions(true));
    require_presence(&mut schemas);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Cossistant realtime",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The HTTP API beside the WebSocket at `/ws`. Every error is an `application/problem+json` with a `code` for programs.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": [
            tag("conversations", "Conversations, and how they stand."),
            tag("messages", "What is said in them."),
            tag("people", "Visitors, members of the team, tokens."),
            tag("set-up", "Organizations, websites, keys."),
            tag("webhooks", "Addresses of yours that are told of what happens."),
            tag("operation", "For those who run the server."),
        ],
        "paths": paths,
        "webhooks": webhooks,
        "components": {
            "schemas": schemas,
            "responses": { "Problem": {
                "description": "The request failed; `code` says why.",
                "headers": { "Retry-After": {
                    "description": "After how many seconds it may be tried again, with `rate_limited` and `unavailable`.",
                    "schema": { "type": "integer", "minimum": 0 },
                } },
                "content": { PROBLEM_TYPE: { "schema": problem } },
            } },
            "securitySchemes": { "bearer": {
                "type": "http",
                "scheme": "bearer",
                "description": "A JWT, a secret key (`sk_…`), or the admin key.",
            } },
        },
    })
}

/// What the server itself sends, by event.
fn webhooks(generator: &mut SchemaGenerator) -> Value {
    let mut webhooks = Map::new();
    for event in WebhookEvent::ALL {
        let body = match event {
            WebhookEvent::MessageCreated => generator.subschema_for::<WebhookPayload<NewMessage>>(),
            WebhookEvent::MessageUpdated => generator.subschema_for::<WebhookPayload<WebhookMessageUpdated>>(),
            WebhookEvent::ConversationCreated => generator.subschema_for::<WebhookPayload<ConversationCreated>>(),
            WebhookEvent::ConversationStatusChanged => {
                generator.subschema_for::<WebhookPayload<ConversationStatusChanged>>()
            }
            WebhookEvent::ConversationAssigned => generator.subschema_for::<WebhookPayload<ConversationAssigned>>(),
            WebhookEvent::MessageUnseen => generator.subschema_for::<WebhookPayload<MessageUnseen>>(),
        };
        let header = |name: &str, description: &str| {
            json!({
                "name": name, "in": "header", "required": true, "description": description,
                "schema": { "type": "string" },
            })
        };
        let operation = json!({
            "summary": format!("`{event}`"),
            "tags": ["webhooks"],
            "security": [],
            "parameters": [
                header("webhook-id", "The same for every attempt of one delivery."),
                header("webhook-timestamp", "When the attempt was made, in seconds since 1970."),
                header("webhook-signature", "`v1,` and the HMAC-SHA256 of id, timestamp and body, in base64."),
            ],
            "requestBody": { "required": true, "content": { "application/json": { "schema": body } } },
            "responses": {
                "2XX": { "description": "Taken." },
                "default": { "description": "Not taken: it is sent again." },
            },
        });
        webhooks.insert(event.as_str().to_owned(), json!({ "post": operation }));
    }
    Value::Object(webhooks)
}

fn tag(name: &str, description: &str) -> Value {
    json!({ "name": name, "description": description })
}

fn operation(endpoint: &Endpoint, generator: &mut SchemaGenerator) -> Value {
    let EndpointSchemas { query, body, answers } = endpoint.schemas(generator);
    let mut docs = endpoint.docs.iter().map(|line| line.trim());
    let summary = docs.next().unwrap_or_default().trim_end_matches('.');
    let more: Vec<_> = docs.collect();
    let mut description = more.join(" ");
    if !description.is_empty() {
        description.push_str("\n\n");
    }
    description.push_str("For: ");
    description.push_str(endpoint.access.as_str());
    description.push('.');
    let mut operation = json!({
        "operationId": lower_first(endpoint.operation.name()),
        "summary": summary,
        "description": description,
        "tags": [endpoint.tag],
        "security": match endpoint.access {
            Access::Anybody | Access::PublicKey => json!([]),
            Access::Team | Access::Participants | Access::SecretKey | Access::Admin | Access::TeamOrAdmin => {
                json!([{ "bearer": [] }])
            }
        },
        "responses": responses(endpoint, answers),
    });
    let parameters = parameters(endpoint.path, query);
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Some(body) = body {
        operation["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": body } } });
    }
    operation
}

fn responses(endpoint: &Endpoint, answers: Vec<(u16, Option<Schema>)>) -> Value {
    let mut responses = Map::new();
    for (status, schema) in answers {
        let description = match (status, endpoint.method) {
            (201, _) => "Made.",
            (202, _) => "It will be done.",
            (204, _) => "Done.",
            (_, HttpMethod::Post) => "It stood already.",
            (_, HttpMethod::Get | HttpMethod::Patch | HttpMethod::Delete) => "As it is now.",
        };
        let mut response = json!({ "description": description });
        if let Some(schema) = schema {
            response["content"] = json!({ "application/json": { "schema": schema } });
        } else if status == 200 {
            let media = if endpoint.path.ends_with(".json") { "application/json" } else { "text/plain" };
            response["content"] = json!({ media: {} });
        }
        responses.insert(status.to_string(), response);
    }
    let problem = json!({ "$ref": "#/components/responses/Problem" });
    responses.insert("4XX".into(), problem.clone());
    responses.insert("5XX".into(), problem);
    Value::Object(responses)
}

fn parameters(path: &str, query: Option<Schema>) -> Vec<Value> {
    let mut parameters = Vec::new();
    for name in path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')) {
        let (characters, max) = match name {
            "visitorId" => ("^[A-Za-z0-9_.:@|+-]+$", 128),
            _ => ("^[A-Za-z0-9_-]+$", 128),
        };
        parameters.push(json!({
            "name": name,
            "in": "path",
            "required": true,
            "schema": { "type": "string", "minLength": 1, "maxLength": max, "pattern": characters },
        }));
    }
    let Some(mut query) = query.map(Schema::to_value) else { return parameters };
    require_presence(&mut query);
    for (name, schema) in query["properties"].as_object_mut().into_iter().flatten() {
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        parameters.push(json!({
            "name": name,
            "in": "query",
            "description": description.unwrap_or_default(),
            "schema": schema,
        }));
    }
    parameters
}

/// Takes `null` out of every optional property: on the wire such a field is absent instead, unless `x-nullable` says
/// that `null` has a meaning of its own there.
fn require_presence(value: &mut Value) {
    if let Value::Object(object) = value {
        let required: Vec<String> =
            object.get("required").and_then(|names| serde_json::from_value(names.clone()).ok()).unwrap_or_default();
        if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
            for (name, property) in properties.iter_mut() {
                let is_nullable = property.as_object_mut().is_some_and(|it| it.remove("x-nullable").is_some());
                if !is_nullable && !required.contains(name) {
                    without_null(property);
                }
            }
        }
    }
    match value {
        Value::Object(object) => object.values_mut().for_each(require_presence),
        Value::Array(items) => items.iter_mut().for_each(require_presence),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn without_null(property: &mut Value) {
    let Some(object) = property.as_object_mut() else { return };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".into(), only);
        }
    }
    let Some(Value::Array(mut choices)) = object.remove("anyOf") else { return };
    choices.retain(|choice| choice["type"] != "null");
    match <[Value; 1]>::try_from(choices) {
        Ok([Value::Object(only)]) => object.extend(only),
        Ok([only]) => {
            object.insert("anyOf".into(), vec![only].into());
        }
        Err(choices) => {
            object.insert("anyOf".into(), choices.into());
        }
    }
}

fn lower_first(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(chars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `$ref` leads somewhere.
    #[test]
    fn references_have_targets() {
        fn check(document: &Value, value: &Value) {
            match value {
                Value::Object(object) => {
                    if let Some(Value::String(target)) = object.get("$ref") {
                        let pointer = target.trim_start_matches('#');
                        assert!(document.pointer(pointer).is_some(), "{target}");
                    }
                    object.values().for_each(|value| check(document, value));
                }
                Value::Array(items) => items.iter().for_each(|value| check(document, value)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let document = openapi();
        check(&document, &document);
        assert!(!document.to_string().contains("x-nullable"));
    }

    #[test]
    fn optional_fields_are_absent_or_of_their_type() {
        let document = openapi();
        let schema = |name: &str, field: &str| document["components"]["schemas"][name]["properties"][field].clone();
        assert_eq!(schema("Problem", "retryAfter")["type"], "integer");
        assert!(schema("ChangeConversation", "assignedTeamMemberId").to_string().contains("null"));
        assert!(schema("NewMessage", "content").to_string().contains("null"));
        assert!(!schema("PostMessage", "visibility").to_string().contains("null"));
    }
}
