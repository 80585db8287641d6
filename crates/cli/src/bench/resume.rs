//! All connections break at once, miss a message each, and come back, while others chat.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::bystanders::{self, Event};
use super::figures::Report;
use super::fleet::Fleet;
use super::peer::{Peer, Role};
use super::wire::{self, Kind, Shape};

/// Messages of the team that wait for their acks.
const IN_FLIGHT: usize = 48;
/// How long the last missed message may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Visitors, each with its own conversation.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example:\n  cossistant bench resume --connections 2000 --json")]
pub(super) struct Resume {
    /// How many connections.
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
}

impl Resume {
    pub(super) fn run(&self, peer: &Peer, report: &mut Report) -> Result<()> {
        let process = &peer.process;
        let mut fleet = peer.fleet()?;
        let first = fleet.open(self.greetings(peer)?)?;
        let heads = peer.subscribe(&mut fleet, (0..self.connections).map(|at| (first + at, peer.conversation(at))))?;
        process.settle(&mut fleet)?;
        bystanders::chat_during(peer, report, |event, report| self.come_back(peer, &mut fleet, &heads, event, report))
    }

    /// Cuts all off, lets them miss a message each, and measures how they come back.
    fn come_back(
        &self,
        peer: &Peer,
        fleet: &mut Fleet,
        heads: &[u64],
        event: &Event<'_>,
        report: &mut Report,
    ) -> Result<()> {
        let process = &peer.process;
        fleet.cut_all();
        self.send_meanwhile(peer, fleet)?;
        let epoch = fleet.epoch().context("no confirmation named the epoch")?.to_owned();

        let greetings = self.greetings(peer)?;
        let (before, start) = (process.cpu()?, Instant::now());
        event.begins();
        let first = fleet.open(greetings)?;
        let accepted = start.elapsed();
        let requests: Vec<_> = heads
            .iter()
            .enumerate()
            .map(|(at, head)| (first + at, wire::subscribe(&peer.conversation(at), Some((&epoch, *head)))))
            .collect();
        let missed = self.resubscribe(fleet, first, &requests, heads)?;
        let took = start.elapsed();
        let cpu = before.zip(process.cpu()?).map(|(before, after)| (after.saturating_sub(before)).as_secs_f64());
        event.is_over();
        report.add("connections", self.connections as f64);
        report.add("accepted_after_s", accepted.as_secs_f64());
        report.add("resumed_after_s", took.as_secs_f64());
        report.add("server_cpu_s", cpu);
        report.add("server_cpu_us_per_connection", cpu.map(|cpu| cpu * 1e6 / self.connections.max(1) as f64));
        report.add("missed_messages_replayed", missed as f64);
        report.add("lost_messages", (self.connections - missed) as f64);
        ensure!(missed == self.connections, "{} messages were lost", self.connections - missed);
        Ok(())
    }

    fn greetings(&self, peer: &Peer) -> Result<Vec<Vec<u8>>> {
        (0..self.connections).map(|at| peer.greeting(Role::Visitor, at, 0, Shape::default())).collect()
    }

    /// A team member writes one message into every conversation.
    fn send_meanwhile(&self, peer: &Peer, fleet: &mut Fleet) -> Result<()> {
        let user = fleet.open(vec![peer.greeting(Role::User, 0, 0, Shape::default())?])?;
        let (mut sent, mut acked) = (0, 0);
        let mut heard_at = Instant::now();
        while acked < self.connections {
            while sent < self.connections.min(acked + IN_FLIGHT) {
                let message = wire::send_message(&peer.conversation(sent), sent as u64 + 1, "while you were away");
                fleet.send(user, &message)?;
                sent += 1;
            }
            for news in fleet.pump(Duration::from_millis(50))? {
                heard_at = news.at;
                acked += usize::from(news.kind == Kind::Ack);
            }
            ensure!(heard_at.elapsed() < PATIENCE, "only {acked} of {} messages were acked", self.connections);
        }
        fleet.leave(user)
    }

    /// Resubscribes all by place; how many got exactly the message that they had missed.
    fn resubscribe(
        &self,
        fleet: &mut Fleet,
        first: usize,
        requests: &[(usize, String)],
        heads: &[u64],
    ) -> Result<usize> {
        let mut confirmed = vec![false; self.connections];
        let mut replayed = vec![0_usize; self.connections];
        let (mut sent, mut done, mut missed) = (0, 0, 0);
        let mut heard_at = Instant::now();
        while done < self.connections || (missed < self.connections && heard_at.elapsed() < Duration::from_secs(2)) {
            // All ask at once, as clients do; only the socket buffers slow them.
            while sent < requests.len().min(done + 1_024) {
                let (on, text) = &requests[sent];
                fleet.send(*on, text)?;
                sent += 1;
            }
            for news in fleet.pump(Duration::from_millis(50))? {
                heard_at = news.at;
                let Some(at) = news.on.checked_sub(first) else { continue };
                match news.kind {
                    Kind::Confirmed if !confirmed[at] => {
                        confirmed[at] = true;
                        done += 1;
                    }
                    Kind::Unrecovered => anyhow::bail!("connection {at} was not recovered"),
                    Kind::NewMessage => {
                        replayed[at] += 1;
                        missed += usize::from(confirmed[at] && replayed[at] == 1 && news.number == heads[at] + 1);
                        ensure!(replayed[at] == 1, "connection {at} got a message twice");
                    }
                    Kind::Confirmed
                    | Kind::Established
                    | Kind::Ack
                    | Kind::TypingProgress
                    | Kind::Error
                    | Kind::Other => {}
                }
            }
            ensure!(heard_at.elapsed() < PATIENCE, "only {done} of {} were resubscribed", self.connections);
        }
        Ok(missed)
    }
}
