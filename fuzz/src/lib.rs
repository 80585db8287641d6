//! What the fuzzer tries on everything that takes bytes from outside, and the inputs that are kept.
//!
//! A [`Target`] is a function of bytes that panics when a promise is broken. Its inputs are three: the
//! [seeds](Target::seeds), written out in its source; `corpus/NAME.txt`, the smallest inputs that together reach all
//! that the fuzzer has reached; and `regressions/NAME.txt`, which once broke a promise. `cargo test` runs all of them;
//! `cargo xtask fuzz` begins with them and looks for more.

pub mod corpus;
mod dice;
mod json;
mod targets;

pub use dice::Dice;

/// Something that takes bytes from outside, with what it promises.
#[derive(Debug)]
pub struct Target {
    /// What one calls it by; also the name of its files.
    pub name: &'static str,
    /// Runs one input; panics when a promise is broken.
    pub run: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words that inputs are made of.
    pub words: &'static [&'static str],
    /// The longest input that is tried, in bytes.
    pub max_bytes: usize,
    /// Changes an input by its meaning, where changes of single bytes would mostly break it. It may give an input of
    /// any length.
    pub change: Option<Change>,
}

/// Another input out of one; equal dice give equal ones.
pub type Change = fn(&[u8], &mut Dice) -> Vec<u8>;

/// All targets.
pub const TARGETS: &[Target] = &[
    targets::frames::TARGET,
    targets::inflate::TARGET,
    targets::deflate::TARGET,
    targets::handshake::TARGET,
    targets::client_messages::TARGET,
    targets::server_messages::TARGET,
    targets::validators::TARGET,
    targets::html::TARGET,
    targets::tokens::TARGET,
    targets::ids::TARGET,
    targets::addresses::TARGET,
    targets::config::TARGET,
    targets::engine::TARGET,
    targets::records::TARGET,
];

impl Target {
    /// The target of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }
}
