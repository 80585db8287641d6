//! JSON values: their depth, their size, and one form for all equal values.

use std::fmt::Write;

use serde_json::{Map, Value};

/// A JSON object of free form.
pub type Object = Map<String, Value>;

/// The deepest nesting of a whole message, unknown fields included: what `serde_json` reads without a limit of ours.
pub const MAX_DEPTH: usize = 128;

/// Whether JSON text nests deeper than [`MAX_DEPTH`]. Of text that is no JSON it says nothing useful.
#[must_use]
pub fn nests_too_deep(text: &str) -> bool {
    nests_deeper_than(text, MAX_DEPTH)
}

/// Whether JSON text nests deeper than so many levels. Of text that is no JSON it says nothing useful.
pub(crate) fn nests_deeper_than(text: &str, levels: usize) -> bool {
    // Most texts are so short, or have so few brackets, that their order does not matter.
    if text.len() <= levels || openings(text) <= levels {
        return false;
    }
    let (mut depth, mut is_in_string, mut is_escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_in_string => is_escaped = true,
            b'"' => is_in_string = !is_in_string,
            _ if is_in_string => {}
            b'[' | b'{' => {
                depth += 1;
                if depth > levels {
                    return true;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// How many opening brackets a text has, counted in pieces whose count fits a byte: so the processor does many at once.
fn openings(text: &str) -> usize {
    let is_opening = |byte: &u8| u8::from(matches!(byte, b'[' | b'{'));
    let of_piece = |piece: &[u8]| piece.iter().map(is_opening).fold(0, u8::wrapping_add);
    text.as_bytes().chunks(255).map(|piece| usize::from(of_piece(piece))).sum()
}

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

/// A key as a part of a path.
pub(crate) fn printable(key: &str) -> String {
    key.replace('\0', "\u{fffd}")
}

/// [`find_nul`] of an object.
#[must_use]
pub fn find_nul_in_object(object: &Object) -> Option<String> {
    object.iter().find_map(|(key, value)| {
        if key.contains('\0') {
            return Some(printable(key));
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
/// in one spelling (`1`, `1.0` and `1e0` are equal), as in RFC 8785; but integers past 2^53 keep all their digits.
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

/// The bytes of an object as JSON without white space, each number as JavaScript writes it, so that a browser counts
/// the same. It is the length of [`canonical_object`], but for integers past 2^53, which JavaScript rounds.
#[must_use]
pub fn object_size(object: &Object) -> usize {
    let entries = object.iter().map(|(key, value)| string_size(key) + 1 + size(value));
    2 + object.len().saturating_sub(1) + entries.sum::<usize>()
}

fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(true) => 4,
        Value::Bool(false) => 5,
        Value::Number(number) => number.as_f64().map_or(0, |value| ecmascript_number(value).len()),
        Value::String(text) => string_size(text),
        Value::Array(items) => 2 + items.len().saturating_sub(1) + items.iter().map(size).sum::<usize>(),
        Value::Object(object) => object_size(object),
    }
}

fn string_size(text: &str) -> usize {
    let escapes = text.bytes().map(|byte| match byte {
        b'"' | b'\\' | 0x08 | 0x09 | 0x0a | 0x0c | 0x0d => 1,
        0..0x20 => 5,
        _ => 0,
    });
    2 + text.len() + escapes.sum::<usize>()
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

fn write_number(out: &mut String, number: &serde_json::Number) {
    // Writing to a string cannot fail.
    let _infallible = match (number.as_u64(), number.as_i64(), number.as_f64()) {
        (Some(value), _, _) => write!(out, "{value}"),
        (None, Some(value), _) => write!(out, "{value}"),
        (None, None, Some(value)) => out.write_str(&ecmascript_number(value)),
        (None, None, None) => write!(out, "{number}"),
    };
}

/// A finite number as JavaScript writes it (ECMA-262, `Number::toString`).
fn ecmascript_number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    // The shortest digits that give the same number, as `d.ddde±x`.
    let scientific = format!("{:e}", value.abs());
    let (mantissa, exponent) = scientific.split_once('e').expect("the format has an exponent");
    let digits = mantissa.replace('.', "");
    let exponent: i32 = exponent.parse().expect("an exponent is a number");
    let count = i32::try_from(digits.len()).expect("a double has at most 17 digits");
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    let split = |at: i32| digits.split_at(usize::try_from(at).unwrap_or(0));
    let sign = if value < 0.0 { "-" } else { "" };
    match exponent {
        -6..0 => format!("{sign}0.{}{digits}", zeros(-exponent - 1)),
        0..21 if exponent + 1 >= count => format!("{sign}{digits}{}", zeros(exponent + 1 - count)),
        0..21 => {
            let (whole, rest) = split(exponent + 1);
            format!("{sign}{whole}.{rest}")
        }
        _ => {
            let (first, rest) = split(1);
            let point = if rest.is_empty() { "" } else { "." };
            format!("{sign}{first}{point}{rest}e{exponent:+}")
        }
    }
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
    fn numbers_are_written_as_javascript_writes_them() {
        for (text, written) in [
            ("-0", "0"),
            ("1e0", "1"),
            ("-12.50", "-12.5"),
            ("1e20", "100000000000000000000"),
            ("1e21", "1e+21"),
            ("-1.5e300", "-1.5e+300"),
            ("0.000001", "0.000001"),
            ("0.0000001", "1e-7"),
            ("1.25e-9", "1.25e-9"),
            ("123456.789", "123456.789"),
            ("18446744073709551615", "18446744073709551615"),
            ("-9223372036854775808", "-9223372036854775808"),
        ] {
            assert_eq!(canonical(&serde_json::from_str(text).unwrap()), written, "{text}");
        }
    }

    #[test]
    fn size_is_the_length_of_the_one_form() {
        let text = r#"{"a":[1,2.5,-1e30,true,false,null],"b\n\u0001":{"c":"ä\"\\","d":{}},"e":[]}"#;
        let object: Object = serde_json::from_str(text).unwrap();
        assert_eq!(object_size(&object), canonical_object(&object).len());
    }

    #[test]
    fn brackets_in_strings_do_not_nest() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(!nests_too_deep(&nested(MAX_DEPTH)));
        assert!(nests_too_deep(&nested(MAX_DEPTH + 1)));
        assert!(!nests_too_deep(&format!("[{}]", "[],".repeat(500))));
        assert!(!nests_too_deep(&format!(r#"{{"a":"\"{}"}}"#, "[".repeat(500))));
    }

    #[test]
    fn depth_counts_the_outermost_level() {
        for (text, levels) in [("1", 0), ("{}", 1), (r#"{"a":[{}]}"#, 3)] {
            assert_eq!(depth(&serde_json::from_str(text).unwrap()), levels, "{text}");
        }
    }
}
