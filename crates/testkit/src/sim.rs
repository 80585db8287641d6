//! The simulation: real engines against real shards, on a virtual clock and a hostile network.
//!
//! A history begins with a seed. From it follow who is there, what they do, what goes wrong and when; so a history
//! that fails can be run again, with its trace, and shrunk. While it goes on, and when all has become quiet behind it,
//! it is held against what the contract promises, [`Rule`] by rule. `docs/simulation.md` tells what is simulated.

/// Writes a line into the trace of a world, if lines are kept.
macro_rules! say {
    ($world:expr, $($what:tt)*) => {
        if $world.trace.is_kept() {
            let (at, line) = ($world.elapsed(), format!($($what)*));
            $world.trace.note(at, line);
        }
    };
}

mod app;
mod client;
mod deeds;
mod faults;
mod history;
mod judge;
mod links;
mod plan;
mod reader;
mod replica;
mod rule;
mod shrink;
mod trace;
// The native client's own translation between wire and engine, so that the simulated clients speak as it does.
#[path = "../../client/src/translate.rs"]
#[expect(dead_code, reason = "the simulated node says nothing that the simulation does not know")]
mod translate;
mod verdict;
mod wire;
mod world;

pub use cossistant_server::sim::Plant;
use history::History;
pub use plan::{Keep, Size};
pub use rule::{Failure, Rule};
pub use shrink::{Shrunk, shrink};

/// Histories that found a fault once: seed, size, on how many nodes (as the seed has it unless said), and what it was.
///
/// A seed stands for one history as long as nothing is drawn otherwise; whoever changes that finds the fault again
/// without its mending, or leaves the seed out.
pub const FOUND: &[(u64, Size, Option<usize>, &str)] = &[
    (8_977, Size::Large, Some(1), "the end of an agent's activity overtook the activity between two shards"),
    (10_901, Size::Large, Some(1), "the same, when the agent came back"),
    (119_943, Size::Large, Some(1), "the same, on the way to the agent's own shard"),
    (
        13_560,
        Size::Large,
        Some(1),
        "the judge did not expect a website to bring what was before a conversation's beginning",
    ),
    (
        75_217,
        Size::Large,
        Some(1),
        "the judge expected a website to bring it behind what the conversation had gone on with",
    ),
    (832_923, Size::Large, Some(1), "whose status was changed twice at once was taken for offline"),
    (
        507_493,
        Size::Large,
        Some(3),
        "the judge expected a refused message at its place that was stored when it was sent once more",
    ),
    (
        37_670,
        Size::Large,
        Some(1),
        "the judge took a late answer to a wish that had been given up for one to the wish after it",
    ),
    (752_014, Size::Small, None, "the judge did not expect the answers to a request and to the one sent again"),
    (761_494, Size::Small, None, "the judge took whoever was seen viewing for gone when saying so again failed"),
    (987_532, Size::Small, None, "the same"),
];

/// Which history to run, and how.
#[derive(Debug, Clone)]
pub struct Run {
    /// What everything follows from.
    pub seed: u64,
    /// How much happens.
    pub size: Size,
    /// On how many nodes; as its seed has it, unless given.
    pub nodes: Option<usize>,
    /// A bug to be put in.
    pub plant: Option<Plant>,
    /// Which of its steps are done.
    pub keep: Keep,
    /// Whether the trace is kept.
    pub is_traced: bool,
}

impl Run {
    /// The whole small history of a seed, without a trace.
    #[must_use]
    pub const fn of(seed: u64, plant: Option<Plant>) -> Self {
        Self { seed, size: Size::Small, nodes: None, plant, keep: Keep::ALL, is_traced: false }
    }
}

/// How one history went.
#[derive(Debug)]
pub struct Outcome {
    /// What broke a promise; `None` for a history in which all were kept.
    pub failure: Option<Failure>,
    /// A hash of everything that was said, with the times.
    pub trace_hash: u64,
    /// The trace, if it was asked for.
    pub trace: Vec<String>,
    /// How many steps its plan has.
    pub steps: usize,
    /// How many clients took part.
    pub clients: u64,
    /// How many things people did.
    pub actions: u64,
    /// How many things went wrong.
    pub faults: u64,
    /// How much time passed in it, in ms.
    pub elapsed: u64,
}

/// Runs a history.
#[must_use]
pub fn run(run: &Run) -> Outcome {
    History::new(run).run(&run.keep)
}
