//! The parts of the WebSocket handshake that are pure: the key, the header lists, the subprotocol.

#[cfg(test)]
mod tests;

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha1::{Digest, Sha1};

/// The one subprotocol that this server speaks and echoes.
pub const SUBPROTOCOL: &str = "cossistant.v1";

/// What stands before a credential in the list of subprotocols.
const BEARER_PREFIX: &str = "bearer.";

/// RFC 6455 fixed this text, to tell a server that understood from one that echoes.
const ACCEPT_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The bits behind the 16 bytes are not looked at: the example key in RFC 6455 itself has some.
const KEY_FORM: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// The value of `Sec-WebSocket-Accept` for a request's `Sec-WebSocket-Key`.
pub fn accept_key(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(ACCEPT_GUID);
    STANDARD.encode(hash.finalize())
}

/// Whether a `Sec-WebSocket-Key` is what it has to be: 16 bytes in base64.
pub fn is_valid_key(key: &str) -> bool {
    let mut bytes = [0; 18];
    key.len() == 24 && KEY_FORM.decode_slice(key, &mut bytes) == Ok(16)
}

/// Whether a comma-separated header, such as `Connection` or `Upgrade`, lists `token`, whatever
/// its case.
pub fn has_token(header: &str, token: &str) -> bool {
    header.split(',').any(|item| item.trim_ascii().eq_ignore_ascii_case(token))
}

/// What a request's `Sec-WebSocket-Protocol` headers offer.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct OfferedProtocols<'a> {
    /// The subprotocol to answer with; without it the header is left out of the answer.
    pub subprotocol: Option<&'static str>,
    /// The credential of the first `bearer.…` item. It is never echoed and never logged.
    pub bearer: Option<&'a str>,
}

impl<'a> OfferedProtocols<'a> {
    /// Reads the values of all such headers of a request, in order.
    pub fn parse(headers: impl IntoIterator<Item = &'a str>) -> Self {
        let mut offered = Self::default();
        let items = headers.into_iter().flat_map(|header| header.split(','));
        for item in items.map(str::trim_ascii) {
            if item == SUBPROTOCOL {
                offered.subprotocol = Some(SUBPROTOCOL);
            } else if let Some(token) = item.strip_prefix(BEARER_PREFIX)
                && !token.is_empty()
            {
                offered.bearer.get_or_insert(token);
            }
        }
        offered
    }
}

impl fmt::Debug for OfferedProtocols<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfferedProtocols")
            .field("subprotocol", &self.subprotocol)
            .field("has_bearer", &self.bearer.is_some())
            .finish()
    }
}
