//! One request: who asks, what is named in its path and query, what its body says.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::RequestExt as _;
use axum::body::Body;
use axum::extract::{Query, RawPathParams, Request};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, ORIGIN, REFERER};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use cossistant_protocol::http::AgentQuery;
use cossistant_protocol::{Invalid, MAX_BODY_BYTES, fields, read};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use url::{ParseError, Url};

use super::{ClientAddr, Failure, State, limit_key, now};
use crate::auth::{HttpPrincipal, Principal, turns_a_line};
use crate::chat::ChatError;

/// The longest page address that is kept, in bytes.
const MAX_PAGE_BYTES: usize = 2_048;
/// How long a body may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How much of a body that is too large is still read, so that the client reads the answer instead of an error.
const DISCARDED_BYTES: usize = 4 * MAX_BODY_BYTES;

/// One request with what answers it.
pub(super) struct Call {
    pub(super) state: State,
    path: Vec<(String, String)>,
    parts: Parts,
    // Lends its `Sync` to the body, which has none, so that a call can be borrowed over an await; never contended.
    body: Mutex<Body>,
}

impl Call {
    pub(super) async fn read(state: State, mut request: Request) -> Result<Self, Failure> {
        let params: RawPathParams = request.extract_parts().await.map_err(|_| Failure::not_found())?;
        let path = params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let (parts, body) = request.into_parts();
        Ok(Self { state, path, parts, body: Mutex::new(body) })
    }

    /// An id of the path. One of a bad form names nothing.
    pub(super) fn id<T: FromStr>(&self, name: &str) -> Result<T, Failure> {
        let text = self.path.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        text.and_then(|text| text.parse().ok()).ok_or_else(Failure::not_found)
    }

    /// The query, of which unknown names are ignored.
    pub(super) fn query<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&self.parts.uri)
            .map_err(|_| Failure::invalid(Invalid::new("", "the query is not well formed")))?;
        // As an object whose names may stand twice, so that the type refuses those of its own.
        let quoted = |text: &str| serde_json::to_string(text).expect("a text is always JSON");
        let fields: Vec<_> = pairs.iter().map(|(name, value)| format!("{}:{}", quoted(name), quoted(value))).collect();
        read(&format!("{{{}}}", fields.join(","))).map_err(Failure::invalid)
    }

    /// Who asks. A visitor's page must be allowed by its website.
    pub(super) async fn principal(&self) -> Result<HttpPrincipal, Failure> {
        let token = self
            .header(&AUTHORIZATION)
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or_else(|| Failure::unauthorized("a bearer credential is required"))?;
        let AgentQuery { agent_id } = self.query()?;
        let agent_id = agent_id.as_ref().map(|id| id.as_str());
        let directory = self.state.directory.current();
        let now = now();
        let judged = self.state.auth.authenticate_bearer(token, agent_id, &directory, now);
        let principal = self.state.guard.judge(token, limit_key(self.address()), now, judged).await?;
        if let HttpPrincipal::Person(person) = principal {
            person.check_origin(self.origin(), &directory)?;
            return Ok(HttpPrincipal::Person(self.state.chat.resolve(person).await?));
        }
        Ok(principal)
    }

    /// Who sends or edits: a secret key does so for an agent that it names.
    pub(super) async fn sender(&self) -> Result<Principal, Failure> {
        match self.principal().await? {
            HttpPrincipal::Person(person) | HttpPrincipal::Secret { agent: Some(person), .. } => Ok(person),
            HttpPrincipal::Secret { agent: None, .. } => {
                Err(Failure::invalid(Invalid::new("agentId", "is required with a secret key")))
            }
            HttpPrincipal::Admin => Err(ChatError::forbidden("the admin key is for set-up only").into()),
        }
    }

    /// The origin of the page that asks.
    pub(super) fn origin(&self) -> Option<&str> {
        origin(&self.parts.headers)
    }

    /// The page that asks, as far as the browser tells.
    pub(super) fn page(&self) -> Option<String> {
        self.header(&REFERER).and_then(page_address)
    }

    /// The address of the client.
    pub(super) fn address(&self) -> IpAddr {
        let address = self.parts.extensions.get::<ClientAddr>();
        address.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.0)
    }

    fn header(&self, name: &HeaderName) -> Option<&str> {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body, which must be a JSON object; the call comes to its end with it.
    pub(super) async fn body<T: DeserializeOwned>(self) -> Result<(State, T), Failure> {
        self.body_within(MAX_BODY_BYTES).await
    }

    /// The same with a bound of its own: what is read before anybody is known must not fill the memory.
    pub(super) async fn body_within<T: DeserializeOwned>(self, most: usize) -> Result<(State, T), Failure> {
        if !self.parts.headers.get(CONTENT_TYPE).is_some_and(is_json) {
            return Err(Failure::unsupported_media_type());
        }
        let declared = self.header(&CONTENT_LENGTH).and_then(|value| value.parse::<usize>().ok());
        if declared.is_some_and(|length| length > DISCARDED_BYTES) {
            return Err(Failure::too_large(most));
        }
        let body = self.body.into_inner().unwrap_or_else(PoisonError::into_inner);
        let bytes =
            tokio::time::timeout(BODY_TIMEOUT, collect(body, most)).await.map_err(|_| Failure::too_slow())??;
        let not_json = || Failure::invalid(Invalid::new("", "the body is not JSON"));
        let text = std::str::from_utf8(&bytes).map_err(|_| not_json())?;
        serde_json::from_str::<&RawValue>(text).map_err(|_| not_json())?;
        let Whole(body) = read(text).map_err(Failure::invalid)?;
        Ok((self.state, body))
    }
}

