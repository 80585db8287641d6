//! What nodes on one PostgreSQL cost, beside one server with the embedded store: the scenarios of `cossistant bench`.
//!
//! There are more of them than cores, so CPU is what counts. For chat they share all cores: what was done in a second says
//! how much all of it together can do on this machine. For readers all nodes have the first core, as one node has, and
//! everything else the second: what a delivery costs a node must not depend on what else warmed or cooled its caches.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::program;
use crate::bench::Place;
use crate::bench::table::Table;
use crate::step::{say, sh, step, succeeds, target_directory};

/// What is measured, and on what.
struct Figure {
    name: &'static str,
    /// None for the embedded store.
    nodes: Option<usize>,
    websites: usize,
    load: &'static str,
}

const FIGURES: &[Figure] = &[
    Figure { name: "embedded: chat", nodes: None, websites: 1, load: CHAT },
    Figure { name: "1 node: chat", nodes: Some(1), websites: 1, load: CHAT },
    Figure { name: "1 node: chat, 20 websites", nodes: Some(1), websites: 20, load: CHAT },
    Figure { name: "3 nodes: chat", nodes: Some(3), websites: 1, load: CHAT },
    Figure { name: "3 nodes: chat, 20 websites", nodes: Some(3), websites: 20, load: CHAT },
    Figure { name: ONE, nodes: Some(1), websites: 1, load: READ },
    Figure { name: TWO, nodes: Some(2), websites: 1, load: READ },
    Figure { name: TWO_FULL, nodes: Some(2), websites: 1, load: READ_FULL },
];
/// So slow that the generator has time to sleep: there is no core for it alone.
const CHAT: &str = "chat --rate 500";
/// So long that the clock by which CPU is counted is fine enough.
const READ: &str = "fanout --seconds 10 --backlog 10000";
const READ_FULL: &str = "fanout --seconds 10 --backlog 10000 --subscribers 2000";
const ONE: &str = "1 node: 1,000 readers";
const TWO: &str = "2 nodes: 500 readers each";
const TWO_FULL: &str = "2 nodes: 1,000 readers each";

/// Measures all of it, or those whose name has this in it, so many times, and prints the medians.
pub(super) fn run(rounds: usize, only: Option<&str>) -> Result<()> {
    let chosen: Vec<_> = FIGURES.iter().filter(|figure| only.is_none_or(|only| figure.name.contains(only))).collect();
    ensure!(!chosen.is_empty(), "there is no such figure");
    let mut table = Table::default();
    for round in 1..=rounds {
        for figure in &chosen {
            step(&format!("round {round}: {}", figure.name), || {
                let lines = figure.measure()?;
                lines.iter().try_for_each(|line| table.add(figure.name, line))
            })?;
        }
    }
    table.print();
    for part in ["paced", "backlog"] {
        let name = format!("{part}_cpu_us_per_delivery");
        for scenario in [TWO, TWO_FULL] {
            let Some((one, two)) = table.median(ONE, &name).zip(table.median(scenario, &name)) else { continue };
            let ratio = one / two;
            say(&format!("{scenario}, {part}: deliveries of a CPU second {ratio:.2} of those of one node"));
        }
    }
    Ok(())
}

impl Figure {
    fn measure(&self) -> Result<Vec<Value>> {
        let target = target_directory()?;
        let is_pinned = self.load != CHAT && succeeds("taskset -c 1 true");
        let place = Place { program: target.join("release/cossistant"), data: target.join("cluster"), is_pinned };
        let mut generator = place.pinned(1);
        generator.args(["bench", "--json"]);
        let (_embedded, _holding);
        if let Some(nodes) = self.nodes {
            let (holding, told) = Holding::start(nodes, self.websites, is_pinned)?;
            for url in told["urls"].as_array().into_iter().flatten() {
                generator.args(["--url", url.as_str().context("an address is text")?]);
            }
            for pid in told["pids"].as_array().into_iter().flatten() {
                generator.args(["--pid", &pid.to_string()]);
                if is_pinned {
                    sh(&format!("taskset -apc 0 {pid}"))?;
                }
            }
            for website in told["websites"].as_array().into_iter().flatten() {
                generator.args(["--website", website.as_str().context("an id is text")?]);
            }
            generator.args(["--database-pid", &told["databasePid"].to_string()]);
            _holding = holding;
        } else {
            if place.data.exists() {
                fs::remove_dir_all(&place.data).context("cannot remove the data of the last scenario")?;
            }
            fs::create_dir_all(&place.data).context("cannot make a folder for the data")?;
            let line = "serve --dev --shards 1 --listen 127.0.0.1:0 --log-level warn --data";
            let server = place.start(line, Some(&place.data.join("store")))?;
            generator.args(["--url", &server.url, "--pid", &server.child.id().to_string()]);
            _embedded = server;
        }
        generator.args(self.load.split(' ')).stderr(Stdio::inherit());
        let output = generator.output().context("cannot run the generator")?;
        ensure!(output.status.success(), "the generator {}", output.status);
        let lines = String::from_utf8(output.stdout).context("figures are text")?;
        lines.lines().map(|line| serde_json::from_str(line).context("a figure is a JSON line")).collect()
    }
}

/// Nodes with all that belongs to them. Dropping it ends them.
struct Holding(Child);

impl Holding {
    /// Starts them, on the second core if that is said; what they told of themselves.
    fn start(nodes: usize, websites: usize, is_pinned: bool) -> Result<(Self, Value)> {
        let mut command = program("release", &format!("--hold {nodes} --websites {websites}"), is_pinned.then_some(1))?;
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot start nodes")?;
        let mut holding = Self(child);
        let stdout = holding.0.stdout.take().context("its output is a pipe")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).context("nodes say where they are")?;
        let told = serde_json::from_str(&line).context("nodes did not come up")?;
        Ok((holding, told))
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It ends by itself now.
        let _ended = self.0.wait();
    }
}
