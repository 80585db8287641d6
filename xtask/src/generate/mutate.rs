//! Messages changed at random, each with the verdict of Rust: what Zod is compared with.

use cossistant_protocol::examples::{CLIENT, Example, SERVER};
use serde_json::{Map, Value, json};

use super::fixtures::{Side, judge};

/// Numbers that follow from a seed (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a bound that is not zero.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap_or(0)
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// Stands for half a character, which a Rust string cannot hold.
const HALF: char = '\u{e000}';
/// Stands for a number past all doubles.
const HUGE: &str = "\u{e001}";

/// One message a line: `{"side", "accepted", "text"}`.
pub(super) fn write(seed: u64, count: u64) -> String {
    let mut random = Random(seed);
    let mut out = String::new();
    for _ in 0..count {
        let (side, name, examples) =
            *random.pick(&[(Side::Client, "client", CLIENT), (Side::Server, "server", SERVER)]);
        let text = message(&mut random, examples);
        let (is_accepted, _) = judge(side, &text);
        out.push_str(&json!({ "side": name, "accepted": is_accepted, "text": text }).to_string());
        out.push('\n');
    }
    out
}

fn message(random: &mut Random, examples: &[Example]) -> String {
    let example = random.pick(examples);
    let text = *random.pick(&[example.full, example.least]);
    let mut value: Value = serde_json::from_str(text).expect("examples are JSON");
    for _ in 0..=random.below(3) {
        let other = random.pick(examples).full;
        let other: Value = serde_json::from_str(other).expect("examples are JSON");
        change(random, &mut value, &other);
    }
    value.to_string().replace(HALF, "\\udc00").replace(&format!("\"{HUGE}\""), "-1e999")
}

/// Changes one place in a value.
fn change(random: &mut Random, value: &mut Value, other: &Value) {
    match value {
        Value::Object(object) if !object.is_empty() && random.below(8) > 0 => change_object(random, object, other),
        Value::Array(items) if !items.is_empty() && random.below(4) > 0 => match random.below(4) {
            0 => items.push(odd(random)),
            1 => *items = vec![items[0].clone(); 9 + random.below(3)],
            _ => {
                let at = random.below(items.len());
                change(random, &mut items[at], other);
            }
        },
        Value::String(text) if random.below(3) > 0 => change_text(random, text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            *value = odd(random);
        }
    }
}

fn change_object(random: &mut Random, object: &mut Map<String, Value>, other: &Value) {
    let keys: Vec<String> = object.keys().cloned().collect();
    let key = random.pick(&keys).clone();
    match random.below(12) {
        0 => drop(object.remove(&key)),
        1 => drop(object.insert("metadata".to_owned(), metadata(random))),
        2 => {
            let name = *random.pick(&["x", "__proto__", "constructor", "toString", "a\u{e000}", "", "\0"]);
            object.insert(name.to_owned(), odd(random));
        }
        // The fields of another message: most are of use here too, or unknown.
        3 => {
            for (name, value) in other.as_object().into_iter().flatten().filter(|(name, _)| *name != "type") {
                object.insert(name.clone(), value.clone());
            }
        }
        4 => {
            object.insert("id".to_owned(), odd(random));
        }
        5 => {
            object.insert("timestamp".to_owned(), odd(random));
        }
        _ => {
            if let Some(inner) = object.get_mut(&key) {
                change(random, inner, other);
            }
        }
    }
}

fn change_text(random: &mut Random, text: &mut String) {
    match random.below(10) {
        0 => text.push('\0'),
        1 => text.push(HALF),
        2 => text.push('😀'),
        3 => text.clear(),
        4 => drop(text.pop()),
        5 => {
            text.push(*random.pick(&[' ', '\n', '\u{feff}', '\u{85}', '\u{a0}', '\u{2028}', '\u{7f}', '"', '<', '\\']))
        }
        6 => {
            *text = random.pick(&["https://h", "http://€/", "https://\u{2028}", "Http://a b", "https://😀"]).to_string()
        }
        7 => *text = random.pick(&["2024-02-30T00:00:00.000Z", "2024-12-31T23:59:60.000Z", "website:a"]).to_string(),
        _ => {
            let limit = *random.pick(&[64, 128, 256, 2_000, 4_096, 8_192, 16_000, 32_000]);
            let unit = *random.pick(&["x", "ä", "😀", "-"]);
            *text = unit.repeat(limit + random.below(3) - 1);
        }
    }
}

/// A value that fits few fields.
fn odd(random: &mut Random) -> Value {
    let values = [
        json!(null),
        json!(true),
        json!(false),
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
        json!([["x"]]),
        json!({ "open": null }),
        json!({ "text": "" }),
        json!({ "html": "<p>" }),
        json!({ "type": "ping" }),
    ];
    random.pick(&values).clone()
}

/// An object of free form near its limits.
fn metadata(random: &mut Random) -> Value {
    let mut value = match random.below(4) {
        0 => json!({ "k": odd(random) }),
        1 => json!({ "k": "x".repeat(8_183 + random.below(4)) }),
        2 => json!({ "\n": "ä".repeat(4_085 + random.below(8)), "n": 1.5e-9 }),
        _ => {
            let numbers: Vec<f64> = (0..370 + random.below(60)).map(|_| f64::from_bits(random.next())).collect();
            json!(numbers.into_iter().filter(|number| number.is_finite()).collect::<Vec<f64>>())
        }
    };
    for _ in 0..random.below(10) {
        value = json!({ "a": value });
    }
    value
}
