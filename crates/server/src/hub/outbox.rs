//! What waits to be written to one connection.

use std::collections::VecDeque;
use std::io::IoSlice;

use crate::event::Frame;

/// The most frames that one write takes.
pub(crate) const MAX_FRAMES_PER_WRITE: usize = 64;

/// What even the smallest frame counts for the bound, in bytes: its place in the queue and its two headers take as much.
/// Else a peer that pings and never reads would have the queue hold many times the bound.
const SMALLEST_FRAME: usize = 128;

/// Names what a newer ephemeral frame replaces: the same kind of news of the same person in the same conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MergeKey {
    pub(crate) hash: u64,
    /// Whether it tells a state, which its reader would show for ever if it were not told the next one.
    pub(crate) is_state: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    /// Counts for the bound; never dropped.
    Durable,
    /// Paced by the reader itself, so it does not count.
    Paced,
    /// Counts for the bound; dropped or replaced first.
    Ephemeral(MergeKey),
}

/// A handle to bytes that are shared by all who get them.
#[derive(Debug)]
struct Item {
    frame: Frame,
    lane: Lane,
}

/// What a frame counts for the bound, in bytes.
fn weight(frame: &Frame, deflate: bool) -> usize {
    frame.bytes(deflate).len().max(SMALLEST_FRAME)
}

/// Most connections have nothing to be written, and of the others most have one frame: neither owns memory for it.
#[derive(Debug, Default)]
enum Queue {
    #[default]
    Empty,
    One(Item),
    #[expect(clippy::box_collection, reason = "rarely there, so it costs the others one pointer")]
    Many(Box<VecDeque<Item>>),
}

/// The reader is slower than its bound allows; the connection must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overflow;

/// A bounded queue of frames in two lanes, written in the order of arrival.
///
/// Full means: ephemeral frames go first, and if that is not enough the durable frame does not fit ([`Overflow`]).
#[derive(Debug)]
pub(crate) struct Outbox {
    queue: Queue,
    counted: usize,
    written_of_first: u32,
    /// Whether the reader takes compressed frames.
    deflate: bool,
    /// News of a state was left out, so that what its reader shows may be wrong.
    is_stale: bool,
}

impl Queue {
    fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::One(_) => 1,
            Self::Many(items) => items.len(),
        }
    }

    fn first(&self) -> Option<&Item> {
        match self {
            Self::Empty => None,
            Self::One(item) => Some(item),
            Self::Many(items) => items.front(),
        }
    }

    fn push(&mut self, item: Item) {
        match std::mem::take(self) {
            Self::Empty => *self = Self::One(item),
            Self::One(first) => *self = Self::Many(Box::new(VecDeque::from([first, item]))),
            Self::Many(mut items) => {
                items.push_back(item);
                *self = Self::Many(items);
            }
        }
    }

    fn pop(&mut self) -> Option<Item> {
        match std::mem::take(self) {
            Self::Empty => None,
            Self::One(item) => Some(item),
            Self::Many(mut items) => {
                let item = items.pop_front();
                // A connection that was busy once must not keep its queue for ever.
                if !items.is_empty() {
                    *self = Self::Many(items);
                }
                item
            }
        }
    }

    /// Keeps what is wanted, by its number in the queue.
    fn retain(&mut self, mut is_wanted: impl FnMut(usize, &Item) -> bool) {
        match self {
            Self::Empty => {}
            Self::One(item) => {
                if !is_wanted(0, item) {
                    *self = Self::Empty;
                }
            }
            Self::Many(items) => {
                let mut at = 0;
                items.retain(|item| {
                    at += 1;
                    is_wanted(at - 1, item)
                });
                if items.is_empty() {
                    *self = Self::Empty;
                }
            }
        }
    }
}

