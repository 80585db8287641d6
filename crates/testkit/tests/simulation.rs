//! The simulation itself: it is the same every time, it passes, and what it shrinks still fails.
//!
//! Apart from the other tests of this crate, which must not be built from the product's own code.

use std::time::Duration;

use cossistant_server::sim::Agenda;
use cossistant_testkit::sim::{Keep, Plant, Run, run, shrink};

#[test]
fn histories_keep_every_promise() {
    for seed in 1..=20 {
        let outcome = run(&Run::of(seed, None));
        assert!(outcome.failure.is_none(), "seed {seed}: {}", outcome.failure.expect("it failed"));
        assert!(outcome.clients >= 3 && outcome.actions >= 40 && outcome.faults >= 3, "seed {seed}");
    }
}

#[test]
fn a_seed_has_one_history() {
    for seed in 100..=104 {
        let (one, two) = (run(&Run::of(seed, None)), run(&Run { is_traced: true, ..Run::of(seed, None) }));
        assert_eq!(one.trace_hash, two.trace_hash, "seed {seed}");
        assert!(one.trace.is_empty() && two.trace.len() > 100, "seed {seed}");
    }
}

#[test]
fn a_failure_shrinks_to_few_steps_that_still_fail() {
    let seed = (1..100).find(|seed| run(&Run::of(*seed, Some(Plant::ForgottenKeys))).failure.is_some());
    let whole = Run::of(seed.expect("the planted bug is found"), Some(Plant::ForgottenKeys));
    let shrunk = shrink(&whole, Duration::from_secs(60)).expect("it fails");
    assert!(shrunk.steps.0 < shrunk.steps.1 / 2, "{:?}", shrunk.steps);
    let keep = Keep::parse(&shrunk.keep.to_string()).expect("it was written just now");
    assert_eq!(keep, shrunk.keep);
    let again = run(&Run { keep, ..whole });
    assert_eq!(again.trace_hash, shrunk.outcome.trace_hash);
    assert!(again.failure.is_some());
}

#[test]
fn a_list_of_steps_is_read_as_it_is_written() {
    for text in ["", "0", "0-3,7", "1,3,5-6"] {
        assert_eq!(Keep::parse(text).map(|keep| keep.to_string()), Ok(text.to_owned()));
    }
    for text in ["x", "1-", "-"] {
        assert!(Keep::parse(text).is_err(), "{text}");
    }
}

#[test]
fn what_is_to_come_comes_in_order() {
    let mut agenda = Agenda::default();
    for (at, what) in [(5, 'd'), (3, 'b'), (5, 'e'), (1, 'a'), (3, 'c'), (9, 'f')] {
        agenda.put(at, what);
    }
    assert_eq!(agenda.next_at(), Some(1));
    let due: String = std::iter::from_fn(|| agenda.take_due(5)).collect();
    assert_eq!((due.as_str(), agenda.next_at()), ("abcde", Some(9)));
}
