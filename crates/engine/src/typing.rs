//! Telling others that and what somebody types, at a bearable rate.

use crate::config::{Millis, later};
use crate::text::Text;
use crate::timer::{Next, Timer};

/// After this long without a change typing has stopped; also how often an ongoing start is repeated, which
/// is well within the time after which a server lets it expire.
pub(crate) const TYPING_IDLE: Millis = 3_000;

/// Drafts that are remembered; the oldest idle one is forgotten beyond it.
const MAX_DRAFTS: usize = 32;

/// A typing frame of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Keystroke<T> {
    Start,
    Progress(T),
    Stop,
}

/// The drafts of all conversations on this connection.
#[derive(Debug, Default)]
pub(crate) struct Typing<T> {
    drafts: Vec<Draft<T>>,
    /// What to send, in order; taken by the engine after each call.
    frames: Vec<(T, Keystroke<T>)>,
}

#[derive(Debug)]
struct Draft<T> {
    conversation: T,
    is_active: bool,
    changed_at: Millis,
    /// When any frame of this draft was last sent.
    sent_at: Millis,
    /// The text that was last sent, and when.
    sent: Option<(T, Millis)>,
    /// A newer text, held back by the throttle.
    pending: Option<T>,
}

impl<T: Text> Draft<T> {
    fn begin(&mut self, now: Millis, frames: &mut Vec<(T, Keystroke<T>)>) {
        self.changed_at = now;
        if !self.is_active {
            self.is_active = true;
            self.sent_at = now;
            frames.push((self.conversation.clone(), Keystroke::Start));
        }
    }

    fn flush(&mut self, now: Millis, frames: &mut Vec<(T, Keystroke<T>)>) {
        if let Some(text) = self.pending.take() {
            self.sent_at = now;
            self.sent = Some((text.clone(), now));
            frames.push((self.conversation.clone(), Keystroke::Progress(text)));
        }
    }

    fn stop(&mut self, frames: &mut Vec<(T, Keystroke<T>)>) {
        if self.is_active {
            self.is_active = false;
            frames.push((self.conversation.clone(), Keystroke::Stop));
        }
    }

    /// When the throttle lets the pending text go.
    fn progress_due(&self, throttle: Millis) -> Option<Millis> {
        self.pending.as_ref()?;
        Some(self.sent.as_ref().map_or(0, |(_, at)| later(*at, throttle)))
    }

    fn stop_due(&self) -> Option<Millis> {
        self.is_active.then(|| later(self.changed_at, TYPING_IDLE))
    }
}

impl<T: Text> Typing<T> {
    pub(crate) fn visit_texts(&self, visit: &mut dyn FnMut(&T)) {
        for draft in &self.drafts {
            visit(&draft.conversation);
            draft.sent.iter().for_each(|(text, _)| visit(text));
            draft.pending.iter().for_each(&mut *visit);
        }
    }

    pub(crate) fn take_frames(&mut self) -> Vec<(T, Keystroke<T>)> {
        core::mem::take(&mut self.frames)
    }

    /// The connection is gone, and with it what others saw.
    pub(crate) fn clear(&mut self) {
        self.drafts.clear();
        self.frames.clear();
    }

    pub(crate) fn start(&mut self, conversation: T, now: Millis) {
        let mut draft = self.take_draft(conversation, now);
        draft.begin(now, &mut self.frames);
        if now >= later(draft.sent_at, TYPING_IDLE) {
            draft.sent_at = now;
            self.frames.push((draft.conversation.clone(), Keystroke::Start));
        }
        self.drafts.push(draft);
    }

    pub(crate) fn progress(&mut self, conversation: T, text: T, throttle: Millis, now: Millis) {
        let mut draft = self.take_draft(conversation, now);
        let sent = draft.sent.as_ref().map(|(text, _)| text);
        if draft.pending.as_ref().or(sent) != Some(&text) {
            let is_as_sent = sent == Some(&text);
            draft.begin(now, &mut self.frames);
            draft.pending = if is_as_sent { None } else { Some(text) };
            if draft.progress_due(throttle).is_some_and(|due| due <= now) {
                draft.flush(now, &mut self.frames);
            }
        }
        self.drafts.push(draft);
    }

    /// Typing ended, or the field lost the focus. The last text still goes.
    pub(crate) fn stop(&mut self, conversation: &T, now: Millis) {
        for draft in &mut self.drafts {
            if draft.conversation == *conversation {
                draft.flush(now, &mut self.frames);
                draft.stop(&mut self.frames);
            }
        }
    }

    /// The draft was sent as a message: a held-back text is of no interest any more.
    pub(crate) fn message_sent(&mut self, conversation: &T) {
        if let Some(index) = self.drafts.iter().position(|draft| draft.conversation == *conversation) {
            let mut draft = self.drafts.remove(index);
            draft.stop(&mut self.frames);
        }
    }

    pub(crate) fn offer_timers(&self, throttle: Millis, next: &mut Next) {
        for draft in &self.drafts {
            if let Some(due) = draft.progress_due(throttle) {
                next.offer(due, Timer::TypingProgress);
            }
            if let Some(due) = draft.stop_due() {
                next.offer(due, Timer::TypingStop);
            }
        }
    }

    pub(crate) fn handle_progress_due(&mut self, throttle: Millis, now: Millis) {
        for draft in &mut self.drafts {
            if draft.progress_due(throttle).is_some_and(|due| due <= now) {
                draft.flush(now, &mut self.frames);
            }
        }
    }

    pub(crate) fn handle_stop_due(&mut self, now: Millis) {
        for draft in &mut self.drafts {
            if draft.stop_due().is_some_and(|due| due <= now) {
                draft.flush(now, &mut self.frames);
                draft.stop(&mut self.frames);
            }
        }
    }

    /// The draft of a conversation, made if need be. The caller puts it back, at the end as the newest.
    fn take_draft(&mut self, conversation: T, now: Millis) -> Draft<T> {
        if let Some(index) = self.drafts.iter().position(|draft| draft.conversation == conversation) {
            return self.drafts.remove(index);
        }
        if self.drafts.len() >= MAX_DRAFTS {
            let mut oldest = self.drafts.remove(0);
            oldest.stop(&mut self.frames);
        }
        Draft { conversation, is_active: false, changed_at: now, sent_at: now, sent: None, pending: None }
    }
}
