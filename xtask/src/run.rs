//! `cargo xtask run`: builds everything and starts the server with the demo organization.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::apps;
use crate::step::{root, say, sh, target_directory};

/// The FAQ that the example agent answers from.
const FAQ: &str = "examples/faq-agent/faq.md";
/// How often it is looked whether the server listens.
const LOOK: Duration = Duration::from_millis(50);

/// Options of `cargo xtask run`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build as for production: slower to build, faster to run.
    #[arg(long)]
    release: bool,
    /// Start the example AI agent too: it answers visitors from a file of questions and answers.
    #[arg(long)]
    demo: bool,
    /// Further options of `cossistant serve`, behind `--`.
    #[arg(last = true)]
    options: Vec<String>,
}

/// Builds, starts, and stays until the server is stopped with Ctrl-C.
pub(crate) fn run(args: &Args) -> Result<()> {
    apps::build()?;
    let profile = if args.release { " --release" } else { "" };
    let agent = if args.demo { " --package faq-agent" } else { "" };
    sh(&format!("cargo build --locked --package cossistant{agent}{profile}"))?;
    let built = target_directory()?.join(if args.release { "release" } else { "debug" });
    // Ctrl-C reaches them all.
    let mut server = serve(args, &built)?;
    let agent = if args.demo { await_and_answer(&mut server, &built)? } else { None };
    let ended = server.process.wait().context("the server");
    if let Some(mut agent) = agent {
        // It may have ended by itself.
        agent.kill().unwrap_or_default();
        agent.wait()?;
    }
    let status = ended?;
    ensure!(status.success(), "the server {status}");
    Ok(())
}

struct Server {
    process: Child,
    ready_file: PathBuf,
}

fn serve(args: &Args, built: &Path) -> Result<Server> {
    let mut serve = Command::new(built.join("cossistant"));
    serve.current_dir(root()).args(["serve", "--dev"]);
    let given = |name: &str| args.options.iter().any(|option| option.split('=').next() == Some(name));
    // Here, not in the folder from which the command was called.
    if !given("--data") {
        serve.args(["--data", "target/dev-data"]);
    }
    // Whoever tries things out starts and stops often.
    if !given("--drain-window") {
        serve.args(["--drain-window", "1s"]);
    }
    let ready_file = root().join("target/dev-ready.json");
    if ready_file.exists() {
        std::fs::remove_file(&ready_file)?;
    }
    ensure!(!args.demo || !given("--ready-file"), "with --demo the ready file is target/dev-ready.json");
    if !given("--ready-file") {
        serve.arg("--ready-file").arg(&ready_file);
    }
    let process = serve.args(&args.options).spawn().context("the server")?;
    Ok(Server { process, ready_file })
}

/// Starts the example agent once the server listens; none if it does not come to that.
fn await_and_answer(server: &mut Server, built: &Path) -> Result<Option<Child>> {
    let ready = loop {
        if let Ok(text) = std::fs::read_to_string(&server.ready_file) {
            break serde_json::from_str::<Value>(&text)?;
        }
        if server.process.try_wait()?.is_some() {
            return Ok(None);
        }
        std::thread::sleep(LOOK);
    };
    let said = |name: &str| ready[name].as_str().unwrap_or_default().to_owned();
    let mut agent = Command::new(built.join("faq-agent"));
    agent.current_dir(root()).args(["--faq", FAQ, "--url", &said("url"), "--website", &said("websiteId")]);
    let agent = agent.env("FAQ_AGENT_KEY", said("secretKey")).spawn().context("the example agent")?;
    say(&format!("The example agent answers from {FAQ}: ask it about delivery, or to talk to a person.\n"));
    Ok(Some(agent))
}
