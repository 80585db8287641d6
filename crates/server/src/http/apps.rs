//! The web apps: inbox, widget and demo page, as files that are part of the program.
//!
//! Each file has one exact route; nothing is looked up on a disk or put together from a request, so there is nothing
//! to walk out of. Each is answered in the smallest encoding that the client takes, with a tag of that very form.
//! Pages carry policies that let them run what lies beside them, and nothing else.

mod encoding;
mod policy;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::Request;
use axum::http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use serde::Serialize;

use self::encoding::Encoding;
use self::policy::Policy;
use super::{Failure, wrap};
use crate::config::{Config, DEMO_ORGANIZATION, DEMO_PEOPLE, DEMO_PUBLIC_KEY, DEMO_SECRET_KEY, DEMO_WEBSITE};

/// One file of an app, compressed when the program was built.
#[derive(Debug, Clone, Copy)]
pub struct AppFile {
    /// Its path below the root of the server, with a slash before it.
    pub path: &'static str,
    /// Its media type, as browsers are told it.
    pub media: &'static str,
    /// A text that changes with the content, of letters and digits.
    pub tag: &'static str,
    /// The content.
    pub plain: &'static [u8],
    /// The content by brotli; none where that is no smaller.
    pub brotli: Option<&'static [u8]>,
    /// The content by gzip; none where that is no smaller.
    pub gzip: Option<&'static [u8]>,
}

/// What the program has of the apps.
///
/// The inbox's page is `/index.html`, the demo's `/demo/index.html`; neither is served under that path.
#[derive(Debug, Clone, Copy)]
pub struct Apps {
    /// Every file, in no order.
    pub files: &'static [AppFile],
}

/// The page of the inbox among the files.
const INBOX_PAGE: &str = "/index.html";
/// The page of the demo shop among the files.
const DEMO_PAGE: &str = "/demo/index.html";

/// The routes of the apps, to be added to those of the API. The demo is there under `dev` only: without it nobody's
/// keys are known to a page.
pub(super) fn routes(apps: Apps, config: &Config) -> Router {
    let mut router = Router::new();
    let is_demo = |file: &AppFile| file.path.starts_with("/demo/");
    for file in apps.files.iter().filter(|file| config.dev || !is_demo(file)) {
        let policy = Policy::of(file.path);
        match file.path {
            INBOX_PAGE => {
                for path in ["/", "/inbox", "/inbox/"] {
                    router = router.route(path, serve(file, policy));
                }
                router = router.route(
                    "/inbox/{*path}",
                    get(move |request: Request| std::future::ready(app_path(file, policy, &request))),
                );
            }
            DEMO_PAGE => router = router.route("/demo", serve(file, policy)).route("/demo/", serve(file, policy)),
            path => router = router.route(path, serve(file, policy)),
        }
    }
    let info = Arc::new(AppInfo::of(config));
    router
        .route("/app.json", get(move || std::future::ready(info.answer())))
        .method_not_allowed_fallback(|| std::future::ready(not_allowed()))
        .layer(axum::middleware::from_fn(count))
}

fn serve(file: &'static AppFile, policy: Policy) -> axum::routing::MethodRouter {
    get(move |headers: HeaderMap| std::future::ready(answer(file, policy, &headers)))
}

/// A path that the inbox itself knows the meaning of. What looks like a file is none: a page in its place would be
/// taken for a script or a picture that is broken.
fn app_path(page: &'static AppFile, policy: Policy, request: &Request) -> Response {
    let last = request.uri().path().rsplit('/').next().unwrap_or_default();
    if last.contains('.') { Failure::not_found().into_response() } else { answer(page, policy, request.headers()) }
}

fn answer(file: &'static AppFile, policy: Policy, request: &HeaderMap) -> Response {
    let (encoding, content) = Encoding::choose(file, request);
    let mut headers = HeaderMap::new();
    policy.write(&mut headers);
    let tag = HeaderValue::try_from(format!("\"{}{}\"", file.tag, encoding.suffix())).expect("letters and digits");
    let is_known = is_known(request, &tag);
    headers.insert(ETAG, tag);
    if file.brotli.is_some() || file.gzip.is_some() {
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    if is_known {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.media));
    if let Some(name) = encoding.name() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    (headers, Bytes::from_static(content)).into_response()
}

/// Whether the client has this very form already. Tags are compared weakly, as `If-None-Match` asks for.
fn is_known(request: &HeaderMap, tag: &HeaderValue) -> bool {
    let lists = request.get_all(IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
    lists
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known).as_bytes() == tag.as_bytes())
}

fn not_allowed() -> Response {
    let mut response = Failure::method_not_allowed().into_response();
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

/// Figures, and caution where a file's own policy says nothing: an answer that is no file.
async fn count(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let mut response = next.run(request).await;
    wrap::caution(response.headers_mut());
    wrap::record(&method, "app".to_owned(), response.status(), started);
    response
}

/// What the apps ask first, at `/app.json`.
#[derive(Serialize)]
struct AppInfo {
    version: &'static str,
    dev: Option<DevInfo>,
}

/// What everybody may know under `dev`, and nobody is told without it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DevInfo {
    organization_id: &'static str,
    website_id: &'static str,
    public_key: &'static str,
    secret_key: &'static str,
    demo_url: &'static str,
    people: Vec<Person>,
}

/// Somebody whom one can sign in as.
#[derive(Serialize)]
struct Person {
    sub: &'static str,
    name: &'static str,
}

impl AppInfo {
    fn of(config: &Config) -> Self {
        let dev = config.dev.then(|| DevInfo {
            organization_id: DEMO_ORGANIZATION,
            website_id: DEMO_WEBSITE,
            public_key: DEMO_PUBLIC_KEY,
            secret_key: DEMO_SECRET_KEY,
            demo_url: "/demo",
            people: DEMO_PEOPLE.iter().map(|&(sub, name)| Person { sub, name }).collect(),
        });
        Self { version: env!("CARGO_PKG_VERSION"), dev }
    }

    fn answer(&self) -> Response {
        super::call::json(StatusCode::OK, self)
    }
}
