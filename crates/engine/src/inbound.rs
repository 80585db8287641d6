//! What a server message means.

use crate::backoff;
use crate::config::{Millis, later};
use crate::engine::Engine;
use crate::input::{Envelope, EnvelopeKind};
use crate::law::ErrorClass;
use crate::output::{Failure, Output, Trouble};
use crate::place::{Places, Verdict};
use crate::text::{Text, Word};

/// The shortest wait before a refused request goes again, whatever the server and the dice say.
const MIN_RETRY: Millis = 100;

impl<P: Clone, M, T: Text> Engine<P, M, T> {
    /// Hands the message on, unless it is an echo or shows a loss, and draws the consequences.
    pub(crate) fn handle_inbound(&mut self, envelope: Envelope<T>, message: M) {
        self.stats.messages_received += 1;
        if let EnvelopeKind::Event { conversation, website, seq, offset } = &envelope.kind {
            let places = Places { conversation, website, seq: *seq, offset: *offset };
            match self.subscriptions.judge(&places) {
                Verdict::Deliver => {
                    // A hole that is lived with is told before what comes behind it.
                    self.tell_subscriptions();
                    self.put(Output::Deliver(message));
                }
                Verdict::Duplicate => self.stats.duplicates += 1,
                Verdict::Loss => self.lose(Trouble::Loss),
            }
            return;
        }
        self.put(Output::Deliver(message));
        self.handle_message(envelope);
    }

    fn handle_message(&mut self, envelope: Envelope<T>) {
        let id = envelope.id.as_ref();
        match envelope.kind {
            EnvelopeKind::ConnectionEstablished { heartbeat_interval, typing_interval } => {
                self.handle_established(heartbeat_interval, typing_interval)
            }
            EnvelopeKind::Authenticated => self.token_accepted(),
            EnvelopeKind::TokenExpiring => self.renew(),
            EnvelopeKind::SubscriptionConfirmed { channel, epoch, head, recovered } => {
                self.subscriptions.confirmed(id, &channel, &epoch, head, recovered)
            }
            EnvelopeKind::SubscriptionError { channel, code, retry_after } => {
                self.note(Trouble::Server(code.clone()));
                let retry_at = self.retry_at(retry_after, 1);
                if code.error_class() == ErrorClass::NeedsToken {
                    self.renew();
                }
                self.subscriptions.refused(id, Some(&channel), code, retry_at);
            }
            EnvelopeKind::SubscriptionEnded { channel, reason } => {
                // With an id it answers our own unsubscribing, and there is nothing left to end.
                if id.is_none() {
                    let reason = reason.unwrap_or_else(|| T::of_word(Word::Ended));
                    self.subscriptions.ended(&channel, reason);
                }
            }
            EnvelopeKind::MessageAck => {
                if let Some(id) = envelope.id
                    && self.outbox.remove(&id)
                {
                    self.put(Output::MessageAcked { id });
                }
            }
            EnvelopeKind::Error { code, retry_after } => {
                self.handle_error(envelope.id, code, retry_after);
            }
            EnvelopeKind::Reconnect { retry_after } => self.handle_reconnect(retry_after),
            EnvelopeKind::Pong => self.handle_pong(envelope.id),
            EnvelopeKind::Event { .. } | EnvelopeKind::Ephemeral | EnvelopeKind::Unknown => {}
        }
    }

    fn handle_error(&mut self, id: Option<T>, code: T, retry_after: Option<Millis>) {
        self.note(Trouble::Server(code.clone()));
        let Some(id) = id else {
            // It is about the connection as a whole; a close may follow.
            if let Some(retry_after) = retry_after {
                self.not_before = self.not_before.max(later(self.now, retry_after));
            }
            return;
        };
        if self.outbox.contains(&id) {
            self.handle_refusal(id, code, retry_after);
        } else if self.take_ping(&id).is_some() {
            self.put(Output::PingFailed { id });
        } else {
            let retry_at = self.retry_at(retry_after, 1);
            self.subscriptions.refused(Some(&id), None, code, retry_at);
        }
    }

    /// A message was refused, for now or for good.
    fn handle_refusal(&mut self, id: T, code: T, retry_after: Option<Millis>) {
        let class = if self.config.enable_message_queue { code.error_class() } else { ErrorClass::Permanent };
        match class {
            ErrorClass::Transient => {
                let refusals = self.outbox.count_refusal(&id);
                let until = self.retry_at(retry_after, refusals);
                self.outbox.put_off(&id, until);
            }
            ErrorClass::NeedsToken => {
                self.outbox.await_token(&id);
                self.renew();
            }
            ErrorClass::Permanent => {
                self.outbox.remove(&id);
                self.put(Output::MessageFailed { id, failure: Failure::Refused(code) });
            }
        }
    }

    fn retry_at(&mut self, retry_after: Option<Millis>, refusals: u32) -> Millis {
        let wait = match retry_after {
            Some(wait) => wait,
            None => backoff::delay(&self.config, refusals, &mut self.randomness),
        };
        later(self.now, wait.max(MIN_RETRY))
    }

    fn handle_pong(&mut self, id: Option<T>) {
        let Some(id) = id else {
            return;
        };
        let now = self.now;
        if let Some(since) = self.take_ping(&id) {
            let latency = now.saturating_sub(since);
            self.stats.latency = Some(latency);
            self.put(Output::Pong { id, latency });
            return;
        }
        let Some(link) = self.phase.link_mut() else {
            return;
        };
        if let Some((_, since)) = link.ping.take_if(|(known, _)| *known == id) {
            self.stats.latency = Some(now.saturating_sub(since));
        }
    }
}
