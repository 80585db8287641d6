//! A JSON Web Token: its parts, the proof of its signature, and its claims.
//!
//! Claims can be read only of a token whose signature was proven: [`Token::verify`] is the one way to a [`Verified`].

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cossistant_protocol::{MAX_TOKEN_BYTES, PersonId, Timestamp, UserType};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::AuthError;
use crate::directory::VerifyingKey;

/// How far a token's beginning may lie ahead of this clock.
const NOT_BEFORE_LEEWAY_MS: u64 = 60_000;
/// The last millisecond of the year 9999: the latest time that has a form on the wire.
const MAX_TIME_MS: u64 = 253_402_300_799_999;
/// The most characters of a name; what is longer is cut.
const MAX_NAME_LENGTH: usize = 256;
/// The most characters of an e-mail address; what is longer is left out.
const MAX_EMAIL_LENGTH: usize = 320;
/// The most characters of a picture's address; what is longer is left out.
const MAX_AVATAR_LENGTH: usize = 2_048;

/// A token in its three parts, not yet verified.
pub(super) struct Token<'a> {
    header: Header,
    message: &'a str,
    payload: &'a str,
    signature: &'a str,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

impl<'a> Token<'a> {
    /// Splits a token and reads its header.
    pub(super) fn parse(text: &'a str) -> Result<Self, AuthError> {
        if text.len() > MAX_TOKEN_BYTES {
            return Err(AuthError::unauthorized("the token is too long"));
        }
        let (message, signature) = text.rsplit_once('.').ok_or(NOT_A_TOKEN)?;
        let (header, payload) = message.split_once('.').ok_or(NOT_A_TOKEN)?;
        if payload.contains('.') || signature.is_empty() {
            return Err(NOT_A_TOKEN);
        }
        let header: Header = read(header).ok_or(NOT_A_TOKEN)?;
        // An extension that the issuer calls critical is one that we would have to understand.
        if header.crit.is_some() {
            return Err(AuthError::unauthorized("the token needs an extension that is not known"));
        }
        Ok(Self { header, message, payload, signature })
    }

    /// The id of the key, if the token names one.
    pub(super) fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// Whether the token says that it is signed by the key's algorithm.
    pub(super) fn fits(&self, key: &VerifyingKey) -> bool {
        self.header.alg == key.algorithm().as_str()
    }

    /// Proves the signature by a key: by the key's algorithm, which must be the one that the token names.
    pub(super) fn verify(&self, key: &VerifyingKey) -> Result<Verified<'a>, AuthError> {
        if !self.fits(key) {
            return Err(AuthError::unauthorized("the token's algorithm is not that of the key"));
        }
        if !key.verifies(self.message.as_bytes(), self.signature) {
            return Err(AuthError::unauthorized("the token's signature is not valid"));
        }
        Ok(Verified { payload: self.payload })
    }
}

const NOT_A_TOKEN: AuthError = AuthError::unauthorized("the credential is no token");

/// The payload of a token whose signature was proven.
pub(super) struct Verified<'a> {
    payload: &'a str,
}

/// The claims as they are written.
#[derive(Deserialize, Serialize, Default)]
pub(super) struct RawClaims {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) iss: Option<serde_json::Value>,
    pub(super) sub: String,
    pub(super) r#type: String,
    pub(super) org: String,
    pub(super) websites: Vec<String>,
    pub(super) exp: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) nbf: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) iat: Option<Number>,
    /// The milliseconds of `iat`; only in tokens of our own, whose other times are whole seconds.
    #[serde(rename = "iatMs", skip_serializing_if = "Option::is_none")]
    pub(super) iat_ms: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) email: Option<String>,
    #[serde(rename = "avatarUrl", skip_serializing_if = "Option::is_none")]
    pub(super) avatar_url: Option<String>,
}

