//! Properties: what is written is read again, and nothing that comes in can do harm.

use cossistant_protocol::fields::{Integer, Text};
use cossistant_protocol::{
    ActivityAudience, AgentActivity, Attachment, Authenticate, Channel, ClientFrame, ClientMessage, ConversationId,
    ConversationRef, ErrorCode, MarkSeen, MessageContent, Ping, RequestId, SendMessage, ServerMessage,
    SubscribeConversation, SubscribeWebsite, TypingProgress, Url, Visibility, WebsiteId, WebsiteRef, examples, json,
};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

fn text<const MIN: usize, const MAX: usize>() -> impl Strategy<Value = Text<MIN, MAX>> {
    vec(prop_oneof![any::<char>(), select(vec!['a', '"', '\\', '\n', 'ä', '😀'])], MIN..MAX.min(40)).prop_map(|chars| {
        let text: String = chars.into_iter().map(|c| if c == '\0' { 'x' } else { c }).collect();
        Text::new(text).unwrap()
    })
}

fn conversation_id() -> impl Strategy<Value = ConversationId> {
    "[A-Za-z0-9_-]{1,128}".prop_map(|id| ConversationId::new(id).unwrap())
}

fn website_id() -> impl Strategy<Value = WebsiteId> {
    "[A-Za-z0-9_-]{1,128}".prop_map(|id| WebsiteId::new(id).unwrap())
}

fn integer() -> impl Strategy<Value = Integer> {
    (0..1u64 << 53).prop_map(Integer)
}

/// A JSON value of at most six levels.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text::<0, 20>().prop_map(|text| Value::from(text.into_string())),
    ];
    leaf.prop_recursive(5, 20, 4, |inner| {
        prop_oneof![vec(inner.clone(), 0..4).prop_map(Value::from), object(inner).prop_map(Value::from)]
    })
}

fn object(values: impl Strategy<Value = Value>) -> impl Strategy<Value = json::Object> {
    let key = text::<0, 10>().prop_map(Text::into_string);
    btree_map(key, values, 0..4).prop_map(|entries| entries.into_iter().collect())
}

