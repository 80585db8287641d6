//! The store for more than one node: a PostgreSQL database that all of them write to.
//!
//! What is done is what [`sql`](super::sql) says; here is how. Numbers are given under the lock of a website's row, and
//! read from it: no node remembers any. A commit that was not answered is asked for by its number when the database is
//! back, so that what stands is answered as such and nothing is stored twice.

mod bulk;
mod dialect;
mod error;
mod life;
mod schema;
mod search;
mod session;
mod target;
#[cfg(test)]
mod tests;
mod transfer;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, SimpleQueryMessage};

pub use self::error::DatabaseError;
pub(in crate::store) use self::schema::VERSION;
pub(in crate::store) use self::transfer::{TransferSource, TransferTarget};

use self::error::lost;
use self::life::Life;
use self::session::Session;
use self::target::{Connection, Target};
use super::StoreError;
use super::sql::error::Failure;
use super::sql::link::{Fate, Link, Sql, Step};
use super::sql::version::DataKind;
use super::sql::{Keeper, SqlStore};

/// For how long the row of a process that writes no more is kept.
const WRITERS_KEPT: &str = "7 days";
/// How long to wait for what is said of a commit that was not answered: until the database has let go of it.
const ASK_PATIENCE: Duration = Duration::from_secs(10);
/// How long a connection may take until it can be used.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// How long after a failed attempt to connect the next one is made, at the earliest.
const CONNECT_PAUSE: Duration = Duration::from_millis(100);

/// How to open a [`PostgresStore`].
#[derive(Clone)]
pub struct PostgresConfig {
    /// `postgres://user:password@host:port/database`, with `?sslmode=…&sslrootcert=…` where it is needed.
    pub url: String,
    /// What the data is for. Data of the other kind is refused.
    pub kind: DataKind,
    /// Whether statements are prepared; not behind a PgBouncer before 1.21 that pools by transaction.
    pub is_prepared: bool,
    /// How many connections read, beside the one that writes; at least 1.
    pub readers: usize,
    /// How many writes may wait before further ones are [`StoreError::Unavailable`].
    pub waiting_writes_max: usize,
    /// How many reads may wait before further ones are [`StoreError::Unavailable`].
    pub waiting_reads_max: usize,
}

impl std::fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresConfig").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl PostgresConfig {
    /// The defaults for an address: prepared statements, four readers, 8,192 waiting writes and as many reads.
    #[must_use]
    pub fn new(url: impl Into<String>, kind: DataKind) -> Self {
        Self { url: url.into(), kind, is_prepared: true, readers: 4, waiting_writes_max: 8192, waiting_reads_max: 8192 }
    }
}

/// The store in a PostgreSQL database, which other nodes may use at the same time.
pub type PostgresStore = SqlStore<Database>;

/// What is known of a database.
#[derive(Debug)]
pub struct Database {
    life: Arc<Life>,
}

impl Keeper for Database {
    fn epoch(&self) -> Result<String, StoreError> {
        if self.life.is_over() {
            return Err(StoreError::Unavailable(Life::over().to_owned()));
        }
        Ok(self.life.epoch.clone())
    }

    fn is_shared(&self) -> bool {
        true
    }
}

impl PostgresStore {
    /// Opens the store of a database, makes it where there is none, and brings it to this program's version. May be
    /// called from within a runtime; waits for the database, on a thread of its own.
    ///
    /// # Errors
    /// [`DatabaseError`]; see its variants.
    pub fn open(config: PostgresConfig) -> Result<Self, DatabaseError> {
        let opening = std::thread::Builder::new().name("store-open".to_owned()).spawn(move || Self::open_here(&config));
        let opening = opening.map_err(|error| DatabaseError::Database(format!("no thread: {error}")))?;
        opening.join().unwrap_or_else(|_| Err(DatabaseError::Database("a fault while it was opened".to_owned())))
    }

