//! What the generators know of the protocol: the JSON Schema of the Rust types, cleaned, and the same as a tree.

use anyhow::{Context, Result, bail};
use cossistant_protocol::examples::{self, Example};
use cossistant_protocol::{ClientMessage, ErrorCode, MAX_INTEGER, MessageContent, MessageSchema, ServerMessage};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The protocol.
pub(crate) struct Model {
    /// Named types, by name.
    pub(crate) types: Vec<Named>,
    /// What a client says.
    pub(crate) client: Vec<Message>,
    /// What the server says.
    pub(crate) server: Vec<Message>,
    /// The cleaned schemas of types and messages, by name.
    pub(crate) definitions: Map<String, Value>,
}

/// A message.
pub(crate) struct Message {
    /// `type` on the wire.
    pub(crate) type_name: &'static str,
    /// The name of its TypeScript type and JSON Schema.
    pub(crate) name: String,
    /// What it says.
    pub(crate) doc: String,
    /// Its fields, without `type`, but with `id` and `timestamp`.
    pub(crate) fields: Vec<Field>,
    /// Messages of its kind.
    pub(crate) example: Example,
}

/// A type with a name.
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) shape: Shape,
}

/// What a named type is made of.
pub(crate) enum Shape {
    Object {
        fields: Vec<Field>,
        /// Of these fields at least one is there and not empty.
        any_non_empty: Vec<String>,
    },
    /// One of these texts, each with its meaning.
    Names(Vec<(String, String)>),
    Kind(Kind),
}

/// A field of an object.
#[derive(Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) is_required: bool,
    pub(crate) kind: Kind,
}

/// What a value may be.
#[derive(Clone)]
pub(crate) enum Kind {
    Text {
        min: u64,
        /// Without it, any text, U+0000 included.
        max: Option<u64>,
        /// More than that U+0000 is refused.
        pattern: Option<String>,
        /// A time that the calendar has.
        is_calendar: bool,
    },
    /// A text, of which these names are known.
    OpenNames(String),
    /// A whole number from 0 to 2^53 − 1.
    Integer,
    Boolean,
    /// An object of free form.
    Object,
    /// An object of free form within limits.
    Metadata {
        max_bytes: u64,
        max_depth: u64,
    },
    List {
        item: Box<Self>,
        max: Option<u64>,
    },
    Named(String),
    Nullable(Box<Self>),
    Either(Vec<Self>),
}

/// What a text of at most so many characters looks like in the schema: any but U+0000.
const NO_NUL: [&str; 2] = ["^[^\\u0000]*$", "^[^\\u0000]+$"];

impl Model {
    /// Reads the protocol from its Rust types.
    pub(crate) fn new() -> Result<Self> {
        let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
        let client = ClientMessage::schemas(&mut generator);
        let server = ServerMessage::schemas(&mut generator);
        let _named = generator.subschema_for::<ErrorCode>();
        let _content = generator.subschema_for::<MessageContent>();
        let mut schemas = generator.definitions().clone();
        schemas.values_mut().try_for_each(clean)?;

        let is_taken = |name: &str| name == "Error" || client.iter().any(|message| message.name == name);
        let client_messages = messages(&schemas, &client, examples::CLIENT, |_| false)?;
        let server_messages = messages(&schemas, &server, examples::SERVER, is_taken)?;
        let mut definitions = Map::new();
        for (message, schema) in client_messages.iter().zip(&client).chain(server_messages.iter().zip(&server)) {
            definitions.insert(message.name.clone(), envelope(&schemas[body(schema)?], message));
        }
        let bodies: Vec<&str> = client.iter().chain(&server).map(body).collect::<Result<_>>()?;
        schemas.retain(|name, _| !bodies.contains(&name.as_str()));
        let types = schemas.iter().map(|(name, schema)| named(name, schema)).collect::<Result<_>>()?;
        definitions.append(&mut schemas);
        Ok(Self { types, client: client_messages, server: server_messages, definitions })
    }

    /// The named type of that name.
    pub(crate) fn named(&self, name: &str) -> &Named {
        self.types.iter().find(|named| named.name == name).expect("a reference has its definition")
    }
}

/// The name of the definition that a message's body is.
fn body(message: &MessageSchema) -> Result<&str> {
    reference(message.body.as_value()).with_context(|| format!("{} has no body", message.type_name))
}

fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix("#/$defs/")
}

fn messages(
    schemas: &Map<String, Value>,
    messages: &[MessageSchema],
    examples: &[Example],
    is_taken: impl Fn(&str) -> bool,
) -> Result<Vec<Message>> {
    let read = |(message, example): (&MessageSchema, &Example)| {
        let body = body(message)?;
        let mut fields = fields(&schemas[body])?;
        let doc = |name: &str| match name {
            "id" => "Names the message; an answer has that of what it answers.",
            _ => "When it was sent, in ms since 1970.",
        };
        for (name, kind) in [("id", Kind::Named("RequestId".to_owned())), ("timestamp", Kind::Integer)] {
            if !fields.iter().any(|field| field.name == name) {
                fields.push(Field { name: name.to_owned(), doc: doc(name).to_owned(), is_required: false, kind });
            }
        }
        Ok(Message {
            type_name: message.type_name,
            name: if is_taken(message.name) { body.to_owned() } else { message.name.to_owned() },
            doc: message.doc.to_owned(),
            fields,
            example: *example,
        })
    };
    messages.iter().zip(examples).map(read).collect()
}