/// The origin that a request tells. One that is no text, or more than one, is there all the same, and allowed nowhere.
pub(crate) fn origin(headers: &HeaderMap) -> Option<&str> {
    let mut origins = headers.get_all(ORIGIN).iter();
    let first = origins.next()?;
    Some(first.to_str().ok().filter(|_| origins.next().is_none()).unwrap_or("null"))
}

/// The address of a page as the team is shown it: one of the web, or a part of one. What a visitor tells instead is no
/// page.
pub(crate) fn page_address(told: &str) -> Option<String> {
    let is_plain = !told.is_empty() && told.len() <= MAX_PAGE_BYTES && !told.contains(turns_a_line);
    let is_of_web = match Url::parse(told) {
        Ok(url) => matches!(url.scheme(), "https" | "http"),
        Err(error) => error == ParseError::RelativeUrlWithoutBase,
    };
    (is_plain && is_of_web).then(|| told.to_owned())
}

/// A body as a whole: an object, and not a list of its fields.
#[derive(Deserialize)]
#[serde(transparent, bound(deserialize = "T: DeserializeOwned"))]
struct Whole<T>(#[serde(deserialize_with = "fields::object")] T);

fn is_json(value: &HeaderValue) -> bool {
    let media = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case("application/json")
}

async fn collect(mut body: Body, most: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let mut length = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Failure::invalid(Invalid::new("", "the body did not come to its end")))?;
        let Some(data) = frame.data_ref() else { continue };
        length = length.saturating_add(data.len());
        if length > DISCARDED_BYTES {
            break;
        }
        if length <= most {
            bytes.extend_from_slice(data);
        }
    }
    if length > most { Err(Failure::too_large(most)) } else { Ok(bytes) }
}

/// An answer with a JSON body.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let bytes = serde_json::to_vec(body).expect("an answer is plain data");
    (status, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], bytes).into_response()
}

/// An answer that only says that it is done.
pub(super) fn done() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_an_address_of_the_web_and_nothing_else() {
        let long = |length: usize| format!("https://shop.example/{}", "a".repeat(length - 21));
        for told in [
            "https://shop.example",
            "http://localhost:3000/cart?q=1#top",
            "HTTPS://shop.example/",
            "https://shop.example/?back=%E2%80%AE%0D%0A%00&to=javascript:1",
            "https://[::1]/\u{fc}ber uns",
            "/cart",
            "cart?to=javascript:1",
            &long(2_048),
        ] {
            assert_eq!(page_address(told).as_deref(), Some(told));
        }
        for told in [
            "",
            "https://",
            "https://a b/",
            "javascript:alert(1)",
            " javascript:alert(1)",
            "JavaScript://shop.example/%0aalert(1)",
            "java\tscript:alert(1)",
            "\u{1}javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "blob:https://shop.example/1",
            "ftp://shop.example/",
            "https://shop.example/\0",
            "https://shop.example/\r\nX: y",
            "https://shop.example/\t",
            "https://shop.example/\u{7f}\u{85}",
            "https://shop.example/\u{202e}gnp.exe",
            "https://shop.example/\u{2066}\u{61c}",
            &long(2_049),
        ] {
            assert_eq!(page_address(told), None, "{told:?}");
        }
    }
}
