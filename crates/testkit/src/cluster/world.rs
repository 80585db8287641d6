//! What all clients of a run share. One thread has it, so that nothing of it needs a lock.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::watch;

use super::Trouble;
use super::dice::Dice;
use super::judge::Judge;
use super::plant::Plant;
use super::times::Times;

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// From when on a timer counts as late.
const LATE: Duration = Duration::from_millis(10);

/// What clients are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// Whether those who speak go on with new messages.
    pub(super) speaks: bool,
    /// Grows when all are to go back to the node where they belong.
    pub(super) homecoming: u64,
}

/// Where a client is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seat {
    /// The node where it belongs.
    pub(super) home: usize,
    /// The node on which its channel is confirmed, and since when.
    pub(super) live: Option<(usize, Duration)>,
    /// Whether a message of it waits for its acknowledgement.
    pub(super) waits: bool,
}

#[derive(Debug)]
pub(super) struct World {
    start: Instant,
    /// The WebSocket endpoints of the nodes.
    pub(super) urls: Vec<String>,
    pub(super) judge: RefCell<Judge>,
    pub(super) times: RefCell<Times>,
    pub(super) wish: watch::Sender<Wish>,
    pub(super) seats: RefCell<Vec<Seat>>,
    /// When connections were opened at a node, since this was cleared.
    pub(super) arrivals: RefCell<Vec<Duration>>,
    /// A fault that is to be found, until it has happened.
    plant: Cell<Option<Plant>>,
    /// What clients draw. In which order they do is not told by a seed, so that nothing else may draw here.
    pub(super) dice: Dice,
}

impl World {
    pub(super) fn new(urls: Vec<String>, judge: Judge, seed: u64, plant: Option<Plant>) -> Self {
        let wish = watch::Sender::new(Wish { speaks: false, homecoming: 0 });
        let (times, seats, arrivals) = (RefCell::default(), RefCell::default(), RefCell::default());
        let judge = RefCell::new(judge);
        Self {
            start: Instant::now(),
            urls,
            judge,
            times,
            wish,
            seats,
            arrivals,
            plant: Cell::new(plant),
            dice: Dice::new(!seed),
        }
    }

    /// The time since the run began.
    pub(super) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Whether this fault is to happen now; it happens once.
    pub(super) fn has_planted(&self, plant: Plant) -> bool {
        let is_due = self.plant.get() == Some(plant);
        if is_due {
            self.plant.set(None);
        }
        is_due
    }

    /// A node other than this one.
    pub(super) fn another_node(&self, than: usize) -> usize {
        let others = self.urls.len().saturating_sub(1).max(1) as u64;
        let drawn = usize::try_from(self.dice.below(others)).unwrap_or_default();
        (than + 1 + drawn) % self.urls.len()
    }

    pub(super) fn wishes(&self, change: impl FnOnce(&mut Wish)) {
        self.wish.send_modify(change);
    }

    /// How many clients are live.
    pub(super) fn live(&self) -> usize {
        self.seats.borrow().iter().filter(|seat| seat.live.is_some()).count()
    }

    pub(super) fn is_everybody_live(&self) -> bool {
        self.seats.borrow().iter().all(|seat| seat.live.is_some())
    }

    pub(super) fn is_everybody_home(&self) -> bool {
        self.seats.borrow().iter().all(|seat| seat.live.is_some_and(|(node, _)| node == seat.home))
    }

    pub(super) fn is_all_acknowledged(&self) -> bool {
        self.seats.borrow().iter().all(|seat| !seat.waits)
    }

    /// Waits until something is so.
    pub(super) async fn until(&self, patience: Duration, what: &str, is_so: impl Fn() -> bool) -> Result<(), Trouble> {
        let began = self.now();
        while !is_so() {
            if self.now() - began > patience {
                return Err(Trouble(format!("not within {patience:?}: {what}")));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Finds out how late timers are here, for ever.
    pub(super) async fn watch_lateness(&self) {
        loop {
            let due = tokio::time::Instant::now() + LOOK;
            tokio::time::sleep_until(due).await;
            let late = due.elapsed();
            if late > LATE {
                self.times.borrow_mut().was_late(self.now(), late);
            }
        }
    }

    /// A whole number of a frame, as milliseconds.
    pub(super) fn millis(frame: &Value, field: &str, otherwise: Duration) -> Duration {
        frame[field].as_u64().map_or(otherwise, Duration::from_millis)
    }
}
