//! Bugs that are put in on purpose, to prove that the simulation finds them.
//!
//! Each is done where the simulated node stands in for the production's driver, bus or store, so that the product's
//! own code has no trace of them; the one that could not be done from outside is in `hub/planted.rs`, which is built
//! with the feature `sim` alone.

/// A bug that is put in on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// A replay leaves out its second event.
    ReplayGap,
    /// A visitor's replay has notes in it.
    NoteOnReplay,
    /// The visitor's numbers count the notes, too.
    CountedNotes,
    /// A message is acknowledged before it is stored.
    AckBeforeCommit,
    /// A message is acknowledged when it is stored, but what was stored last does not survive a crash.
    AckBeforeFsync,
    /// An event is told before it is stored.
    PublishBeforeCommit,
    /// A message that is sent again is stored again.
    ForgottenKeys,
    /// So it is when the node has started again in between.
    KeysForgottenOnRestart,
    /// A restored store says that it is the one from before.
    SameEpoch,
    /// Some shards never hear that somebody stopped typing.
    StuckTyping,
    /// Typing and viewing outlive the connection that did it.
    UndeadDoings,
    /// A hole in a website's events is never filled.
    NoFill,
    /// Who holds a conversation and its website gets each event twice.
    DoubleDelivery,
    /// A visitor's leaving is told to nobody.
    Ghosts,
    /// That somebody leaves one shard is taken as leaving all of them.
    PresenceDrift,
    /// The timer of a connection that is gone ends the presence of its person, though that is back.
    DeadTimer,
    /// An answer that was meant for a connection that is gone reaches the one that has its place now.
    DeadAnswer,
    /// Who was revoked keeps its connections.
    RevokedReceives,
    /// A connection outlives its token.
    ExpiredReceives,
    /// An outbox takes whatever it is given.
    UnboundedOutbox,
    /// Of one connection any number of requests is under way at once.
    UnboundedJobs,
    /// A client keeps whatever it is given to send.
    UnboundedQueue,
    /// Conversations of another organization can be subscribed to.
    ForeignTenant,
    /// A node never looks what others have stored and set up.
    NoLook,
    /// A node that is dead is believed to be there for ever.
    EndlessLease,
    /// A node that missed something never asks for it.
    NoAsk,
    /// That the set-up has changed is seen by other nodes and makes no difference.
    DeafToSetup,
    /// What is said of one website between nodes is heard of another one.
    CrossedSubjects,
}

impl Plant {
    /// Every planted bug with its name.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("replay-gap", Self::ReplayGap),
        ("note-on-replay", Self::NoteOnReplay),
        ("counted-notes", Self::CountedNotes),
        ("ack-before-commit", Self::AckBeforeCommit),
        ("ack-before-fsync", Self::AckBeforeFsync),
        ("publish-before-commit", Self::PublishBeforeCommit),
        ("forgotten-keys", Self::ForgottenKeys),
        ("keys-forgotten-on-restart", Self::KeysForgottenOnRestart),
        ("same-epoch", Self::SameEpoch),
        ("stuck-typing", Self::StuckTyping),
        ("undead-doings", Self::UndeadDoings),
        ("no-fill", Self::NoFill),
        ("double-delivery", Self::DoubleDelivery),
        ("ghosts", Self::Ghosts),
        ("presence-drift", Self::PresenceDrift),
        ("dead-timer", Self::DeadTimer),
        ("dead-answer", Self::DeadAnswer),
        ("revoked-receives", Self::RevokedReceives),
        ("expired-receives", Self::ExpiredReceives),
        ("unbounded-outbox", Self::UnboundedOutbox),
        ("unbounded-jobs", Self::UnboundedJobs),
        ("unbounded-queue", Self::UnboundedQueue),
        ("foreign-tenant", Self::ForeignTenant),
        ("no-look", Self::NoLook),
        ("endless-lease", Self::EndlessLease),
        ("no-ask", Self::NoAsk),
        ("deaf-to-setup", Self::DeafToSetup),
        ("crossed-subjects", Self::CrossedSubjects),
    ];

    /// The planted bug of a name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(other, _)| *other == name).map(|(_, plant)| *plant)
    }

    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, plant)| *plant == self).map_or("", |(name, _)| name)
    }
}
