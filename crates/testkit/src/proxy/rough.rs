//! A bad line: late, uneven, and not to be relied on. What befalls a chunk is drawn by a seed.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// The most bytes that are under way at once; past it the sender has to wait.
const UNDER_WAY_MAX: usize = 1024 * 1024;

/// How bad a line is. A chunk is what one read gives, in either direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rough {
    /// Every chunk takes this long.
    pub delay: Duration,
    /// So many chunks of a hundred are held up, and all behind them, as by a packet that has to be sent again.
    pub held_up_percent: u64,
    /// For how long at least and at most.
    pub held_up: (Duration, Duration),
    /// One chunk in so many resets its connection; 0 for none.
    pub cut_one_in: u64,
    /// What befalls whom: each direction of each connection draws from it, by its number.
    pub seed: u64,
}

/// What befalls a chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    Passes,
    IsHeldUp,
    Cuts,
}

/// Draws what befalls chunks.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64, way: usize) -> Self {
        Self(seed ^ (way as u64).wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: u64) -> u64 {
        crate::draw::below(&mut self.0, bound)
    }
}

/// The chunks that are under way, with the time at which each arrives. An empty one is the end of the stream.
pub(super) struct Line {
    rough: Rough,
    chunks: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    has_ended: bool,
}

impl Line {
    pub(super) const fn new(rough: Rough) -> Self {
        Self { rough, chunks: VecDeque::new(), bytes: 0, has_ended: false }
    }

    /// When the next one arrives.
    pub(super) fn due(&self) -> Option<Instant> {
        self.chunks.front().map(|(due, _)| *due)
    }

    pub(super) const fn has_room(&self) -> bool {
        self.bytes < UNDER_WAY_MAX && !self.has_ended
    }

    /// Takes a chunk, unless it cuts the line.
    pub(super) fn push(&mut self, chunk: &[u8], dice: &mut Dice) -> Next {
        let Rough { delay, held_up_percent, held_up: (least, most), cut_one_in, .. } = self.rough;
        if cut_one_in > 0 && dice.below(cut_one_in) == 0 {
            return Next::Cuts;
        }
        let is_held_up = dice.below(100) < held_up_percent;
        let mut late = delay;
        if is_held_up {
            let span = u64::try_from((most - least).as_millis()).unwrap_or(u64::MAX);
            late += least + Duration::from_millis(dice.below(span.saturating_add(1)));
        }
        self.add(Instant::now() + late, chunk.to_vec());
        if is_held_up { Next::IsHeldUp } else { Next::Passes }
    }

    /// The sender has said all; that too arrives late.
    pub(super) fn end(&mut self) {
        self.has_ended = true;
        self.add(Instant::now() + self.rough.delay, Vec::new());
    }

    /// Chunks never overtake each other.
    fn add(&mut self, due: Instant, chunk: Vec<u8>) {
        let due = self.chunks.back().map_or(due, |(last, _)| due.max(*last));
        self.bytes += chunk.len();
        self.chunks.push_back((due, chunk));
    }

    pub(super) fn pop(&mut self) -> Option<Vec<u8>> {
        let (_, chunk) = self.chunks.pop_front()?;
        self.bytes -= chunk.len();
        Some(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_held_up_and_cut_as_often_as_was_said_and_never_overtake() {
        let (least, most) = (Duration::from_millis(200), Duration::from_millis(1_000));
        let delay = Duration::from_millis(200);
        let rough = Rough { delay, held_up_percent: 3, held_up: (least, most), cut_one_in: 1_000, seed: 7 };
        let mut dice = Dice::new(rough.seed, 0);
        let mut line = Line::new(rough);
        let (mut held_up, mut cut) = (0, 0);
        let began = Instant::now();
        for at in 0..100_000_u32 {
            match line.push(&at.to_be_bytes(), &mut dice) {
                Next::Passes => {}
                Next::IsHeldUp => held_up += 1,
                Next::Cuts => cut += 1,
            }
        }
        let took = began.elapsed();
        assert!((2_700..3_300).contains(&held_up), "3 % of 100,000: {held_up}");
        assert!((60..140).contains(&cut), "1 in 1,000 of 100,000: {cut}");
        let (mut last, mut chunks) = (None, 0);
        while let Some(due) = line.due() {
            assert!(due >= began + delay && due <= began + took + delay + most, "late, but not for ever");
            let chunk = line.pop().unwrap();
            assert!(last.as_ref().is_none_or(|last: &(Instant, Vec<u8>)| last.0 <= due && last.1 < chunk));
            last = Some((due, chunk));
            chunks += 1;
        }
        assert_eq!(chunks, 100_000 - cut);
    }

    #[test]
    fn a_seed_says_it_all() {
        let draw = |seed, way| {
            let mut dice = Dice::new(seed, way);
            (0..20).map(|_| dice.below(1_000)).collect::<Vec<_>>()
        };
        assert_eq!(draw(1, 0), draw(1, 0));
        assert_ne!(draw(1, 0), draw(1, 1));
        assert_ne!(draw(1, 0), draw(2, 0));
    }
}
