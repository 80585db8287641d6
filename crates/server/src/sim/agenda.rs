//! What is to happen, and when.

/// Things to come, each at its time; of those of one time, what was put in first comes first.
///
/// There are few, and most new ones are due before most others: a sorted list is then faster than a tree.
#[derive(Debug)]
pub struct Agenda<T>(Vec<(u64, T)>);

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Agenda<T> {
    /// Puts something in for a time.
    pub fn put(&mut self, at: u64, what: T) {
        // The last one is due next.
        let later = self.0.partition_point(|(other, _)| *other > at);
        self.0.insert(later, (at, what));
    }

    /// When the next thing is due.
    #[must_use]
    pub fn next_at(&self) -> Option<u64> {
        self.0.last().map(|(at, _)| *at)
    }

    /// The next thing, if it is due by then.
    pub fn take_due(&mut self, now: u64) -> Option<T> {
        self.0.pop_if(|(at, _)| *at <= now).map(|(_, what)| what)
    }
}
