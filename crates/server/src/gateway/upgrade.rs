//! From an HTTP request to a WebSocket: who may open one, and with what.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::Body;
use axum::response::IntoResponse;
use cossistant_protocol::Timestamp;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use hyper::body::{Body as _, Incoming};

use super::deflate::{self, DeflateParams};
use super::handshake::{self, OfferedProtocols};
use super::{Arrival, Credential};
use crate::auth::{Authenticator, Secret};
use crate::directory::SharedDirectory;
use crate::http::{Failure, limit_key, origin, page_address};
use crate::limits::{Buckets, Rate};
use crate::store::SiteKey;

/// After how many ms one tries again when there is no room.
const RETRY_MS: u64 = 5_000;

/// Bounds on connections, over all shards.
#[derive(Debug)]
pub(crate) struct Admission {
    connects: Buckets<IpAddr>,
    per_address: u64,
    total: u64,
    per_website: u64,
    waiting: u64,
    // Guards the counts alone; held for one step.
    open: Mutex<Open>,
}

/// How many connections are open.
#[derive(Debug, Default)]
struct Open {
    addresses: HashMap<IpAddr, u64>,
    websites: HashMap<SiteKey, u64>,
    total: u64,
    /// Of these, who has not logged in.
    waiting: u64,
}

/// Counts one less, and forgets who has none.
fn leave<K: Eq + Hash>(counts: &mut HashMap<K, u64>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// An admitted connection; dropping it makes room.
#[derive(Debug)]
pub(crate) struct Admitted {
    admission: Arc<Admission>,
    address: Option<IpAddr>,
    website: Option<Box<SiteKey>>,
    is_waiting: bool,
}

impl Admission {
    /// So many connections: of an address, in all, of a website's visitors, and of those who have not logged in; 0 is no
    /// limit.
    pub(crate) fn new(connects: Rate, per_address: u64, total: u64, per_website: u64, waiting: u64) -> Self {
        Self { connects: Buckets::new(connects), per_address, total, per_website, waiting, open: Mutex::default() }
    }

    fn counts(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Counts a connection of an address; of none, it counts for the total alone.
    pub(crate) fn admit(self: &Arc<Self>, address: Option<IpAddr>, now: Timestamp) -> Result<Admitted, Failure> {
        let address = address.map(limit_key);
        if let Some(address) = address {
            self.connects.take(address, now.as_millis()).map_err(Failure::rate_limited)?;
        }
        let mut open = self.counts();
        if self.total > 0 && open.total >= self.total {
            return Err(Failure::unavailable("the server has no room for more connections", RETRY_MS));
        }
        if self.waiting > 0 && open.waiting >= self.waiting {
            return Err(Failure::unavailable("too many connections have not logged in", RETRY_MS));
        }
        if let Some(address) = address {
            let count = open.addresses.entry(address).or_default();
            if self.per_address > 0 && *count >= self.per_address {
                return Err(Failure::rate_limited(RETRY_MS));
            }
            *count += 1;
        }
        open.total += 1;
        open.waiting += 1;
        Ok(Admitted { admission: Arc::clone(self), address, website: None, is_waiting: true })
    }
}

impl Admitted {
    /// Whose address it counts for.
    pub(crate) const fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Counts it no longer among those who have not logged in.
    pub(crate) fn has_logged_in(&mut self) {
        if std::mem::take(&mut self.is_waiting) {
            self.admission.counts().waiting -= 1;
        }
    }

    /// Counts it as one of the visitors of a website.
    ///
    /// # Errors
    /// After how many ms one may try again, if the website has no room for it.
    pub(crate) fn count_for(&mut self, site: SiteKey) -> Result<(), u64> {
        let mut open = self.admission.counts();
        if let Some(before) = self.website.take() {
            leave(&mut open.websites, &before);
        }
        let count = open.websites.entry(site.clone()).or_default();
        if self.admission.per_website > 0 && *count >= self.admission.per_website {
            return Err(RETRY_MS);
        }
        *count += 1;
        drop(open);
        self.website = Some(Box::new(site));
        Ok(())
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = self.admission.counts();
        open.total -= 1;
        open.waiting -= u64::from(self.is_waiting);
        if let Some(address) = self.address {
            leave(&mut open.addresses, &address);
        }
        if let Some(website) = &self.website {
            leave(&mut open.websites, website);
        }
    }
}

/// What decides whether a request becomes a WebSocket.
pub(crate) struct Upgrader {
    pub(crate) auth: Arc<Authenticator>,
    pub(crate) directory: Arc<SharedDirectory>,
    pub(crate) admission: Arc<Admission>,
}

/// A request that becomes a WebSocket.
pub(crate) struct Upgrade {
    pub(crate) response: Response<Body>,
    pub(crate) arrival: Arrival,
    pub(crate) deflate: Option<DeflateParams>,
    pub(crate) admitted: Admitted,
}

/// The answer to a request that becomes no WebSocket.
type Refusal = Box<Response<Body>>;

const SEC_WEBSOCKET_VERSION: HeaderName = HeaderName::from_static("sec-websocket-version");

impl Upgrader {
    /// Decides on a request for `/ws`.
    pub(crate) fn upgrade(
        &self,
        request: &Request<Incoming>,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<Box<Upgrade>, Refusal> {
        let key = check_handshake(request)?;
        let admitted = self.admission.admit(Some(address), now).map_err(refusal)?;
        let headers = request.headers();
        let query = Query::parse(request.uri().query().unwrap_or_default());
        let offered = OfferedProtocols::parse(texts(headers, &header::SEC_WEBSOCKET_PROTOCOL));
        let origin = origin(headers).map(str::to_owned);
        let credential = match bearer(headers) {
            Some(token) => Some(Credential::Bearer(Secret::new(token))),
            None => match (offered.bearer, query.token, query.public_key) {
                (Some(token), _, _) => Some(Credential::Bearer(Secret::new(token))),
                (None, Some(token), _) => Some(Credential::Bearer(Secret::new(token))),
                (None, None, Some(key)) => {
                    // A page can read nothing of a failed upgrade, but a foreign one need not.
                    self.auth
                        .admit_page(&key, origin.as_deref(), &self.directory.current())
                        .map_err(|error| refusal(Failure::from(error)))?;
                    Some(Credential::PublicKey(key))
                }
                (None, None, None) => None,
            },
        };
        let deflate = deflate::negotiate(texts(headers, &header::SEC_WEBSOCKET_EXTENSIONS));
        let page = query.page.as_deref().or_else(|| text(headers, &header::REFERER)).and_then(page_address);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let answer = response.headers_mut();
        answer.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        answer.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        insert(answer, header::SEC_WEBSOCKET_ACCEPT, &handshake::accept_key(&key));
        if let Some(subprotocol) = offered.subprotocol {
            answer.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol));
        }
        if let Some(deflate) = &deflate {
            insert(answer, header::SEC_WEBSOCKET_EXTENSIONS, &deflate.to_string());
        }
        let arrival = Arrival {
            address: limit_key(address),
            origin,
            // Events are compressed once for all, which only a full window can read.
            deflate: deflate.as_ref().is_some_and(DeflateParams::takes_shared),
            credential,
            agent_id: query.agent_id,
            page,
        };
        Ok(Box::new(Upgrade { response, arrival, deflate, admitted }))
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    headers.insert(name, HeaderValue::from_str(value).expect("made of visible ASCII"));
}

/// Checks that the request is an opening handshake; its key.
fn check_handshake(request: &Request<Incoming>) -> Result<String, Refusal> {
    let headers = request.headers();
    if request.method() != Method::GET {
        let mut answer = refusal(Failure::method_not_allowed());
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
        return Err(answer);
    }
    if request.version() < Version::HTTP_11 {
        return Err(upgrade_required("a WebSocket begins with HTTP/1.1"));
    }
    // What one takes for a body, another may take for frames.
    if !request.body().is_end_stream() {
        let invalid = cossistant_protocol::Invalid::new("content-length", "an opening handshake has no body");
        return Err(refusal(Failure::invalid(invalid)));
    }
    let has = |name: &HeaderName, token| texts(headers, name).any(|text| handshake::has_token(text, token));
    if !has(&header::UPGRADE, "websocket") || !has(&header::CONNECTION, "upgrade") {
        return Err(upgrade_required("this address speaks WebSocket"));
    }
    if text(headers, &SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err(upgrade_required("only version 13 is spoken"));
    }
    match text(headers, &header::SEC_WEBSOCKET_KEY) {
        Some(key) if handshake::is_valid_key(key) => Ok(key.to_owned()),
        Some(_) | None => {
            let invalid = cossistant_protocol::Invalid::new("sec-websocket-key", "must be 16 bytes in base64");
            Err(refusal(Failure::invalid(invalid)))
        }
    }
}

fn refusal(failure: Failure) -> Refusal {
    Box::new(failure.into_response())
}

fn upgrade_required(detail: &str) -> Refusal {
    let mut response = Failure::upgrade_required(detail).into_response();
    response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    Box::new(response)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn texts<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let (scheme, token) = text(headers, &header::AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// What a client may say in the query.
#[derive(Debug, Default)]
struct Query {
    token: Option<String>,
    public_key: Option<String>,
    agent_id: Option<String>,
    page: Option<String>,
}

impl Query {
    fn parse(query: &str) -> Self {
        let mut parsed = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let slot = match &*name {
                "token" => &mut parsed.token,
                "publicKey" => &mut parsed.public_key,
                "agentId" => &mut parsed.agent_id,
                "page" => &mut parsed.page,
                _ => continue,
            };
            if !value.is_empty() {
                slot.get_or_insert(value.into_owned());
            }
        }
        parsed
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn the_answer_and_its_body_agree_that_an_upgrade_is_required() {
        let response = upgrade_required("this address speaks WebSocket");
        assert_eq!(response.status(), 426);
        assert_eq!(response.headers()[header::UPGRADE], "websocket");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&problem["status"], &problem["title"]), (&426.into(), &"Upgrade Required".into()), "{problem}");
    }

    #[test]
    fn an_origin_that_cannot_be_told_is_a_foreign_one() {
        let of = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::ORIGIN, HeaderValue::from_bytes(value).unwrap());
            }
            origin(&headers).map(str::to_owned)
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[b"https://shop.example"]).as_deref(), Some("https://shop.example"));
        assert_eq!(of(&[b"https://sh\xf6p.example"]).as_deref(), Some("null"));
        assert_eq!(of(&[b"https://shop.example", b"https://evil.example"]).as_deref(), Some("null"));
    }
}
