//! The servers of a run: nodes, their database, their bus, and the lines between nodes and bus.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::Trouble;
use crate::{Http, Mode, Nats, Postgres, PostgresOptions, Proxy, Server, ServerOptions, tokens};

/// How long one thing may take to come right: a busy machine, a database that recovers.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often that is asked.
const LOOK: Duration = Duration::from_millis(20);

/// A fixture whose calls block, and therefore run on a thread apart.
#[derive(Debug)]
struct Apart<T>(Option<T>);

impl<T: Send + 'static> Apart<T> {
    async fn new(make: impl FnOnce() -> T + Send + 'static) -> Result<Self, Trouble> {
        let made = tokio::task::spawn_blocking(make).await;
        made.map(|made| Self(Some(made))).map_err(|error| Trouble(error.to_string()))
    }

    /// Does something with it. What panics there is an error here, and the end of the fixture.
    async fn with<R: Send + 'static>(&mut self, call: impl FnOnce(&mut T) -> R + Send + 'static) -> Result<R, Trouble> {
        let mut inner = self.0.take().ok_or_else(|| Trouble("a server failed before".to_owned()))?;
        let called = tokio::task::spawn_blocking(move || {
            let result = call(&mut inner);
            (inner, result)
        });
        let (inner, result) = called.await.map_err(|error| Trouble(error.to_string()))?;
        self.0 = Some(inner);
        Ok(result)
    }

    fn get(&self) -> Result<&T, Trouble> {
        self.0.as_ref().ok_or_else(|| Trouble("a server failed before".to_owned()))
    }
}

/// How a stage is set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    /// How many nodes.
    pub(super) nodes: usize,
    /// How many shards each of them has.
    pub(super) shards: usize,
    pub(super) drain_window: Duration,
    /// Whether nodes reach the bus by lines that can be cut.
    pub(super) has_lines: bool,
}

#[derive(Debug)]
pub(super) struct Stage {
    // In the order in which they end.
    nodes: Vec<Apart<Server>>,
    lines: Vec<Proxy>,
    nats: Apart<Nats>,
    postgres: Apart<Postgres>,
    http: Vec<Http>,
}

impl Stage {
    /// Starts all of it. Data is synced to the disk, as it would be anywhere.
    pub(super) async fn start(binary: &Path, setting: Setting) -> Result<Self, Trouble> {
        let Setting { shards, drain_window, .. } = setting;
        // What a crash leaves is synced as a whole: file by file it takes seconds before the recovery begins.
        let options = PostgresOptions::new().setting("recovery_init_sync_method=syncfs");
        let mut postgres = Apart::new(|| options.start()).await?;
        let nats = Apart::new(Nats::start).await?;
        let database = postgres.with(|postgres| postgres.database()).await?;
        let (mut nodes, mut lines, mut http) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..setting.nodes {
            let mut bus = nats.get()?.address();
            if setting.has_lines {
                let line = line_to(&bus).await?;
                bus = line.address();
                lines.push(line);
            }
            let config = format!(
                "database_url = {database:?}\nnats_url = \"nats://{bus}\"\nshards = {shards}\ndrain_window = \"{}ms\"\nlog_level = \"warn\"",
                drain_window.as_millis(),
            );
            let options = ServerOptions::new(binary).config(&config);
            let node = Apart::new(move || options.start()).await?;
            http.push(node.get()?.http());
            nodes.push(node);
        }
        let stage = Self { nodes, lines, nats, postgres, http };
        stage.is_well().await?;
        Ok(stage)
    }

    pub(super) fn count(&self) -> usize {
        self.nodes.len()
    }

    /// The WebSocket endpoints of the nodes.
    pub(super) fn urls(&self) -> Result<Vec<String>, Trouble> {
        self.nodes.iter().map(|node| Ok(node.get()?.ready().ws_url.clone())).collect()
    }

    /// The addresses, the processes of nodes and database, as `cossistant bench` takes them.
    pub(super) fn to_be_measured(&self, websites: &[String]) -> Result<Value, Trouble> {
        let nodes = self.nodes.iter().map(Apart::get).collect::<Result<Vec<_>, _>>()?;
        let urls: Vec<_> = nodes.iter().map(|node| node.ready().url.as_str()).collect();
        let pids: Vec<_> = nodes.iter().filter_map(|node| node.pid()).collect();
        let database_pid = self.postgres.get()?.pid();
        Ok(json!({"urls": urls, "pids": pids, "databasePid": database_pid, "websites": websites}))
    }

    pub(super) fn http(&self, node: usize) -> &Http {
        &self.http[node]
    }

    /// Waits until every node takes requests and hears the others.
    pub(super) async fn is_well(&self) -> Result<(), Trouble> {
        for node in 0..self.count() {
            self.is_node_well(node).await?;
        }
        Ok(())
    }

    /// Waits until one node does.
    pub(super) async fn is_node_well(&self, node: usize) -> Result<(), Trouble> {
        self.is_ready(node, |answer| answer["degraded"].as_array().is_none_or(Vec::is_empty)).await
    }

