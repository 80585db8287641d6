//! Pairs that chat: messages that are stored on the disk, acked and delivered.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::figures::{Latencies, Report};
use super::fleet::Fleet;
use super::pace::Pace;
use super::peer::Peer;
use super::process::each_us;
use super::wire::{self, Kind, Shape};

/// How long nothing may arrive before the rest counts as lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// Durable messages, from the visitor of each pair to its user; both are subscribed.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example:\n  cossistant bench chat --url http://127.0.0.1:8787 --pairs 20 --seconds 10")]
pub(super) struct Chat {
    /// How many pairs.
    #[arg(long, default_value_t = 100)]
    pairs: usize,
    /// How long each part goes on.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Messages of each sender that wait for their acks, in the second part.
    #[arg(long, default_value_t = 16)]
    in_flight: usize,
    /// Messages a second of all senders together, in the third part.
    #[arg(long, default_value_t = 2_000.0)]
    rate: f64,
    /// Characters of each message.
    #[arg(long, default_value_t = 100)]
    chars: usize,
}

/// How the senders go about it.
enum Load {
    /// Each sends as soon as fewer than so many of its own wait.
    Closed { in_flight: usize },
    /// All together send so many a second, whatever waits.
    Open { rate: f64 },
}

struct Talk<'p> {
    peer: &'p Peer,
    fleet: Fleet,
    text: String,
    pairs: usize,
    next: u64,
    /// What each sender waits for, with the moment from which it counts.
    waiting: Vec<VecDeque<(u64, Instant)>>,
    acked: usize,
    delivered: usize,
    latencies: Latencies,
    heard_at: Instant,
    shape: Shape,
}

impl Chat {
    /// Runs the three parts; returns the sizes of the messages for the floor.
    pub(super) fn run(&self, peer: &Peer, shape: Shape, report: &mut Report) -> Result<Shape> {
        let mut talk = Talk {
            peer,
            fleet: peer.pairs(self.pairs, shape)?,
            text: "x".repeat(self.chars),
            pairs: self.pairs,
            next: 1,
            waiting: vec![VecDeque::new(); self.pairs],
            acked: 0,
            delivered: 0,
            latencies: Latencies::new()?,
            heard_at: Instant::now(),
            shape: Shape::default(),
        };
        let time = Duration::from_secs_f64(self.seconds);
        talk.part("one_in_flight", &Load::Closed { in_flight: 1 }, time, report)?;
        talk.part("pipelined", &Load::Closed { in_flight: self.in_flight }, time, report)?;
        talk.part("paced", &Load::Open { rate: self.rate }, time, report)?;
        // The sender is subscribed, so that its own message comes back with the ack.
        Ok(Shape { reply: talk.shape.reply + talk.shape.delivery, ..talk.shape })
    }
}

impl Talk<'_> {
    fn part(&mut self, name: &str, load: &Load, time: Duration, report: &mut Report) -> Result<()> {
        (self.acked, self.delivered, self.latencies) = (0, 0, Latencies::new()?);
        let Peer { process, database, .. } = self.peer;
        let (before, database_before) = (process.cpu()?, database.cpu_with_children()?);
        let (start, first) = (Instant::now(), self.next);
        match load {
            Load::Closed { in_flight } => self.closed(*in_flight, start + time)?,
            Load::Open { rate } => self.open(*rate, time)?,
        }
        let sent = usize::try_from(self.next - first).unwrap_or(usize::MAX);
        self.finish(sent)?;
        report.add(&format!("{name}_stored_per_s"), sent as f64 / start.elapsed().as_secs_f64());
        report.add(&format!("{name}_cpu_us_per_message"), each_us(before, process.cpu()?, sent));
        let of_database = each_us(database_before, database.cpu_with_children()?, sent);
        report.add(&format!("{name}_database_cpu_us_per_message"), of_database);
        report.add_latencies(&format!("{name}_ack"), &self.latencies);
        Ok(())
    }

    fn closed(&mut self, in_flight: usize, end: Instant) -> Result<()> {
        for _ in 0..in_flight {
            for pair in 0..self.pairs {
                self.send(pair, Instant::now())?;
            }
        }
        while Instant::now() < end {
            for pair in self.hear(Duration::from_millis(20))? {
                self.send(pair, Instant::now())?;
            }
        }
        Ok(())
    }

    fn open(&mut self, rate: f64, time: Duration) -> Result<()> {
        let mut pace = Pace::new(rate, time);
        while !pace.is_over() {
            while let Some((number, due)) = pace.next_due() {
                self.send(number as usize % self.pairs, due)?;
            }
            self.hear(pace.wait().min(Duration::from_millis(20)))?;
        }
        Ok(())
    }

    fn send(&mut self, pair: usize, from: Instant) -> Result<()> {
        let message = wire::send_message(&self.peer.conversation(pair), self.next, &self.text);
        self.shape.request = message.len();
        self.waiting[pair].push_back((self.next, from));
        self.next += 1;
        self.fleet.send(2 * pair, &message)
    }

    /// Takes what came; the senders that were acked, once for each ack.
    fn hear(&mut self, wait: Duration) -> Result<Vec<usize>> {
        let mut acked = Vec::new();
        for news in self.fleet.pump(wait)? {
            self.heard_at = news.at;
            let pair = news.on / 2;
            if news.kind == Kind::Ack {
                let waiting = &mut self.waiting[pair];
                // The floor does not read what it answers; it answers in order.
                let at = waiting.iter().position(|(number, _)| *number == news.number).unwrap_or_default();
                let (_, from) = waiting.remove(at).context("an ack without its message")?;
                self.latencies.add(news.at.saturating_duration_since(from));
                self.acked += 1;
                self.shape.reply = self.shape.reply.max(news.bytes);
                acked.push(pair);
            } else if news.kind == Kind::NewMessage && news.on % 2 == 1 {
                self.delivered += 1;
                self.shape.delivery = news.bytes;
            }
        }
        Ok(acked)
    }

    fn finish(&mut self, sent: usize) -> Result<()> {
        self.heard_at = Instant::now();
        while self.acked < sent || self.delivered < sent {
            self.hear(Duration::from_millis(20))?;
            let (acked, delivered) = (self.acked, self.delivered);
            ensure!(self.heard_at.elapsed() < PATIENCE, "{acked} of {sent} were acked, {delivered} delivered");
        }
        ensure!(self.acked == sent && self.delivered == sent, "something came twice");
        Ok(())
    }
}
