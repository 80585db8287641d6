//! The wire fixtures: messages that are accepted and messages that are refused, with the verdict of Rust.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use cossistant_protocol::{ClientFrame, ServerMessage, UnreadableMessage};
use serde_json::{Value, json};

use super::model::{Field, Kind, Message, Model, Shape};

/// Which direction a message goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// Stands in a text for what is too long to be written out.
const FILL: &str = "…";

/// A change of one field.
struct Case {
    name: String,
    value: Option<Value>,
    /// What to put for [`FILL`], how often.
    fill: Option<(&'static str, u64)>,
    is_accepted: bool,
    /// Where in the field the fault is.
    path: String,
    /// JSON Schema, or its reader, cannot judge it.
    is_beyond_json_schema: bool,
}

fn case(name: &str, value: Value, is_accepted: bool) -> Case {
    Case {
        name: name.to_owned(),
        value: Some(value),
        fill: None,
        is_accepted,
        path: String::new(),
        is_beyond_json_schema: false,
    }
}

impl Case {
    fn filled(self, text: &'static str, times: u64) -> Self {
        Self { fill: Some((text, times)), ..self }
    }

    fn beyond_json_schema(self) -> Self {
        Self { is_beyond_json_schema: true, ..self }
    }

    fn at(self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self }
    }
}

/// The fixtures of one side as a JSON list, one a line.
pub(super) fn write(model: &Model, side: Side) -> Result<String> {
    let messages = match side {
        Side::Client => &model.client,
        Side::Server => &model.server,
    };
    let mut lines = Vec::new();
    let mut covered = BTreeSet::new();
    for message in messages {
        for (name, text) in [("full", message.example.full), ("least", message.example.least)] {
            lines.push(line(side, message, &serde_json::from_str(text)?, "", &case(name, Value::Null, true))?);
        }
        let mut unknown: Value = serde_json::from_str(message.example.least)?;
        unknown["unknownField"] = json!({ "of": ["a newer", 1, "version"] });
        lines.push(line(side, message, &unknown, "", &case("unknown field", Value::Null, true))?);
        for field in &message.fields {
            add_field(model, side, message, field, &mut lines, &mut covered)?;
        }
    }
    let other = json!({ "type": "of_a_newer_version", "id": "1" });
    lines.push(line(side, &messages[0], &other, "", &case("unknown type", Value::Null, false))?);
    Ok(format!("[\n{}\n]\n", lines.join(",\n")))
}

fn add_field<'a>(
    model: &Model,
    side: Side,
    message: &'a Message,
    field: &'a Field,
    lines: &mut Vec<String>,
    covered: &mut BTreeSet<&'a str>,
) -> Result<()> {
    let full: Value = serde_json::from_str(message.example.full)?;
    let mut cases = field_cases(model, field, &full[&field.name]);
    // A type that stands in many messages is tried in full in the first of them.
    if let Kind::Named(name) = &field.kind
        && !covered.insert(name)
    {
        cases.retain(|case| ["null", "a number", "a string", "no such name", "with a space"].contains(&&*case.name));
    }
    cases.push(Case { value: None, ..case("absent", Value::Null, !field.is_required) });
    let mut names: Vec<String> = Vec::new();
    for case in cases {
        if names.contains(&case.name) {
            continue;
        }
        names.push(case.name.clone());
        let mut value: Value = serde_json::from_str(message.example.least)?;
        let object = value.as_object_mut().context("a message is an object")?;
        match &case.value {
            Some(changed) => drop(object.insert(field.name.clone(), changed.clone())),
            None => drop(object.remove(&field.name)),
        }
        lines.push(line(side, message, &value, &field.name, &case)?);
    }
    Ok(())
}

/// Changes of a field's value. One that need not be there may be `null`, of which the schema, which says how messages
/// should be, says nothing.
fn field_cases(model: &Model, field: &Field, good: &Value) -> Vec<Case> {
    let mut cases = cases(model, &field.kind, good);
    if !field.is_required && !matches!(field.kind, Kind::Nullable(_)) {
        cases[0] = case("null", Value::Null, true).beyond_json_schema();
    }
    cases
}

