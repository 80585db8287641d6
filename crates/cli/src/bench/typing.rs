//! Visitors type, and the team members who answer them watch.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::figures::{Latencies, Report};
use super::pace::Pace;
use super::peer::Peer;
use super::process::each_us;
use super::wire::{self, Kind, Shape};

/// How long the last deliveries may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Text as it is typed, from the visitor of each pair to its user.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example:\n  cossistant bench typing --pairs 50 --rate 1000 --seconds 10")]
pub(super) struct Typing {
    /// How many pairs, taken in turn.
    #[arg(long, default_value_t = 100)]
    pairs: usize,
    /// Messages a second, of all pairs together.
    #[arg(long, default_value_t = 2_000.0)]
    rate: f64,
    /// How long that goes on.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Characters of each message.
    #[arg(long, default_value_t = 40)]
    chars: usize,
}

impl Typing {
    /// Runs it; returns the sizes of the messages for the floor.
    pub(super) fn run(&self, peer: &Peer, shape: Shape, report: &mut Report) -> Result<Shape> {
        let mut fleet = peer.pairs(self.pairs, shape)?;
        let text = "x".repeat(self.chars);
        // Typing begins once for each pair; the telling of it is not what is measured.
        let mut due_at: Vec<Option<Instant>> = vec![None; self.pairs];
        let mut latencies = Latencies::new()?;
        let mut shape = Shape::default();
        let (mut sent, mut delivered) = (0_usize, 0_usize);
        let before = peer.process.cpu()?;
        let start = Instant::now();
        let mut pace = Pace::new(self.rate, Duration::from_secs_f64(self.seconds));
        let mut end = None;
        while end.is_none_or(|end| Instant::now() < end && delivered < sent) {
            while let Some((number, due)) = pace.next_due() {
                let pair = number as usize % self.pairs;
                let message = wire::typing_progress(&peer.conversation(pair), &text);
                shape.request = message.len();
                due_at[pair] = Some(due);
                fleet.send(2 * pair, &message)?;
                sent += 1;
            }
            if pace.is_over() && end.is_none() {
                end = Some(Instant::now() + PATIENCE);
            }
            for news in fleet.pump(pace.wait().min(Duration::from_millis(20)))? {
                // The floor calls every delivery a message.
                if matches!(news.kind, Kind::TypingProgress | Kind::NewMessage) {
                    delivered += 1;
                    shape.delivery = news.bytes;
                    if let Some(due) = due_at[news.on / 2].take() {
                        latencies.add(news.at.saturating_duration_since(due));
                    }
                }
            }
        }
        // A newer text replaces an older one that waits, so that fewer may come; not at this pace, though.
        ensure!(delivered * 100 >= sent * 95, "only {delivered} of {sent} texts arrived");
        report.add("sent_per_s", sent as f64 / start.elapsed().as_secs_f64());
        report.add("delivered_share", delivered as f64 / sent.max(1) as f64);
        report.add("cpu_us_per_message", each_us(before, peer.process.cpu()?, sent));
        report.add_latencies("delivery", &latencies);
        Ok(shape)
    }
}
