//! JSON values: their depth, their size, and one form for all equal values.

use std::fmt::Write;

use serde_json::{Map, Value};

/// A JSON object of free form.
pub type Object = Map<String, Value>;

/// How deep a value nests; a string, number, boolean or null is 0, `{}` and `[]` are 1.
#[must_use]
pub fn depth(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(object) => object_depth(object),
    }
}

/// How deep an object nests; `{}` is 1.
#[must_use]
pub fn object_depth(object: &Object) -> usize {
    1 + object.values().map(depth).max().unwrap_or(0)
}

/// Whether U+0000 stands in any string or key; the path of the first place, if so.
#[must_use]
pub fn find_nul(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
        Value::String(text) => text.contains('\0').then(String::new),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(at, item)| Some(join(&at.to_string(), &find_nul(item)?)))
        }
        Value::Object(object) => find_nul_in_object(object),
    }
}

/// [`find_nul`] of an object.
#[must_use]
pub fn find_nul_in_object(object: &Object) -> Option<String> {
    object.iter().find_map(|(key, value)| {
        if key.contains('\0') {
            return Some(key.replace('\0', "\u{fffd}"));
        }
        Some(join(key, &find_nul(value)?))
    })
}

/// Joins two parts of a dotted path, either of which may be empty.
#[must_use]
pub fn join(head: &str, tail: &str) -> String {
    match (head.is_empty(), tail.is_empty()) {
        (_, true) => head.to_owned(),
        (true, false) => tail.to_owned(),
        (false, false) => format!("{head}.{tail}"),
    }
}

/// Writes a value in the one form that all equal values share: keys sorted, no white space, numbers of one value
/// in one spelling (`1`, `1.0` and `1e0` are equal).
#[must_use]
pub fn canonical(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value);
    out
}

/// [`canonical`] of an object.
#[must_use]
pub fn canonical_object(object: &Object) -> String {
    let mut out = String::new();
    write_object(&mut out, object);
    out
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_value(out, item);
            }
            out.push(']');
        }
        Value::Object(object) => write_object(out, object),
    }
}

fn write_object(out: &mut String, object: &Object) {
    let mut entries: Vec<_> = object.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    out.push('{');
    for (at, (key, value)) in entries.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_string(out, key);
        out.push(':');
        write_value(out, value);
    }
    out.push('}');
}

#[expect(clippy::cast_possible_truncation, reason = "the value is checked to be whole and exact")]
fn write_number(out: &mut String, number: &serde_json::Number) {
    let whole = number.as_f64().filter(|value| value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0);
    // Writing to a string cannot fail.
    let _infallible = match whole {
        Some(value) => write!(out, "{}", value as i64),
        None => write!(out, "{number}"),
    };
}

fn write_string(out: &mut String, text: &str) {
    out.push_str(&serde_json::to_string(text).expect("a string is always JSON"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_one_form() {
        let a: Value = serde_json::from_str(r#"{"b": [1.0, "\u0041"], "a": null}"#).unwrap();
        let b: Value = serde_json::from_str(r#"{"a":null,"b":[1,"A"]}"#).unwrap();
        assert_eq!(canonical(&a), canonical(&b));
        assert_eq!(canonical(&a), r#"{"a":null,"b":[1,"A"]}"#);
    }

    #[test]
    fn depth_counts_the_outermost_level() {
        for (text, levels) in [("1", 0), ("{}", 1), (r#"{"a":[{}]}"#, 3)] {
            assert_eq!(depth(&serde_json::from_str(text).unwrap()), levels, "{text}");
        }
    }
}
