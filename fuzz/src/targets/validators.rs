//! The same verdict everywhere: what Rust takes for a message, the compact validators and the Zod schemas of
//! `packages/protocol` take for one, and nothing else.
//!
//! They are asked through a process of Node.js that lives as long as the fuzzer; `COSSISTANT_VALIDATORS` is the path of
//! its script. `cargo xtask fuzz` and `cargo xtask test` set it; without it Rust is asked alone.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use cossistant_protocol::examples::{CLIENT, SERVER};
use cossistant_protocol::{ClientFrame, ServerMessage, json::MAX_DEPTH};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::{Target, json};

/// An input is the text of a message of either side.
pub(crate) const TARGET: Target = Target {
    name: "validators",
    run,
    seeds: || [json::texts(CLIENT), json::texts(SERVER)].concat(),
    words: json::WORDS,
    max_bytes: 4_096,
    change: Some(json::change_either),
};

/// The bits of an answer.
const COMPACT_CLIENT: u8 = 1;
const COMPACT_SERVER: u8 = 2;
const ZOD_CLIENT: u8 = 4;
const ZOD_SERVER: u8 = 8;
const NO_JSON: u8 = 128;

fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let client = ClientFrame::parse(text).is_ok();
    let server = ServerMessage::parse(text).is_ok();
    if !is_comparable(text) {
        return;
    }
    let Some(verdict) = JUDGE.with_borrow_mut(|judge| judge.as_mut().map(|judge| judge.ask(text))) else { return };
    if verdict == NO_JSON {
        assert!(!client && !server, "JavaScript says that it is no JSON");
        return;
    }
    for (bit, accepted, who) in [
        (COMPACT_CLIENT, client, "the compact validator of client messages"),
        (COMPACT_SERVER, server, "the compact validator of server messages"),
        (ZOD_CLIENT, client, "the schema of client messages"),
        (ZOD_SERVER, server, "the schema of server messages"),
    ] {
        assert_eq!(verdict & bit != 0, accepted, "{who} says the left, Rust the right, to {text}");
    }
}

/// Whether JavaScript can see what Rust sees: it reads a text into a value first, and there fields that stand twice are
/// one, and depth is no matter.
fn is_comparable(text: &str) -> bool {
    let mut deepest = 0;
    let mut depth = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    // Brackets in texts count as well, which leaves out a few more.
    deepest < MAX_DEPTH && !has_twins(text)
}

/// Whether a field stands twice somewhere in JSON. Texts in it are not looked at: JavaScript takes some that are none.
fn has_twins(json: &str) -> bool {
    let Ok(Parts { names, values }) = serde_json::from_str(json) else { return false };
    names.iter().collect::<HashSet<_>>().len() < names.len() || values.iter().any(|value| has_twins(value.get()))
}

/// The fields of an object, or what an array holds.
#[derive(Default)]
struct Parts<'a> {
    names: Vec<String>,
    values: Vec<&'a RawValue>,
}

impl<'de> Deserialize<'de> for Parts<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Outermost;
        impl<'de> Visitor<'de> for Outermost {
            type Value = Parts<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object or an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Parts<'de>, A::Error> {
                let mut parts = Parts::default();
                while let Some(item) = items.next_element()? {
                    parts.values.push(item);
                }
                Ok(parts)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Parts<'de>, A::Error> {
                let mut parts = Parts::default();
                while let Some((name, value)) = fields.next_entry()? {
                    parts.names.push(name);
                    parts.values.push(value);
                }
                Ok(parts)
            }
        }
        deserializer.deserialize_any(Outermost)
    }
}

/// The process that answers.
struct Judge(Child);

thread_local! {
    static JUDGE: RefCell<Option<Judge>> = RefCell::new(Judge::start());
}

impl Judge {
    fn start() -> Option<Self> {
        let script = std::env::var_os("COSSISTANT_VALIDATORS")?;
        let mut node = Command::new("node");
        let process = node.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        Some(Self(process.expect("Node.js can be run")))
    }

    /// One byte for one text, which goes behind its length.
    fn ask(&mut self, text: &str) -> u8 {
        let length = u32::try_from(text.len()).expect("inputs are short");
        let question = [&length.to_le_bytes(), text.as_bytes()].concat();
        let mut answer = [0];
        let (Some(input), Some(output)) = (&mut self.0.stdin, &mut self.0.stdout) else { panic!("they are pipes") };
        input.write_all(&question).and_then(|()| output.read_exact(&mut answer)).expect("the validators answer");
        answer[0]
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.0.stdin.take());
        let _ended = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_stand_twice_are_seen_beside_texts_that_are_none() {
        for (json, expected) in [
            (r#"{"a":1,"b":{"a":1},"c":["a","a"]}"#, false),
            (r#"{"a":1,"b":2,"a":3}"#, true),
            (r#"{"a":1,"\u0061":3}"#, true),
            (r#"[{"b":[{"c":"\ud800","d":1,"d":2}]}]"#, true),
            (r#""a""#, false),
            (r#"{"a":1,"a":2"#, false),
        ] {
            assert_eq!(has_twins(json), expected, "{json}");
        }
    }
}