prop_compose! {
    fn attachment()(
        id in text::<1, 128>(),
        host in "[a-z]{1,20}",
        kind in text::<1, 256>(),
        name in text::<1, 256>(),
        size in of(integer()),
    ) -> Attachment {
        Attachment { id, url: Url::new(format!("https://{host}/")).unwrap(), r#type: kind, name, size }
    }
}

prop_compose! {
    fn content()(
        text in text(),
        html in of(text()),
        attachments in of(vec(attachment(), 1..=10)),
        metadata in of(object(value())),
    ) -> MessageContent {
        let is_empty = text.is_empty() && html.as_ref().is_none_or(Text::is_empty) && attachments.is_none();
        let text = if is_empty { Text::new("x").unwrap() } else { text };
        MessageContent { text: Some(text), html, attachments, metadata }
    }
}

fn to_conversation(wrap: fn(ConversationRef) -> ClientMessage) -> impl Strategy<Value = ClientMessage> {
    conversation_id().prop_map(move |conversation_id| wrap(ConversationRef { conversation_id }))
}

fn message() -> impl Strategy<Value = ClientMessage> {
    use ClientMessage as M;
    let subscribe = (conversation_id(), of(integer()), of(text()), of(integer()));
    let send = (conversation_id(), content(), of(object(value())), of(select(Visibility::ALL)));
    let activity = (conversation_id(), text(), of(text()), of(select(ActivityAudience::ALL)));
    prop_oneof![
        Just(M::Ping(Ping {})),
        text().prop_map(|token| M::Authenticate(Authenticate { token })),
        subscribe.prop_map(|(conversation_id, after, epoch, last)| {
            M::SubscribeConversation(SubscribeConversation { conversation_id, after, epoch, last })
        }),
        to_conversation(M::UnsubscribeConversation),
        (website_id(), of(integer()), of(text())).prop_map(|(website_id, after, epoch)| {
            M::SubscribeWebsite(SubscribeWebsite { website_id, after, epoch })
        }),
        website_id().prop_map(|website_id| M::UnsubscribeWebsite(WebsiteRef { website_id })),
        to_conversation(M::TypingStart),
        to_conversation(M::TypingStop),
        (conversation_id(), text())
            .prop_map(|(conversation_id, content)| { M::TypingProgress(TypingProgress { conversation_id, content }) }),
        send.prop_map(|(conversation_id, content, metadata, visibility)| {
            M::SendMessage(SendMessage { conversation_id, content, metadata, visibility })
        }),
        (conversation_id(), integer())
            .prop_map(|(conversation_id, seq)| M::MarkSeen(MarkSeen { conversation_id, seq })),
        to_conversation(M::ViewingStart),
        to_conversation(M::ViewingStop),
        activity.prop_map(|(conversation_id, phase, text, audience)| {
            M::AgentActivity(AgentActivity { conversation_id, phase, text, audience })
        }),
    ]
}

prop_compose! {
    fn frame()(
        id in of(text::<1, 64>()),
        timestamp in of(integer()),
        message in message(),
    ) -> ClientFrame {
        let id = id.map(|id| RequestId::new(id.as_str()).unwrap());
        ClientFrame { id, timestamp: timestamp.map(|integer| integer.0), message }
    }
}

/// What any text may lead to, on either side.
fn judge(text: &str) {
    if let Err(rejected) = ClientFrame::parse(text) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "a parser has three codes")]
        match rejected.code {
            ErrorCode::InvalidJson => {
                assert!(serde_json::from_str::<serde::de::IgnoredAny>(text).is_err(), "{text}");
                assert_eq!(rejected.details(), None);
            }
            ErrorCode::InvalidMessage => {
                let details = rejected.details().unwrap();
                assert!(details.path.unwrap().len() < text.len() + 20);
                let reason = details.reason.unwrap();
                assert!(!reason.is_empty() && reason.len() < 200, "{reason}");
            }
            code => {
                assert_eq!(code, ErrorCode::UnknownType, "{text}");
                assert_eq!(rejected.details(), None);
            }
        }
    }
    let _either = ServerMessage::parse(text);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_come_back(frame in frame()) {
        let text = frame.encode();
        let back = ClientFrame::parse(&text).map_err(|rejected| TestCaseError::fail(format!("{rejected:?}: {text}")))?;
        prop_assert_eq!(back, frame);
    }

    #[test]
    fn bytes_do_no_harm(bytes in vec(any::<u8>(), 0..200)) {
        judge(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn json_does_no_harm(value in value(), kind in select(ClientMessage::TYPES)) {
        judge(&value.to_string());
        judge(&format!(r#"{{"type":"{kind}","content":{value},"id":{value}}}"#));
        judge(&format!(r#"{{"type":"{kind}","conversationId":"c","content":{value},"seq":{value}}}"#));
    }

    #[test]
    fn damaged_messages_do_no_harm(
        at in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
        put in "[\\[\\]{}\",:0-9a\\\\u]{0,3}",
    ) {
        let texts: Vec<&str> =
            examples::CLIENT.iter().chain(examples::SERVER).flat_map(|example| [example.full, example.least]).collect();
        let text = at.get(&texts);
        let cut = cut.index(text.len());
        judge(&format!("{}{put}{}", &text[..cut], &text[cut..]));
        judge(&format!("{}{put}", &text[..cut]));
    }

    #[test]
    fn equal_objects_have_one_form_and_one_size(object in object(value())) {
        let text = Value::from(object.clone()).to_string();
        let back: json::Object = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(json::canonical_object(&back), json::canonical_object(&object));
        prop_assert_eq!(json::object_size(&back), json::object_size(&object));
    }

    #[test]
    fn channels_come_back(id in "[A-Za-z0-9_-]{1,128}", is_website in any::<bool>()) {
        let text = format!("{}:{id}", if is_website { "website" } else { "conversation" });
        prop_assert_eq!(text.parse::<Channel>().unwrap().to_string(), text);
    }
}
