//! Tests of the simulation itself: it is the same every time, it passes, and it finds what was put in.

use super::*;

#[test]
fn histories_keep_every_promise() {
    for seed in 1..=20 {
        let outcome = run(seed, None, false);
        assert_eq!(outcome.failure, None, "seed {seed}");
        assert!(outcome.actions >= 40 && outcome.faults >= 3, "seed {seed}");
    }
}

#[test]
fn a_seed_has_one_history() {
    for seed in 100..=104 {
        let (one, two) = (run(seed, None, false), run(seed, None, true));
        assert_eq!(one.trace_hash, two.trace_hash, "seed {seed}");
    }
}

#[test]
fn every_planted_bug_is_found() {
    for (name, plant) in Plant::ALL {
        let found = (1..=100).find(|seed| run(*seed, Some(*plant), false).failure.is_some());
        assert!(found.is_some(), "{name} was not found");
    }
}
