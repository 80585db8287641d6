//! A frame read in one pass.
//!
//! Before the `type` is known nobody knows what the other fields must be, so a frame is read twice: once for what every
//! frame may have, once for the rest. But nearly every frame begins with its `type`, and then one pass is enough. It
//! has no reasons to tell: what it does not take is read the long way, which finds out why, or takes it after all. So it
//! may refuse whatever it likes, and must take nothing that the long way refuses.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{BorrowedStrDeserializer, MapAccessDeserializer};
use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::RequestId;
use crate::fields::Integer;

/// A frame with a body of one kind.
pub(crate) struct Whole<B> {
    pub(crate) id: Option<RequestId>,
    pub(crate) timestamp: Option<u64>,
    pub(crate) body: B,
}

/// The `type` of a frame that begins with it, if that is a plain word.
pub(crate) fn leading_type(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("{\"type\":\"")?;
    rest.find('"').map(|end| &rest[..end])
}

/// Reads a frame that begins with its type; `None` if it has to be read the long way.
pub(crate) fn read<'a, B: Deserialize<'a>>(text: &'a str) -> Option<Whole<B>> {
    struct OfWhole<B>(PhantomData<B>);

    impl<'de, B: Deserialize<'de>> Visitor<'de> for OfWhole<B> {
        type Value = Whole<B>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Whole<B>, A::Error> {
            let mut common = Common::default();
            let fields = Fields { map, key: "", common: &mut common };
            let body = B::deserialize(MapAccessDeserializer::new(fields))?;
            Ok(Whole { id: common.id, timestamp: common.timestamp, body })
        }
    }

    let mut deserializer = serde_json::Deserializer::from_str(text);
    let whole = deserializer.deserialize_map(OfWhole(PhantomData)).ok()?;
    deserializer.end().ok()?;
    Some(whole)
}

/// What every frame may have.
#[derive(Default)]
struct Common {
    id: Option<RequestId>,
    timestamp: Option<u64>,
    /// Fields of the first pass that came already, a bit for each: none may stand twice, whether or not the body knows
    /// it.
    came: u8,
}

/// The fields of a frame, all of them shown to the body, and what every frame may have taken down on the way.
struct Fields<'de, 'c, A> {
    map: A,
    key: &'de str,
    common: &'c mut Common,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Fields<'de, '_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        // A key with an escape in it cannot be borrowed, and is left to the long way.
        let Some(key) = self.map.next_key::<&'de str>()? else { return Ok(None) };
        let bit = match key {
            "type" => 1,
            "id" => 2,
            "timestamp" => 4,
            "conversationId" => 8,
            "websiteId" => 16,
            _ => 0,
        };
        if self.common.came & bit != 0 {
            return Err(A::Error::custom("stands twice"));
        }
        self.common.came |= bit;
        self.key = key;
        seed.deserialize(BorrowedStrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        match self.key {
            "id" => {
                // One with an escape in it is left to the long way, as with keys.
                let id = self.map.next_value::<Option<&'de str>>()?;
                self.common.id = id.map(RequestId::new).transpose().map_err(A::Error::custom)?;
                // Some bodies have an `id` of their own, which is the same.
                seed.deserialize(Once(id, PhantomData))
            }
            "timestamp" => {
                let raw = self.map.next_value::<&'de RawValue>()?.get();
                let timestamp: Option<Integer> = serde_json::from_str(raw).map_err(A::Error::custom)?;
                self.common.timestamp = timestamp.map(|timestamp| timestamp.0);
                seed.deserialize(&mut serde_json::Deserializer::from_str(raw)).map_err(A::Error::custom)
            }
            _ => self.map.next_value_seed(seed),
        }
    }
}

/// A text that was read already, or `null`.
struct Once<'de, E>(Option<&'de str>, PhantomData<E>);

