//! The front door of the repository: one command for everything that is done here.

mod apps;
mod bench;
mod build;
mod check;
mod cluster;
mod conformance;
mod debian;
mod deny;
mod e2e;
mod fuzz;
mod generate;
mod inputs;
mod layer;
mod run;
mod sim;
mod step;
mod test;
mod wasm;
mod web;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The front door of the repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What the server costs, beside what the machine alone costs.
    Bench(bench::Args),
    /// Everything that needs no running: format, lints, documentation, licences, stale files, TypeScript.
    Check(check::Args),
    /// Three nodes under load, whose parts are killed and cut off, and what they cost.
    Cluster(cluster::Args),
    /// The cases of Autobahn, against a node that echoes.
    Conformance,
    /// The client and the web apps in Chromium, against the real server, over networks that fail.
    E2e(e2e::Args),
    /// Random inputs for everything that takes bytes from outside, led by the code that they reach.
    Fuzz(fuzz::Args),
    /// Write the files that are generated from the Rust types.
    Gen(generate::Args),
    /// Build everything and start the server with a demo organization, the inbox and a demo shop.
    Run(run::Args),
    /// Random histories of clients and server on a virtual clock.
    Sim(sim::Args),
    /// All checks and all tests.
    Test(test::Args),
    /// Build the engine for browsers, as WebAssembly and as plain JavaScript.
    Wasm(wasm::Args),
    /// Build the web apps, and the npm packages as they are published.
    Web(web::Args),
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Bench(args) => bench::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Cluster(args) => cluster::run(&args),
        Command::Conformance => conformance::run(),
        Command::E2e(args) => e2e::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Gen(args) => generate::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Sim(args) => sim::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Wasm(args) => wasm::run(&args),
        Command::Web(args) => web::run(&args),
    }
}
