//! Which life of the data a store was opened in.
//!
//! A database that was restored, or a replica that took over, may lack what was acknowledged: clients must not go on
//! with the places that they had. So the store's epoch is kept with what tells a database apart, the number that its
//! files were made with and its timeline; where those are others, the epoch is renewed by the first that comes. A store
//! that runs on is told at the beginning of each transaction that writes, and has nothing more to say.

use tokio::sync::watch;

/// What is said of a life that is over.
const OVER: &str = "the database is not the one any more that this node was started on: restored, or a replica that \
    took over. The node has to start anew";

/// The life that a store was opened in.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) epoch: String,
    timeline: String,
    is_over: watch::Sender<bool>,
}

impl Life {
    pub(super) fn new(epoch: String, timeline: String) -> Self {
        Self { epoch, timeline, is_over: watch::Sender::new(false) }
    }

    /// Whether a database is still in it, by its epoch and timeline.
    pub(super) fn check(&self, epoch: Option<&str>, timeline: Option<&str>) -> Result<(), &'static str> {
        if epoch == Some(&self.epoch) && timeline == Some(&self.timeline) && !self.is_over() {
            return Ok(());
        }
        if !self.is_over.send_replace(true) {
            tracing::error!("{OVER}");
        }
        Err(OVER)
    }

    /// What is to be told instead of an answer.
    pub(super) fn is_over(&self) -> bool {
        *self.is_over.borrow()
    }

    /// Tells when it is over.
    pub(super) fn watch(&self) -> watch::Receiver<bool> {
        self.is_over.subscribe()
    }

    /// Why there is no answer.
    pub(super) const fn over() -> &'static str {
        OVER
    }
}
