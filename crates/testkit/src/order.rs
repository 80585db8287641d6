//! The checker of the order law: dense, once, in order.

use std::collections::HashSet;

use serde_json::Value;
use thiserror::Error;

/// The durable events: those that carry a place and are never lost.
const DURABLE: [&str; 5] =
    ["conversation_created", "new_message", "message_updated", "conversation_status_changed", "conversation_assigned"];

/// Which numbering is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `seq`, of one conversation, as the reader's audience counts.
    Seq,
    /// `offset`, of one website; team only.
    Offset,
}

impl Place {
    const fn field(self) -> &'static str {
        match self {
            Self::Seq => "seq",
            Self::Offset => "offset",
        }
    }
}

/// How a stream of durable events broke the law.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OrderError {
    /// A durable event without the number it must carry.
    #[error("durable event without a whole `{field}`: {event}")]
    Unplaced {
        /// The missing field.
        field: &'static str,
        /// The event as it came.
        event: Value,
    },
    /// The number is not the one after the last.
    #[error("expected {field} {expected}, got {got} ({}): {event}", if got > expected { "events are missing" } else { "seen before" })]
    Jump {
        /// The checked field.
        field: &'static str,
        /// The number that was due.
        expected: u64,
        /// The number that came.
        got: u64,
        /// The event as it came.
        event: Value,
    },
    /// One message was announced twice, whatever its numbers.
    #[error("message {0} came as new twice")]
    Doubled(String),
}

/// Checks one reader's view of one channel.
///
/// Feed it every frame that the reader got, in order; all but the durable events are ignored.
/// A reader of a website checks [`Place::Offset`], a reader of a conversation [`Place::Seq`].
#[derive(Debug)]
pub struct OrderChecker {
    place: Place,
    last: u64,
    messages: HashSet<String>,
}

impl OrderChecker {
    /// A checker that expects the event after `last` first.
    #[must_use]
    pub fn after(place: Place, last: u64) -> Self {
        Self { place, last, messages: HashSet::new() }
    }

    /// The number of the last durable event that was observed.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// How many different messages were announced.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.messages.len()
    }

    /// Whether `event` is durable, thus subject to the law.
    #[must_use]
    pub fn is_durable(event: &Value) -> bool {
        event["type"].as_str().is_some_and(|kind| DURABLE.contains(&kind))
    }

    /// Takes the next frame.
    ///
    /// # Errors
    ///
    /// The way in which this frame breaks the law. The checker stays where it was.
    pub fn observe(&mut self, event: &Value) -> Result<(), OrderError> {
        if !Self::is_durable(event) {
            return Ok(());
        }
        let field = self.place.field();
        let Some(got) = event[field].as_u64() else {
            return Err(OrderError::Unplaced { field, event: event.clone() });
        };
        let expected = self.last + 1;
        if got != expected {
            return Err(OrderError::Jump { field, expected, got, event: event.clone() });
        }
        if event["type"] == "new_message"
            && let Some(id) = event["messageId"].as_str()
            && !self.messages.insert(id.to_owned())
        {
            return Err(OrderError::Doubled(id.to_owned()));
        }
        self.last = got;
        Ok(())
    }

    /// Takes all of `events`.
    ///
    /// # Panics
    ///
    /// When one breaks the law; the message names `reader`.
    pub fn assert_all<'a>(&mut self, reader: &str, events: impl IntoIterator<Item = &'a Value>) {
        for event in events {
            if let Err(error) = self.observe(event) {
                panic!("section 6, durable events come in order, none missing, none twice; {reader}: {error}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(seq: u64, id: &str) -> Value {
        json!({"type": "new_message", "seq": seq, "messageId": id})
    }

    #[test]
    fn dense_events_pass_and_others_are_ignored() {
        let mut checker = OrderChecker::after(Place::Seq, 2);
        checker.assert_all(
            "r",
            &[
                message(3, "a"),
                json!({"type": "typing_indicator"}),
                json!({"type": "message_ack", "seq": 9}),
                message(4, "b"),
            ],
        );
        assert_eq!((checker.last(), checker.messages()), (4, 2));
    }

    #[test]
    fn holes_repeats_and_doubles_are_found() {
        let mut checker = OrderChecker::after(Place::Seq, 0);
        assert!(matches!(checker.observe(&message(2, "a")), Err(OrderError::Jump { expected: 1, got: 2, .. })));
        checker.observe(&message(1, "a")).unwrap();
        assert!(matches!(checker.observe(&message(1, "b")), Err(OrderError::Jump { .. })));
        assert!(matches!(checker.observe(&message(2, "a")), Err(OrderError::Doubled(_))));
        assert!(matches!(checker.observe(&json!({"type": "new_message"})), Err(OrderError::Unplaced { .. })));
    }
}
