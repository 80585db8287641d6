//! What a message says.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::fields::{Integer, Strict, Text, maybe_raw_object, objects, present};
use crate::json::{self, Object};
use crate::limits::{
    MAX_ATTACHMENT_NAME_LENGTH, MAX_ATTACHMENTS, MAX_HTML_LENGTH, MAX_METADATA_BYTES, MAX_METADATA_DEPTH,
    MAX_TEXT_LENGTH, MAX_URL_LENGTH,
};
use crate::{Invalid, RequestId};

/// What a message says. At least one of `text`, `html` and `attachments` is not empty.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-anyNonEmpty" = ["text", "html", "attachments"])))]
#[serde(rename_all = "camelCase")]
pub struct MessageContent {
    /// Plain text.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub text: Option<Text<0, MAX_TEXT_LENGTH>>,
    /// Rich text, from users and AI agents only; the server keeps a sanitised form.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub html: Option<Text<0, MAX_HTML_LENGTH>>,
    /// Files and images by URL.
    #[serde(default, deserialize_with = "objects", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = MAX_ATTACHMENTS)))]
    pub attachments: Option<Vec<Attachment>>,
    /// An object of the application's own.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "MetadataSchema"))]
    pub metadata: Option<Object>,
}

/// What a message says, as the server tells it.
///
/// The server has checked it when it came in. Its lengths are not checked again, and it may be empty: what sanitising
/// makes of an `html` can be longer than what was sent, or nothing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReceivedContent {
    /// Plain text.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Rich text in a sanitised form.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// Files and images by URL.
    #[serde(default, deserialize_with = "objects", skip_serializing_if = "Option::is_none")]
    pub attachments: Option<Vec<Attachment>>,
    /// An object of the application's own.
    #[serde(default, deserialize_with = "maybe_raw_object", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Object>"))]
    pub metadata: Option<Box<RawValue>>,
}

impl ReceivedContent {
    /// Reads content from JSON.
    ///
    /// # Errors
    /// The path is relative to the content.
    pub fn parse(raw: &RawValue) -> Result<Self, Invalid> {
        crate::client::read::<Strict<Self>>(raw.get()).map(|strict| strict.0)
    }
}

/// The limits of a `metadata` object, which JSON Schema has no words for.
#[cfg(feature = "schema")]
pub(crate) struct MetadataSchema;

#[cfg(feature = "schema")]
impl schemars::JsonSchema for MetadataSchema {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Metadata".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object", "x-maxBytes": MAX_METADATA_BYTES, "x-maxDepth": MAX_METADATA_DEPTH
        })
    }
}

/// A file or an image that a message points to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// The application's id of it.
    pub id: Text<1, 128>,
    /// Where it is: http or https.
    pub url: Url,
    /// Its media type, such as `image/png`.
    pub r#type: Text<1, MAX_ATTACHMENT_NAME_LENGTH>,
    /// Its name, for people.
    pub name: Text<1, MAX_ATTACHMENT_NAME_LENGTH>,
    /// Its size in bytes.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub size: Option<Integer>,
}

/// An absolute http or https URL without white space or control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Url(String);

impl Url {
    /// Checks a text.
    ///
    /// # Errors
    /// A reason for people, when it is no such URL.
    pub fn new(text: impl Into<String>) -> Result<Self, &'static str> {
        let text = text.into();
        if text.len() > MAX_URL_LENGTH && text.chars().count() > MAX_URL_LENGTH {
            return Err("must have at most 4096 characters");
        }
        let has_scheme = |scheme: &str| text.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme));
        let after_scheme = ["https://", "http://"].iter().find(|scheme| has_scheme(scheme)).map(|scheme| scheme.len());
        let host = after_scheme.and_then(|at| text[at..].chars().next());
        let has_host = host.is_some_and(|first| first.is_ascii_alphanumeric() || first == '[' || !first.is_ascii());
        if !has_host || text.chars().any(is_never_in_urls) {
            return Err("must be an http or https URL");
        }
        Ok(Self(text))
    }

    /// The URL as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Characters that could end a URL where it is written into a page, or hide in it.
fn is_never_in_urls(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '"' | '<' | '>' | '\\' | '\u{feff}')
}

impl<'de> Deserialize<'de> for Url {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Url {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Url".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "maxLength": MAX_URL_LENGTH,
            // `\s` is the white space of JavaScript, which is that of Unicode and U+FEFF, without the control U+0085.
            "pattern": "^[hH][tT][tT][pP][sS]?://(?=[A-Za-z0-9\\[]|[^\\u0000-\\u007f])[^\\s\\u0000-\\u001f\\u007f-\\u009f\"<>\\\\]+$"
        })
    }
}

impl MessageContent {
    /// Content of plain text.
    ///
    /// # Errors
    /// When the text is too long or has U+0000.
    pub fn text(text: impl Into<String>) -> Result<Self, Invalid> {
        let text = Text::new(text).map_err(|error| Invalid::new("text", error.to_string()))?;
        Ok(Self { text: Some(text), ..Self::default() })
    }

    /// Reads content from JSON and checks every limit.
    ///
    /// # Errors
    /// The path is relative to the content and empty for the content as a whole.
    pub fn parse(raw: &RawValue) -> Result<Self, Invalid> {
        let Strict(content) = crate::client::read::<Strict<Self>>(raw.get())?;
        content.check()?;
        Ok(content)
    }

    /// Checks what the types of the fields do not.
    ///
    /// # Errors
    /// As [`MessageContent::parse`].
    pub fn check(&self) -> Result<(), Invalid> {
        let has_text = self.text.as_ref().is_some_and(|text| !text.is_empty());
        let has_html = self.html.as_ref().is_some_and(|html| !html.is_empty());
        let attachments = self.attachments.as_deref().unwrap_or_default();
        if attachments.len() > MAX_ATTACHMENTS {
            return Err(Invalid::new("attachments", format!("must have at most {MAX_ATTACHMENTS} entries")));
        }
        if let Some(metadata) = &self.metadata {
            check_metadata(metadata).map_err(|error| error.under("metadata"))?;
        }
        if !has_text && !has_html && attachments.is_empty() {
            return Err(Invalid::new("", "must have a text, html or attachments"));
        }
        Ok(())
    }
}

/// Checks a `metadata` object: size, depth, no U+0000.
///
/// # Errors
/// The path is relative to the object.
pub fn check_metadata(metadata: &Object) -> Result<(), Invalid> {
    if json::object_depth(metadata) > MAX_METADATA_DEPTH {
        return Err(Invalid::new("", format!("must nest at most {MAX_METADATA_DEPTH} levels deep")));
    }
    if json::object_size(metadata) > MAX_METADATA_BYTES {
        return Err(Invalid::new("", format!("must have at most {MAX_METADATA_BYTES} bytes as JSON")));
    }
    match json::find_nul_in_object(metadata) {
        Some(path) => Err(Invalid::new(path, "must not contain U+0000")),
        None => Ok(()),
    }
}

/// The key under which a message is stored once, whatever else is said: `id` of a `send_message`.
pub type IdempotencyKey = RequestId;
