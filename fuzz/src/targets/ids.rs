//! Names and times: what is taken is what the contract allows, and is written as it was read.

use cossistant_protocol::{
    Channel, ConversationId, KeyId, OrganizationId, PersonId, RequestId, Timestamp, WebhookId, WebsiteId,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Target;

/// An input is a text.
pub(crate) const TARGET: Target = Target {
    name: "ids",
    run,
    seeds,
    words: &["conversation:", "website:", "T00:00:00.000Z", "+00:00", "2024-02-29", "\u{feff}", "😀"],
    max_bytes: 300,
    change: None,
};

fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    let is_of_person = |byte: u8| is_plain(byte) || b".:@|+".contains(&byte);
    let is_id = |allowed: &dyn Fn(u8) -> bool| (1..=128).contains(&text.len()) && text.bytes().all(allowed);
    let is_key = !text.contains('\0') && (1..=64).contains(&text.chars().count());
    same::<OrganizationId>(text, is_id(&is_plain));
    same::<WebsiteId>(text, is_id(&is_plain));
    same::<ConversationId>(text, is_id(&is_plain));
    same::<KeyId>(text, is_id(&is_plain));
    same::<WebhookId>(text, is_id(&is_plain));
    same::<PersonId>(text, is_id(&is_of_person));
    same::<RequestId>(text, is_key);
    let behind = text.strip_prefix("conversation:").or(text.strip_prefix("website:"));
    same::<Channel>(text, behind.is_some_and(|id| ConversationId::new(id).is_ok()));
    if let Ok(time) = text.parse::<Timestamp>() {
        assert_eq!(time.to_string(), text);
        assert!(time.as_millis() <= 253_402_300_799_999, "the last year is 9999");
    }
}

/// Checks that a text is taken if, and only if, it should be, and then stays as it is on every way in and out.
fn same<T>(text: &str, is_expected: bool)
where
    T: std::str::FromStr + std::fmt::Display + Serialize + DeserializeOwned,
{
    let name = std::any::type_name::<T>();
    let read = text.parse::<T>();
    assert_eq!(read.is_ok(), is_expected, "{name}: {text:?}");
    let json = serde_json::to_string(text).expect("a text is JSON");
    assert_eq!(serde_json::from_str::<T>(&json).is_ok(), is_expected, "{name} in JSON: {text:?}");
    if let Ok(read) = read {
        assert_eq!(read.to_string(), text);
        assert_eq!(serde_json::to_string(&read).expect("an id is JSON"), json);
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let long = "a".repeat(128);
    [
        "a",
        "conv-1_B",
        "user@example.com|x:y+z.1",
        "conversation:conv-1",
        "website:site_2",
        "website:a b",
        "topic:a",
        "😀",
        "a\0b",
        "",
        &long,
        &format!("{long}a"),
        &format!("conversation:{long}"),
        &"€".repeat(64),
        &"€".repeat(65),
        "2024-02-29T23:59:59.999Z",
        "1970-01-01T00:00:00.000Z",
        "9999-12-31T23:59:59.999Z",
        "2023-02-29T00:00:00.000Z",
        "2024-12-31T23:59:60.000Z",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
