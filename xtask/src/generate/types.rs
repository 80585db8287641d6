//! `types.ts`: interfaces, unions and constants.

use std::fmt::Write;

use cossistant_protocol::{self as protocol, CloseCode};

use super::HEADER;
use super::model::{Field, Kind, Message, Model, Named, Shape};

/// The limits that programs need, with what they limit.
const LIMITS: &[(&str, u64, &str)] = &[
    ("MAX_TEXT_LENGTH", protocol::MAX_TEXT_LENGTH as u64, "The longest `text` of a message, in characters."),
    ("MAX_HTML_LENGTH", protocol::MAX_HTML_LENGTH as u64, "The longest `html` of a message, in characters."),
    ("MAX_TYPING_LENGTH", protocol::MAX_TYPING_LENGTH as u64, "The longest preview of a typed text, in characters."),
    ("MAX_ATTACHMENTS", protocol::MAX_ATTACHMENTS as u64, "The most attachments of a message."),
    ("MAX_URL_LENGTH", protocol::MAX_URL_LENGTH as u64, "The longest `url` of an attachment, in characters."),
    ("MAX_METADATA_BYTES", protocol::MAX_METADATA_BYTES as u64, "The most bytes of a `metadata` object as JSON."),
    ("MAX_METADATA_DEPTH", protocol::MAX_METADATA_DEPTH as u64, "The deepest nesting of a `metadata` object."),
    ("MAX_PHASE_LENGTH", protocol::MAX_PHASE_LENGTH as u64, "The longest `phase` of an activity, in characters."),
    ("MAX_ACTIVITY_LENGTH", protocol::MAX_ACTIVITY_LENGTH as u64, "The longest `text` of an activity, in characters."),
    ("MAX_ID_LENGTH", protocol::MAX_ID_LENGTH as u64, "The longest id, in characters."),
    ("MAX_KEY_LENGTH", protocol::MAX_KEY_LENGTH as u64, "The longest `id` of a message, in characters."),
    ("MAX_INTEGER", protocol::MAX_INTEGER, "The greatest integer on the wire."),
];

pub(super) fn write(model: &Model) -> String {
    let mut out = HEADER.to_owned();
    for named in &model.types {
        write_named(&mut out, named);
    }
    for message in model.client.iter().chain(&model.server) {
        write_message(&mut out, message);
    }
    write_union(&mut out, "ClientMessages", "What a client says.", &model.client);
    write_union(&mut out, "ServerMessages", "What the server says.", &model.server);
    write_close_codes(&mut out);
    for (name, value, doc) in LIMITS {
        push(&mut out, format_args!("\n{}export const {name} = {value};\n", comment(doc, "")));
    }
    out
}

/// Writes to a string, which cannot fail.
pub(super) fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _infallible = out.write_fmt(text);
}

/// A documentation comment; nothing, when there is nothing to say.
fn comment(doc: &str, indent: &str) -> String {
    if doc.is_empty() {
        return String::new();
    }
    let lines: Vec<&str> = doc.lines().collect();
    match lines.as_slice() {
        [line] => format!("{indent}/** {line} */\n"),
        _ => {
            let body: Vec<String> =
                lines.iter().map(|line| format!("{indent} * {line}").trim_end().to_owned()).collect();
            format!("{indent}/**\n{}\n{indent} */\n", body.join("\n"))
        }
    }
}

fn write_named(out: &mut String, named: &Named) {
    let Named { name, doc, shape } = named;
    push(out, format_args!("\n{}", comment(doc, "")));
    match shape {
        Shape::Object { fields, .. } => {
            push(out, format_args!("export interface {name} {{\n"));
            fields.iter().for_each(|field| write_field(out, field));
            out.push_str("}\n");
        }
        Shape::Kind(kind) => push(out, format_args!("export type {name} = {};\n", typescript(kind))),
        Shape::Names(values) => {
            push(out, format_args!("export type {name} = (typeof {})[number];\n", constant(name)));
            push(out, format_args!("\n/** Every {{@link {name}}}. */\nexport const {} = [\n", constant(name)));
            for (value, doc) in values {
                push(out, format_args!("{}  \"{value}\",\n", comment(doc, "  ")));
            }
            out.push_str("] as const;\n");
        }
    }
}

/// The name of the list of a type's values: `ErrorCode` → `ERROR_CODES`.
pub(super) fn constant(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
    }
    match out.strip_suffix('Y') {
        Some(stem) => format!("{stem}IES"),
        None if out.ends_with('S') => format!("{out}ES"),
        None => format!("{out}S"),
    }
}

fn write_message(out: &mut String, message: &Message) {
    push(out, format_args!("\n{}export interface {} {{\n", comment(&message.doc, ""), message.name));
    push(out, format_args!("  type: \"{}\";\n", message.type_name));
    message.fields.iter().for_each(|field| write_field(out, field));
    out.push_str("}\n");
}

fn write_field(out: &mut String, field: &Field) {
    let mark = if field.is_required { "" } else { "?" };
    push(out, format_args!("{}  {}{mark}: {};\n", comment(&field.doc, "  "), field.name, typescript(&field.kind)));
}

fn write_union(out: &mut String, name: &str, doc: &str, messages: &[Message]) {
    let members: Vec<&str> = messages.iter().map(|message| message.name.as_str()).collect();
    push(out, format_args!("\n{}export type {name} =\n  | {};\n", comment(doc, ""), members.join("\n  | ")));
}

fn typescript(kind: &Kind) -> String {
    match kind {
        Kind::Text { .. } => "string".to_owned(),
        Kind::OpenNames(name) => format!("{name} | (string & {{}})"),
        Kind::Integer => "number".to_owned(),
        Kind::Boolean => "boolean".to_owned(),
        Kind::Object | Kind::Metadata { .. } => "Record<string, unknown>".to_owned(),
        Kind::List { item, .. } => format!("{}[]", typescript(item)),
        Kind::Named(name) => name.clone(),
        Kind::Nullable(inner) => format!("{} | null", typescript(inner)),
        Kind::Either(kinds) => kinds.iter().map(typescript).collect::<Vec<_>>().join(" | "),
    }
}

fn write_close_codes(out: &mut String) {
    out.push_str("\n/** Why a connection was closed: 44xx, 1002, 1003, 1007 and 1009 mean stop. */\n");
    out.push_str("export const CLOSE_CODES = {\n");
    for code in CloseCode::ALL {
        let name = format!("{code:?}");
        let (head, tail) = name.split_at(1);
        push(out, format_args!("  {}{tail}: {},\n", head.to_ascii_lowercase(), code.as_u16()));
    }
    out.push_str("} as const;\n\n/** One of {@link CLOSE_CODES}. */\n");
    out.push_str("export type CloseCode = (typeof CLOSE_CODES)[keyof typeof CLOSE_CODES];\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_named_in_the_plural() {
        for (name, list) in [
            ("ErrorCode", "ERROR_CODES"),
            ("Visibility", "VISIBILITIES"),
            ("ConversationStatus", "CONVERSATION_STATUSES"),
        ] {
            assert_eq!(constant(name), list);
        }
    }

    #[test]
    fn comments_take_as_many_lines_as_they_need() {
        assert_eq!(comment("One.", "  "), "  /** One. */\n");
        assert_eq!(comment("One.\n\nTwo.", ""), "/**\n * One.\n *\n * Two.\n */\n");
        assert_eq!(comment("", ""), "");
    }
}
