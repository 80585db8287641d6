//! `validate.ts`: the compact validators, a table for the interpreter in `interpret.ts`.

use std::collections::BTreeSet;

use super::model::{Field, Kind, Message, Model, Named, Shape};
use super::schemas::references;
use super::types::push;
use super::{HEADER, regexp};

const FUNCTIONS: &str = r"
/** Judges what a client is about to say. */
export function validateClientMessage(value: unknown): Judged<ClientMessages> {
  return judgeMessage<ClientMessages>(clientRules, head, value);
}

/** Judges what a server said. */
export function validateServerMessage(value: unknown): Judged<ServerMessages> {
  return judgeMessage<ServerMessages>(serverRules, head, value);
}

/** Judges what a message is about to say; nothing, when it is as it must be. */
export function contentFault(value: unknown): Fault | undefined {
  return judge(messageContent, value);
}
";

pub(super) fn write(model: &Model) -> String {
    let mut out = HEADER.to_owned();
    out.push_str("import { judge, judgeMessage, type Fields, type Judged, type Rule } from \"./interpret.js\";\n");
    out.push_str("import type { Fault } from \"./rules.js\";\n");
    out.push_str("import type { ClientMessages, ServerMessages } from \"./types.js\";\n");
    out.push_str("\nexport type { Fault, Judged };\n\nconst integer: Rule = [1];\nconst boolean: Rule = [2];\n");
    let mut written = BTreeSet::new();
    for named in &model.types {
        write_named(&mut out, model, named, &mut written);
    }
    out.push_str("\nconst head: Rule = [5, {}, { id: requestId, timestamp: integer }];\n");
    write_table(&mut out, "clientRules", &model.client);
    write_table(&mut out, "serverRules", &model.server);
    out.push_str(FUNCTIONS);
    out
}

fn rule_name(name: &str) -> String {
    let (head, tail) = name.split_at(1);
    format!("{}{tail}", head.to_ascii_lowercase())
}

/// Writes a type after the types that it is made of.
fn write_named<'a>(out: &mut String, model: &'a Model, named: &'a Named, written: &mut BTreeSet<&'a str>) {
    if !written.insert(&named.name) || named.name == "ErrorCode" {
        return;
    }
    for name in references(&named.shape) {
        write_named(out, model, model.named(name), written);
    }
    let value = match &named.shape {
        Shape::Object { fields, any_non_empty } if any_non_empty.is_empty() => object(fields, ""),
        Shape::Object { fields, any_non_empty } => object(fields, &format!(", {any_non_empty:?}")),
        Shape::Names(values) => {
            let names: Vec<&str> = values.iter().map(|(value, _)| value.as_str()).collect();
            format!("[3, {names:?}]")
        }
        Shape::Kind(kind) => rule(kind),
    };
    push(out, format_args!("const {}: Rule = {value};\n", rule_name(&named.name)));
}

fn object(fields: &[Field], more: &str) -> String {
    let (required, optional): (Vec<&Field>, Vec<&Field>) = fields.iter().partition(|field| field.is_required);
    let record = |fields: Vec<&Field>| {
        let entry = |field: &&Field| {
            let rule = rule(&field.kind);
            if rule == field.name { rule } else { format!("{}: {rule}", field.name) }
        };
        let entries: Vec<String> = fields.iter().map(entry).collect();
        if entries.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", entries.join(", ")) }
    };
    let required = record(required);
    if optional.is_empty() && more.is_empty() {
        return format!("[5, {required}]");
    }
    format!("[5, {required}, {}{more}]", record(optional))
}

fn write_table(out: &mut String, name: &str, messages: &[Message]) {
    push(out, format_args!("\nconst {name}: Fields = {{\n"));
    for message in messages {
        let own = |field: &&Field| field.is_required || (field.name != "id" && field.name != "timestamp");
        let fields: Vec<Field> = message.fields.iter().filter(own).cloned().collect();
        push(out, format_args!("  {}: {},\n", message.type_name, object(&fields, "")));
    }
    out.push_str("};\n");
}

fn rule(kind: &Kind) -> String {
    match kind {
        Kind::Text { min: 0, max: None, pattern: None, .. } | Kind::OpenNames(_) => "[0]".to_owned(),
        Kind::Text { min, max, pattern, is_calendar } => {
            let max = max.map_or("undefined".to_owned(), |max| max.to_string());
            match pattern {
                None => format!("[0, {min}, {max}]"),
                Some(pattern) => {
                    let calendar = if *is_calendar { ", true" } else { "" };
                    format!("[0, {min}, {max}, {}{calendar}]", regexp(pattern))
                }
            }
        }
        Kind::Integer => "integer".to_owned(),
        Kind::Boolean => "boolean".to_owned(),
        Kind::Object => "[6]".to_owned(),
        Kind::Metadata { max_bytes, max_depth } => format!("[6, {max_bytes}, {max_depth}]"),
        Kind::List { item, max } => {
            let limit = max.map_or(String::new(), |max| format!(", {max}"));
            format!("[4, {}{limit}]", rule(item))
        }
        Kind::Named(name) => rule_name(name),
        Kind::Nullable(inner) => format!("[7, {}]", rule(inner)),
        Kind::Either(kinds) => format!("[8, {}]", kinds.iter().map(rule).collect::<Vec<_>>().join(", ")),
    }
}
