//! The limits that are part of the contract. Those that an operator sets are told in [`crate::Limits`].

/// The longest `text` of a message, in characters.
pub const MAX_TEXT_LENGTH: usize = 16_000;
/// The longest `html` of a message, in characters.
pub const MAX_HTML_LENGTH: usize = 32_000;
/// The longest preview of a typed text, in characters.
pub const MAX_TYPING_LENGTH: usize = 2_000;
/// The most attachments of a message.
pub const MAX_ATTACHMENTS: usize = 10;
/// The longest `url` of an attachment, in characters.
pub const MAX_URL_LENGTH: usize = 4_096;
/// The longest `name` or `type` of an attachment, in characters.
pub const MAX_ATTACHMENT_NAME_LENGTH: usize = 256;
/// The most bytes of a `metadata` object, written as JSON without white space.
pub const MAX_METADATA_BYTES: usize = 8 * 1024;
/// The deepest nesting of a `metadata` object; the object itself is the first level.
pub const MAX_METADATA_DEPTH: usize = 8;
/// The longest `phase` of an agent's activity, in characters.
pub const MAX_PHASE_LENGTH: usize = 64;
/// The longest `text` of an agent's activity, in characters.
pub const MAX_ACTIVITY_LENGTH: usize = 2_000;
/// The longest token, in characters, each of which is a byte in a token that is one.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// The longest `epoch`, in characters.
pub const MAX_EPOCH_LENGTH: usize = 64;
/// The greatest integer on the wire: what a JavaScript number holds exactly.
pub const MAX_INTEGER: u64 = (1 << 53) - 1;
/// The most bytes of an HTTP request body.
pub const MAX_BODY_BYTES: usize = 256 * 1024;
/// The most messages or conversations of one page.
pub const MAX_PAGE: usize = 200;