impl<'de, E: serde::de::Error> Deserializer<'de> for Once<'de, E> {
    type Error = E;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        match self.0 {
            Some(text) => visitor.visit_borrowed_str(text),
            None => visitor.visit_unit(),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        match self.0 {
            Some(text) => visitor.visit_some(BorrowedStrDeserializer::new(text)),
            None => visitor.visit_none(),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use crate::{ClientFrame, ServerMessage};

    /// Frames of all sorts, good and bad; the tests also cut and change them.
    const FRAMES: &[&str] = &[
        r#"{"type":"ping","id":"p-1"}"#,
        r#"{"type":"ping","id":null,"timestamp":null}"#,
        r#"{"type":"ping","timestamp":1.7e3}"#,
        r#"{"type":"ping","timestamp":-1}"#,
        r#"{"type":"ping","id":"a","id":"a"}"#,
        r#"{"type":"ping","type":"ping"}"#,
        r#"{"type":"ping","conversationId":"a","conversationId":"b"}"#,
        r#"{"type":"ping","id":""}"#,
        r#"{"type":"ping","id":"p\u002d1"}"#,
        r#"{"type":"ping","id":5}"#,
        r#"{"type":"ping","\u0069d":"","x":[{"type":2}]}"#,
        r#"{"type":"pi\u006eg"}"#,
        r#"{ "type":"ping"}"#,
        r#"{"id":"1","type":"ping"}"#,
        r#"{"type":"ping"} x"#,
        r#"{"type":"nothing"}"#,
        r#"{"type":"typing_start","conversationId":"c-1","timestamp":1700000000000}"#,
        r#"{"type":"typing_start","conversationId":"c 1"}"#,
        r#"{"type":"send_message","conversationId":"c-1","content":{"text":"hi"},"visibility":"internal","id":"s-1"}"#,
        r#"{"type":"send_message","conversationId":"c-1","content":{"text":""},"id":"s-1"}"#,
        r#"{"type":"send_message","conversationId":"c-1","content":{"text":"a","metadata":{"b":[1,2.50]}},"id":"s"}"#,
        r#"{"type":"subscribe_conversation","conversationId":"c-1","after":4,"epoch":"e","id":"s-2"}"#,
        r#"{"type":"subscribe_website","websiteId":"w","websiteId":"w","id":"s-2"}"#,
        r#"{"type":"pong","id":"p-1"}"#,
        r#"{"type":"pong","id":7}"#,
        r#"{"type":"message_ack","id":"s-1","conversationId":"c","messageId":"m","seq":1,"createdAt":"2027-01-15T08:00:00.123Z"}"#,
        r#"{"type":"subscription_confirmed","id":"s-2","channel":"conversation:c-1","epoch":"e","head":3,"recovered":true,"replayed":0,"online":false}"#,
        r#"{"type":"message_updated","conversationId":"c","messageId":"m","content":{"text":"x"},"updatedAt":"2027-01-15T08:00:00.123Z","deleted":false,"websiteId":"w","organizationId":"o","seq":4,"offset":9}"#,
        r#"{"type":"message_updated","id":"","conversationId":"c","messageId":"m","content":null,"updatedAt":"2027-01-15T08:00:00.123Z","deleted":true,"websiteId":"w","organizationId":"o","seq":4}"#,
        r#"{"type":"team_online","websiteId":"w","timestamp":"x"}"#,
        r#"{"type":"team_online","websiteId":"w","websiteId":"w"}"#,
    ];

    /// Both ways say the same of a frame; whether one pass was enough.
    fn compare(text: &str) -> bool {
        let client = ClientFrame::parse_whole(text);
        if let Some(frame) = &client {
            assert_eq!(ClientFrame::parse_long(text).as_ref(), Ok(frame), "{text}");
        }
        let server = ServerMessage::parse_whole(text);
        if let Some(message) = &server {
            let long = ServerMessage::parse_long(text).map(|message| format!("{message:?}"));
            assert_eq!(long, Ok(format!("{message:?}")), "{text}");
        }
        client.is_some() || server.is_some()
    }

    #[test]
    fn what_one_pass_takes_the_long_way_takes_too() {
        let taken = FRAMES.iter().filter(|text| compare(text)).count();
        assert_eq!(taken, 11, "of {} frames", FRAMES.len());
    }

    proptest::proptest! {
        #[test]
        fn nor_does_it_take_more_of_broken_frames(
            frame in 0..FRAMES.len(), other in 0..FRAMES.len(), cut in 0..300_usize, len in 0..40_usize, at in 0..300_usize,
        ) {
            let pick = |of: usize| FRAMES[of].as_bytes();
            let mut bytes = pick(frame).to_vec();
            let piece = &pick(other)[cut.min(pick(other).len())..(cut + len).min(pick(other).len())];
            let at = at.min(bytes.len());
            bytes.splice(at..(at + len / 2).min(pick(frame).len()), piece.iter().copied());
            compare(&String::from_utf8_lossy(&bytes));
        }
    }
}