    async fn is_ready(&self, node: usize, fits: impl Fn(&Value) -> bool) -> Result<(), Trouble> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut last = String::new();
        while tokio::time::Instant::now() < deadline {
            match self.http[node].get("/readyz").try_send().await {
                Ok(answer) if answer.status == 200 && fits(&answer.json) => return Ok(()),
                Ok(answer) => last = answer.text,
                Err(error) => last = error,
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(Trouble(format!("node {node} is not ready within {PATIENCE:?}: {last}")))
    }

    /// Makes a website, in the demo organization or in another one; its id and organization.
    pub(super) async fn website(&self, is_foreign: bool) -> Result<(String, String), Trouble> {
        let admin_key = self.nodes[0].get()?.ready().admin_key.clone();
        let make = async |path: &str, body: Value| {
            let answer = self.http[0].post(path, body).bearer(&admin_key).try_send().await.map_err(Trouble)?;
            let id = answer.json["id"].as_str().map(str::to_owned);
            id.ok_or_else(|| Trouble(format!("{path} answered {}: {}", answer.status, answer.text)))
        };
        let organization = if is_foreign {
            make("/v1/organizations", json!({"name": "Another"})).await?
        } else {
            tokens::DEV_ORGANIZATION.to_owned()
        };
        let body = json!({"organizationId": organization, "name": "Shop", "allowedDomains": ["localhost"]});
        let site = make("/v1/websites", body).await?;
        Ok((site, organization))
    }

    /// Waits until every node knows a website.
    pub(super) async fn is_known(&self, site: &str, organization: &str) -> Result<(), Trouble> {
        let admin_key = &self.nodes[0].get()?.ready().admin_key;
        let path = format!("/v1/websites/{site}?organizationId={organization}");
        let deadline = tokio::time::Instant::now() + PATIENCE;
        for http in &self.http {
            while !http.get(&path).bearer(admin_key).try_send().await.is_ok_and(|answer| answer.status == 200) {
                if tokio::time::Instant::now() > deadline {
                    return Err(Trouble(format!("a node does not know the website {site}")));
                }
                tokio::time::sleep(LOOK).await;
            }
        }
        Ok(())
    }

    /// `kill -9` of a node.
    pub(super) async fn kill_node(&mut self, node: usize) -> Result<(), Trouble> {
        self.nodes[node].with(Server::kill_9).await
    }

    /// Starts a node after its end, and waits until it takes connections.
    pub(super) async fn start_node(&mut self, node: usize) -> Result<(), Trouble> {
        self.nodes[node].with(Server::start_again).await?;
        self.is_ready(node, |_| true).await
    }

    /// SIGTERM to a node.
    pub(super) async fn ask_node_to_end(&mut self, node: usize) -> Result<(), Trouble> {
        self.nodes[node].with(|node| node.signal_term()).await
    }

    /// Waits for the end of a node that was asked to: it must be an orderly one.
    pub(super) async fn node_ends(&mut self, node: usize, patience: Duration) -> Result<(), Trouble> {
        let code = self.nodes[node].with(move |node| node.wait_exit(patience)).await?;
        let said = self.nodes[node].get()?.output();
        (code == Some(0)).then_some(()).ok_or_else(|| Trouble(format!("node {node} ended with {code:?}: {said}")))
    }

    /// `kill -9` of NATS.
    pub(super) async fn kill_nats(&mut self) -> Result<(), Trouble> {
        self.nats.with(Nats::kill_9).await
    }

    pub(super) async fn start_nats(&mut self) -> Result<(), Trouble> {
        self.nats.with(Nats::start_again).await
    }

    /// `kill -9` of PostgreSQL.
    pub(super) async fn kill_database(&mut self) -> Result<(), Trouble> {
        self.postgres.with(Postgres::kill_9).await
    }

    pub(super) async fn start_database(&mut self) -> Result<(), Trouble> {
        self.postgres.with(Postgres::start_again).await
    }

    /// Cuts a node off from the bus: in silence, or by refusing it.
    pub(super) async fn cut(&mut self, node: usize, is_silent: bool) {
        if is_silent {
            self.lines[node].set(Mode::BlackHole).await;
        } else {
            self.lines[node].set(Mode::Reset).await;
        }
    }

    pub(super) async fn heal(&mut self, node: usize) {
        self.lines[node].set(Mode::Pass).await;
    }

    /// What the nodes said last, for a failure.
    pub(super) fn words(&self) -> String {
        let of = |(at, node): (usize, &Apart<Server>)| {
            let said = node.get().map_or_else(|error| error.to_string(), Server::output);
            let is_told = |line: &&str| line.contains("WARN") || line.contains("ERROR") || line.contains("panicked");
            let lines: Vec<&str> = said.lines().filter(is_told).rev().take(15).collect();
            format!("--- node {at} said (end of it):\n{}", lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
        };
        self.nodes.iter().enumerate().map(of).collect::<Vec<_>>().join("\n")
    }
}

/// A line to the bus, on a thread of its own, so that it is not slow when the clients have much to do.
async fn line_to(address: &str) -> Result<Proxy, Trouble> {
    let (give, given) = tokio::sync::oneshot::channel();
    let address = address.to_owned();
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async move {
            if give.send(Proxy::start(&address).await).is_ok() {
                std::future::pending::<()>().await;
            }
        });
    };
    let thread = std::thread::Builder::new().name("line".to_owned()).spawn(run);
    thread.map_err(|error| Trouble(error.to_string()))?;
    given.await.map_err(|error| Trouble(error.to_string()))
}