impl Outbox {
    /// An empty one, for a reader that takes compressed frames or does not.
    pub(crate) fn new(deflate: bool) -> Self {
        Self { queue: Queue::Empty, counted: 0, written_of_first: 0, deflate, is_stale: false }
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.queue, Queue::Empty)
    }

    /// Whether news of a state was left out since the outbox was made.
    pub(crate) fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// Bytes that count for the bound.
    pub(crate) fn counted(&self) -> usize {
        self.counted
    }

    /// Adds a frame that must not be lost.
    pub(crate) fn push_durable(&mut self, frame: Frame, bound: usize) -> Result<(), Overflow> {
        let weight = weight(&frame, self.deflate);
        if self.counted + weight > bound {
            self.drop_ephemeral();
            if self.counted + weight > bound {
                return Err(Overflow);
            }
        }
        self.counted += weight;
        self.queue.push(Item { frame, lane: Lane::Durable });
        Ok(())
    }

    /// Adds a frame that was read at the reader's own pace.
    pub(crate) fn push_paced(&mut self, frame: Frame) {
        self.queue.push(Item { frame, lane: Lane::Paced });
    }

    /// Adds a frame that a newer one of the same key replaces, and that is dropped if there is no room.
    pub(crate) fn push_ephemeral(&mut self, frame: Frame, key: MergeKey, bound: usize) {
        self.drop_if(|item| item.lane == Lane::Ephemeral(key));
        let weight = weight(&frame, self.deflate);
        if self.counted + weight <= bound {
            self.counted += weight;
            self.queue.push(Item { frame, lane: Lane::Ephemeral(key) });
        } else {
            self.is_stale |= key.is_state;
        }
    }

    fn drop_ephemeral(&mut self) {
        let mut has_state = false;
        self.drop_if(|item| match item.lane {
            Lane::Ephemeral(key) => {
                has_state |= key.is_state;
                true
            }
            Lane::Durable | Lane::Paced => false,
        });
        self.is_stale |= has_state;
    }

    /// Drops ephemeral frames, but not one of which something was written.
    fn drop_if(&mut self, mut is_unwanted: impl FnMut(&Item) -> bool) {
        let (deflate, first) = (self.deflate, usize::from(self.written_of_first > 0));
        let mut freed = 0;
        self.queue.retain(|at, item| {
            let is_dropped = at >= first && is_unwanted(item);
            if is_dropped {
                freed += weight(&item.frame, deflate);
            }
            !is_dropped
        });
        self.counted -= freed;
    }

    /// Forgets all that is not yet begun, for a close that must not wait behind it.
    pub(crate) fn clear(&mut self) {
        let begun = if self.written_of_first > 0 { self.queue.pop() } else { None };
        self.queue = begun.map_or(Queue::Empty, |item| Queue::One(Item { lane: Lane::Paced, ..item }));
        self.counted = 0;
    }

    /// The bytes to write, if they are of one frame alone.
    pub(crate) fn only(&self) -> Option<&[u8]> {
        match &self.queue {
            Queue::One(item) => Some(self.rest_of(item)),
            Queue::Many(items) if items.len() == 1 => items.front().map(|item| self.rest_of(item)),
            Queue::Empty | Queue::Many(_) => None,
        }
    }

    /// What is still to be written of the first frame.
    fn rest_of<'a>(&self, first: &'a Item) -> &'a [u8] {
        &first.frame.bytes(self.deflate)[self.written_of_first as usize..]
    }

    /// The next bytes to write, as up to [`MAX_FRAMES_PER_WRITE`] slices; how many there are.
    pub(crate) fn slices<'a>(&'a self, out: &mut [IoSlice<'a>; MAX_FRAMES_PER_WRITE]) -> usize {
        if let Some(only) = self.only() {
            out[0] = IoSlice::new(only);
            return 1;
        }
        let Queue::Many(items) = &self.queue else { return 0 };
        for (slot, item) in out.iter_mut().zip(items.iter()) {
            *slot = IoSlice::new(item.frame.bytes(self.deflate));
        }
        if let Some(first) = items.front() {
            out[0] = IoSlice::new(self.rest_of(first));
        }
        items.len().min(MAX_FRAMES_PER_WRITE)
    }

    /// Takes away what was written; how many frames were finished.
    #[expect(clippy::cast_possible_truncation, reason = "a frame has fewer bytes than a u32 counts")]
    pub(crate) fn advance(&mut self, mut written: usize) -> usize {
        let before = self.queue.len();
        while let Some(first) = self.queue.first() {
            let length = first.frame.bytes(self.deflate).len();
            let left = length - self.written_of_first as usize;
            if written < left {
                self.written_of_first += written as u32;
                break;
            }
            written -= left;
            self.written_of_first = 0;
            if first.lane != Lane::Paced {
                self.counted -= weight(&first.frame, self.deflate);
            }
            self.queue.pop();
        }
        before - self.queue.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &'static str) -> Frame {
        Frame::from(bytes::Bytes::from(text))
    }

    const KEY: MergeKey = MergeKey { hash: 1, is_state: false };

    fn text(outbox: &Outbox) -> String {
        let mut slices = [IoSlice::new(&[]); MAX_FRAMES_PER_WRITE];
        let count = outbox.slices(&mut slices);
        slices[..count].iter().map(|slice| String::from_utf8_lossy(slice).into_owned()).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn the_newest_ephemeral_frame_wins_and_durable_ones_push_it_out() {
        const BOUND: usize = 2 * SMALLEST_FRAME;
        let mut outbox = Outbox::new(false);
        outbox.push_ephemeral(frame("p1"), KEY, BOUND);
        outbox.push_durable(frame("dd"), BOUND).unwrap();
        outbox.push_ephemeral(frame("p2"), KEY, BOUND);
        assert_eq!(text(&outbox), "dd|p2");
        outbox.push_durable(frame("eeeeeeee"), BOUND).unwrap();
        assert_eq!(text(&outbox), "dd|eeeeeeee");
        assert_eq!(outbox.push_durable(frame("f"), BOUND), Err(Overflow));
        outbox.push_paced(frame("free"));
        assert_eq!(outbox.counted(), BOUND);
    }

    #[test]
    fn an_outbox_knows_when_news_of_a_state_was_left_out() {
        const BOUND: usize = 2 * SMALLEST_FRAME;
        let state = MergeKey { hash: 2, is_state: true };
        let mut outbox = Outbox::new(false);
        outbox.push_ephemeral(frame("p"), KEY, BOUND);
        outbox.push_ephemeral(frame("on"), state, BOUND);
        outbox.push_ephemeral(frame("off"), state, BOUND);
        assert!(!outbox.is_stale(), "the newest state says all that the one before it said");
        outbox.push_durable(frame("d"), BOUND).unwrap();
        assert!(outbox.is_stale(), "the state had to make room");
        let mut outbox = Outbox::new(false);
        outbox.push_durable(frame("d"), BOUND).unwrap();
        outbox.push_durable(frame("d"), BOUND).unwrap();
        outbox.push_ephemeral(frame("p"), KEY, BOUND);
        assert!(!outbox.is_stale(), "a preview may be left out");
        outbox.push_ephemeral(frame("on"), state, BOUND);
        assert!(outbox.is_stale(), "there was no room for the state");
    }

    #[test]
    fn large_frames_count_by_their_length_and_small_ones_by_what_they_take() {
        let mut outbox = Outbox::new(false);
        outbox.push_durable(Frame::from(bytes::Bytes::from(vec![b'x'; 1_000])), 10_000).unwrap();
        assert_eq!(outbox.counted(), 1_000);
        let fitting = (0..).take_while(|_| outbox.push_durable(frame(""), 10_000).is_ok()).count();
        assert_eq!(fitting, 9_000 / SMALLEST_FRAME);
    }

    #[test]
    fn a_begun_frame_is_finished_before_anything_else() {
        let mut outbox = Outbox::new(false);
        outbox.push_ephemeral(frame("abc"), KEY, 1_000);
        assert_eq!(outbox.advance(1), 0);
        outbox.push_ephemeral(frame("new"), KEY, 1_000);
        assert_eq!(text(&outbox), "bc|new");
        outbox.clear();
        assert_eq!(text(&outbox), "bc");
        assert_eq!(outbox.advance(2), 1);
        assert!(outbox.is_empty());
        assert_eq!(outbox.counted(), 0);
    }

    #[test]
    fn what_is_written_is_what_was_pushed_wherever_a_write_stops() {
        for frames in [1, 2, 3, 70] {
            for step in [1, 2, 3, 5, 1_000] {
                let mut outbox = Outbox::new(false);
                for _ in 0..frames {
                    outbox.push_durable(frame("abc"), 100_000).unwrap();
                }
                let (mut written, mut finished) = (String::new(), 0);
                while !outbox.is_empty() {
                    let all = text(&outbox).replace('|', "");
                    let now = &all[..step.min(all.len())];
                    written.push_str(now);
                    finished += outbox.advance(now.len());
                }
                assert_eq!((written, finished, outbox.counted()), ("abc".repeat(frames), frames, 0));
            }
        }
    }

    #[test]
    fn an_idle_outbox_is_small() {
        assert!(size_of::<Outbox>() <= 40, "{} bytes", size_of::<Outbox>());
    }
}
