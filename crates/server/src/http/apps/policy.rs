//! What browsers may do with each file: run, frame, cache, load from elsewhere.

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// What is said of a kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    /// The team's page.
    InboxPage,
    /// The shop of the demo.
    DemoPage,
    /// A file whose name changes with its content.
    Named,
    /// A file of the inbox or the demo that keeps its name.
    Other,
    /// The script that customers put on their pages.
    WidgetScript,
    /// A file that the script loads, whose name changes with its content.
    WidgetNamed,
}

/// Scripts and styles come from this server and nowhere else, none are inline, and no text becomes markup or a script.
/// The engine is WebAssembly. Pictures come from wherever people have put what they attach. A page is framed by nobody:
/// what is clicked in it has effects.
const PAGE: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; font-src 'self'; \
                    img-src 'self' https: http:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                    frame-ancestors 'none'; require-trusted-types-for 'script'";
/// A file that is no page does nothing when it is opened as one.
const FILE: &str = "default-src 'none'; frame-ancestors 'none'";

/// What neither page needs.
const PERMISSIONS: &str = "camera=(), microphone=(), geolocation=(), payment=(), usb=()";

/// A page is asked for each time, and mostly not sent again: what it loads has other names after an upgrade.
const ASK: &str = "no-cache";
/// Five minutes: so soon every page of a customer's has the widget of the server that it talks to.
const SHORT: &str = "public, max-age=300";
const FOREVER: &str = "public, max-age=31536000, immutable";

impl Policy {
    pub(super) fn of(path: &str) -> Self {
        match path {
            super::INBOX_PAGE => Self::InboxPage,
            super::DEMO_PAGE => Self::DemoPage,
            "/widget.js" => Self::WidgetScript,
            path if path.starts_with("/widget/") => Self::WidgetNamed,
            path if path.starts_with("/assets/") => Self::Named,
            _ => Self::Other,
        }
    }

    pub(super) fn write(self, headers: &mut HeaderMap) {
        let (policy, cache) = match self {
            Self::InboxPage | Self::DemoPage => (PAGE, ASK),
            Self::Named | Self::WidgetNamed => (FILE, FOREVER),
            Self::WidgetScript => (FILE, SHORT),
            Self::Other => (FILE, ASK),
        };
        let is_widget = matches!(self, Self::WidgetScript | Self::WidgetNamed);
        let mut say = |name: &'static str, value: &'static str| {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        };
        say(CONTENT_SECURITY_POLICY.as_str(), policy);
        say(CACHE_CONTROL.as_str(), cache);
        say(X_CONTENT_TYPE_OPTIONS.as_str(), "nosniff");
        // The inbox's address may name a conversation; the shop's is told to its own server, as a shop's would be.
        say(REFERRER_POLICY.as_str(), if self == Self::DemoPage { "same-origin" } else { "no-referrer" });
        say("cross-origin-resource-policy", if is_widget { "cross-origin" } else { "same-origin" });
        if is_widget {
            say(ACCESS_CONTROL_ALLOW_ORIGIN.as_str(), "*");
        }
        if matches!(self, Self::InboxPage | Self::DemoPage) {
            say("permissions-policy", PERMISSIONS);
            say("cross-origin-opener-policy", "same-origin");
        }
    }
}
