//! Timers of one shard in one wheel.
//!
//! A hashed timing wheel (Varghese and Lauck, 1987, scheme 6): a deadline falls into the slot of its tick, and each
//! tick looks through one slot. Putting a timer in costs the same however many there are. A timer fires at its
//! deadline or up to one tick later, never earlier.

/// The length of a tick, in ms.
const TICK_MS: u64 = 16;
/// How many ticks the wheel spans; a power of two. Later deadlines wait for further rounds, which a simulation wants to
/// see often, and a small wheel is made sooner.
const SLOTS: usize = if cfg!(feature = "sim") { 1 << 7 } else { 1 << 12 };

/// How many words of bits the slots take.
const WORDS: usize = SLOTS / 64;

/// Timers with keys; a key that is no longer wanted is recognised when it fires.
#[derive(Debug)]
pub(crate) struct Wheel<K> {
    slots: Vec<Vec<(u64, K)>>,
    /// Which slots have timers, a bit for each: whoever looks for the next one need not touch the empty ones.
    busy: [u64; WORDS],
    /// The next tick to look at.
    tick: u64,
    count: usize,
    /// The tick that somebody waits for.
    watched: u64,
    has_sooner: bool,
}

impl<K> Wheel<K> {
    pub(crate) fn new(now_ms: u64) -> Self {
        Self {
            slots: std::iter::repeat_with(Vec::new).take(SLOTS).collect(),
            busy: [0; WORDS],
            tick: now_ms / TICK_MS,
            count: 0,
            watched: u64::MAX,
            has_sooner: false,
        }
    }

    /// Puts a timer in; one that is due already fires at the next look.
    pub(crate) fn insert(&mut self, deadline_ms: u64, key: K) {
        let tick = deadline_ms.div_ceil(TICK_MS).max(self.tick);
        let at = slot(tick);
        self.slots[at].push((tick, key));
        self.busy[at / 64] |= 1 << (at % 64);
        self.count += 1;
        self.has_sooner |= tick < self.watched;
    }

    /// When to look again, in ms, for somebody who waits until then and asks [`Wheel::take_sooner`] meanwhile.
    pub(crate) fn watch(&mut self) -> Option<u64> {
        let next_ms = self.next_deadline_ms();
        self.watched = next_ms.map_or(u64::MAX, |ms| ms / TICK_MS);
        self.has_sooner = false;
        next_ms
    }

    /// Whether a timer was put in that is due before what is waited for.
    pub(crate) fn take_sooner(&mut self) -> bool {
        std::mem::take(&mut self.has_sooner)
    }

    /// Takes out every timer whose deadline is not past `now_ms`, in the order of the ticks.
    pub(crate) fn expire(&mut self, now_ms: u64, out: &mut Vec<K>) {
        let now = now_ms / TICK_MS;
        // After a long pause one round sees every slot.
        let first = self.tick.max((now + 1).saturating_sub(SLOTS as u64));
        let mut next = first;
        while let Some(tick) = self.next_busy(next).filter(|tick| *tick <= now) {
            next = tick + 1;
            let entries = &mut self.slots[slot(tick)];
            let mut at = 0;
            while at < entries.len() {
                if entries[at].0 <= now {
                    out.push(entries.swap_remove(at).1);
                    self.count -= 1;
                } else {
                    at += 1;
                }
            }
            if entries.is_empty() {
                self.busy[slot(tick) / 64] &= !(1 << (slot(tick) % 64));
                if entries.capacity() > 64 {
                    *entries = Vec::new();
                }
            }
        }
        self.tick = self.tick.max(now + 1);
    }

    /// How many timers there are.
    #[cfg(test)]
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// When to look again, in ms; `None` if there are no timers.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        self.next_busy(self.tick).map(|tick| tick * TICK_MS)
    }

    /// The first tick from this one on whose slot has timers, if any slot has.
    fn next_busy(&self, tick: u64) -> Option<u64> {
        if self.count == 0 {
            return None;
        }
        let from = slot(tick);
        // The bits from the tick on, then the words behind, and at last those of its own word that lie before it.
        let first = self.busy[from / 64] >> (from % 64);
        if first != 0 {
            return Some(tick + u64::from(first.trailing_zeros()));
        }
        let behind = (1..=WORDS).find(|step| self.busy[(from / 64 + step) % WORDS] != 0)?;
        let bits = self.busy[(from / 64 + behind) % WORDS];
        Some(tick + (behind * 64 - from % 64) as u64 + u64::from(bits.trailing_zeros()))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the remainder is smaller than the number of slots")]
fn slot(tick: u64) -> usize {
    (tick % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_in_time_and_never_early() {
        let mut wheel = Wheel::new(1_000);
        let deadlines = [1_000_u64, 1_001, 1_500, 30_000, 70_000, 200_000];
        for deadline in deadlines {
            wheel.insert(deadline, deadline);
        }
        let mut fired = Vec::new();
        let mut now = 1_000;
        while let Some(next) = wheel.next_deadline_ms() {
            now = next.max(now + 1);
            let before = fired.len();
            wheel.expire(now, &mut fired);
            for deadline in &fired[before..] {
                assert!(*deadline <= now && now <= deadline + 2 * TICK_MS, "{deadline} fired at {now}");
            }
        }
        assert_eq!(fired, deadlines);
    }

    #[test]
    fn only_a_sooner_timer_ends_a_wait() {
        let mut wheel = Wheel::new(0);
        assert_eq!(wheel.watch(), None);
        wheel.insert(1_000, ());
        assert!(wheel.take_sooner());
        assert!(wheel.watch().is_some());
        wheel.insert(2_000, ());
        assert!(!wheel.take_sooner());
        wheel.insert(500, ());
        assert!(wheel.take_sooner() && !wheel.take_sooner());
    }

    #[test]
    fn the_next_busy_slot_is_found_wherever_it_is() {
        for start in [0, 1, 63, 64, 1_000, SLOTS as u64 - 1] {
            for ahead in [0, 1, 62, 63, 64, 65, 127, SLOTS as u64 / 2, SLOTS as u64 - 1] {
                let mut wheel = Wheel::new(start * TICK_MS);
                wheel.insert((start + ahead) * TICK_MS, ());
                assert_eq!(wheel.next_deadline_ms(), Some((start + ahead) * TICK_MS), "{start} {ahead}");
                wheel.insert((start + ahead + SLOTS as u64) * TICK_MS, ());
                let mut fired = Vec::new();
                wheel.expire((start + ahead) * TICK_MS, &mut fired);
                assert_eq!((fired.len(), wheel.count), (1, 1), "{start} {ahead}");
                assert!(wheel.next_deadline_ms().is_some(), "the slot still has one of a later round");
            }
        }
    }

    #[test]
    fn a_long_pause_loses_nothing() {
        let mut wheel = Wheel::new(0);
        for deadline in 0..10_000 {
            wheel.insert(deadline, deadline);
        }
        let mut fired = Vec::new();
        wheel.expire(10_000_000, &mut fired);
        assert_eq!(fired.len(), 10_000);
        assert_eq!(wheel.next_deadline_ms(), None);
    }
}
