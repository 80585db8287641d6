//! What is served over HTTP: REST, health, figures, the documents of the contract, and the web apps.
//!
//! The routes are those of [`Endpoint::ALL`]. A handler parses, calls `chat` and encodes; every answer that is no
//! success is an `application/problem+json`. The WebSocket's own route belongs to the gateway.

mod address;
mod apps;
mod call;
mod conversations;
mod messages;
mod operation;
mod people;
mod problem;
mod setup;
mod webhooks;
mod wrap;

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use cossistant_protocol::http::{Access, Endpoint, HttpMethod, Operation};
use cossistant_protocol::{PersonId, Timestamp};
use metrics_exporter_prometheus::PrometheusHandle;

pub use address::{ClientAddr, client_addr, limit_key};
pub use apps::{AppFile, Apps};
pub(crate) use call::{origin, page_address};
pub use operation::Readiness;
pub use problem::Failure;
pub(crate) use wrap::caution_lines;

use self::call::Call;
use crate::auth::{Authenticator, Guard};
use crate::chat::Chat;
use crate::config::Config;
use crate::directory::SharedDirectory;
use crate::limits::NewVisitors;
use crate::store::{PersonKey, SiteKey};
use crate::webhook::AddressPolicy;

/// An answer, some time later.
pub type PresenceFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Who is online, over all shards.
pub trait PresenceView: Send + Sync + 'static {
    /// Which of these visitors of a website are online.
    fn visitors_online(&self, site: &SiteKey, ids: Vec<PersonId>) -> PresenceFuture<HashSet<PersonId>>;

    /// Which users and AI agents are connected for a website.
    fn members_online(&self, site: &SiteKey) -> PresenceFuture<Vec<PersonKey>>;
}

/// What the handlers work with. Cheap to clone.
#[derive(Clone)]
pub struct State {
    /// The rules.
    pub chat: Arc<Chat>,
    /// Verifies credentials and issues tokens.
    pub auth: Arc<Authenticator>,
    /// The set-up.
    pub directory: Arc<SharedDirectory>,
    /// Who is online.
    pub presence: Arc<dyn PresenceView>,
    /// Whether this node takes requests.
    pub readiness: Arc<Readiness>,
    /// Writes the figures.
    pub metrics: PrometheusHandle,
    /// New visitors by address and by website; shared with the gateway.
    pub new_visitors: Arc<NewVisitors>,
    /// Slows down who tries credentials; shared with the gateway.
    pub guard: Arc<Guard>,
    /// Where webhooks may lead.
    pub webhook_addresses: AddressPolicy,
}

/// Where health and figures are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationRoutes {
    /// Beside the API.
    Here,
    /// At an address of their own, by [`operation_router`].
    Elsewhere,
}

/// The whole API. Unknown paths and methods are answered as problems; further routes may be added to it, and are not
/// touched by its layers.
///
/// Requests should carry a [`ClientAddr`] extension; without it all count as one address.
pub fn router(state: State, operation: OperationRoutes) -> Router {
    let is_here = |endpoint: &Endpoint| match (operation, is_operational(endpoint)) {
        (OperationRoutes::Here, _) | (OperationRoutes::Elsewhere, false) => true,
        (OperationRoutes::Elsewhere, true) => false,
    };
    routes(state, is_here)
}

/// The API, and the apps beside it.
pub fn router_with_apps(state: State, operation: OperationRoutes, apps: Apps, config: &Config) -> Router {
    router(state, operation).merge(apps::routes(apps, config))
}

/// Health and figures alone, for an address of their own.
pub fn operation_router(state: State) -> Router {
    routes(state, is_operational)
}

/// Whether an endpoint is not for the public.
fn is_operational(endpoint: &Endpoint) -> bool {
    endpoint.access == Access::Anybody && !endpoint.path.ends_with(".json")
}

fn routes(state: State, is_here: impl Fn(&Endpoint) -> bool) -> Router {
    let mut router = Router::new();
    for endpoint in Endpoint::ALL.iter().filter(|endpoint| is_here(endpoint)) {
        let method = match endpoint.method {
            HttpMethod::Get => MethodFilter::GET,
            HttpMethod::Post => MethodFilter::POST,
            HttpMethod::Patch => MethodFilter::PATCH,
            HttpMethod::Delete => MethodFilter::DELETE,
        };
        let state = state.clone();
        let handler = move |request: Request| answer(state.clone(), endpoint.operation, request);
        router = router.route(endpoint.path, on(method, handler));
    }
    let directory = Arc::clone(&state.directory);
    router
        .method_not_allowed_fallback(|| async { Failure::method_not_allowed().into_response() })
        .fallback(|| async { Failure::not_found().into_response() })
        .layer(axum::middleware::from_fn_with_state(directory, wrap::wrap))
}

async fn answer(state: State, operation: Operation, request: Request) -> Response {
    let result = match Call::read(state, request).await {
        Ok(call) => dispatch(operation, call).await,
        Err(failure) => Err(failure),
    };
    result.unwrap_or_else(IntoResponse::into_response)
}

async fn dispatch(operation: Operation, call: Call) -> Result<Response, Failure> {
    match operation {
        Operation::AdmitVisitor => people::admit_visitor(call).await,
        Operation::ReadVisitor => people::read_visitor(call).await,
        Operation::ListMembers => people::list_members(call).await,
        Operation::IssueToken => people::issue_token(call).await,
        Operation::Disconnect => people::disconnect(call).await,
        Operation::ListWebsiteConversations => conversations::list_of_website(call).await,
        Operation::ListConversations => conversations::list(call).await,
        Operation::CreateConversation => conversations::create(call).await,
        Operation::ReadConversation => conversations::read(call).await,
        Operation::ChangeConversation => conversations::change(call).await,
        Operation::ListMessages => messages::list(call).await,
        Operation::PostMessage => messages::post(call).await,
        Operation::EditMessage => messages::edit(call).await,
        Operation::DeleteMessage => messages::delete(call).await,
        Operation::CreateOrganization => setup::create_organization(call).await,
        Operation::ReadOrganization => setup::read_organization(call).await,
        Operation::DeleteOrganization => setup::delete_organization(call).await,
        Operation::CreateWebsite => setup::create_website(call).await,
        Operation::ReadWebsite => setup::read_website(call).await,
        Operation::ChangeWebsite => setup::change_website(call).await,
        Operation::DeleteWebsite => setup::delete_website(call).await,
        Operation::CreateKey => setup::create_key(call).await,
        Operation::ReadKey => setup::read_key(call).await,
        Operation::DeleteKey => setup::delete_key(call).await,
        Operation::CreateWebhook => webhooks::create(call).await,
        Operation::ListWebhooks => webhooks::list(call).await,
        Operation::DeleteWebhook => webhooks::delete(call).await,
        Operation::ListDeliveries => webhooks::deliveries(call).await,
        Operation::ResendDelivery => webhooks::resend(call).await,
        Operation::Health => Ok(operation::health()),
        Operation::Ready => operation::ready(&call).await,
        Operation::Metrics => Ok(operation::metrics(&call)),
        Operation::OpenApi => Ok(operation::openapi()),
        Operation::AsyncApi => Ok(operation::asyncapi()),
    }
}

/// A time for timers: the system's time of the first call, and what has passed since. Unlike [`now`] it never jumps,
/// whatever is done to the system's clock, and so may come to differ from it.
pub(crate) fn steady_now() -> Timestamp {
    static START: OnceLock<(Instant, Timestamp)> = OnceLock::new();
    let (began, at) = START.get_or_init(|| (Instant::now(), now()));
    at.plus_millis(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX))
}

/// The system's time, for the whole server.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
