//! The scenarios of `crates/client-wasm/scenarios`: inputs with their times, and what comes out.
//!
//! The same files are played here on the native engine, with the payloads and messages of this crate, and in
//! `packages/client` on the WebAssembly and on the plain-JavaScript build. So all three give equal traces.
//!
//! A file's inputs are written by hand, its outputs by `BLESS=1 cargo test -p cossistant-client scenarios`,
//! to be read before they are committed.

mod play;
mod random;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

pub(crate) use play::{ConfigForm, Player, Step};

/// Random scenarios that are made anew for the other builds go to this file, one a line.
const RANDOM_FILE: &str = "COSSISTANT_SCENARIOS";
/// The seed of the first of them, and how many there are to be.
const RANDOM_SEED: &str = "COSSISTANT_SCENARIO_SEED";
const RANDOM_COUNT: u64 = 200;
/// The seeds of the random scenarios that are kept, and how long these are.
const KEPT_SEEDS: std::ops::RangeInclusive<u64> = 1..=4;
const KEPT_STEPS: usize = 150;

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    about: String,
    seed: u64,
    config: ConfigForm,
    steps: Vec<Step>,
    #[serde(default)]
    stats: Value,
}

impl Scenario {
    /// The scenario with what comes out of its inputs.
    fn played(self) -> String {
        let mut player = Player::new(self.config.to_engine(), self.seed);
        let steps: Vec<Value> = self.steps.into_iter().map(|step| player.play(step.at, step.input)).collect();
        write(&self.about, self.seed, self.config.as_value(), &steps, &player.stats())
    }
}

/// A scenario as its file has it: one step a line, keys in the order of the alphabet.
fn write(about: &str, seed: u64, config: &Value, steps: &[Value], stats: &Value) -> String {
    let mut text =
        format!("{{\n\"about\":{},\n\"seed\":{seed},\n\"config\":{},\n\"steps\":[", Value::from(about), sorted(config));
    for (index, step) in steps.iter().enumerate() {
        let comma = if index + 1 == steps.len() { "" } else { "," };
        write!(text, "\n{}{comma}", sorted(step)).expect("a string takes all");
    }
    write!(text, "\n],\n\"stats\":{}\n}}\n", sorted(stats)).expect("a string takes all");
    text
}

/// JSON with its keys in the order of the alphabet, whatever order the map of `serde_json` keeps.
fn sorted(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            let fields: Vec<String> =
                fields.iter().map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), sorted(value))).collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(sorted).collect::<Vec<_>>().join(",")),
        // JavaScript writes 1.0 as 1.
        Value::Number(number) => number.as_f64().map_or_else(String::new, |number| number.to_string()),
        Value::Null | Value::Bool(_) | Value::String(_) => value.to_string(),
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../client-wasm/scenarios")
}

fn is_blessing() -> bool {
    std::env::var_os("BLESS").is_some()
}

/// Compares a file with what it should be, or writes it.
fn settle(path: &Path, text: &str) {
    if is_blessing() {
        std::fs::write(path, text).expect("the scenario can be written");
        return;
    }
    let known = std::fs::read_to_string(path).unwrap_or_default();
    for (number, (known, now)) in known.lines().zip(text.lines()).enumerate() {
        assert_eq!(known, now, "{}, line {}: is the change meant?", path.display(), number + 1);
    }
    assert_eq!(known.lines().count(), text.lines().count(), "{}", path.display());
}

#[test]
fn scenarios_by_hand_give_their_traces() {
    let mut names: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(folder()).expect("the scenarios are there") {
        let path = entry.expect("a folder can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.ends_with(".json") || name.starts_with("random-") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("the scenario can be read");
        let scenario: Scenario = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(scenario.stats.is_object() || is_blessing(), "{name} was never blessed");
        settle(&path, &scenario.played());
        names.push(name);
    }
    // Each numbered behaviour that is the engine's alone has one.
    for behaviour in 1..=13 {
        let prefix = format!("b{behaviour:02}-");
        assert!(names.iter().any(|name| name.starts_with(&prefix)), "no scenario for behaviour {behaviour}");
    }
}

#[test]
fn random_scenarios_give_their_traces() {
    for seed in KEPT_SEEDS {
        settle(&folder().join(format!("random-{seed}.json")), &random::scenario(seed, KEPT_STEPS));
    }
}

/// Every random history passes through all kinds of inputs, and the engine is the same when it is played again.
#[test]
fn random_scenarios_are_repeatable() {
    let text = random::scenario(99, 400);
    let scenario: Scenario = serde_json::from_str(&text).expect("what is written can be read");
    assert_eq!(scenario.played(), text);
}

/// Makes scenarios for the other builds, when they ask for them.
#[test]
fn random_scenarios_for_the_other_builds() {
    let Some(file) = std::env::var_os(RANDOM_FILE) else {
        return;
    };
    let first: u64 = std::env::var(RANDOM_SEED).ok().and_then(|seed| seed.parse().ok()).unwrap_or(1_000);
    println!("{RANDOM_SEED}={first}");
    let lines: Vec<String> =
        (first..first + RANDOM_COUNT).map(|seed| random::scenario(seed, 300).replace('\n', "")).collect();
    std::fs::write(file, lines.join("\n")).expect("the scenarios can be written");
}
