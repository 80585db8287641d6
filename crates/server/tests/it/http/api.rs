//! A whole API in one process: the router, a store in memory, and ears on the bus.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request};
use cossistant_protocol::{OrganizationId, PersonId, WebsiteId};
use cossistant_server::auth::{AuthSettings, Authenticator, Guard, OwnSecrets, Secret};
use cossistant_server::bus::{Bus, Notice};
use cossistant_server::chat::{Chat, Ids};
use cossistant_server::directory::SharedDirectory;
use cossistant_server::http::{
    OperationRoutes, PresenceFuture, PresenceView, Readiness, State, operation_router, router,
};
use cossistant_server::limits::{Buckets, Limiter, NewVisitors, Rate};
use cossistant_server::metrics;
use cossistant_server::store::{MemoryStore, PersonKey, SiteKey, Store};
use cossistant_server::webhook::AddressPolicy;
use cossistant_testkit::tokens::{self, Token};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub(super) const ADMIN: &str = "ak_of-these-tests";
/// An origin that every website of these tests allows.
pub(super) const PAGE: &str = "https://shop.example";

/// Keeps what was published.
#[derive(Default)]
pub(super) struct Ears(Mutex<Vec<Notice>>);

impl Bus for Ears {
    fn publish(&self, notice: Notice) {
        self.0.lock().unwrap().push(notice);
    }
}

/// Who is online is what a test says.
#[derive(Default)]
pub(super) struct Present {
    pub(super) visitors: Mutex<HashSet<PersonId>>,
    pub(super) members: Mutex<Vec<PersonKey>>,
}

impl PresenceView for Present {
    fn visitors_online(&self, _: &SiteKey, ids: Vec<PersonId>) -> PresenceFuture<HashSet<PersonId>> {
        let here = self.visitors.lock().unwrap();
        let found = ids.into_iter().filter(|id| here.contains(id)).collect();
        Box::pin(std::future::ready(found))
    }

    fn members_online(&self, _: &SiteKey) -> PresenceFuture<Vec<PersonKey>> {
        Box::pin(std::future::ready(self.members.lock().unwrap().clone()))
    }
}

/// An API with one organization, one website, and a secret and a public key of theirs.
pub(super) struct Api {
    router: Router,
    pub(super) operation: Router,
    pub(super) store: Arc<MemoryStore>,
    pub(super) present: Arc<Present>,
    pub(super) readiness: Arc<Readiness>,
    ears: Arc<Ears>,
    pub(super) organization: String,
    pub(super) website: String,
    pub(super) secret_key: String,
    pub(super) public_key: String,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
    pub(super) json: Value,
}

impl Answer {
    #[track_caller]
    pub(super) fn ok(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json
    }