/// The claims of a token that is valid now.
pub(super) struct Claims {
    pub(super) id: PersonId,
    pub(super) kind: UserType,
    /// The organization as the token names it; it may not exist.
    pub(super) organization: String,
    /// The websites as the token names them; they may not exist.
    pub(super) websites: Vec<String>,
    pub(super) is_admin: bool,
    pub(super) name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) avatar_url: Option<String>,
    pub(super) expires_at: Timestamp,
    pub(super) issued_at: Option<Timestamp>,
}

impl Verified<'_> {
    /// Reads the claims and checks their form and times.
    pub(super) fn claims(&self, now: Timestamp) -> Result<Claims, AuthError> {
        let raw: RawClaims =
            read(self.payload).ok_or(AuthError::unauthorized("the token's claims are not of the right form"))?;
        let expires_at = time(raw.exp.as_ref(), "the token has no exp, or one that is no time")?
            .ok_or(AuthError::unauthorized("the token has no exp"))?;
        if now >= expires_at {
            return Err(AuthError::token_expired());
        }
        let not_before = time(raw.nbf.as_ref(), "the token's nbf is no time")?;
        if not_before.is_some_and(|from| from > now.plus_millis(NOT_BEFORE_LEEWAY_MS)) {
            return Err(AuthError::unauthorized("the token is not valid yet"));
        }
        let issued_at = time(raw.iat.as_ref(), "the token's iat is no time")?
            .map(|at| at.plus_millis(raw.iat_ms.unwrap_or(0).into()))
            // A time of issue in the future proves nothing about what came before what.
            .filter(|at| *at <= now.plus_millis(NOT_BEFORE_LEEWAY_MS));
        let kind: UserType =
            raw.r#type.parse().map_err(|_| AuthError::unauthorized("the token's type is not known"))?;
        Ok(Claims {
            id: PersonId::new(&raw.sub).map_err(|_| AuthError::unauthorized("the token's sub is no id"))?,
            kind,
            organization: raw.org,
            websites: raw.websites,
            is_admin: kind == UserType::User && raw.role.as_deref() == Some("admin"),
            name: raw.name.and_then(|name| clean_name(&name)),
            email: raw.email.filter(|text| is_plain(text, MAX_EMAIL_LENGTH)),
            avatar_url: raw.avatar_url.filter(|text| is_plain(text, MAX_AVATAR_LENGTH) && is_web(text)),
            expires_at,
            issued_at,
        })
    }
}

/// Reads a base64url part that holds a JSON object.
fn read<T: DeserializeOwned>(part: &str) -> Option<T> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(part).ok()?).ok()?;
    if !text.trim_ascii_start().starts_with('{') {
        return None;
    }
    serde_json::from_str(&text).ok()
}

/// A time in seconds, whole or not, as milliseconds; a time before 1970 is the beginning of 1970.
fn time(seconds: Option<&Number>, otherwise: &'static str) -> Result<Option<Timestamp>, AuthError> {
    let Some(seconds) = seconds else { return Ok(None) };
    let ms = match seconds.as_u64() {
        Some(seconds) => seconds.saturating_mul(1000),
        None => {
            let seconds = seconds.as_f64().filter(|seconds| seconds.is_finite());
            let ms = seconds.ok_or(AuthError::unauthorized(otherwise))? * 1000.0;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
            let ms = ms as u64;
            ms
        }
    };
    Ok(Some(Timestamp(ms.min(MAX_TIME_MS))))
}

/// A name on one line: without control characters and marks of direction, cut to its longest; `None` when nothing is
/// left.
fn clean_name(name: &str) -> Option<String> {
    let name: String = name.chars().filter(|c| !turns_a_line(*c)).take(MAX_NAME_LENGTH).collect();
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// Whether a character may show a line as another one than it is: control characters and marks of direction.
pub(crate) fn turns_a_line(c: char) -> bool {
    let is_direction =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    is_direction || c.is_control()
}

fn is_plain(text: &str, max: usize) -> bool {
    !text.is_empty() && text.chars().count() <= max && !text.contains(|c: char| c.is_control() || c.is_whitespace())
}

fn is_web(text: &str) -> bool {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    matches!(scheme.as_deref(), Some("http" | "https"))
}