/// The schema of a whole message.
fn envelope(body: &Value, message: &Message) -> Value {
    let mut schema = json!({
        "description": message.doc,
        "type": "object",
        "properties": {
            "id": { "$ref": "#/$defs/RequestId" },
            "timestamp": { "type": "integer", "minimum": 0, "maximum": MAX_INTEGER },
        },
        "required": ["type"],
    });
    if let Some(properties) = body["properties"].as_object() {
        for (name, property) in properties {
            schema["properties"][name] = property.clone();
        }
    }
    schema["properties"]["type"] = json!({ "const": message.type_name });
    if let (Some(all), Some(more)) = (schema["required"].as_array_mut(), body["required"].as_array()) {
        all.extend(more.iter().cloned());
    }
    schema
}

/// Brings a schema to what is true on the wire: an optional field may be absent, not `null`; integers stay below 2^53.
fn clean(schema: &mut Value) -> Result<()> {
    let required: Vec<Value> = schema["required"].as_array().cloned().unwrap_or_default();
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, property) in properties {
            let is_nullable = required.contains(&json!(name)) || property.get("x-nullable").is_some();
            if !is_nullable {
                strip_null(property);
            }
            clean(property)?;
        }
    }
    if let Some(any) = schema.get("x-anyNonEmpty").and_then(Value::as_array).cloned() {
        schema["anyOf"] = any.iter().map(|name| one_non_empty(schema, name)).collect::<Result<_>>()?;
    }
    if schema["format"] == "uint64" {
        schema.as_object_mut().context("a schema is an object")?.remove("format");
        schema["maximum"] = json!(MAX_INTEGER);
    }
    Ok(())
}

/// A schema that asks for a field that is not empty.
fn one_non_empty(schema: &Value, name: &Value) -> Result<Value> {
    let name = name.as_str().context("a field has a name")?;
    let inner = if schema["properties"][name]["type"] == "array" {
        // Zod heeds `minItems` beside `items` only.
        json!({ "type": "array", "items": {}, "minItems": 1 })
    } else {
        json!({ "type": "string", "minLength": 1 })
    };
    Ok(json!({ "type": "object", "properties": { name: inner }, "required": [name] }))
}

fn strip_null(property: &mut Value) {
    if let Some([kind, _null]) = property["type"].as_array().map(Vec::as_slice) {
        property["type"] = kind.clone();
    }
    let kept = property["anyOf"].as_array().and_then(|kinds| kinds.iter().find(|kind| kind["type"] != "null")).cloned();
    if let (Some(Value::Object(kept)), Some(property)) = (kept, property.as_object_mut()) {
        property.remove("anyOf");
        property.extend(kept);
    }
}

fn text(schema: &Value, key: &str) -> String {
    schema[key].as_str().unwrap_or_default().to_owned()
}

fn named(name: &str, schema: &Value) -> Result<Named> {
    let names = |schema: &Value| Some((schema["const"].as_str()?.to_owned(), text(schema, "description")));
    let shape = if let Some(values) = schema["oneOf"].as_array() {
        Shape::Names(values.iter().map(names).collect::<Option<_>>().with_context(|| format!("{name}: not names"))?)
    } else if schema["properties"].is_object() {
        let any = schema["x-anyNonEmpty"].as_array().into_iter().flatten();
        let any_non_empty = any.filter_map(Value::as_str).map(str::to_owned).collect();
        Shape::Object { fields: fields(schema)?, any_non_empty }
    } else {
        Shape::Kind(kind(schema).with_context(|| name.to_owned())?)
    };
    Ok(Named { name: name.to_owned(), doc: text(schema, "description"), shape })
}

/// The required fields in the order of their declaration, then the optional ones.
fn fields(schema: &Value) -> Result<Vec<Field>> {
    let Some(properties) = schema["properties"].as_object() else { return Ok(Vec::new()) };
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let optional = properties.keys().map(String::as_str).filter(|name| !required.contains(name));
    let field = |name: &str| {
        let property = &properties[name];
        Ok(Field {
            name: name.to_owned(),
            doc: text(property, "description"),
            is_required: required.contains(&name),
            kind: kind(property).with_context(|| name.to_owned())?,
        })
    };
    required.iter().copied().chain(optional).map(field).collect()
}

fn kind(schema: &Value) -> Result<Kind> {
    if let Some(name) = reference(schema) {
        return Ok(Kind::Named(name.to_owned()));
    }
    if let Some(kinds) = schema["anyOf"].as_array() {
        let (nulls, others): (Vec<&Value>, Vec<&Value>) = kinds.iter().partition(|kind| kind["type"] == "null");
        let mut others: Vec<Kind> = others.into_iter().map(kind).collect::<Result<_>>()?;
        let inner = if others.len() == 1 { others.remove(0) } else { Kind::Either(others) };
        return Ok(if nulls.is_empty() { inner } else { Kind::Nullable(Box::new(inner)) });
    }
    match schema["type"].as_str() {
        Some("string") => Ok(text_kind(schema)),
        Some("integer") => Ok(Kind::Integer),
        Some("boolean") => Ok(Kind::Boolean),
        Some("array") => Ok(Kind::List { item: Box::new(kind(&schema["items"])?), max: schema["maxItems"].as_u64() }),
        Some("object") => match (schema["x-maxBytes"].as_u64(), schema["x-maxDepth"].as_u64()) {
            (Some(max_bytes), Some(max_depth)) => Ok(Kind::Metadata { max_bytes, max_depth }),
            _ => Ok(Kind::Object),
        },
        _ => bail!("the generators do not know this schema: {schema}"),
    }
}

fn text_kind(schema: &Value) -> Kind {
    if let Some(names) = schema["x-openEnum"].as_str() {
        return Kind::OpenNames(names.to_owned());
    }
    Kind::Text {
        min: schema["minLength"].as_u64().unwrap_or(0),
        max: schema["maxLength"].as_u64(),
        pattern: schema["pattern"].as_str().filter(|pattern| !NO_NUL.contains(pattern)).map(str::to_owned),
        is_calendar: schema["x-calendar"] == true,
    }
}
