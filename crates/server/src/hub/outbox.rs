//! What waits to be written to one connection.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Bytes;

/// The most frames that one write takes.
pub(crate) const MAX_FRAMES_PER_WRITE: usize = 64;

/// Names what a newer ephemeral frame replaces: the same kind of news of the same person in the same conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MergeKey(pub(crate) u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    /// Counts for the bound; never dropped.
    Durable,
    /// Paced by the reader itself, so it does not count.
    Paced,
    /// Counts for the bound; dropped or replaced first.
    Ephemeral(MergeKey),
}

#[derive(Debug)]
struct Item {
    bytes: Bytes,
    lane: Lane,
}

/// The reader is slower than its bound allows; the connection must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overflow;

/// A bounded queue of frames in two lanes, written in the order of arrival.
///
/// Full means: ephemeral frames go first, and if that is not enough the durable frame does not fit ([`Overflow`]).
/// An empty outbox owns no memory.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    items: VecDeque<Item>,
    counted: usize,
    written_of_first: usize,
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Bytes that count for the bound.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn counted(&self) -> usize {
        self.counted
    }

    /// Adds a frame that must not be lost.
    pub(crate) fn push_durable(&mut self, bytes: Bytes, bound: usize) -> Result<(), Overflow> {
        if self.counted + bytes.len() > bound {
            self.drop_ephemeral();
            if self.counted + bytes.len() > bound {
                return Err(Overflow);
            }
        }
        self.counted += bytes.len();
        self.items.push_back(Item { bytes, lane: Lane::Durable });
        Ok(())
    }

    /// Adds a frame that was read at the reader's own pace.
    pub(crate) fn push_paced(&mut self, bytes: Bytes) {
        self.items.push_back(Item { bytes, lane: Lane::Paced });
    }

    /// Adds a frame that a newer one of the same key replaces, and that is dropped if there is no room.
    pub(crate) fn push_ephemeral(&mut self, bytes: Bytes, key: MergeKey, bound: usize) {
        let first = usize::from(self.written_of_first > 0);
        let older = (first..self.items.len()).find(|at| self.items[*at].lane == Lane::Ephemeral(key));
        if let Some(item) = older.and_then(|at| self.items.remove(at)) {
            self.counted -= item.bytes.len();
        }
        if self.counted + bytes.len() <= bound {
            self.counted += bytes.len();
            self.items.push_back(Item { bytes, lane: Lane::Ephemeral(key) });
        }
    }

    fn drop_ephemeral(&mut self) {
        let keep_first = self.written_of_first > 0;
        let mut at = 0;
        let mut freed = 0;
        self.items.retain(|item| {
            let keep = !matches!(item.lane, Lane::Ephemeral(_)) || (at == 0 && keep_first);
            at += 1;
            if !keep {
                freed += item.bytes.len();
            }
            keep
        });
        self.counted -= freed;
    }

    /// Forgets all that is not yet begun, for a close that must not wait behind it.
    pub(crate) fn clear(&mut self) {
        let begun = if self.written_of_first > 0 { self.items.pop_front() } else { None };
        self.items.clear();
        self.counted = 0;
        if let Some(item) = begun {
            self.items.push_back(Item { lane: Lane::Paced, ..item });
        }
    }

    /// The bytes to write, if they are of one frame alone.
    pub(crate) fn only(&self) -> Option<&[u8]> {
        if self.items.len() == 1 { Some(&self.items.front()?.bytes[self.written_of_first..]) } else { None }
    }

    /// The next bytes to write, as up to [`MAX_FRAMES_PER_WRITE`] slices; how many there are.
    pub(crate) fn slices<'a>(&'a self, out: &mut [IoSlice<'a>; MAX_FRAMES_PER_WRITE]) -> usize {
        let mut count = 0;
        for (slot, item) in out.iter_mut().zip(&self.items) {
            let from = if count == 0 { self.written_of_first } else { 0 };
            *slot = IoSlice::new(&item.bytes[from..]);
            count += 1;
        }
        count
    }

    /// Takes away what was written; how many frames were finished.
    pub(crate) fn advance(&mut self, mut written: usize) -> usize {
        let mut finished = 0;
        while let Some(first) = self.items.front() {
            let left = first.bytes.len() - self.written_of_first;
            if written < left {
                self.written_of_first += written;
                return finished;
            }
            written -= left;
            self.written_of_first = 0;
            finished += 1;
            if first.lane != Lane::Paced {
                self.counted -= first.bytes.len();
            }
            self.items.pop_front();
        }
        // A connection that was busy once must not keep its queue for ever.
        self.items = VecDeque::new();
        finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(outbox: &Outbox) -> String {
        let mut slices = [IoSlice::new(&[]); MAX_FRAMES_PER_WRITE];
        let count = outbox.slices(&mut slices);
        slices[..count].iter().map(|slice| String::from_utf8_lossy(slice).into_owned()).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn the_newest_ephemeral_frame_wins_and_durable_ones_push_it_out() {
        let mut outbox = Outbox::default();
        outbox.push_ephemeral(Bytes::from("p1"), MergeKey(1), 10);
        outbox.push_durable(Bytes::from("dd"), 10).unwrap();
        outbox.push_ephemeral(Bytes::from("p2"), MergeKey(1), 10);
        assert_eq!(text(&outbox), "dd|p2");
        outbox.push_durable(Bytes::from("eeeeeeee"), 10).unwrap();
        assert_eq!(text(&outbox), "dd|eeeeeeee");
        assert_eq!(outbox.push_durable(Bytes::from("f"), 10), Err(Overflow));
        outbox.push_paced(Bytes::from("free"));
        assert_eq!(outbox.counted(), 10);
    }

    #[test]
    fn a_begun_frame_is_finished_before_anything_else() {
        let mut outbox = Outbox::default();
        outbox.push_ephemeral(Bytes::from("abc"), MergeKey(1), 100);
        assert_eq!(outbox.advance(1), 0);
        outbox.push_ephemeral(Bytes::from("new"), MergeKey(1), 100);
        assert_eq!(text(&outbox), "bc|new");
        outbox.clear();
        assert_eq!(text(&outbox), "bc");
        assert_eq!(outbox.advance(2), 1);
        assert!(outbox.is_empty());
        assert_eq!(outbox.counted(), 0);
    }
}
