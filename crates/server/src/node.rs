//! One node: builds every room, owns every task and thread, and stops them in order.
//!
//! Order of a stop: readiness turns off; the shards accept nothing more; every connection is asked to come back and
//! closed within the window; the shards' threads end; the webhooks' attempts, of which none has begun since the
//! connections were asked, are cut; the store answers what is queued and closes; what is left of traces is sent.

mod accept;
mod bus;
mod files;
pub(crate) mod others;
mod shards;
mod socket;
pub(crate) mod talk;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use self::bus::NodeBus;
use self::files::{Files, SecretFiles};
use self::others::Watch;
use self::shards::ShardSet;
use self::talk::TalkConfig;
use crate::auth::{AuthSetupError, Authenticator, Guard, Secret, SecretFile};
use crate::bus::{Bus, NodeId};
use crate::chat::{Chat, Ids};
use crate::config::{Config, demo_rows};
use crate::directory::SharedDirectory;
use crate::gateway::{Admission, Jobs, Upgrader};
use crate::http::{self, Apps, OperationRoutes, Readiness, now as clock};
use crate::limits::{Buckets, Limiter, NewVisitors, Rate};
use crate::store::{
    Conflict, DatabaseError, OpenError, Outbox, PostgresStore, SqliteConfig, SqliteStore, Store, StoreError,
    make_folder,
};
use crate::tls::{Tls, TlsError};
use crate::trace::Exporter;
use crate::webhook::Webhooks;

/// Why a node could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The keys of the configuration cannot be used.
    #[error(transparent)]
    Auth(#[from] AuthSetupError),
    /// A file of secrets cannot be read or written.
    #[error("{}: {error}", path.display())]
    Secret {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The files of TLS cannot be used.
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    /// NATS cannot be used as it is configured.
    #[error("{key} {reason}")]
    Nats {
        /// The key that should be changed.
        key: &'static str,
        /// Why.
        reason: String,
    },
    /// The store does not answer.
    #[error("the store cannot be read: {0}")]
    Store(#[from] StoreError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// The figures are recorded by something else already.
    #[error("metrics: {0}")]
    Metrics(String),
    /// The system gives no random bytes or no threads.
    #[error("the system: {0}")]
    System(std::io::Error),
}

impl StartError {
    /// Whether what was asked for is wrong, rather than that it failed.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        match self {
            Self::Open(error) => matches!(error, OpenError::WrongKind { .. }),
            Self::Database(error) => error.is_usage(),
            Self::Auth(_) | Self::Tls(_) | Self::Nats { .. } => true,
            Self::Secret { .. } | Self::Store(_) | Self::Listen { .. } | Self::Metrics(_) | Self::System(_) => false,
        }
    }
}

/// A running node.
pub struct Node {
    address: SocketAddr,
    ops_address: Option<SocketAddr>,
    admin_key: Secret,
    admin_key_file: Option<SecretFile>,
    shards: ShardSet,
    webhooks: Webhooks,
    readiness: Arc<Readiness>,
    drain_window: Duration,
    files: Arc<Files>,
    exporter: Option<Exporter>,
    store: Arc<dyn Store>,
    /// Only of a store that other nodes write to as well.
    watch: Option<Watch>,
    /// Turns true once the store has nothing more to say; none where that cannot be.
    is_over: Option<watch::Receiver<bool>>,
}

fn random_seed() -> Result<[u8; 32], StartError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| StartError::System(std::io::Error::other(error.to_string())))?;
    Ok(seed)
}

fn node_id() -> Result<NodeId, StartError> {
    let [a, b, c, d, ..] = random_seed()?;
    Ok(NodeId(u32::from_be_bytes([a, b, c, d])))
}

#[expect(clippy::cast_precision_loss, reason = "a burst is a small number")]
fn rate(per_second: f64, burst: u64) -> Rate {
    Rate { per_second, burst: burst as f64 }
}

