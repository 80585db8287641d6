//! Which of a client's offers is taken, and what the answer says.

use std::fmt;

use super::MAX_WINDOW_BITS;

const NAME: &str = "permessage-deflate";

/// What was agreed for a connection.
///
/// Its [`Display`](fmt::Display) is the value of the `Sec-WebSocket-Extensions` response header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeflateParams {
    server_max_window_bits: Option<u8>,
}

impl DeflateParams {
    /// The largest window that we may compress with, as a power of two (8 to 15).
    pub fn server_window_bits(&self) -> u8 {
        self.server_max_window_bits.unwrap_or(MAX_WINDOW_BITS)
    }

    /// Whether a message that was compressed at the full window, to be shared, may be sent to this connection.
    pub fn takes_shared(&self) -> bool {
        self.server_window_bits() == MAX_WINDOW_BITS
    }
}

impl fmt::Display for DeflateParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NAME}; server_no_context_takeover; client_no_context_takeover")?;
        match self.server_max_window_bits {
            Some(bits) => write!(f, "; server_max_window_bits={bits}"),
            None => Ok(()),
        }
    }
}

/// Takes the first acceptable offer of permessage-deflate, if there is one.
///
/// `headers` are the values of all `Sec-WebSocket-Extensions` headers of the request, in order.
/// An offer with an unknown, repeated or malformed parameter is declined and the next one is
/// looked at; in a header that is not well-formed nothing counts from the fault on.
pub fn negotiate<'a>(headers: impl IntoIterator<Item = &'a str>) -> Option<DeflateParams> {
    headers.into_iter().find_map(|header| {
        let mut rest = header;
        loop {
            match next_offer(&mut rest)? {
                Offer::Taken(params) => return Some(params),
                Offer::Declined => {}
            }
        }
    })
}

enum Offer {
    Taken(DeflateParams),
    Declined,
}

/// Reads one extension with its parameters off the front. `None` at the end and at a fault.
fn next_offer(rest: &mut &str) -> Option<Offer> {
    while let Some(after) = rest.trim_ascii_start().strip_prefix(',') {
        *rest = after;
    }
    let name = token(rest)?;
    let mut params = Params::default();
    let mut is_acceptable = name.eq_ignore_ascii_case(NAME);
    loop {
        *rest = rest.trim_ascii_start();
        if let Some(after) = rest.strip_prefix(';') {
            *rest = after;
            let (name, value) = parameter(rest)?;
            is_acceptable = is_acceptable && params.add(name, value).is_some();
        } else if rest.is_empty() || rest.starts_with(',') {
            break;
        } else {
            return None;
        }
    }
    Some(if is_acceptable {
        Offer::Taken(DeflateParams { server_max_window_bits: params.server_max_window_bits })
    } else {
        Offer::Declined
    })
}

/// The parameters seen so far in one offer.
#[derive(Default)]
struct Params {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    client_max_window_bits: bool,
    server_max_window_bits: Option<u8>,
}

impl Params {
    /// Adds a parameter, or gives `None` when the offer must be declined for it.
    fn add(&mut self, name: &str, value: Option<&str>) -> Option<()> {
        let seen = match (name, value) {
            ("server_no_context_takeover", None) => &mut self.server_no_context_takeover,
            ("client_no_context_takeover", None) => &mut self.client_no_context_takeover,
            ("client_max_window_bits", value) => {
                if let Some(value) = value {
                    window_bits(value)?;
                }
                &mut self.client_max_window_bits
            }
            ("server_max_window_bits", Some(value)) => {
                let bits = window_bits(value)?;
                return self.server_max_window_bits.replace(bits).is_none().then_some(());
            }
            (_, _) => return None,
        };
        (!std::mem::replace(seen, true)).then_some(())
    }
}

/// 8 to 15, in decimal, without a leading zero.
fn window_bits(value: &str) -> Option<u8> {
    match value {
        "8" => Some(8),
        "9" => Some(9),
        _ => {
            let digit = value.strip_prefix('1')?;
            matches!(digit, "0" | "1" | "2" | "3" | "4" | "5").then(|| value.parse().ok()).flatten()
        }
    }
}

/// Reads `name`, `name=value` or `name="value"`.
fn parameter<'a>(rest: &mut &'a str) -> Option<(&'a str, Option<&'a str>)> {
    let name = token(rest)?;
    *rest = rest.trim_ascii_start();
    let Some(after) = rest.strip_prefix('=') else {
        return Some((name, None));
    };
    *rest = after.trim_ascii_start();
    let value = match rest.strip_prefix('"') {
        Some(after) => {
            // An escape is well-formed, but no value that we take has one: it stays as it is
            // written and the offer is declined for it.
            let end = quoted_end(after)?;
            *rest = &after[end + 1..];
            &after[..end]
        }
        None => token(rest)?,
    };
    Some((name, Some(value)))
}

/// The place of the quote that ends a quoted string.
fn quoted_end(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return Some(index),
            _ => {}
        }
    }
    None
}

/// Reads a token of HTTP off the front; `None` when there is none.
fn token<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let text = rest.trim_ascii_start();
    let end = text.bytes().position(|byte| !is_token_byte(byte)).unwrap_or(text.len());
    let (token, after) = text.split_at(end);
    *rest = after;
    (!token.is_empty()).then_some(token)
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
