//! `cossistant serve`: runs the server until it is told to stop.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use anyhow::{Context as _, anyhow};
use clap::Args;
use cossistant_server::config::{Config, DEMO_ORGANIZATION, DEMO_PUBLIC_KEY, DEMO_SECRET_KEY, DEMO_WEBSITE, LogFormat};
use cossistant_server::node::Node;
use tokio::signal::unix::{SignalKind, signal};

use crate::Failure;
use crate::apps::APPS;
use crate::sources::Sources;

/// Runs the server. Every key of the configuration is a flag.
///
/// Flags win over the environment (COSSISTANT_ and the key in capitals), and that over the file.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cossistant serve --dev")]
pub(crate) struct Serve {
    #[command(flatten)]
    sources: Sources,
}

impl Serve {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let (config, warnings) = self.sources.load().map_err(|error| Failure::Usage(error.into()))?;
        start_log(&config);
        abort_on_panic();
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        raise_open_files();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("the runtime")?;
        let ended = runtime.block_on(serve(config));
        // After a second signal nothing is waited for.
        runtime.shutdown_background();
        ended
    }
}

/// Every connection is an open file, and the limit that a shell gives is small: takes all that is allowed.
fn raise_open_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most).map(|()| most));
    match raised {
        Ok(most) => tracing::debug!(most, "open files"),
        Err(error) => tracing::warn!(%error, "the limit of open files could not be raised"),
    }
}

/// A fault that was not foreseen may leave a thread's view of its connections half changed. Everything that was
/// acknowledged is stored, so the process ends at once, and clients resume with the next one.
fn abort_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = std::backtrace::Backtrace::capture();
        tracing::error!(%panic, %backtrace, "a fault of the server; it ends");
        std::process::abort();
    }));
}

fn start_log(config: &Config) {
    let filter = tracing_subscriber::EnvFilter::new(format!(
        "{},hyper=warn,tokio_postgres=info,async_nats=warn",
        config.log_level.as_str()
    ));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.log_format {
        LogFormat::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => builder.json().init(),
    }
}

async fn serve(config: Config) -> Result<(), Failure> {
    // Signals are caught before the server says that it listens.
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT")?;
    let node = Node::start(&config, APPS)
        .await
        .map_err(|error| if error.is_usage() { Failure::Usage(error.into()) } else { Failure::Failed(error.into()) })?;
    let url = format!("{}://{}", if node.speaks_tls() { "https" } else { "http" }, node.address());
    tracing::info!(%url, "listening");
    if let Some(address) = node.ops_address() {
        tracing::info!(url = %format!("http://{address}"), "health and metrics");
    }
    if let Some(file) = node.admin_key_file() {
        tracing::info!(path = %file.path.display(), was_made = file.created, "the admin key");
    }
    if let Some(path) = &config.ready_file {
        write_ready_file(path, &config, &node, &url)?;
    }
    if config.dev {
        print_next_steps(&config, &url);
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        never = reload_at_hangup(&node) => never?,
        () = node.cannot_go_on() => {
            node.stop().await;
            return Err(Failure::Failed(anyhow!(
                "the database is another one than this server was started on; start it anew"
            )));
        }
    }
    tracing::info!(window = ?config.drain_window, "draining; a second signal ends at once");
    tokio::select! {
        () = node.stop() => {}
        _ = terminate.recv() => return Err(Failure::Failed(anyhow!("ended by a second signal"))),
        _ = interrupt.recv() => return Err(Failure::Failed(anyhow!("ended by a second signal"))),
    }
    tracing::info!("stopped");
    Ok(())
}

/// Has certificate and secrets read anew at each SIGHUP. At a terminal, without TLS, the signal keeps its meaning: the
/// terminal is gone.
async fn reload_at_hangup(node: &Node) -> Result<(), Failure> {
    let is_at_terminal = io::stdin().is_terminal() || io::stderr().is_terminal();
    if is_at_terminal && !node.speaks_tls() {
        std::future::pending::<()>().await;
    }
    let mut hangup = signal(SignalKind::hangup()).context("SIGHUP")?;
    while hangup.recv().await.is_some() {
        node.reload();
    }
    std::future::pending().await
}

/// Writes the file in one step, so that whoever waits for it never reads half of it.
fn write_ready_file(path: &Path, config: &Config, node: &Node, url: &str) -> Result<(), Failure> {
    let ws_url = format!("{}/ws", url.replacen("http", "ws", 1));
    let demo = |value: &str| config.dev.then(|| value.to_owned());
    let ready = serde_json::json!({
        "url": url,
        "wsUrl": ws_url,
        "websiteId": demo(DEMO_WEBSITE),
        "organizationId": demo(DEMO_ORGANIZATION),
        "publicKey": demo(DEMO_PUBLIC_KEY),
        "secretKey": demo(DEMO_SECRET_KEY),
        "adminKey": node.admin_key().expose(),
    });
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let write = || -> std::io::Result<()> {
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt as _;
        // The file holds the admin key.
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(format!("{ready}\n").as_bytes())?;
        std::fs::rename(&new, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

/// Tells a new user what to do next, in words that can be copied.
#[expect(clippy::print_stdout, reason = "this is what the command says to the person who ran it")]
fn print_next_steps(config: &Config, url: &str) {
    let program = std::env::current_exe().map_or_else(|_| "cossistant".to_owned(), |path| path.display().to_string());
    let chat = |kind: &str, sub: &str| {
        format!(
            "{program} chat --url {url} --conversation demo-1 \\\n      --token \"$({program} token --dev --type {kind} --sub {sub} --website {DEMO_WEBSITE})\""
        )
    };
    println!("\nCossistant listens on {url} (data in {})", config.data.display());
    if !config.no_apps {
        println!("  inbox     {url}/       where the team answers");
        println!("  demo      {url}/demo   a shop with the widget, where visitors write");
    }
    println!("  API       {url}/openapi.json");
    println!("  health    {url}/readyz");
    println!("\nTalk, in two more terminals:\n\n  as a visitor:\n    {}\n", chat("visitor", "ada"));
    println!("  as a team member, once the visitor is there:\n    {}\n", chat("user", "grace"));
    println!("Ctrl-C stops the server.");
}
