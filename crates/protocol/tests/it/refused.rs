//! What is refused: with which code, where, and why.

use cossistant_protocol::{
    Channel, ClientFrame, ConversationId, ErrorCode, RequestId, ServerMessage, UnreadableMessage, WebsiteId,
};
use serde_json::{Value, json};

/// Code, path and reason with which a text is refused.
#[track_caller]
fn refusal(text: &str) -> (ErrorCode, String, String) {
    let rejected = ClientFrame::parse(text).expect_err(text);
    let (path, reason) = rejected.invalid.map(|invalid| (invalid.path, invalid.reason)).unwrap_or_default();
    (rejected.code, path, reason)
}

#[track_caller]
fn refused_at(message: &Value, path: &str, reason: &str) {
    let got = refusal(&message.to_string());
    assert_eq!(got, (ErrorCode::InvalidMessage, path.to_owned(), reason.to_owned()));
}

#[track_caller]
fn accepted(message: &Value) {
    ClientFrame::parse(&message.to_string()).unwrap();
}

fn send(content: &Value) -> Value {
    json!({"type": "send_message", "conversationId": "c", "content": content})
}

fn attachment(field: &str, value: &Value) -> Value {
    let mut attachment = json!({"id": "a", "url": "https://h/", "type": "image/png", "name": "n"});
    attachment[field] = value.clone();
    send(&json!({"attachments": [attachment]}))
}

#[test]
fn what_is_no_json() {
    for text in ["", "x", "{", r#"{"type":"ping"} x"#, r#"{"type":"ping",}"#, "\u{feff}{}", "{\"type\":\"a\nb\"}"] {
        assert_eq!(refusal(text), (ErrorCode::InvalidJson, String::new(), String::new()), "{text}");
    }
}

#[test]
fn what_is_no_object() {
    for text in ["null", "1", r#""ping""#, "[]", r#"["ping"]"#, "[1,2,3,4,5,6,7]", r#"["ping",1,2,"c","w"]"#] {
        let (code, path, reason) = refusal(text);
        assert_eq!(
            (code, path.as_str(), reason.as_str()),
            (ErrorCode::InvalidMessage, "", "must be an object"),
            "{text}"
        );
    }
}

#[test]
fn what_has_no_type() {
    refused_at(&json!({}), "type", "is required");
    for kind in [json!(null), json!(1), json!(["ping"]), json!({"ping": null})] {
        refused_at(&json!({"type": kind}), "type", "must be a string");
    }
    refused_at(&json!({"type": "pi\0ng"}), "type", "must not contain U+0000");
}