    fn open_here(config: &PostgresConfig) -> Result<Self, DatabaseError> {
        let target = Target::parse(&config.url)?;
        let runtime = runtime()?;
        let (life, node) = runtime.block_on(async {
            let mut client = reach(&target, config.kind).await?;
            let life = schema::migrate(&mut client, config.kind).await?;
            Ok::<_, DatabaseError>((life, enrol(&client).await?))
        })?;
        let life = Arc::new(life);
        let link = |is_writer| -> Result<Box<dyn Link>, DatabaseError> {
            Ok(Box::new(DatabaseLink {
                runtime: Arc::new(self::runtime()?),
                target: target.clone(),
                kind: config.kind,
                life: Arc::clone(&life),
                is_prepared: config.is_prepared,
                node,
                is_writer,
                session: None,
                failed_at: None,
            }))
        };
        let readers = (0..config.readers.max(1)).map(|_| link(false)).collect::<Result<_, _>>()?;
        let keeper = Database { life: Arc::clone(&life) };
        Self::start(
            link(true)?,
            readers,
            Some(link(false)?),
            config.waiting_writes_max,
            config.waiting_reads_max,
            keeper,
        )
        .map_err(|error| DatabaseError::Database(format!("no thread for the store: {error}")))
    }

    /// Turns true once the database is another one than it was opened on, after which the store answers nothing more.
    #[must_use]
    pub fn is_over(&self) -> watch::Receiver<bool> {
        self.keeper.life.watch()
    }
}

/// Looks whether a server could start on a database, and writes nothing: the version of its data, `None` where nothing
/// was made yet, and the version that this program writes.
///
/// # Errors
/// [`DatabaseError`], as at a start.
pub fn look_at(config: &PostgresConfig) -> Result<(Option<u32>, u32), DatabaseError> {
    let target = Target::parse(&config.url)?;
    runtime()?.block_on(async {
        let mut client = reach(&target, config.kind).await?;
        let transaction = client.build_transaction().read_only(true).start().await?;
        Ok((schema::check(&transaction, config.kind).await?, schema::VERSION))
    })
}

/// Whether an address of a database can be understood; nobody is asked.
///
/// # Errors
/// [`DatabaseError::Url`] or [`DatabaseError::Authority`].
pub fn check_address(url: &str) -> Result<(), DatabaseError> {
    Target::parse(url).map(drop)
}

/// Connects to a server on which a store is safe.
async fn reach(target: &Target, kind: DataKind) -> Result<Connection, DatabaseError> {
    let client = target.connect().await?;
    schema::check_server(&client, kind).await?;
    Ok(client)
}

fn runtime() -> Result<Runtime, DatabaseError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| DatabaseError::Database(format!("no runtime: {error}")))
}

/// Makes the row of a process that is going to write.
async fn enrol(client: &Client) -> Result<i64, DatabaseError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| DatabaseError::Database(format!("no randomness: {error}")))?;
    let writer = i64::from_be_bytes(bytes);
    let sql = format!(
        "DELETE FROM writers WHERE at < now() - interval '{WRITERS_KEPT}'; \
         INSERT INTO writers (id, last) VALUES ({writer}, 0)"
    );
    client.batch_execute(&sql).await?;
    Ok(writer)
}

/// Holds one connection.
struct DatabaseLink {
    runtime: Arc<Runtime>,
    target: Target,
    kind: DataKind,
    life: Arc<Life>,
    is_prepared: bool,
    /// The row of this node among the writers.
    node: i64,
    is_writer: bool,
    session: Option<Session>,
    failed_at: Option<(std::time::Instant, String)>,
}

impl DatabaseLink {
    /// Connects to the database that the store was opened on, and to no other.
    async fn reach_again(&self) -> Result<Connection, DatabaseError> {
        let client = reach(&self.target, self.kind).await?;
        schema::check_life(&client, &self.life).await?;
        Ok(client)
    }

