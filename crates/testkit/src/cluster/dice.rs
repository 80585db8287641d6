//! What is drawn in a run.

use std::cell::Cell;
use std::time::Duration;

/// Draws numbers: the same ones in the same order for a seed.
#[derive(Debug)]
pub(super) struct Dice(Cell<u64>);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    /// A number below `bound`, which is not 0.
    pub(super) fn below(&self, bound: u64) -> u64 {
        let mut state = self.0.get();
        let drawn = crate::draw::below(&mut state, bound);
        self.0.set(state);
        drawn
    }

    /// One of so many, by its place.
    pub(super) fn place(&self, count: usize) -> usize {
        usize::try_from(self.below(count.max(1) as u64)).unwrap_or_default()
    }

    /// A duration of at least and at most so many milliseconds.
    pub(super) fn between_ms(&self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.below(most - least + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_says_it_all_and_bounds_are_kept() {
        let draw = |seed| {
            let dice = Dice::new(seed);
            (0..50).map(|_| (dice.place(3), dice.between_ms(5, 9))).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let (places, durations): (Vec<_>, Vec<_>) = draw(3).into_iter().unzip();
        assert!((0..3).all(|place| places.contains(&place)) && places.iter().all(|place| *place < 3));
        let ms = Duration::from_millis;
        assert_eq!((durations.iter().min(), durations.iter().max()), (Some(&ms(5)), Some(&ms(9))));
    }
}
