//! `cossistant bench`: puts load on a server and says what it costs.

mod bystanders;
mod chat;
mod connection;
mod disk;
mod fanout;
mod figures;
mod fleet;
mod floor;
mod idle;
mod pace;
mod peer;
mod process;
mod resume;
mod typing;
mod wire;

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use cossistant_server::config::{DEMO_JWT_SECRET, DEMO_WEBSITE};
use figures::{Measured, Report};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use peer::{Peer, Speech};
use process::Process;
use wire::{Shape, Signer};

use crate::{Failure, output};

/// Puts load on a server and says what it costs.
///
/// The server runs with --dev, or with the given secret for the same organization and website. CPU and memory are
/// those of the process named by --pid, which must run on this machine. The options here may stand before the scenario
/// or behind it; those that may be given several times stand all on one side.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cossistant bench --url http://127.0.0.1:8787 --pid $(pgrep -x cossistant) chat")]
pub(crate) struct Bench {
    /// The address of the server, as its ready file gives it; several times for several nodes, over which connections
    /// are spread.
    #[arg(long, global = true, default_value = "http://127.0.0.1:8787")]
    url: Vec<String>,
    /// The server's process, or those of all nodes; without it neither CPU nor memory is told.
    #[arg(long, global = true)]
    pid: Vec<u32>,
    /// The process of the database, the first of all that it has; its CPU is told apart.
    #[arg(long, global = true, value_name = "PID")]
    database_pid: Option<u32>,
    /// A website of the organization; several times for several, over which pairs are spread.
    #[arg(long, global = true, value_name = "ID", default_value = DEMO_WEBSITE)]
    website: Vec<String>,
    /// The address of a floor-server, which then does the same work for comparison.
    #[arg(long, global = true, value_name = "URL")]
    floor: Option<String>,
    /// The process of the floor-server.
    #[arg(long, global = true, value_name = "PID")]
    floor_pid: Option<u32>,
    /// The secret that signs the tokens.
    #[arg(long, global = true, default_value = DEMO_JWT_SECRET, hide_default_value = true)]
    jwt_secret: String,
    /// The names of visitors and conversations contain it; a new one for each run, unless given.
    #[arg(long, global = true)]
    run: Option<String>,
    /// One JSON line for each figure.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Debug, Clone, Subcommand)]
enum Scenario {
    /// Memory and CPU of connections that do nothing.
    Idle(idle::Idle),
    /// One conversation with a thousand readers.
    Fanout(fanout::Fanout),
    /// Text as it is typed.
    Typing(typing::Typing),
    /// Durable messages: rates, CPU and latencies.
    Chat(chat::Chat),
    /// Everybody is cut off at once and comes back.
    Resume(resume::Resume),
    /// What the disk takes to keep a small write; needs no server.
    Disk(disk::Disk),
    /// The peer to compare with: sockets and writes, nothing else.
    FloorServer(floor::FloorServer),
}

impl Bench {
    pub(crate) fn run(self) -> Result<(), Failure> {
        raise_file_limit();
        let report = match &self.scenario {
            Scenario::FloorServer(floor) => return Ok(floor.run()?),
            Scenario::Disk(disk) => {
                let mut report = Report::new("disk");
                disk.run(&mut report)?;
                report
            }
            Scenario::Idle(idle) => self.measure("idle", |peer, _, report| {
                idle.run(peer, report)?;
                Ok(Some(Shape::default()))
            })?,
            Scenario::Fanout(fanout) => {
                self.measure("fanout", |peer, shape, report| fanout.run(peer, shape, report).map(Some))?
            }
            Scenario::Typing(typing) => {
                self.measure("typing", |peer, shape, report| typing.run(peer, shape, report).map(Some))?
            }
            Scenario::Chat(chat) => {
                self.measure("chat", |peer, shape, report| chat.run(peer, shape, report).map(Some))?
            }
            Scenario::Resume(resume) => self.measure("resume", |peer, _, report| {
                resume.run(peer, report)?;
                // The floor has nothing to resume.
                Ok(None)
            })?,
        };
        output::print(&report.render(self.json))
    }

    /// Runs a scenario on the server and then, with messages of the sizes seen there, on the floor.
    fn measure(
        &self,
        name: &'static str,
        scenario: impl Fn(&Peer, Shape, &mut Report) -> anyhow::Result<Option<Shape>>,
    ) -> Result<Report, Failure> {
        let mut report = Report::new(name);
        let run = match &self.run {
            Some(run) => run.clone(),
            None => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
                now.as_millis().to_string()
            }
        };
        let addresses = self.url.iter().map(|url| address(url)).collect::<anyhow::Result<_>>();
        let websites = self.website.clone();
        let server = Peer {
            addresses: addresses.map_err(Failure::Usage)?,
            process: Process(self.pid.clone()),
            database: Process(self.database_pid.into_iter().collect()),
            websites: websites.clone(),
            speech: Speech::Server(Signer::new(&self.jwt_secret)?),
            run: run.clone(),
        };
        let shape = scenario(&server, Shape::default(), &mut report)?;
        if let (Some(url), Some(shape)) = (&self.floor, shape) {
            let addresses = vec![address(url).map_err(Failure::Usage)?];
            let process = Process(self.floor_pid.into_iter().collect());
            let (database, speech) = (Process::default(), Speech::Floor);
            let floor = Peer { addresses, process, database, websites, speech, run };
            report.of(Measured::Floor);
            scenario(&floor, shape, &mut report).context("on the floor")?;
        }
        Ok(report)
    }
}

/// The socket address of an address like `http://127.0.0.1:8787`.
fn address(url: &str) -> anyhow::Result<SocketAddr> {
    let plain = url.strip_prefix("http://").or_else(|| url.strip_prefix("ws://"));
    let host = plain.and_then(|rest| rest.split('/').next()).with_context(|| format!("{url} is no http address"))?;
    let mut addresses = host.to_socket_addrs().with_context(|| format!("{url} has no host and port"))?;
    addresses.next().ok_or_else(|| anyhow!("{url} leads nowhere"))
}

/// Every connection needs a file. As many as the system allows are taken; that it allows too few shows soon.
fn raise_file_limit() {
    let _as_before =
        getrlimit(Resource::RLIMIT_NOFILE).and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most));
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        bench: Bench,
    }

    #[test]
    fn shared_options_stand_before_the_scenario_or_behind_it() {
        let urls = "--url http://127.0.0.1:1 --url http://127.0.0.1:2";
        for words in [
            format!("--json {urls} --pid 7 --website a --website b fanout --rate 1"),
            format!("fanout --rate 1 --json {urls} --pid 7 --website a --website b"),
            format!("--json --website a --website b fanout {urls} --rate 1 --pid 7"),
        ] {
            let line = Line::try_parse_from(format!("bench {words}").split(' '));
            let Bench { url, pid, website, json, run, scenario, .. } = line.expect("it is read").bench;
            assert_eq!((url.len(), pid, website, json, run), (2, vec![7], vec!["a".into(), "b".into()], true, None));
            assert!(matches!(scenario, Scenario::Fanout(_)), "{words}");
        }
        let bench = Line::try_parse_from(["bench", "disk"]).expect("it is read").bench;
        assert_eq!((bench.url.len(), bench.website.len(), bench.json), (1, 1, false));
    }

    #[test]
    fn addresses_are_those_of_the_ready_file() {
        assert_eq!(address("http://127.0.0.1:8787").unwrap().port(), 8787);
        assert_eq!(address("ws://127.0.0.1:1/ws").unwrap().port(), 1);
        assert!(address("127.0.0.1:8787").is_err());
    }
}
