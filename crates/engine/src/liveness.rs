//! Whether the other end is still there.

use crate::config::{Millis, later};

/// How long a probe may stay unanswered.
pub(crate) const PROBE_TIMEOUT: Millis = 2_000;

/// A server cannot make a client ping more often than this.
const MIN_INTERVAL: Millis = 250;

/// The life signs of one established connection.
#[derive(Debug)]
pub(crate) struct Liveness {
    interval: Millis,
    heard_at: Millis,
    ping_at: Millis,
    probe_until: Option<Millis>,
    /// Whether a probe went out since the last life sign.
    is_probed: bool,
}

impl Liveness {
    /// Starts with a life sign; the smaller of both intervals holds.
    pub(crate) fn new(own: Millis, of_server: Option<Millis>, now: Millis) -> Self {
        let interval =
            of_server.filter(|&interval| interval > 0).map_or(own, |interval| interval.min(own)).max(MIN_INTERVAL);
        Self { interval, heard_at: now, ping_at: later(now, interval), probe_until: None, is_probed: false }
    }

    /// A frame came: any frame is a life sign and answers a probe.
    pub(crate) fn heard(&mut self, now: Millis) {
        self.heard_at = now;
        self.probe_until = None;
        self.is_probed = false;
    }

    /// A ping went out.
    pub(crate) fn pinged(&mut self, now: Millis) {
        self.ping_at = later(now, self.interval);
    }

    /// A probe went out, with a deadline if somebody looks. One that is under way keeps its deadline, so that
    /// many reasons to probe cannot put the verdict off.
    pub(crate) fn probed(&mut self, now: Millis, has_deadline: bool) {
        self.is_probed = true;
        if has_deadline {
            self.probe_until.get_or_insert(later(now, PROBE_TIMEOUT));
        }
    }

    /// Nobody looks: the verdict is put off until somebody does.
    pub(crate) fn hidden(&mut self) {
        self.probe_until = None;
    }

    pub(crate) fn is_probed(&self) -> bool {
        self.is_probed
    }

    /// Two intervals of silence are over: nothing may be sent into this link.
    pub(crate) fn is_overdue(&self, now: Millis) -> bool {
        now >= self.silence_at()
    }

    pub(crate) fn ping_at(&self) -> Millis {
        self.ping_at
    }

    pub(crate) fn probe_until(&self) -> Option<Millis> {
        self.probe_until
    }

    pub(crate) fn silence_at(&self) -> Millis {
        later(self.heard_at, self.interval.saturating_mul(2))
    }
}
