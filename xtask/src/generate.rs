//! `cargo xtask gen`: writes `packages/protocol` from the Rust types.

mod documents;
mod fixtures;
mod model;
mod mutate;
mod schemas;
mod types;
mod validate;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::step;
use model::Model;

/// What stands at the head of every generated TypeScript file.
const HEADER: &str = "// Generated from crates/protocol by `cargo xtask gen`. Do not edit.\n\n";

/// Options of `cargo xtask gen`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write nothing; fail if a file is not as it would be written.
    #[arg(long)]
    check: bool,
    /// Write only this file: messages changed at random, each with the verdict of Rust.
    #[arg(long, value_name = "FILE")]
    differential: Option<PathBuf>,
    /// How many messages to change.
    #[arg(long, default_value_t = 5_000)]
    count: u64,
    /// What to begin the random numbers with.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Writes or checks the generated files.
pub(crate) fn run(args: &Args) -> Result<()> {
    match &args.differential {
        Some(file) => differential(file, args.seed, args.count),
        None if args.check => check(),
        None => write(),
    }
}

/// Writes messages changed at random, each with the verdict of Rust.
pub(crate) fn differential(file: &Path, seed: u64, count: u64) -> Result<()> {
    std::fs::write(file, mutate::write(seed, count)).with_context(|| format!("writing {}", file.display()))
}

/// Fails, with their names, if files are not as they would be written.
pub(crate) fn check() -> Result<()> {
    let is_stale = |(path, text): &(PathBuf, String)| std::fs::read_to_string(path).ok().as_ref() != Some(text);
    let stale: Vec<String> =
        files()?.into_iter().filter(is_stale).map(|(path, _)| format!("\n  {}", path.display())).collect();
    if stale.is_empty() {
        return Ok(());
    }
    bail!("stale, run `cargo xtask gen`:{}", stale.concat())
}

fn write() -> Result<()> {
    for (path, text) in files()? {
        let folder = path.parent().context("a file has a folder")?;
        std::fs::create_dir_all(folder)?;
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Every generated file with its text.
fn files() -> Result<Vec<(PathBuf, String)>> {
    let model = Model::new()?;
    let folder = step::root().join("packages/protocol");
    let files = [
        ("src/types.ts", types::write(&model)),
        ("src/schemas.ts", schemas::write(&model)),
        ("src/validate.ts", validate::write(&model)),
        ("schema/protocol.json", pretty(&documents::json_schema(&model))?),
        ("asyncapi.json", pretty(&documents::asyncapi(&model))?),
        ("openapi.json", pretty(&cossistant_protocol::http::openapi())?),
        ("fixtures/client.json", fixtures::write(&model, fixtures::Side::Client)?),
        ("fixtures/server.json", fixtures::write(&model, fixtures::Side::Server)?),
    ];
    Ok(files.into_iter().map(|(name, text)| (folder.join(name), text)).collect())
}

fn pretty(value: &serde_json::Value) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// A pattern as JavaScript's literal.
fn regexp(pattern: &str) -> String {
    format!("/{}/", pattern.replace('/', "\\/"))
}
