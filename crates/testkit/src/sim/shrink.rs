//! Leaving out of a history that fails whatever it does not need to fail.

use std::time::{Duration, Instant};

use super::{Keep, Outcome, Run};

/// A history that fails, with as few steps as were found to be enough.
#[derive(Debug)]
pub struct Shrunk {
    /// Which steps are left.
    pub keep: Keep,
    /// How many that are, and of how many.
    pub steps: (usize, usize),
    /// How it goes, with its trace.
    pub outcome: Outcome,
    /// How many histories it took to find out.
    pub tries: u64,
}

/// Shrinks a history that fails; it still breaks the same rule. Ends when no single step can be left out any more, or
/// when the time is over.
///
/// By halves, then quarters and so on (Zeller and Hildebrandt's delta debugging, 2002, without the complements that
/// histories gain little from).
#[must_use]
pub fn shrink(run: &Run, patience: Duration) -> Option<Shrunk> {
    let whole = super::run(run);
    let rule = whole.failure.as_ref()?.rule;
    let until = Instant::now() + patience;
    let mut steps: Vec<usize> = (0..whole.steps).filter(|step| run.keep.has(*step)).collect();
    let (mut size, mut tries) = (steps.len().div_ceil(2).max(1), 0);
    'search: loop {
        let (mut at, mut has_shrunk) = (0, false);
        while at < steps.len() {
            if Instant::now() >= until {
                break 'search;
            }
            let end = (at + size).min(steps.len());
            let fewer = [&steps[..at], &steps[end..]].concat();
            tries += 1;
            let outcome = super::run(&Run { keep: Keep::only(fewer.clone()), is_traced: false, ..run.clone() });
            if outcome.failure.is_some_and(|failure| failure.rule == rule) {
                (steps, has_shrunk) = (fewer, true);
            } else {
                at = end;
            }
        }
        if size == 1 && !has_shrunk {
            break;
        }
        size = size.div_ceil(2).min(steps.len()).max(1);
    }
    let keep = Keep::only(steps.clone());
    let outcome = super::run(&Run { keep: keep.clone(), is_traced: true, ..run.clone() });
    Some(Shrunk { keep, steps: (steps.len(), whole.steps), outcome, tries })
}