impl Node {
    /// Opens the store, builds the rooms and starts the shards; once it returns, the node listens. The apps are
    /// served unless the configuration says otherwise.
    ///
    /// # Errors
    /// [`StartError`]; nothing keeps running then.
    pub async fn start(config: &Config, apps: Apps) -> Result<Self, StartError> {
        let (store, is_over) = open_store(config)?;
        if config.dev {
            create_demo(&*store).await?;
        }
        let secret_files = SecretFiles::new(config);
        let (secrets, admin_key_file) = secret_files.read()?;
        if let Some(file) = admin_key_file.as_ref().filter(|file| file.is_exposed) {
            tracing::warn!(path = %file.path.display(), "others can read the admin key; set its mode to 0600");
        }
        let admin_key = secrets.admin_key.current.clone();
        let auth = Arc::new(Authenticator::new(config.auth_settings(secrets))?);
        if let Err(error) = auth.reload_keys().await {
            tracing::warn!(%error, "the JWKS could not be read yet");
        }
        let directory = Arc::new(SharedDirectory::new());
        directory.reload(&*store).await?;

        let count = shard_count(config);
        let node = node_id()?;
        let nats =
            config.nats().transpose().map_err(|error| StartError::Nats { key: error.key, reason: error.reason })?;
        let (mut bus, mailboxes) = NodeBus::new(count);
        let outgoing = nats.is_some().then(|| bus.reach_beyond());
        let bus = Arc::new(bus);
        let epoch = Store::epoch(&*store).await?;
        let as_bus: Arc<dyn Bus> = Arc::clone(&bus) as Arc<dyn Bus>;
        let chat = Arc::new(Chat::new(
            Arc::clone(&store),
            Arc::clone(&as_bus),
            Arc::clone(&directory),
            Ids::new(random_seed()?),
            limiter(config),
            config.replay_limit as u64,
            &epoch,
        ));
        let readiness = Arc::new(Readiness::default());
        let new_visitors = Arc::new(NewVisitors {
            of_address: Buckets::new(rate(config.limit_new_visitors, config.limit_new_visitors_burst)),
            of_website: Buckets::new(rate(config.limit_website_new_visitors, config.limit_website_new_visitors_burst)),
        });
        let guard = Arc::new(Guard::new(rate(config.limit_wrong_credentials, config.limit_wrong_credentials_burst)));
        crate::slow::set_threshold(config.slow_operation);
        let metrics = crate::metrics::install().map_err(|error| StartError::Metrics(error.to_string()))?;
        let tls = config.tls_files().map(Tls::start).transpose()?.map(Arc::new);
        let files = Arc::new(Files::new(tls, secret_files, Arc::clone(&auth)));
        let state = http::State {
            chat: Arc::clone(&chat),
            auth: Arc::clone(&auth),
            directory: Arc::clone(&directory),
            presence: Arc::clone(&bus) as Arc<dyn http::PresenceView>,
            readiness: Arc::clone(&readiness),
            metrics: metrics.clone(),
            new_visitors: Arc::clone(&new_visitors),
            guard: Arc::clone(&guard),
            webhook_addresses: config.webhook_addresses(),
        };
        let admission = Admission::new(
            rate(config.limit_connects, config.limit_connects_burst),
            config.limit_connections,
            config.limit_connections_total,
            config.limit_website_connections,
            config.limit_waiting_connections,
        );
        let upgrader = Arc::new(Upgrader {
            auth: Arc::clone(&auth),
            directory: Arc::clone(&directory),
            admission: Arc::new(admission),
        });
        let jobs = Arc::new(Jobs::new(chat, Arc::clone(&auth), Arc::clone(&directory), as_bus, new_visitors, guard));
        let here = if config.ops_listen.is_some() { OperationRoutes::Elsewhere } else { OperationRoutes::Here };
        let router = if config.no_apps {
            http::router(state.clone(), here)
        } else {
            http::router_with_apps(state.clone(), here, apps, config)
        };
        let ops = config.ops_listen.map(|address| (address, http::operation_router(state)));
        let endpoint = config.otlp_endpoint.as_deref();
        let exporter = endpoint.map(|endpoint| Exporter::start(endpoint, config.trace_ratio)).transpose();
        let exporter = exporter.map_err(StartError::System)?;
        let outbox = Arc::clone(&store) as Arc<dyn Outbox>;
        let webhooks = Webhooks::start(outbox, config.webhook_addresses()).map_err(StartError::System)?;
        let watched = Arc::clone(&directory);
        let talk = nats.zip(outgoing).map(|(target, outgoing)| {
            // Until it is heard of.
            readiness.set_bus_down(true);
            let (epoch, readiness) = (epoch.clone(), Arc::clone(&readiness));
            TalkConfig { target, epoch, node, outgoing, readiness }
        });
        let shards = ShardSet::start(
            config,
            node,
            &epoch,
            jobs,
            upgrader,
            directory,
            router,
            ops,
            mailboxes,
            metrics,
            auth,
            Arc::clone(&files),
        )?;
        let watch = if is_over.is_some() {
            Some(Watch::start(Arc::clone(&store), watched, bus, talk).map_err(StartError::System)?)
        } else {
            None
        };
        Ok(Self {
            webhooks,
            address: shards.address(),
            ops_address: shards.ops_address(),
            admin_key,
            admin_key_file,
            shards,
            readiness,
            drain_window: config.drain_window,
            files,
            exporter,
            store,
            watch,
            is_over,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it speaks TLS.
    #[must_use]
    pub fn speaks_tls(&self) -> bool {
        self.files.tls.is_some()
    }

    /// Reads the certificate and the server's own secrets anew, which a change of the files does too: whatever is judged
    /// from now on is judged by them. Files that cannot be used change nothing; the log says so.
    pub fn reload(&self) {
        self.files.reload();
    }

    /// Where it tells health and figures, if not beside the API.
    #[must_use]
    pub const fn ops_address(&self) -> Option<SocketAddr> {
        self.ops_address
    }

    /// The admin key in force.
    #[must_use]
    pub const fn admin_key(&self) -> &Secret {
        &self.admin_key
    }

    /// Where the admin key is kept, if the server made it.
    #[must_use]
    pub const fn admin_key_file(&self) -> Option<&SecretFile> {
        self.admin_key_file.as_ref()
    }

    /// Returns if the node cannot go on: the database under its store is another one than it was started on, so that
    /// the places it has told clients are of no meaning. It is to be stopped then, and started anew.
    pub async fn cannot_go_on(&self) {
        if let Some(is_over) = &self.is_over
            && is_over.clone().wait_for(|is_over| *is_over).await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }

    /// Stops in order; returns when everything has ended. Dropping the future ends nothing: the process then ends as
    /// by a kill, and what was acknowledged is stored all the same.
    pub async fn stop(self) {
        self.readiness.drain();
        self.webhooks.drain();
        self.shards.stop(self.drain_window).await;
        self.webhooks.stop().await;
        // The last handle answers what is queued and closes the database.
        let ended = move || {
            self.watch.map(Watch::stop).unwrap_or_default();
            drop(self.store);
            self.exporter.map(Exporter::stop).unwrap_or_default();
        };
        tokio::task::spawn_blocking(ended).await.unwrap_or_default();
    }
}

fn shard_count(config: &Config) -> usize {
    if config.shards > 0 {
        return config.shards;
    }
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn limiter(config: &Config) -> Limiter {
    Limiter {
        visitor_messages: Buckets::new(rate(config.limit_visitor_messages, config.limit_visitor_messages_burst)),
        team_messages: Buckets::new(rate(config.limit_team_messages, config.limit_team_messages_burst)),
        new_conversations: Buckets::new(rate(config.limit_new_conversations, config.limit_new_conversations_burst)),
        website_messages: Buckets::new(rate(config.limit_website_messages, config.limit_website_messages_burst)),
    }
}

/// A store, and what turns true once it has nothing more to say, where that can be.
type OpenedStore = (Arc<dyn Store>, Option<watch::Receiver<bool>>);

/// Opens the store that the configuration asks for.
fn open_store(config: &Config) -> Result<OpenedStore, StartError> {
    match config.database() {
        Some(database) => {
            let store = PostgresStore::open(database)?;
            // The server's own secrets are kept there.
            make_folder(&config.data)?;
            let is_over = store.is_over();
            Ok((Arc::new(store), Some(is_over)))
        }
        None => Ok((Arc::new(SqliteStore::open(SqliteConfig::new(&config.data, config.data_kind()))?), None)),
    }
}

/// Makes the demo organization where it is not there yet.
async fn create_demo(store: &dyn Store) -> Result<(), StartError> {
    let stands = store.directory().await?;
    let rows = demo_rows(clock());
    // Another node may be about it too.
    let made = |made: Result<(), StoreError>| match made {
        Ok(()) | Err(StoreError::Conflict(Conflict::Taken)) => Ok(()),
        Err(error) => Err(error),
    };
    for row in rows.organizations {
        if !stands.organizations.iter().any(|other| other.id == row.id) {
            made(store.create_organization(row).await)?;
        }
    }
    for row in rows.websites {
        if !stands.websites.iter().any(|other| other.key == row.key) {
            made(store.create_website(row).await)?;
        }
    }
    for row in rows.keys {
        if !stands.keys.iter().any(|other| other.id == row.id) {
            made(store.create_key(row).await)?;
        }
    }
    Ok(())
}
