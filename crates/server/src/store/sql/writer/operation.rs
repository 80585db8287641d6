//! What waits to be written: a request, the function that runs it, and whoever waits for the answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Instant, SystemTime};

use tokio::sync::oneshot;

use super::Write;
use crate::store::StoreError;
use crate::store::sql::error::{Failure, FaultKind};
use crate::store::sql::link::{Aim, Aimed};
use crate::trace::{self, SpanContext};

/// One thing that waits to be written.
pub(in crate::store) trait Operation: Send {
    /// What it looks at by itself.
    fn reach(&self) -> Reach;

    /// What it is going to change.
    fn aim(&self) -> Aim<'_>;

    /// May be called again after what it wrote was rolled back; the last outcome is the answer.
    /// Fails with what the database's own error means, if it was one.
    fn run(&mut self, write: &mut Write<'_>) -> Result<(), Option<FaultKind>>;
    fn answer(self: Box<Self>, group: Option<&StoreError>);

    /// Since when it waits for what another node holds: this is called whenever it does.
    fn stalled_since(&mut self) -> Instant;

    /// The span that it is a part of, and since when it waits; `None` unless it is traced.
    fn traced(&self) -> Option<(SpanContext, SystemTime)>;
}

/// What an operation looks at by itself, so that what is kept of it must be written before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Reach {
    /// Conversations, websites and messages only by way of `Write::kept`, or not at all.
    Kept,
    /// It reads their rows.
    Rows,
    /// It changes their rows, or those of visitors, so that nothing may be kept of them.
    Anything,
}

/// An operation of a request and the function that runs it.
pub(super) struct Call<T, R, F> {
    reach: Reach,
    request: R,
    run: F,
    outcome: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
    stalled_since: Option<Instant>,
    traced: Option<(SpanContext, SystemTime)>,
}

impl<T, R, F> Call<T, R, F> {
    /// An operation of the work that is going on here, and where its answer comes.
    pub(super) fn new(reach: Reach, request: R, run: F) -> (Self, oneshot::Receiver<Result<T, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        let traced = trace::current().map(|context| (context, SystemTime::now()));
        (Self { reach, request, run, outcome: None, reply, stalled_since: None, traced }, answer)
    }
}

impl<T, R, F> Operation for Call<T, R, F>
where
    T: Send,
    R: Aimed + Send,
    F: FnMut(&mut Write<'_>, &R) -> Result<T, Failure> + Send,
{
    fn reach(&self) -> Reach {
        self.reach
    }

    fn aim(&self) -> Aim<'_> {
        self.request.aim()
    }

    fn run(&mut self, write: &mut Write<'_>) -> Result<(), Option<FaultKind>> {
        // A fault in one operation must not end the writing of all others.
        let result = catch_unwind(AssertUnwindSafe(|| (self.run)(write, &self.request)))
            .unwrap_or_else(|_| Err(StoreError::Corrupt("an operation panicked".to_owned()).into()));
        let step = match &result {
            Ok(_) => Ok(()),
            Err(failure) => Err(failure.kind()),
        };
        self.outcome = Some(result.map_err(StoreError::from));
        step
    }

    fn answer(self: Box<Self>, group: Option<&StoreError>) {
        let outcome = match (group, self.outcome) {
            (Some(error), _) => Err(error.clone()),
            (None, Some(outcome)) => outcome,
            (None, None) => Err(StoreError::Unavailable("the operation was not run".to_owned())),
        };
        // Nobody may wait any more; the write stands all the same.
        drop(self.reply.send(outcome));
    }

    fn stalled_since(&mut self) -> Instant {
        *self.stalled_since.get_or_insert_with(Instant::now)
    }

    fn traced(&self) -> Option<(SpanContext, SystemTime)> {
        self.traced
    }
}

/// Nothing that has to be locked before.
impl Aimed for () {
    fn aim(&self) -> Aim<'_> {
        Aim::Nothing
    }
}
