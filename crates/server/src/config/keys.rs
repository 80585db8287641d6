//! The one table of keys: name, type, default and meaning. Fields, readers and `--help` come from it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use cossistant_protocol::Timestamp;

use super::value::{AddressRange, LogFormat, LogLevel, Value};
use crate::auth::Secret;
use crate::directory::SigningAlgorithm;

/// One key of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name in the file. As a flag it has `--` before it and `-` for `_`; in the environment it is in capitals
    /// behind `COSSISTANT_`.
    pub name: &'static str,
    /// What it means, one sentence or more.
    pub doc: &'static str,
    /// What stands for its value in `--help`; empty for a switch, whose flag has no value.
    pub form: &'static str,
    /// Its default as it would be written; empty when it is unset.
    pub default: &'static str,
    pub(super) allowed: &'static str,
    pub(super) set: fn(&mut Config, &str) -> bool,
    pub(super) show: fn(&Config) -> String,
}

impl Key {
    /// Whether its value must not be shown.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.form == <Secret as Value>::FORM
    }

    /// Whether its flag has no value.
    #[must_use]
    pub const fn is_switch(&self) -> bool {
        self.form.is_empty()
    }
}

macro_rules! keys {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:literal;)+) => {
        /// Everything that an operator can set; made by [`Config::load`].
        #[derive(Debug, Clone, PartialEq)]
        pub struct Config {
            $($(#[doc = $doc])+ pub $name: $type,)+
        }

        impl Default for Config {
            fn default() -> Self {
                Self { $($name: Value::read($default).expect(concat!("the default of ", stringify!($name)))),+ }
            }
        }

        /// All keys, in the order in which `--help` shows them.
        pub const KEYS: &[Key] = &[$(Key {
            name: stringify!($name),
            doc: concat!($($doc),+).trim_ascii(),
            form: <$type as Value>::FORM,
            default: $default,
            allowed: <$type as Value>::ALLOWED,
            set: |config, text| <$type as Value>::read(text).map(|value| config.$name = value).is_some(),
            show: |config| config.$name.show(),
        }),+];
    };
}

keys! {
    /// Where the server listens; port 0 takes a free one.
    listen: SocketAddr = "127.0.0.1:8787";
    /// The folder of the embedded store and of the server's own secrets.
    data: PathBuf = "./data";
    /// Makes a demo organization with known keys, listens on loopback only, and switches the limits off.
    dev: bool = "false";
    /// A file that is written, as JSON, once the server listens.
    ready_file: Option<PathBuf> = "";
    /// A certificate with those between it and its authority, as PEM; with `tls_key` the server speaks TLS. Both are
    /// read anew when they change.
    tls_cert: Option<PathBuf> = "";
    /// The key of `tls_cert`, as PEM.
    tls_key: Option<PathBuf> = "";
    /// An address of its own for health and metrics, without TLS.
    ops_listen: Option<SocketAddr> = "";
    /// Serves the API alone: no inbox, no widget, no demo.
    no_apps: bool = "false";
    /// How many threads carry connections; 0 for one per core.
    shards: usize = "0";
    /// How long a stopping server waits for its connections to leave.
    drain_window: Duration = "10s";

    /// The admin key, `ak_…`; when unset, one is made at the first start and kept in the data folder.
    admin_key: Option<Secret> = "";
    /// The admin key before this one, which is still taken until `admin_key_previous_until`.
    admin_key_previous: Option<Secret> = "";
    /// Until when `admin_key_previous` is taken.
    admin_key_previous_until: Option<Timestamp> = "";
    /// What the server signs visitors' tokens with, the same at all nodes; when unset, one is made at the first start and
    /// kept in the data folder.
    visitor_secret: Option<Secret> = "";
    /// The secret before this one, which is still taken until `visitor_secret_previous_until`.
    visitor_secret_previous: Option<Secret> = "";
    /// Until when `visitor_secret_previous` is taken.
    visitor_secret_previous_until: Option<Timestamp> = "";
    /// A secret by which HS256 tokens of all organizations are verified.
    jwt_secret: Option<Secret> = "";
    /// The secret before this one, which is still taken until `jwt_secret_previous_until`.
    jwt_secret_previous: Option<Secret> = "";
    /// Until when `jwt_secret_previous` is taken.
    jwt_secret_previous_until: Option<Timestamp> = "";
    /// A public key by which tokens of all organizations are verified: a PEM, or the path of one.
    jwt_public_key: Option<String> = "";
    /// A JWKS by which tokens of all organizations are verified: an http or https address, or a path.
    jwt_jwks_url: Option<String> = "";
    /// The algorithm of the public key, and of JWKS keys that name none; when unset, the kind of key says it.
    jwt_algorithm: Option<SigningAlgorithm> = "";
    /// How often the JWKS is read anew, so that withdrawn keys go; an unknown key has it read at once.
    jwt_jwks_refresh: Duration = "10m";
    /// How long a visitor who comes back is known again; each visit begins it anew.
    visitor_token_life: Duration = "180d";

    /// How log lines are written: text or json.
    log_format: LogFormat = "text";
    /// From which weight on log lines are written: error, warn, info, debug or trace.
    log_level: LogLevel = "info";

    /// From which duration on an operation is logged as slow: commits, replays, HTTP requests, fan-outs; 0s for never.
    slow_operation: Duration = "500ms";

    /// Where traces are sent by OTLP over HTTP, as JSON, with `/v1/traces` behind it; when unset, nothing is traced.
    otlp_endpoint: Option<String> = "";
    /// Which part of messages and requests is traced, from 0 to 1; a caller's `traceparent` decides for itself.
    trace_ratio: f64 = "0.01";

    /// Proxies whose X-Forwarded-For is believed.
    trusted_proxies: Vec<AddressRange> = "";
    /// After how long an unfinished request is cut.
    request_timeout: Duration = "10s";
    /// Lets webhooks lead to private addresses and to all ports, as `dev` does; then who has a secret key can reach
    /// whatever this server can.
    webhook_allow_private: bool = "false";

    /// How often client and server give a sign of life; after 2.5 of them in silence a connection is closed.
    heartbeat_interval: Duration = "30s";
    /// How long a new connection may take to authenticate; never longer than 2.5 heartbeats.
    auth_timeout: Duration = "5s";
    /// How long a visitor whose connection broke is still online.
    presence_grace: Duration = "10s";
    /// After how long a silence a typing state ends.
    typing_expiry: Duration = "6s";
    /// How often a client tells that somebody types; when unset, 100ms, or a third of a short expiry.
    typing_interval: Option<Duration> = "";

    /// The most bytes of one message, inflated.
    max_message_bytes: usize = "65536";
    /// The most bytes that wait for one slow reader.
    max_outbox_bytes: usize = "1048576";
    /// The most events that one subscription replays.
    replay_limit: usize = "1000";

    /// Messages a second of a visitor, and changes of them, all connections and HTTP together; 0 for no limit.
    limit_visitor_messages: f64 = "10";
    /// Messages at once of a visitor.
    limit_visitor_messages_burst: u64 = "50";
    /// Messages a second of a user or AI agent; 0 for no limit.
    limit_team_messages: f64 = "200";
    /// Messages at once of a user or AI agent.
    limit_team_messages_burst: u64 = "1000";
    /// Ephemeral events a second of a connection, above which the newest wins; 0 for no limit.
    limit_ephemeral: f64 = "50";
    /// Ephemeral events at once of a connection.
    limit_ephemeral_burst: u64 = "200";
    /// Subscriptions of a connection; 0 for no limit.
    limit_subscriptions: u64 = "1000";
    /// Frames a second of a connection, control frames too; 0 for no limit.
    limit_frames: f64 = "300";
    /// Frames at once of a connection.
    limit_frames_burst: u64 = "2000";
    /// New connections a second of an address; 0 for no limit.
    limit_connects: f64 = "50";
    /// New connections at once of an address.
    limit_connects_burst: u64 = "500";
    /// Open connections of an address; 0 for no limit.
    limit_connections: u64 = "10000";
    /// Open connections of the process; 0 for no limit.
    limit_connections_total: u64 = "0";
    /// Open connections of the process that have not logged in; 0 for no limit.
    limit_waiting_connections: u64 = "10000";
    /// New visitors a second of an address; 0 for no limit.
    limit_new_visitors: f64 = "5";
    /// New visitors at once of an address; 0 for as many as a second brings, at least 1.
    limit_new_visitors_burst: u64 = "0";
    /// New conversations a second of a visitor; 0 for no limit.
    limit_new_conversations: f64 = "1";
    /// New conversations at once of a visitor; 0 for as many as a second brings, at least 1.
    limit_new_conversations_burst: u64 = "0";
    /// Messages a second of all visitors of a website together; 0 for no limit.
    limit_website_messages: f64 = "500";
    /// Messages at once of all visitors of a website together.
    limit_website_messages_burst: u64 = "5000";
    /// New visitors a second of a website, from wherever they come; 0 for no limit.
    limit_website_new_visitors: f64 = "100";
    /// New visitors at once of a website.
    limit_website_new_visitors_burst: u64 = "2000";
    /// Open connections of a website's visitors; 0 for no limit.
    limit_website_connections: u64 = "100000";
    /// Wrong credentials a second of an address, past which keys from there are not looked at; 0 for no limit.
    limit_wrong_credentials: f64 = "5";
    /// Wrong credentials at once of an address.
    limit_wrong_credentials_burst: u64 = "100";
    /// Requests a second of an address to the API and for figures, and handshakes of TLS; 0 for no limit.
    limit_requests: f64 = "500";
    /// Requests and handshakes of TLS at once of an address.
    limit_requests_burst: u64 = "5000";
    /// Open HTTP connections of an address that are no WebSockets; 0 for no limit. Trusted proxies have none.
    limit_http_connections: u64 = "1000";
    /// Open HTTP connections of the process that are no WebSockets; 0 for no limit.
    limit_http_connections_total: u64 = "10000";

    /// A PostgreSQL database in place of the embedded store: `postgres://user:password@host:port/database`, with
    /// `?sslmode=` disable, prefer or require and `&sslrootcert=` with a file where they are needed.
    database_url: Option<Secret> = "";
    /// Whether statements are prepared in the database; false behind a PgBouncer before 1.21 that pools by transaction.
    database_prepared: bool = "true";
    /// How many connections to the database read, beside the one that writes and the one that looks what others did.
    database_readers: usize = "4";
    /// NATS, over which the nodes of one database tell each other what goes on: `nats://user:password@host:port`, or
    /// `tls://` never without TLS, or a token in place of user and password; several servers with commas between them.
    nats_url: Option<Secret> = "";
    /// A file of NATS credentials (`.creds`), in place of user and password.
    nats_credentials: Option<PathBuf> = "";
    /// A file of certificates of authorities by which NATS is known, in place of those that browsers know.
    nats_tls_ca: Option<PathBuf> = "";
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Key {}
