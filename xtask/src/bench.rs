//! `cargo xtask bench`: what the server costs, beside what the machine alone costs, several times over.
//!
//! The server has one core and the load generator the other. Every scenario begins with a fresh server on fresh
//! data, and is done again by a server that only reads and writes (the floor).

pub(crate) mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use self::table::Table;
use crate::step::{Running, command, run as run_command, say, step, succeeds, target_directory};

/// How long a server may take to listen.
const START: Duration = Duration::from_secs(20);

/// Options of `cargo xtask bench`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How often everything is measured; the medians are told.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Fewer connections and less time: to see that it works, and roughly how fast.
    #[arg(long)]
    quick: bool,
    /// Run only this scenario.
    #[arg(long, value_name = "SCENARIO")]
    only: Option<String>,
    /// Where the data of the servers is; what is measured depends on its disk.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Keep the figures of all rounds in this file, a JSON line each.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

/// One run of the generator.
struct Scenario {
    name: &'static str,
    full: &'static str,
    quick: &'static str,
    /// The server keeps the data of the scenario before.
    goes_on: bool,
}

const SCENARIOS: &[Scenario] = &[
    Scenario { name: "disk", full: "disk", quick: "disk --writes 50", goes_on: false },
    Scenario { name: "idle", full: "idle --connections 10000", quick: "idle --connections 1000", goes_on: false },
    // The same visitors once more: what connections cost without what new conversations cost.
    Scenario { name: "idle_known", full: "idle --connections 10000", quick: "idle --connections 1000", goes_on: true },
    Scenario {
        name: "fanout",
        full: "fanout",
        quick: "fanout --subscribers 200 --seconds 1 --backlog 200",
        goes_on: false,
    },
    Scenario { name: "typing", full: "typing", quick: "typing --seconds 1", goes_on: false },
    Scenario { name: "chat", full: "chat", quick: "chat --seconds 1", goes_on: false },
    Scenario { name: "resume", full: "resume --connections 10000", quick: "resume --connections 1000", goes_on: false },
];

/// Builds, measures and prints.
pub(crate) fn run(args: &Args) -> Result<()> {
    step("build", || {
        // What is measured has no part in the apps.
        run_command(command("cargo build --release --locked -p cossistant").env("COSSISTANT_APPS", "optional"))
    })?;
    let target = target_directory()?;
    let program = target.join("release/cossistant");
    let data = args.data.clone().unwrap_or_else(|| target.join("bench"));
    let is_pinned =
        std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1) && succeeds("taskset -c 1 true");
    if !is_pinned {
        say("one core, or no taskset: server and generator share what there is, and the figures are worth less");
    }
    let place = Place { program, data, is_pinned };
    let chosen: Vec<&Scenario> = SCENARIOS
        .iter()
        .filter(|scenario| args.only.as_deref().is_none_or(|only| scenario.name.starts_with(only)))
        .collect();
    ensure!(!chosen.is_empty(), "there is no such scenario");
    let mut table = Table::default();
    for round in 1..=args.rounds {
        for scenario in &chosen {
            step(&format!("round {round}: {}", scenario.name), || {
                let lines = place.measure(scenario, args.quick)?;
                lines.iter().try_for_each(|line| table.add(scenario.name, line))
            })?;
        }
    }
    table.print();
    if let Some(path) = &args.save {
        fs::write(path, table.lines()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Where programs and data are.
pub(crate) struct Place {
    pub(crate) program: PathBuf,
    pub(crate) data: PathBuf,
    /// Whether servers and generator have a core each.
    pub(crate) is_pinned: bool,
}

impl Place {
    /// Runs a scenario against a server and a floor of its own; the generator's lines.
    fn measure(&self, scenario: &Scenario, is_quick: bool) -> Result<Vec<Value>> {
        let store = self.data.join("store");
        if !scenario.goes_on && self.data.exists() {
            fs::remove_dir_all(&self.data).context("cannot remove the data of the last scenario")?;
        }
        fs::create_dir_all(&self.data).context("cannot make a folder for the data")?;
        let server = self.start("serve --dev --shards 1 --listen 127.0.0.1:0 --log-level warn --data", Some(&store))?;
        let floor = self.start("bench floor-server", None)?;
        let options = format!(
            "bench --json --run bench --url {} --pid {} --floor {} --floor-pid {}",
            server.url,
            server.child.id(),
            floor.url,
            floor.child.id()
        );
        let mut generator = self.pinned(1);
        generator.args(options.split(' ')).args((if is_quick { scenario.quick } else { scenario.full }).split(' '));
        if scenario.name == "disk" {
            generator.arg("--data").arg(&self.data);
        }
        let output = generator.stderr(Stdio::inherit()).output().context("cannot run the generator")?;
        ensure!(output.status.success(), "the generator {}", output.status);
        let lines = String::from_utf8(output.stdout).context("figures are text")?;
        lines.lines().map(|line| serde_json::from_str(line).context("a figure is a JSON line")).collect()
    }

    /// The program on a core of its own, with as many files as the system allows.
    pub(crate) fn pinned(&self, core: usize) -> Command {
        let mut command = command("sh -c");
        let pin = if self.is_pinned { format!("taskset -c {core} ") } else { String::new() };
        command.arg(format!("ulimit -n $(ulimit -Hn); exec {pin}\"$0\" \"$@\"")).arg(&self.program);
        command
    }

    /// Starts a server on the first core and waits until it listens.
    pub(crate) fn start(&self, line: &str, data: Option<&Path>) -> Result<Running> {
        let ready = self.data.join(if data.is_some() { "server.ready" } else { "floor.ready" });
        if ready.exists() {
            fs::remove_file(&ready).context("cannot remove an old ready file")?;
        }
        let mut command = self.pinned(0);
        command.args(line.split(' ')).args(data).arg("--ready-file").arg(&ready);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().context("cannot start a server")?;
        let mut running = Running { child, url: String::new() };
        let end = Instant::now() + START;
        while !ready.exists() {
            if let Some(status) = running.child.try_wait().context("a child that can be waited for")? {
                bail!("a server ended at its start: {status}");
            }
            ensure!(Instant::now() < end, "a server did not listen in time");
            std::thread::sleep(Duration::from_millis(10));
        }
        let text = fs::read_to_string(&ready).context("cannot read a ready file")?;
        let json: Value = serde_json::from_str(&text).context("a ready file is JSON")?;
        running.url = json["url"].as_str().context("a ready file names the url")?.to_owned();
        Ok(running)
    }
}
