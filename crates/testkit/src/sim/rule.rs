//! What is promised.

/// What every history must keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// What was acknowledged is stored, at the place that was told; behind a restore, if the backup holds it.
    Acked,
    /// Each reader gets each durable event once and in order, and nothing that is not stored.
    OnceInOrder,
    /// Nobody is told what is not theirs: notes, other organizations, and anything behind the end of their access.
    Audience,
    /// A confirmation and the events behind it make what somebody is told who comes anew.
    SnapshotLaw,
    /// A message that is sent twice is stored once.
    Idempotency,
    /// When all is quiet, what is shown of typing, viewing, presence and conversations is so.
    Truth,
    /// Behind a restore each client learns that its place is void.
    Epoch,
    /// No queue grows past its bound.
    Bounds,
    /// When nothing goes wrong any more, everybody gets where they want to be, and every message ends.
    Convergence,
    /// Engine and node keep to what their interfaces say.
    Contract,
}

impl Rule {
    /// What it is called in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Acked => "acked",
            Self::OnceInOrder => "once in order",
            Self::Audience => "audience",
            Self::SnapshotLaw => "snapshot law",
            Self::Idempotency => "idempotency",
            Self::Truth => "truth",
            Self::Epoch => "epoch",
            Self::Bounds => "bounds",
            Self::Convergence => "convergence",
            Self::Contract => "contract",
        }
    }
}

/// A promise that was broken.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Which.
    pub rule: Rule,
    /// How.
    pub what: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.rule.name(), self.what)
    }
}
