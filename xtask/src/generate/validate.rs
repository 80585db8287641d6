//! `validate.ts`: the compact validators, tables for the interpreter in `interpret.ts`.

use std::collections::BTreeMap;

use super::model::{Field, Kind, Message, Model, Shape};
use super::types::push;
use super::{HEADER, regexp};

const FUNCTIONS: &str = r#"
/** Judges what a client is about to say. */
export function validateClientMessage(value: unknown): Judged<ClientMessages> {
  return judgeMessage<ClientMessages>(client, value);
}

/** Judges what a server said. */
export function validateServerMessage(value: unknown): Judged<ServerMessages> {
  return judgeMessage<ServerMessages>(server, value);
}

/** Judges what a message is about to say; nothing, when it is as it must be. */
export function contentFault(value: unknown): Fault | undefined {
  return judge(client.kinds, "messageContent", value);
}
"#;

pub(super) fn write(model: &Model) -> String {
    let mut out = HEADER.to_owned();
    out.push_str("import { judge, judgeMessage, type Grammar, type Judged } from \"./interpret.js\";\n");
    out.push_str("import { metadataFault, nonEmptyFault, type Fault } from \"./rules.js\";\n");
    out.push_str("import type { ClientMessages, ServerMessages } from \"./types.js\";\n");
    out.push_str("\nexport type { Fault, Judged };\n");
    write_grammar(&mut out, model, "client", &model.client);
    write_grammar(&mut out, model, "server", &model.server);
    out.push_str(FUNCTIONS);
    out
}

/// Writes what one side may say. Each side has all that it needs, so that a bundle has no more than the sides it uses.
fn write_grammar(out: &mut String, model: &Model, name: &str, messages: &[Message]) {
    let mut kinds = Kinds { model, written: BTreeMap::new() };
    kinds.named("RequestId");
    push(out, format_args!("\nconst {name}: Grammar = {{\n  messages: {{\n"));
    for message in messages {
        let own = |field: &&Field| field.is_required || (field.name != "id" && field.name != "timestamp");
        let fields: Vec<&Field> = message.fields.iter().filter(own).collect();
        push(out, format_args!("    {}: {:?},\n", message.type_name, kinds.object(&fields)));
    }
    out.push_str("  },\n  kinds: {\n");
    for (name, kind) in kinds.written {
        push(out, format_args!("    {name}: {kind},\n"));
    }
    out.push_str("  },\n};\n");
}

/// The kinds that a side needs and that are not basic, as they are written.
struct Kinds<'a> {
    model: &'a Model,
    written: BTreeMap<String, String>,
}

impl Kinds<'_> {
    /// An object as its fields, those that may be missing at the end.
    fn object(&mut self, fields: &[&Field]) -> String {
        let mut out = Vec::new();
        for (is_required, sign) in [(true, ':'), (false, '?')] {
            for field in fields.iter().filter(|field| field.is_required == is_required) {
                let kind = self.kind(&field.kind);
                let written = format!("{}{sign}{}", field.name, if kind == field.name { "" } else { &kind });
                out.push(written.trim_end_matches(':').to_owned());
            }
        }
        out.join(" ")
    }

    /// The name of a kind, or how it is made of others.
    fn kind(&mut self, kind: &Kind) -> String {
        match kind {
            Kind::Text { min: 0, max: None, pattern: None, .. } | Kind::OpenNames(_) => "text".to_owned(),
            Kind::Text { is_calendar: true, .. } => "time".to_owned(),
            Kind::Text { min, max, pattern, .. } => {
                let name = match (pattern, max) {
                    (None, Some(max)) => format!("text{min}to{max}"),
                    // Patterns have names of their own, but for one.
                    _ => "url".to_owned(),
                };
                self.define(name, form(*min, *max, pattern.as_deref()))
            }
            Kind::Integer => "integer".to_owned(),
            Kind::Boolean => "boolean".to_owned(),
            Kind::Object => "object".to_owned(),
            Kind::Metadata { max_bytes, max_depth } => {
                let judge = format!("(value) => metadataFault(value, {max_bytes}, {max_depth})");
                self.define("metadata".to_owned(), judge)
            }
            Kind::List { item, max } => {
                let max = max.map_or(String::new(), |max| max.to_string());
                format!("{}[{max}]", self.kind(item))
            }
            Kind::Named(name) => self.named(name),
            Kind::Nullable(inner) => format!("null|{}", self.kind(inner)),
            Kind::Either(kinds) => kinds.iter().map(|kind| self.kind(kind)).collect::<Vec<_>>().join("|"),
        }
    }

    fn named(&mut self, type_name: &str) -> String {
        let (head, tail) = type_name.split_at(1);
        let name = format!("{}{tail}", head.to_ascii_lowercase());
        match &self.model.named(type_name).shape {
            Shape::Kind(Kind::Text { min, max, pattern, is_calendar: false }) => {
                self.define(name, form(*min, *max, pattern.as_deref()))
            }
            Shape::Kind(kind) => self.kind(kind),
            Shape::Names(values) => {
                let values: Vec<&str> = values.iter().map(|(value, _)| value.as_str()).collect();
                self.define(name, format!("/^({})$/", values.join("|")))
            }
            Shape::Object { fields, any_non_empty } => {
                let mut object = self.object(&fields.iter().collect::<Vec<_>>());
                if !any_non_empty.is_empty() {
                    let judge = format!("(value) => nonEmptyFault(value, {any_non_empty:?})");
                    object = format!("{object} :{}", self.define(format!("{name}Parts"), judge));
                }
                self.define(name, format!("{object:?}"))
            }
        }
    }

    fn define(&mut self, name: String, kind: String) -> String {
        let known = self.written.entry(name.clone()).or_insert_with(|| kind.clone());
        assert_eq!(*known, kind, "two kinds are called {name}");
        name
    }
}

/// The form of a text: so many characters, none of them half or U+0000, and the pattern.
fn form(min: u64, max: Option<u64>, pattern: Option<&str>) -> String {
    let characters = max.map_or(r"\P{Surrogate}*".to_owned(), |max| format!(r"[^\0\p{{Surrogate}}]{{{min},{max}}}"));
    let pattern = match pattern {
        // Nothing but these characters, as often as may be.
        Some(pattern) if pattern.ends_with("]+$") && pattern.matches('[').count() == 1 => {
            pattern.replace("+$", &format!("{{{min},{}}}$", max.map_or(String::new(), |max| max.to_string())))
        }
        Some(pattern) => format!("^(?={characters}$){}", pattern.trim_start_matches('^')),
        None => format!("^{characters}$"),
    };
    format!("{}u", regexp(&pattern))
}