/// Changes of a value of some kind, the first of them to `null`; `good` is one that is accepted.
fn cases(model: &Model, kind: &Kind, good: &Value) -> Vec<Case> {
    let mut cases = vec![case("null", Value::Null, matches!(kind, Kind::Nullable(_)))];
    match kind {
        Kind::Text { min, max, pattern, is_calendar } => {
            cases.push(case("a number", json!(5), false));
            cases.push(case("half a character", json!("half: \u{e000}"), false).beyond_json_schema());
            cases.extend(text_cases(*min, *max, pattern.as_deref(), *is_calendar));
        }
        Kind::OpenNames(_) => {
            cases.push(case("a number", json!(5), false));
            cases.push(case("a name of a newer version", json!("of_a_newer_version"), true));
        }
        Kind::Integer => {
            for (name, value, is_accepted) in [
                ("zero", json!(0), true),
                ("whole with a point", json!(5.0), true),
                ("the greatest", json!(9_007_199_254_740_991_u64), true),
                ("past the greatest", json!(9_007_199_254_740_992_u64), false),
                ("negative", json!(-1), false),
                ("broken", json!(0.5), false),
                ("a string", json!("5"), false),
            ] {
                cases.push(case(name, value, is_accepted));
            }
        }
        Kind::Boolean => {
            cases.push(case("a number", json!(1), false));
            cases.push(case("a string", json!("true"), false));
        }
        Kind::Object => {
            cases.push(case("a list", json!([]), false));
            cases.push(case("an empty object", json!({}), true));
        }
        Kind::Metadata { max_bytes, max_depth } => cases.extend(metadata_cases(*max_bytes, *max_depth)),
        Kind::List { item, max } => cases.extend(list_cases(model, item, *max, good)),
        Kind::Named(name) => cases.extend(named_cases(model, name, good)),
        Kind::Nullable(inner) => cases.extend(self::cases(model, inner, good).into_iter().skip(1)),
        // Of several kinds the last one has the paths.
        Kind::Either(kinds) => {
            cases.push(case("true", json!(true), true));
            cases.push(case("a string", json!("true"), false));
            let last = kinds.last().map(|kind| self::cases(model, kind, good)).unwrap_or_default();
            cases.extend(last.into_iter().filter(|case| !case.path.is_empty()));
        }
    }
    cases
}

fn text_cases(min: u64, max: Option<u64>, pattern: Option<&str>, is_calendar: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    match (pattern, max) {
        (None, None) => cases.push(case("U+0000", json!("nul: \0"), true)),
        (None, Some(max)) => {
            cases.push(case("U+0000", json!("nul: \0"), false));
            cases.push(case("empty", json!(""), min == 0));
            cases.push(case("the longest", json!(FILL), true).filled("x", max));
            cases
                .push(case("the longest, of two units each", json!(FILL), true).filled("😀", max).beyond_json_schema());
            cases.push(case("too long", json!(FILL), false).filled("x", max + 1));
        }
        (Some(pattern), _) if pattern.contains("://") => {
            for url in ["javascript:alert(1)", "ftp://h/", "//h/", "https://", "https://h/ x", "https://h/\u{feff}", ""]
            {
                cases.push(case(&format!("{url:?}"), json!(url), false));
            }
            for url in ["http://h", "HTTPS://H/ä?b=1#c", "https://[::1]:80/", "https://bücher.example"] {
                cases.push(case(&format!("{url:?}"), json!(url), true));
            }
            cases.push(case("too long", json!(format!("https://h/{FILL}")), false).filled("x", 4087));
            cases.push(case("the longest", json!(format!("https://h/{FILL}")), true).filled("x", 4086));
        }
        (Some(_), _) if is_calendar => {
            for time in ["2023-02-29T00:00:00.000Z", "1969-12-31T23:59:59.999Z", "2024-01-01T24:00:00.000Z"] {
                cases.push(case(time, json!(time), false).beyond_json_schema());
            }
            for time in ["2024-01-01T00:00:00Z", "2024-01-01T00:00:00.000+00:00", "2024-01-01", ""] {
                cases.push(case(&format!("{time:?}"), json!(time), false));
            }
            cases.push(case("a leap day", json!("2024-02-29T23:59:59.999Z"), true));
        }
        (Some(_), Some(max)) => {
            cases.push(case("empty", json!(""), false));
            cases.push(case("the longest", json!(FILL), true).filled("x", max));
            cases.push(case("too long", json!(FILL), false).filled("x", max + 1));
            cases.push(case("with a space", json!("a b"), false));
            cases.push(case("U+0000", json!("a\0"), false));
        }
        (Some(_), None) => {
            for channel in ["", "conversation", "conversation:", "topic:a", "website:a b", "website:a:b"] {
                cases.push(case(&format!("{channel:?}"), json!(channel), false));
            }
        }
    }
    cases
}

fn metadata_cases(max_bytes: u64, max_depth: u64) -> Vec<Case> {
    let nested = |levels: u64| (1..levels).fold(json!({}), |inner, _| json!({ "a": inner }));
    let filled = || json!({ "k": FILL });
    vec![
        case("a list", json!([]), false),
        case("an empty object", json!({}), true),
        case("the deepest", nested(max_depth), true),
        case("too deep", nested(max_depth + 1), false).beyond_json_schema(),
        // `{"k":"…"}` is eight bytes and the text.
        case("the largest", filled(), true).filled("ä", (max_bytes - 8) / 2),
        case("too large", filled(), false).filled("ä", (max_bytes - 8) / 2 + 1).beyond_json_schema(),
        case("the largest, of escapes", filled(), true).filled("\\n", (max_bytes - 8) / 2),
        case("too large, of escapes", filled(), false).filled("\\n", (max_bytes - 8) / 2 + 1).beyond_json_schema(),
        case("numbers", json!({ "n": [-0.0, 1.0, 1e21, 1.5e300, 1e-7, 0.1] }), true),
        case("U+0000", json!({ "a": { "b": ["x", "y\0"] } }), false).at("a.b.1").beyond_json_schema(),
        case("half a character", json!({ "a": ["\u{e000}"] }), false).at("a.0").beyond_json_schema(),
    ]
}

