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
    deepest < MAX_DEPTH && !serde_json::from_str::<Once>(text).is_err_and(|error| error.to_string().contains(TWICE))
}

const TWICE: &str = "a field stands twice";

/// Any JSON in which no field stands twice.
struct Once;

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Once;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_bool<E>(self, _: bool) -> Result<Once, E> {
                Ok(Once)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Once, E> {
                Ok(Once)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Once, E> {
                Ok(Once)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Once, E> {
                Ok(Once)
            }

            fn visit_str<E>(self, _: &str) -> Result<Once, E> {
                Ok(Once)
            }

            fn visit_unit<E>(self) -> Result<Once, E> {
                Ok(Once)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Once, A::Error> {
                while items.next_element::<Once>()?.is_some() {}
                Ok(Once)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Once, A::Error> {
                let mut names = HashSet::new();
                while let Some(name) = fields.next_key::<String>()? {
                    if !names.insert(name) {
                        return Err(serde::de::Error::custom(TWICE));
                    }
                    fields.next_value::<Once>()?;
                }
                Ok(Once)
            }
        }
        deserializer.deserialize_any(Any)
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
