//! The simulation: real engines against real shards, on a virtual clock and a hostile network.
//!
//! A history begins with a seed. From it follow who is there, what they do, what goes wrong and when; so a history
//! that fails can be run again, with its trace. While it goes on, and when all has become quiet behind it, it is
//! held against what the contract promises: what was acknowledged is stored, each reader is given each durable event
//! once and in order, nobody is told what is not theirs, a message that came twice is stored once, and what a client
//! shows equals what somebody who comes anew is told.

mod client;
mod history;
mod judge;
mod reader;
mod replica;
#[cfg(test)]
mod tests;
mod trace;
// The native client's own translation between wire and engine, so that the simulated clients speak as it does.
#[path = "../../client/src/translate.rs"]
#[expect(dead_code, reason = "the simulated node says nothing that the simulation does not know")]
mod translate;
mod world;

pub use cossistant_server::sim::Plant;
use history::History;

/// How one history went.
#[derive(Debug)]
pub struct Outcome {
    /// What broke a promise; `None` for a history in which all were kept.
    pub failure: Option<String>,
    /// A hash of everything that was said, done and decided, with the times.
    pub trace_hash: u64,
    /// The trace, if it was asked for.
    pub trace: Vec<String>,
    /// How many things people did.
    pub actions: u64,
    /// How many things went wrong.
    pub faults: u64,
}

/// Runs the history of a seed, with a bug put in if one is given, and with its trace if that is wanted.
#[must_use]
pub fn run(seed: u64, plant: Option<Plant>, is_traced: bool) -> Outcome {
    History::new(seed, plant, is_traced).run()
}