    /// The answer is a problem with everything that belongs to one.
    #[track_caller]
    pub(super) fn problem(self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, self.json["code"].as_str()), (status, Some(code)), "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.json["status"], status, "{self:?}");
        assert_eq!(self.json["type"], "about:blank", "{self:?}");
        for field in ["title", "detail"] {
            assert!(self.json[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {self:?}");
        }
        if let Some(ms) = self.json["retryAfter"].as_u64() {
            assert_eq!(self.header("retry-after"), Some(&*ms.div_ceil(1000).to_string()), "{self:?}");
        }
        self.json
    }

    /// The answer refuses a field.
    #[track_caller]
    pub(super) fn invalid(self, path: &str) {
        let problem = self.problem(400, "invalid_message");
        assert_eq!(problem["details"]["path"], path, "{problem}");
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A request before it is sent.
pub(super) struct Ask<'a> {
    api: &'a Api,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Body,
}

impl Ask<'_> {
    pub(super) fn by(self, token: impl AsRef<str>) -> Self {
        self.header("authorization", &format!("Bearer {}", token.as_ref()))
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn origin(self, origin: &str) -> Self {
        self.header("origin", origin)
    }

    pub(super) fn raw(mut self, media: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = Body::from(body.into());
        self.header("content-type", media)
    }

    pub(super) fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    pub(super) async fn send(self) -> Answer {
        let router = self.api.router.clone();
        self.send_to(router).await
    }

    pub(super) async fn send_to(self, router: Router) -> Answer {
        let mut request = Request::builder().method(self.method).uri(self.path);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let response = router.oneshot(request.body(self.body).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status: parts.status.as_u16(), headers: parts.headers, text, json }
    }
}

impl Api {
    pub(super) async fn new() -> Self {
        Self::with(Limiter::off(), Rate::OFF).await
    }

    pub(super) async fn with(limiter: Limiter, new_visitors: Rate) -> Self {
        let store = Arc::new(MemoryStore::new("epoch-1"));
        let (ears, present, readiness) =
            (Arc::<Ears>::default(), Arc::<Present>::default(), Arc::<Readiness>::default());
        let directory = Arc::new(SharedDirectory::new());
        let auth = Authenticator::new(AuthSettings {
            jwt_secret: Some(Secret::new(tokens::DEV_SECRET)),
            jwt_secret_previous: None,
            jwt_public_key: None,
            jwt_algorithm: None,
            jwks: None,
            own: OwnSecrets {
                admin_key: Secret::new(ADMIN).into(),
                own: Secret::new("the server's own secret, of these tests").into(),
            },
            visitor_token_life: std::time::Duration::from_secs(3600),
        });
        let chat = Chat::new(
            Arc::clone(&store) as Arc<dyn Store>,
            Arc::clone(&ears) as Arc<dyn Bus>,
            Arc::clone(&directory),
            Ids::new([7; 32]),
            limiter,
            1000,
            "epoch-1",
        );
        let state = State {
            chat: Arc::new(chat),
            auth: Arc::new(auth.unwrap()),
            directory,
            presence: Arc::clone(&present) as Arc<dyn PresenceView>,
            readiness: Arc::clone(&readiness),
            metrics: metrics::detached().unwrap(),
            new_visitors: Arc::new(NewVisitors {
                of_address: Buckets::new(new_visitors),
                of_website: Buckets::new(Rate::OFF),
            }),
            guard: Arc::new(Guard::new(Rate::OFF)),
            webhook_addresses: AddressPolicy::Public,
        };
        let mut api = Self {
            router: router(state.clone(), OperationRoutes::Elsewhere),
            operation: operation_router(state),
            store,
            present,
            readiness,
            ears,
            organization: String::new(),
            website: String::new(),
            secret_key: String::new(),
            public_key: String::new(),
        };
        api.organization = api.made("/v1/organizations", json!({"name": "Shop"}), "id").await;
        api.website = api.add_website().await;
        api.secret_key = api.key(json!({"type": "secret"}), "key").await;
        api.public_key = api.key(json!({"type": "public", "websiteId": api.website}), "key").await;
        api.heard();
        api
    }

    /// Makes something by the admin key, and tells a field of it.
    pub(super) async fn made(&self, path: &str, body: Value, field: &str) -> String {
        self.post(path, body).by(ADMIN).send().await.ok(201)[field].as_str().unwrap().to_owned()
    }

    /// Another website of the same organization.
    pub(super) async fn add_website(&self) -> String {
        let body = json!({"organizationId": self.organization, "name": "Shop", "allowedDomains": ["shop.example"]});
        self.made("/v1/websites", body, "id").await
    }

    /// A key of the organization.
    pub(super) async fn key(&self, mut body: Value, field: &str) -> String {
        body["organizationId"] = json!(self.organization);
        self.made("/v1/keys", body, field).await
    }

    /// The same API as a customer of another organization sees it.
    pub(super) async fn stranger(&self) -> Stranger {
        let organization = self.made("/v1/organizations", json!({"name": "Other"}), "id").await;
        let body = json!({"organizationId": organization, "name": "Other", "allowedDomains": ["other.example"]});
        let website = self.made("/v1/websites", body, "id").await;
        let secret_key = self.made("/v1/keys", json!({"organizationId": organization, "type": "secret"}), "key").await;
        let of = |token: Token| token.org(&organization).websites(&[&website]);
        Stranger {
            user: of(tokens::user("stranger")).sign(),
            admin: of(tokens::user("stranger")).claim("role", "admin").sign(),
            visitor: of(tokens::visitor("stranger")).sign(),
            secret_key,
            organization,
            website,
        }
    }

    fn of(&self, token: Token) -> Token {
        token.org(&self.organization).websites(&[&self.website])
    }

    pub(super) fn visitor(&self, sub: &str) -> String {
        self.of(tokens::visitor(sub)).sign()
    }

    pub(super) fn user(&self, sub: &str) -> String {
        self.of(tokens::user(sub)).sign()
    }

    pub(super) fn agent(&self, sub: &str) -> String {
        self.of(tokens::ai_agent(sub)).sign()
    }

    pub(super) fn admin(&self, sub: &str) -> String {
        self.of(tokens::user(sub)).claim("role", "admin").sign()
    }

    /// The word of the customer's server about who a visitor is.
    pub(super) fn identity(&self, sub: &str, name: &str) -> String {
        self.of(tokens::visitor(sub)).claim("name", name).sign()
    }

    pub(super) fn ask(&self, method: &str, path: &str) -> Ask<'_> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        Ask { api: self, method, path: path.to_owned(), headers: Vec::new(), body: Body::empty() }
    }

    pub(super) fn get(&self, path: &str) -> Ask<'_> {
        self.ask("GET", path)
    }

