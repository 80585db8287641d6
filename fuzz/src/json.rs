//! Messages, and changes of them that keep them JSON.

use cossistant_protocol::examples::{CLIENT, Example, SERVER};
use serde_json::{Map, Value, json};

use crate::Dice;

/// Stands for half a character, which a Rust string cannot hold.
const HALF: char = '\u{e000}';
/// Stands for a number past all doubles.
const HUGE: &str = "\u{e001}";

/// The words of messages.
pub(crate) const WORDS: &[&str] = &[
    "\"type\":",
    "\"id\":",
    "\"timestamp\":",
    "\"conversationId\":",
    "\"content\":",
    "\"metadata\":",
    "null",
    "true",
    "false",
    "\\u0000",
    "\\ud800",
    "\\udc00",
    "1e999",
    "-0",
    "9007199254740991",
    "9007199254740992",
    "1e-7",
];

/// Both examples of every message of these.
pub(crate) fn texts(examples: &[Example]) -> Vec<Vec<u8>> {
    examples.iter().flat_map(|example| [example.full, example.least]).map(|text| text.as_bytes().to_vec()).collect()
}

/// Changes a client's message.
pub(crate) fn change_client(input: &[u8], dice: &mut Dice) -> Vec<u8> {
    change(input, CLIENT, dice)
}

/// Changes a server's message.
pub(crate) fn change_server(input: &[u8], dice: &mut Dice) -> Vec<u8> {
    change(input, SERVER, dice)
}

/// Changes a message of either side.
pub(crate) fn change_either(input: &[u8], dice: &mut Dice) -> Vec<u8> {
    let examples = if dice.below(2) == 0 { CLIENT } else { SERVER };
    change(input, examples, dice)
}

fn change(input: &[u8], examples: &[Example], dice: &mut Dice) -> Vec<u8> {
    let example = |dice: &mut Dice| -> Value {
        let example = dice.pick(examples);
        let text = if dice.below(2) == 0 { example.full } else { example.least };
        serde_json::from_str(text).unwrap_or_default()
    };
    let mut value = match serde_json::from_slice(input) {
        Ok(value) if dice.below(50) > 0 => value,
        Ok(_) | Err(_) => example(dice),
    };
    for _ in 0..=dice.below(2) {
        let other = example(dice);
        change_value(&mut value, &other, dice);
    }
    value.to_string().replace(HALF, "\\udc00").replace(&format!("\"{HUGE}\""), "-1e999").into_bytes()
}

/// Changes one place in a value.
fn change_value(value: &mut Value, other: &Value, dice: &mut Dice) {
    match value {
        Value::Object(fields) if !fields.is_empty() && dice.below(8) > 0 => change_fields(fields, other, dice),
        Value::Array(items) if !items.is_empty() && dice.below(4) > 0 => match dice.below(4) {
            0 => items.push(odd(dice)),
            1 => *items = vec![items[0].clone(); 9 + dice.below(3)],
            _ => {
                let at = dice.below(items.len());
                change_value(&mut items[at], other, dice);
            }
        },
        Value::String(text) if dice.below(3) > 0 => change_text(text, dice),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            *value = if dice.below(4) == 0 { part(other, dice) } else { odd(dice) };
        }
    }
}

fn change_fields(fields: &mut Map<String, Value>, other: &Value, dice: &mut Dice) {
    let keys: Vec<String> = fields.keys().cloned().collect();
    let key = dice.pick(&keys).clone();
    match dice.below(10) {
        0 => drop(fields.remove(&key)),
        1 => {
            let name = *dice.pick(&["x", "__proto__", "constructor", "toString", "a\u{e000}", "", "\0"]);
            fields.insert(name.to_owned(), odd(dice));
        }
        2 => {
            let name = *dice.pick(&["id", "timestamp", "metadata", "type", "content"]);
            fields.insert(name.to_owned(), part(other, dice));
        }
        3 => {
            // The fields of another message: most are of use here too, or unknown.
            for (name, value) in other.as_object().into_iter().flatten().filter(|(name, _)| *name != "type") {
                fields.insert(name.clone(), value.clone());
            }
        }
        4 => {
            if let Some(inner) = fields.get_mut(&key) {
                *inner = (0..1 + dice.below(8)).fold(inner.take(), |inner, _| json!({ "a": inner }));
            }
        }
        _ => {
            if let Some(inner) = fields.get_mut(&key) {
                change_value(inner, other, dice);
            }
        }
    }
}

/// Some value within another one.
fn part(value: &Value, dice: &mut Dice) -> Value {
    let inner: Vec<&Value> = match value {
        Value::Object(fields) => fields.values().collect(),
        Value::Array(items) => items.iter().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    if inner.is_empty() || dice.below(4) == 0 {
        return value.clone();
    }
    let chosen = *dice.pick(&inner);
    part(chosen, dice)
}

fn change_text(text: &mut String, dice: &mut Dice) {
    match dice.below(8) {
        0 => text.push(*dice.pick(&['\0', HALF, '😀', '\u{feff}', '\u{85}', '\u{2028}', '\u{7f}', '"', '\\'])),
        1 => text.clear(),
        2 => drop(text.pop()),
        3 => text.insert(0, *dice.pick(&[' ', '\n', '\u{a0}', '/', ':', '-', '0'])),
        4 => *text = (*dice.pick(&["https://h", "http://€/", "https://\u{2028}", "Http://a b", "data:,x"])).to_owned(),
        5 => *text = (*dice.pick(&["2024-02-30T00:00:00.000Z", "2024-12-31T23:59:60.000Z", "website:a"])).to_owned(),
        _ => {
            let limit = *dice.pick(&[64, 128, 256, 2_000, 4_096]);
            let unit = *dice.pick(&["x", "ä", "😀", "-"]);
            *text = unit.repeat(limit + dice.below(3) - 1);
        }
    }
}

/// A value that fits few fields.
fn odd(dice: &mut Dice) -> Value {
    let values = [
        json!(null),
        json!(true),
        json!(0),
        json!(-0.0),
        json!(-1),
        json!(7.0),
        json!(0.5),
        json!(9_007_199_254_740_991_u64),
        json!(9_007_199_254_740_992_u64),
        json!(u64::MAX),
        json!(1e300),
        json!(HUGE),
        json!(f64::from_bits(dice.bits())),
        json!(""),
        json!("x"),
        json!("\0"),
        json!("5"),
        json!("open"),
        json!("public"),
        json!("visitor"),
        json!([]),
        json!({}),
        json!([null]),
        json!([{}]),
        json!({ "text": "" }),
        json!({ "html": "<p>" }),
        json!({ "type": "ping" }),
    ];
    dice.pick(&values).clone()
}