    fn connect(&self) -> Result<Session, Failure> {
        let connecting = async {
            let client = self.reach_again().await?;
            let number = if self.is_writer { next_number(&client, self.node).await? } else { 0 };
            Ok::<_, DatabaseError>((client, number))
        };
        let (client, number) = self.runtime.block_on(within(CONNECT_PATIENCE, connecting))?;
        let (runtime, life) = (Arc::clone(&self.runtime), Arc::clone(&self.life));
        Ok(Session::new(runtime, client, life, self.is_prepared, self.node, number))
    }
}

/// Does what a database is asked for, in time.
async fn within<T>(
    patience: Duration,
    asked: impl Future<Output = Result<T, DatabaseError>>,
) -> Result<T, DatabaseError> {
    let answered = tokio::time::timeout(patience, asked).await;
    answered.unwrap_or_else(|_| Err(DatabaseError::Database("it does not answer".to_owned())))
}

/// A number for a writer that is past those of all its transactions, none of which can be committed from now on. Its row
/// is made anew if it was cleaned away.
async fn next_number(client: &Client, writer: i64) -> Result<u64, DatabaseError> {
    let sql = "INSERT INTO writers (id, last) VALUES ($1, 0) \
        ON CONFLICT (id) DO UPDATE SET last = writers.last + 1, at = now() RETURNING last";
    let row = client.query_typed_one(sql, &[(&writer, Type::INT8)]).await?;
    Ok(u64::try_from(row.try_get::<_, i64>(0)?).unwrap_or(0))
}

impl Link for DatabaseLink {
    fn open(&mut self) -> Result<&dyn Sql, Failure> {
        if self.life.is_over() {
            return Err(lost(Life::over().to_owned()));
        }
        let session = match self.session.take().filter(|session| !session.is_closed()) {
            Some(session) => session,
            None => {
                // Many may wait for a database that is away: they are told at once.
                if let Some((at, why)) = &self.failed_at
                    && at.elapsed() < CONNECT_PAUSE
                {
                    return Err(lost(why.clone()));
                }
                let connected = self.connect();
                self.failed_at = match &connected {
                    Ok(_) => None,
                    Err(Failure::Database(fault)) => Some((std::time::Instant::now(), fault.told.to_string())),
                    Err(Failure::Answer(error)) => Some((std::time::Instant::now(), error.to_string())),
                };
                connected?
            }
        };
        Ok(self.session.insert(session))
    }

    fn give_up(&mut self) {
        self.session = None;
    }

    fn fate(&mut self, transaction: u64) -> Result<Fate, Failure> {
        self.session = None;
        let (node, number) = (self.node, transaction);
        // Whoever is still at work on it holds the row, and has lost once the number is past its own. What is seen to
        // stand must be as safe as what was answered: this commits behind it, and waits for what that would wait for.
        let ask = format!(
            "BEGIN; SELECT set_config('synchronous_commit', 'on', true), set_config('statement_timeout', '5s', true); \
             UPDATE writers SET last = CASE WHEN last = {number} - 1 THEN {number} + 1 ELSE last END, at = now() \
             WHERE id = {node} RETURNING last; COMMIT"
        );
        let asking = async {
            let client = self.reach_again().await?;
            Ok::<_, DatabaseError>(client.simple_query(&ask).await?)
        };
        let told = match self.runtime.block_on(within(ASK_PATIENCE, asking)) {
            // The one that knew it is gone for good: nobody is to wait for it, least of all the end of this node.
            Err(_) if self.life.is_over() => return Ok(Fate::Untold),
            told => told?,
        };
        let last = told.iter().rev().find_map(|message| {
            let SimpleQueryMessage::Row(row) = message else { return None };
            if row.len() == 1 { row.get(0)?.parse().ok() } else { None }
        });
        Ok(if last == Some(number) { Fate::Stands } else { Fate::Undone })
    }

    fn after_commit(&mut self) {}

    fn after_read(&mut self) {
        if let Some(session) = &self.session
            && session.is_open()
            && session.step(Step::Rollback).is_err()
        {
            self.session = None;
        }
    }
}
