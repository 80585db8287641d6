//! `cargo xtask e2e`: the client and the web apps in Chromium, against the real server, over networks that fail.

use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use crate::layer::Rounds;
use crate::step::{command, run as run_command};
use crate::{apps, build, debian, web};

/// Where Debian puts the browser; `CHROMIUM` names another one.
const CHROMIUM: &str = "/usr/bin/chromium";
/// The tests of the client, and those of the web apps.
const CLIENT: &str = "e2e/vitest.config.ts";
const APPS: &str = "e2e/apps/vitest.config.ts";
/// How many histories a short run plays, and a long one.
const SHORT_HISTORIES: u32 = 20;
const LONG_HISTORIES: u32 = 100;

/// Options of `cargo xtask e2e`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only tests whose file or name has this in it.
    #[arg(value_name = "FILTER")]
    filter: Option<String>,
    /// Play random histories instead: this many.
    #[arg(long, value_name = "N")]
    histories: Option<u32>,
    /// The seed of the first history; each further one has the next.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Take the pictures of the documents instead, into docs/images.
    #[arg(long)]
    pictures: bool,
    /// Install the packed packages into fresh projects instead, build these and run them.
    #[arg(long)]
    packages: bool,
}

/// Runs the browser tests, or what else was asked for.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.packages {
        return packages(Rounds::Long);
    }
    if args.histories.is_some() || args.seed.is_some() {
        let seed = args.seed.map_or_else(|| "1".to_owned(), |seed| seed.to_string());
        return play(&[("COSSISTANT_HISTORIES", args.histories.unwrap_or(1).to_string()), ("COSSISTANT_SEED", seed)]);
    }
    prepare()?;
    if args.pictures {
        return run_command(&mut vitest("e2e/apps/pictures.config.ts"));
    }
    for config in [CLIENT, APPS] {
        // A filter may be meant for the tests of one of them.
        run_command(vitest(config).arg("--passWithNoTests").args(&args.filter))?;
    }
    Ok(())
}

/// Every browser test of the client that is not random.
pub(crate) fn client() -> Result<()> {
    prepare()?;
    run_command(&mut vitest(CLIENT))
}

/// Every browser test of the web apps: all files at once, so that none waits for the longest of another app.
pub(crate) fn web_apps() -> Result<()> {
    prepare()?;
    run_command(&mut vitest(APPS))
}

/// Runs the tests of a configuration, with the apps as they have just been built.
fn vitest(config: &str) -> Command {
    let mut vitest = command("npx --no-install vitest run --config");
    vitest.arg(config).env("COSSISTANT_APPS_BUILT", "1");
    vitest
}

/// Random histories: the same few in short runs; in long ones as many as a release asks for, from a seed of the moment.
pub(crate) fn histories(rounds: Rounds) -> Result<()> {
    let (count, seed) = match rounds {
        Rounds::Short => (SHORT_HISTORIES, 1),
        Rounds::Long => (LONG_HISTORIES, SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs()),
    };
    play(&[("COSSISTANT_HISTORIES", count.to_string()), ("COSSISTANT_SEED", seed.to_string())])
}

fn play(variables: &[(&str, String)]) -> Result<()> {
    prepare()?;
    run_command(vitest("e2e/histories/vitest.config.ts").envs(variables.iter().map(|(name, value)| (*name, value))))
}

/// Fresh projects with the packed packages: a few of them, or all.
pub(crate) fn packages(rounds: Rounds) -> Result<()> {
    prepare()?;
    web::build()?;
    let all = if rounds == Rounds::Long { "1" } else { "" };
    run_command(vitest("e2e/packages/vitest.config.ts").env("COSSISTANT_ALL_CONSUMERS", all))
}

/// What every browser test needs: the server with the apps inside, the example agent, the engine, and a browser.
fn prepare() -> Result<()> {
    apps::build()?;
    build::as_tested("--bin cossistant --bin faq-agent")?;
    let chromium = std::env::var("CHROMIUM").unwrap_or_else(|_| CHROMIUM.to_owned());
    if Path::new(&chromium).exists() {
        return Ok(());
    }
    debian::install("chromium", "install Chromium, and say where it is: CHROMIUM=/path/to/chromium")
        .context("the browser tests need Chromium")
}