#[test]
fn an_unknown_type_keeps_its_id() {
    let rejected = ClientFrame::parse(r#"{"type":"dance","id":"1","conversationId":5}"#).unwrap_err();
    assert_eq!((rejected.code, rejected.id.unwrap().as_str()), (ErrorCode::UnknownType, "1"));
    assert_eq!(rejected.invalid, None);
}

#[test]
fn ids_of_messages() {
    accepted(&json!({"type": "ping", "id": "😀".repeat(64)}));
    for (id, reason) in [
        (json!(""), "must not be empty"),
        (json!("x".repeat(65)), "must have at most 64 characters"),
        (json!("a\0"), "has a character that ids may not have"),
        (json!(7), "must be a string"),
    ] {
        let message = json!({"type": "ping", "id": id});
        refused_at(&message, "id", reason);
        assert_eq!(ClientFrame::parse(&message.to_string()).unwrap_err().id, None);
    }
}

#[test]
fn a_refusal_keeps_a_good_id() {
    let text = r#"{"conversationId":5,"type":"typing_start","id":"1"}"#;
    assert_eq!(ClientFrame::parse(text).unwrap_err().id.unwrap().as_str(), "1");
}

#[test]
fn timestamps_and_other_integers() {
    for value in [json!(0), json!(5.0), json!(9_007_199_254_740_991_u64)] {
        accepted(&json!({"type": "ping", "timestamp": value}));
        accepted(&json!({"type": "mark_seen", "conversationId": "c", "seq": value}));
    }
    for value in [json!(-1), json!(0.5), json!(9_007_199_254_740_992_u64), json!("5"), json!(true)] {
        let reason = if value.is_number() { "must be a whole number from 0 to 2^53-1" } else { "" };
        for (message, path) in [
            (json!({"type": "ping", "timestamp": value}), "timestamp"),
            (json!({"type": "mark_seen", "conversationId": "c", "seq": value}), "seq"),
            (json!({"type": "subscribe_conversation", "conversationId": "c", "after": value}), "after"),
            (json!({"type": "subscribe_conversation", "conversationId": "c", "last": value}), "last"),
            (json!({"type": "subscribe_website", "websiteId": "w", "after": value}), "after"),
            (attachment("size", &value), "content.attachments.0.size"),
        ] {
            let (code, at, why) = refusal(&message.to_string());
            assert_eq!((code, at.as_str()), (ErrorCode::InvalidMessage, path));
            assert!(why.ends_with("a whole number from 0 to 2^53-1") && why.starts_with(reason), "{why}");
        }
    }
}

#[test]
fn ids_of_conversations_and_websites() {
    for (kind, field) in [("subscribe_conversation", "conversationId"), ("subscribe_website", "websiteId")] {
        accepted(&json!({"type": kind, field: "aZ0_-".repeat(25)}));
        refused_at(&json!({"type": kind}), field, "is required");
        refused_at(&json!({"type": kind, field: ""}), field, "must not be empty");
        refused_at(&json!({"type": kind, field: "a".repeat(129)}), field, "must have at most 128 characters");
        for id in ["a b", "a:b", "ä", "a\0", "a.b"] {
            refused_at(&json!({"type": kind, field: id}), field, "has a character that ids may not have");
        }
    }
}

#[test]
fn texts() {
    let message = |kind: &str, field: &str, value: &str| json!({"type": kind, "conversationId": "c", "websiteId": "w", "phase": "p", field: value});
    for (kind, field, min, max) in [
        ("typing_progress", "content", 0, 2000),
        ("agent_activity", "phase", 1, 64),
        ("agent_activity", "text", 0, 2000),
        ("subscribe_conversation", "epoch", 0, 64),
        ("subscribe_website", "epoch", 0, 64),
        ("authenticate", "token", 1, 8192),
    ] {
        accepted(&message(kind, field, &"😀".repeat(max)));
        accepted(&message(kind, field, &"x".repeat(min)));
        let long = message(kind, field, &"x".repeat(max + 1));
        refused_at(&long, field, &format!("must have at most {max} characters"));
        refused_at(&message(kind, field, "a\0"), field, "must not contain U+0000");
        if min > 0 {
            refused_at(&message(kind, field, ""), field, "must have at least 1 characters");
        }
    }
}

#[test]
fn content() {
    accepted(&send(&json!({"text": "😀".repeat(16_000)})));
    accepted(&send(&json!({"html": "x".repeat(32_000), "text": ""})));
    refused_at(&send(&json!({"text": "x".repeat(16_001)})), "content.text", "must have at most 16000 characters");
    refused_at(&send(&json!({"html": "x".repeat(32_001)})), "content.html", "must have at most 32000 characters");
    refused_at(&send(&json!({"text": "a\0b"})), "content.text", "must not contain U+0000");
    for value in [json!({}), json!({"text": ""}), json!({"text": "", "html": "", "attachments": []})] {
        refused_at(&send(&value), "content", "must have a text, html or attachments");
    }
    for value in [json!(null), json!("x"), json!(["x"])] {
        refused_at(&send(&value), "content", "must be an object");
    }
    refused_at(&send(&json!({"text": null})), "content", "must have a text, html or attachments");
    refused_at(&json!({"type": "send_message", "conversationId": "c"}), "content", "is required");
    let mut message = send(&json!({"text": "x"}));
    message["visibility"] = json!("secret");
    refused_at(&message, "visibility", "must be one of public internal");
    message["visibility"] = json!({"public": null});
    refused_at(&message, "visibility", "must be one of public internal");
}

#[test]
fn attachments() {
    let one = json!({"id": "a", "url": "https://h/", "type": "image/png", "name": "n"});
    accepted(&send(&json!({"attachments": vec![one.clone(); 10]})));
    refused_at(&send(&json!({"attachments": vec![one; 11]})), "content.attachments", "must have at most 10 entries");
    for field in ["id", "url", "type", "name"] {
        let path = format!("content.attachments.0.{field}");
        let mut message = attachment("size", &json!(1));
        message["content"]["attachments"][0].as_object_mut().unwrap().remove(field);
        refused_at(&message, &path, "is required");
        refused_at(&attachment(field, &json!(1)), &path, "must be a string");
    }
    refused_at(
        &send(&json!({"attachments": [["a", "https://h/", "t", "n"]]})),
        "content.attachments.0",
        "must be an object",
    );
    refused_at(&send(&json!({"attachments": {}})), "content.attachments", "must be a list");
    for (field, max) in [("id", 128), ("type", 256), ("name", 256)] {
        accepted(&attachment(field, &json!("ä".repeat(max))));
        let path = format!("content.attachments.0.{field}");
        refused_at(
            &attachment(field, &json!("x".repeat(max + 1))),
            &path,
            &format!("must have at most {max} characters"),
        );
        refused_at(&attachment(field, &json!("")), &path, "must have at least 1 characters");
    }
}

#[test]
fn urls_of_attachments() {
    let path = "content.attachments.0.url";
    let longest = format!("https://h/{}", "ä".repeat(4086));
    for url in ["http://h", "HTTPS://H/", "https://[::1]:80/", "https://bücher.example/ä?q=1#f", longest.as_str()] {
        accepted(&attachment("url", &json!(url)));
    }
    for url in [
        "",
        "https://",
        "http:///x",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://h/",
        "//h/",
        "https:/h",
        " https://h/",
        "https://h/ x",
        "https://h/\u{a0}",
        "https://h/\u{feff}",
        "https://h/\n",
        "https://h/\0",
        "https://h/\"",
        "https://h/<",
        "https:\\\\h",
    ] {
        refused_at(&attachment("url", &json!(url)), path, "must be an http or https URL");
    }
    refused_at(&attachment("url", &json!(format!("{longest}x"))), path, "must have at most 4096 characters");
}

#[test]
fn metadata() {
    let nested = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({"a": inner}));
    // `{"k":"…"}` is eight bytes and the text.
    let sized = |bytes: usize| json!({"k": "x".repeat(bytes - 8)});
    for (path, place) in [("metadata", false), ("content.metadata", true)] {
        let message = |metadata: Value| {
            let mut message = send(&json!({"text": "x"}));
            let target = if place { &mut message["content"] } else { &mut message };
            target["metadata"] = metadata;
            message
        };
        accepted(&message(nested(8)));
        accepted(&message(sized(8192)));
        accepted(&message(json!({"n": [1, -0.5, 1e300, null, true, "ä"]})));
        refused_at(&message(nested(9)), path, "must nest at most 8 levels deep");
        refused_at(&message(sized(8193)), path, "must have at most 8192 bytes as JSON");
        refused_at(&message(json!({"a": {"b": ["x", "y\0"]}})), &format!("{path}.a.b.1"), "must not contain U+0000");
        for value in [json!([]), json!("x")] {
            refused_at(&message(value), path, "must be an object");
        }
    }
}

