//! What is to happen in a history, drawn before it begins, so that parts can be left out.
//!
//! Each step has numbers of its own, and with each the dice of network and node are rolled anew. So a history without
//! some of its steps is otherwise the same, as far as it can be; by that a failure is shrunk.

use cossistant_server::sim::Dice;

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// A client comes and listens.
    Come(usize),
    /// Somebody does something.
    Act,
    /// Something goes wrong.
    Fault,
    /// All is held against what somebody is told who comes anew.
    Check,
}

/// One step. Times are in ms.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) deed: Deed,
    /// How long nothing new is done before it.
    pub(super) pause: u64,
    /// What it does follows from this.
    pub(super) roll: u64,
}

/// How much happens in a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// As little as one may have. For the same time it finds as much as a large one.
    Small,
    /// More people, more actions, more faults at once.
    Large,
}

impl Size {
    /// How many of a hundred of those take part who need not.
    pub(super) const fn others_percent(self) -> u64 {
        match self {
            Self::Small => 12,
            Self::Large => 25,
        }
    }

    /// How many of a hundred clients keep but a few messages while they are not connected.
    pub(super) const fn short_queues_percent(self) -> u64 {
        match self {
            Self::Small => 20,
            Self::Large => 0,
        }
    }

    /// In how many of a hundred histories few jobs of a connection may be under way at once.
    pub(super) const fn few_jobs_percent(self) -> u64 {
        match self {
            Self::Small => 50,
            Self::Large => 0,
        }
    }

    /// In how many of a hundred histories all wait at the end as long as anything may ever take.
    pub(super) const fn full_quiet_percent(self) -> u64 {
        match self {
            Self::Small => 10,
            Self::Large => 100,
        }
    }

    const fn most_actions(self) -> u64 {
        match self {
            Self::Small => 41,
            Self::Large => 48,
        }
    }

    const fn most_faults(self) -> u64 {
        match self {
            Self::Small => 5,
            Self::Large => 7,
        }
    }

    const fn check_percent(self) -> u64 {
        match self {
            Self::Small => 20,
            Self::Large => 30,
        }
    }
}

/// Draws a plan: everybody comes, then at least 40 actions with at least 3 faults among them.
pub(super) fn draw(size: Size, clients: usize, dice: &mut Dice) -> Vec<Step> {
    let mut deeds = vec![Deed::Act; dice.between(40, size.most_actions()) as usize];
    let faults = (0..dice.between(3, size.most_faults())).map(|_| Deed::Fault);
    let others = faults.chain(dice.chance(size.check_percent()).then_some(Deed::Check));
    for deed in others.collect::<Vec<_>>() {
        let at = dice.below(deeds.len() as u64 + 1) as usize;
        deeds.insert(at, deed);
    }
    let come = (0..clients).map(Deed::Come);
    let step = |deed| {
        let pause = match (deed, dice.below(10)) {
            (Deed::Come(_), _) => dice.below(300),
            (_, 0..5) => dice.below(60),
            (_, 5..9) => dice.below(600),
            (_, _) => dice.below(6_000),
        };
        Step { deed, pause, roll: dice.bits() }
    };
    come.chain(deeds).map(step).collect()
}

/// Which steps of a plan are done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep(Option<Vec<usize>>);

impl Keep {
    /// All of them.
    pub const ALL: Self = Self(None);

    /// Only those.
    #[must_use]
    pub fn only(mut steps: Vec<usize>) -> Self {
        steps.sort_unstable();
        steps.dedup();
        Self(Some(steps))
    }

    pub(super) fn has(&self, step: usize) -> bool {
        self.0.as_ref().is_none_or(|steps| steps.binary_search(&step).is_ok())
    }

    /// Reads what [`Keep`]'s `Display` wrote: `0-3,7`.
    ///
    /// # Errors
    /// The text is no list of numbers and ranges.
    pub fn parse(text: &str) -> Result<Self, String> {
        let number = |word: &str| word.parse::<usize>().map_err(|error| format!("{word:?} in {text:?}: {error}"));
        let mut steps = Vec::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            steps.extend(number(first)?..=number(last)?);
        }
        Ok(Self::only(steps))
    }
}

impl std::fmt::Display for Keep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let steps = self.0.as_deref().unwrap_or_default();
        let mut comma = "";
        for run in steps.chunk_by(|one, next| one + 1 == *next) {
            match run {
                [] => {}
                [one] => write!(f, "{comma}{one}")?,
                [first, .., last] => write!(f, "{comma}{first}-{last}")?,
            }
            comma = ",";
        }
        Ok(())
    }
}
