//! Many connections that do nothing: what each costs to have and to bring in.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::figures::Report;
use super::peer::{Peer, Role};
use super::process::each_us;
use super::wire::Shape;

/// Connections that come and go first, so that what the process allocates once is not counted.
const WARM_UP: usize = 200;

/// Visitors, each with its own token and conversation.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example:\n  cossistant bench idle --connections 5000 --pid $(pgrep -x cossistant)")]
pub(super) struct Idle {
    /// How many connections.
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// Where the numbering of the visitors begins; with --run the same ones come back.
    #[arg(long, default_value_t = 0)]
    first: usize,
}

impl Idle {
    pub(super) fn run(&self, peer: &Peer, report: &mut Report) -> Result<()> {
        let shape = Shape::default();
        let process = &peer.process;
        let mut fleet = peer.fleet()?;
        let warm_up = self.first + self.connections;
        let greetings = (warm_up..warm_up + WARM_UP).map(|at| peer.greeting(Role::Visitor, at, at, shape));
        let first = fleet.open(greetings.collect::<Result<_>>()?)?;
        peer.subscribe(&mut fleet, (0..WARM_UP).map(|at| (first + at, peer.conversation(warm_up + at))))?;
        for on in first..first + WARM_UP {
            fleet.leave(on)?;
        }
        process.settle(&mut fleet)?;

        // The tokens are signed before the clock starts.
        let visitors = self.first..self.first + self.connections;
        let greetings: Vec<_> =
            visitors.map(|at| peer.greeting(Role::Visitor, at, at, shape)).collect::<Result<_>>()?;
        let (rss_0, cpu_0) = (process.rss()?, process.cpu()?);
        let start = Instant::now();
        let first = fleet.open(greetings)?;
        let took = start.elapsed();
        process.settle(&mut fleet)?;
        let (rss_1, cpu_1) = (process.rss()?, process.cpu()?);
        let own = (0..self.connections).map(|at| (first + at, peer.conversation(self.first + at)));
        peer.subscribe(&mut fleet, own)?;
        process.settle(&mut fleet)?;
        let (rss_2, cpu_2) = (process.rss()?, process.cpu()?);

        let each_bytes = |to: Option<u64>| Some(to?.saturating_sub(rss_0?) as f64 / self.connections as f64);
        report.add("connections", self.connections as f64);
        report.add("accepted_per_s", self.connections as f64 / took.max(Duration::from_millis(1)).as_secs_f64());
        report.add("accept_cpu_us_per_connection", each_us(cpu_0, cpu_1, self.connections));
        report.add("authenticated_rss_bytes_per_connection", each_bytes(rss_1));
        if !peer.is_floor() {
            report.add("subscribe_cpu_us_per_connection", each_us(cpu_1, cpu_2, self.connections));
            report.add("subscribed_rss_bytes_per_connection", each_bytes(rss_2));
        }
        Ok(())
    }
}