#[test]
fn however_deep_a_message_nests_its_answer_names_it() {
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let refused = |rest: &str| ClientFrame::parse(&format!(r#"{{"id":"i","conversationId":"c",{rest}}}"#)).unwrap_err();
    for (rest, path) in [
        (format!(r#""type":"send_message","content":{{"text":"x"}},"metadata":{{"a":{deep}}}"#), "metadata"),
        (format!(r#""type":"send_message","content":{{"text":"x","more":{deep}}}"#), "content"),
        (format!(r#""type":"subscribe_conversation","after":{deep}"#), "after"),
        (format!(r#""type":"ping","more":{deep}"#), "more"),
    ] {
        let rejected = refused(&rest);
        assert_eq!(rejected.id.as_ref().map(RequestId::as_str), Some("i"), "{rest}");
        assert_eq!(rejected.code, ErrorCode::InvalidMessage);
        assert_eq!(rejected.invalid.as_ref().unwrap().path, path);
        assert_eq!(rejected.subscription.is_some(), path == "after");
    }
    assert_eq!(refused(&format!(r#""type":"golden","more":{deep}"#)).code, ErrorCode::UnknownType);
    for text in ["[".repeat(200), format!(r#"{{"type":"ping","more":{}"#, "[".repeat(200))] {
        assert_eq!(ClientFrame::parse(&text).unwrap_err().code, ErrorCode::InvalidJson);
    }
}

#[test]
fn null_is_the_absence_of_what_need_not_be_there() {
    let subscribe = json!({"type": "subscribe_conversation", "conversationId": "c"});
    let send = json!({"type": "send_message", "conversationId": "c", "content": {"text": "x"}});
    let activity = json!({"type": "agent_activity", "conversationId": "c", "phase": "p"});
    for (least, more) in [
        (&subscribe, json!({"id": null, "timestamp": null, "after": null, "epoch": null, "last": null})),
        (&send, json!({"metadata": null, "visibility": null})),
        (&send, json!({"content": {"text": "x", "html": null, "attachments": null, "metadata": null}})),
        (&activity, json!({"text": null, "audience": null})),
    ] {
        let mut message = least.clone();
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let frame =
            ClientFrame::parse(&message.to_string()).unwrap_or_else(|rejected| panic!("{message}: {rejected:?}"));
        assert_eq!(frame, ClientFrame::parse(&least.to_string()).unwrap(), "{message}");
    }
    for (path, mut message) in [("conversationId", subscribe), ("content", send), ("phase", activity)] {
        message[path] = json!(null);
        assert_eq!(refusal(&message.to_string()).0, ErrorCode::InvalidMessage, "{message}");
    }
}

#[test]
fn texts_that_stand_for_no_characters() {
    let text = r#"{"type":"typing_progress","conversationId":"c","content":"\ud800"}"#;
    let (code, path, _) = refusal(text);
    assert_eq!((code, path.as_str()), (ErrorCode::InvalidMessage, "content"));
    let text = r#"{"type":"ping","\ud800":1}"#;
    assert_eq!(refusal(text).0, ErrorCode::InvalidMessage);
    ClientFrame::parse(r#"{"type":"ping","unknown":"\ud800"}"#).unwrap();
}

#[test]
fn fields_that_stand_twice() {
    let got = refusal(r#"{"type":"ping","type":"ping"}"#);
    assert_eq!(got, (ErrorCode::InvalidMessage, "type".to_owned(), "stands twice".to_owned()));
    let got = refusal(r#"{"type":"mark_seen","conversationId":"c","seq":1,"seq":1}"#);
    assert_eq!(got, (ErrorCode::InvalidMessage, "seq".to_owned(), "stands twice".to_owned()));
}

#[test]
fn unknown_fields_are_ignored() {
    accepted(&json!({"type": "ping", "token": 5, "conversationId": null, "x": {"y": [1]}}));
    accepted(&send(&json!({"text": "x", "color": "red"})));
}

#[test]
fn a_refusal_does_not_repeat_what_was_sent() {
    let text = format!(r#"{{"type":"mark_seen","conversationId":"c","seq":"{}"}}"#, "x".repeat(60_000));
    assert!(refusal(&text).2.len() < 100);
}

#[test]
fn refused_subscriptions_name_their_channel() {
    let of = |text: &str| ClientFrame::parse(text).unwrap_err().subscription;
    let conversation = Some(Channel::Conversation(ConversationId::new("c").unwrap()));
    let website = Some(Channel::Website(WebsiteId::new("w").unwrap()));
    assert_eq!(of(r#"{"type":"subscribe_conversation","conversationId":"c","after":-1}"#), conversation);
    assert_eq!(of(r#"{"type":"subscribe_website","websiteId":"w","after":"x"}"#), website);
    assert_eq!(of(r#"{"type":"subscribe_website","websiteId":"w w"}"#), None);
    assert_eq!(of(r#"{"type":"typing_start","conversationId":5}"#), None);
}

#[test]
fn what_a_client_cannot_read() {
    for text in ["", "null", "[]", r#"["pong"]"#, "{}", r#"{"type":1}"#, r#"{"type":null}"#] {
        match ServerMessage::parse(text) {
            Err(UnreadableMessage::NotAMessage) => {}
            Err(UnreadableMessage::Invalid(invalid)) if invalid.path.is_empty() => {}
            other => panic!("{text}: {other:?}"),
        }
    }
    let unknown = ServerMessage::parse(r#"{"type":"dance","id":"1"}"#);
    assert_eq!(unknown.unwrap_err(), UnreadableMessage::UnknownType("dance".to_owned()));
    let Err(UnreadableMessage::Invalid(invalid)) = ServerMessage::parse(r#"{"type":"pong","id":5}"#) else {
        panic!("read");
    };
    assert_eq!(invalid.path, "id");
}

#[test]
fn a_fault_of_the_whole_is_told_without_a_path() {
    let told = |path: &str| cossistant_protocol::Invalid::new(path, "is required").to_string();
    assert_eq!((told(""), told("content")), ("is required".to_owned(), "content: is required".to_owned()));
}