    pub(super) fn delete(&self, path: &str) -> Ask<'_> {
        self.ask("DELETE", path)
    }

    pub(super) fn post(&self, path: &str, body: Value) -> Ask<'_> {
        self.ask("POST", path).raw("application/json", body.to_string())
    }

    pub(super) fn patch(&self, path: &str, body: Value) -> Ask<'_> {
        self.ask("PATCH", path).raw("application/json", body.to_string())
    }

    /// A conversation of a visitor, made by the visitor.
    pub(super) async fn conversation(&self, visitor: &str) -> String {
        let made = self.post("/v1/conversations", json!({})).by(self.visitor(visitor)).send().await.ok(201);
        made["conversationId"].as_str().unwrap().to_owned()
    }

    /// Sends a text and tells the message's id.
    pub(super) async fn say(&self, conversation: &str, token: &str, text: &str, more: Value) -> String {
        let mut body = json!({"id": cossistant_testkit::unique("key"), "content": {"text": text}});
        for (name, value) in more.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        let path = format!("/v1/conversations/{conversation}/messages");
        self.post(&path, body).by(token).send().await.ok(201)["messageId"].as_str().unwrap().to_owned()
    }

    /// What was published since the last time, as short words.
    pub(super) fn heard(&self) -> Vec<String> {
        let notices = std::mem::take(&mut *self.ears.0.lock().unwrap());
        notices.iter().flat_map(words).collect()
    }

    pub(super) fn organization_id(&self) -> OrganizationId {
        OrganizationId::new(&self.organization).unwrap()
    }

    pub(super) fn site(&self) -> SiteKey {
        SiteKey { organization: self.organization_id(), website: WebsiteId::new(&self.website).unwrap() }
    }
}

/// Credentials of another organization.
pub(super) struct Stranger {
    pub(super) organization: String,
    pub(super) website: String,
    pub(super) user: String,
    pub(super) admin: String,
    pub(super) visitor: String,
    pub(super) secret_key: String,
}

#[expect(clippy::wildcard_enum_match_arm, reason = "HTTP publishes nothing else")]
fn words(notice: &Notice) -> Vec<String> {
    match notice {
        Notice::Events(events) => {
            let kind = |json: &str| serde_json::from_str::<Value>(json).unwrap()["type"].as_str().unwrap().to_owned();
            events.iter().map(|event| kind(event.team.json())).collect()
        }
        Notice::OpenConversations { visitor, .. } => vec![format!("open {visitor}")],
        Notice::Identified { visitor, previous, .. } => {
            vec![format!("identified {visitor} {}", previous.as_ref().map_or("-", |id| id.as_str()))]
        }
        Notice::TypingStopped { person, .. } => vec![format!("{} types no longer", person.key.id)],
        Notice::Directory(_) => vec!["directory".to_owned()],
        Notice::Disconnect { who, is_revoked } => vec![format!("disconnect {who:?} {is_revoked}")],
        other => vec![format!("{other:?}")],
    }
}