fn list_cases(model: &Model, item: &Kind, max: Option<u64>, good: &Value) -> Vec<Case> {
    let first = good[0].clone();
    let mut out = vec![case("an object", json!({}), false), case("empty", json!([]), true)];
    if let Some(max) = max {
        let of = |count: u64| Value::from((0..count).map(|_| first.clone()).collect::<Vec<_>>());
        out.push(case("the longest", of(max), true));
        out.push(case("too long", of(max + 1), false));
    }
    let inner = cases(model, item, &first).into_iter();
    out.extend(inner.map(|inner| wrap(inner, "0", |value| json!([value]))));
    // A message must not be empty.
    out.retain(|case| case.name != "empty" || max.is_none());
    out
}

fn named_cases(model: &Model, name: &str, good: &Value) -> Vec<Case> {
    match &model.named(name).shape {
        Shape::Kind(kind) => cases(model, kind, good).into_iter().skip(1).collect(),
        Shape::Names(values) => {
            let mut out = vec![
                case("a number", json!(5), false),
                case("no such name", json!("none_of_them"), false),
                case("a name as a key", json!({ values[0].0.clone(): null }), false),
            ];
            out.extend(values.iter().map(|(value, _)| case(value, json!(value), true)));
            out
        }
        Shape::Object { fields, any_non_empty } => {
            let mut out = vec![case("a string", json!("x"), false), case("a list", json!([]), false)];
            if !any_non_empty.is_empty() {
                out.push(case("an empty object", json!({}), false));
                out.push(case("nothing in it", json!({ "text": "", "html": "", "attachments": [] }), false));
            }
            for field in fields {
                let put = |value: Value| {
                    let mut object = good.clone();
                    object[&field.name] = value;
                    object
                };
                let inner = field_cases(model, field, &good[&field.name]).into_iter();
                out.extend(inner.map(|inner| wrap(inner, &field.name, put)));
                let mut without = good.clone();
                without.as_object_mut().map(|object| object.remove(&field.name));
                let absent = case(&format!("{}: absent", field.name), without, field.is_required.eq(&false));
                out.push(if field.is_required { absent.at(&field.name) } else { absent });
            }
            out
        }
    }
}

/// The same change, seen from one level further out.
fn wrap(inner: Case, key: &str, put: impl Fn(Value) -> Value) -> Case {
    let tail = if inner.path.is_empty() { String::new() } else { format!(".{}", inner.path) };
    Case {
        name: format!("{key}: {}", inner.name),
        value: inner.value.map(put),
        path: if inner.is_accepted { String::new() } else { format!("{key}{tail}") },
        ..inner
    }
}

/// One fixture as JSON. It is what Rust says, or there is none.
fn line(side: Side, message: &Message, value: &Value, field: &str, case: &Case) -> Result<String> {
    // A Rust string cannot hold half a character; this one stands for it.
    let text = value.to_string().replace('\u{e000}', "\\ud800");
    let whole = match case.fill {
        Some((fill, times)) => text.replace(FILL, &fill.repeat(usize::try_from(times)?)),
        None => text.clone(),
    };
    let (is_accepted, path) = judge(side, &whole);
    let expected = match (case.is_accepted, case.path.is_empty()) {
        (true, _) => None,
        (false, true) if field.is_empty() => None,
        (false, true) => Some(field.to_owned()),
        (false, false) => Some(format!("{field}.{}", case.path)),
    };
    let name = format!("{}: {field}{}{}", message.type_name, if field.is_empty() { "" } else { ": " }, case.name);
    ensure!(is_accepted == case.is_accepted && path == expected, "{name}: Rust says {is_accepted} {path:?}: {text}");
    let mut fixture = json!({ "name": name, "accepted": is_accepted, "text": text });
    if let Some(path) = path {
        fixture["path"] = json!(path);
    }
    if let Some((text, times)) = case.fill {
        fixture["fill"] = json!({ "text": text, "times": times });
    }
    if case.is_beyond_json_schema {
        fixture["beyondJsonSchema"] = json!(true);
    }
    Ok(fixture.to_string())
}

/// Whether Rust accepts a text, and where it is wrong.
pub(super) fn judge(side: Side, text: &str) -> (bool, Option<String>) {
    match side {
        Side::Client => match ClientFrame::parse(text) {
            Ok(_) => (true, None),
            Err(rejected) => (false, rejected.invalid.map(|invalid| invalid.path)),
        },
        Side::Server => match ServerMessage::parse(text) {
            Ok(_) => (true, None),
            Err(UnreadableMessage::Invalid(invalid)) => (false, Some(invalid.path)),
            Err(_) => (false, None),
        },
    }
}
