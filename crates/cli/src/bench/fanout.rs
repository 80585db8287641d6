//! One conversation that a thousand team members read.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::figures::Report;
use super::fleet::Fleet;
use super::pace::Pace;
use super::peer::{Peer, Role};
use super::process::each_us;
use super::wire::{self, Kind, Shape};

/// How long nothing may arrive before the rest counts as lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// One visitor writes durable messages; every subscriber gets each.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example:\n  cossistant bench fanout --subscribers 500 --rate 10 --json")]
pub(super) struct Fanout {
    /// How many team members subscribe.
    #[arg(long, default_value_t = 1_000)]
    subscribers: usize,
    /// Messages a second.
    #[arg(long, default_value_t = 20.0)]
    rate: f64,
    /// How long that goes on.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Messages of the second part, as fast as they are delivered.
    #[arg(long, default_value_t = 3_000)]
    backlog: u64,
    /// The most of them that wait for their deliveries.
    #[arg(long, default_value_t = 256)]
    window: u64,
    /// Characters of each message.
    #[arg(long, default_value_t = 100)]
    chars: usize,
}

/// A room with its sender, and what was counted in it.
struct Room {
    fleet: Fleet,
    sender: usize,
    conversation: String,
    text: String,
    subscribers: usize,
    sent: u64,
    acked: u64,
    delivered: u64,
    heard_at: Instant,
    shape: Shape,
}

impl Fanout {
    /// Runs both parts; returns the sizes of the messages for the floor.
    pub(super) fn run(&self, peer: &Peer, shape: Shape, report: &mut Report) -> Result<Shape> {
        let mut room = self.set_up(peer, shape)?;
        let before = peer.process.cpu()?;
        let (seen, start) = (room.delivered, Instant::now());
        let mut pace = Pace::new(self.rate, Duration::from_secs_f64(self.seconds));
        while !pace.is_over() {
            while pace.next_due().is_some() {
                room.send()?;
            }
            room.hear(pace.wait().min(Duration::from_millis(50)))?;
        }
        room.finish()?;
        let deliveries = room.delivered - seen;
        report.add("subscribers", self.subscribers as f64);
        report.add("paced_deliveries_per_s", deliveries as f64 / start.elapsed().as_secs_f64());
        report.add("paced_cpu_us_per_delivery", each_us(before, peer.process.cpu()?, deliveries as usize));

        let before = peer.process.cpu()?;
        let (seen, start) = (room.delivered, Instant::now());
        let mut left = self.backlog;
        while left > 0 {
            while left > 0 && room.waiting() < self.window {
                room.send()?;
                left -= 1;
            }
            room.hear(Duration::from_millis(50))?;
        }
        room.finish()?;
        let deliveries = room.delivered - seen;
        report.add("backlog_deliveries_per_s", deliveries as f64 / start.elapsed().as_secs_f64());
        report.add("backlog_cpu_us_per_delivery", each_us(before, peer.process.cpu()?, deliveries as usize));
        report.add("delivery_bytes", room.shape.delivery as f64);
        Ok(room.shape)
    }

    fn set_up(&self, peer: &Peer, shape: Shape) -> Result<Room> {
        let mut fleet = peer.fleet()?;
        let sender = fleet.open(vec![peer.greeting(Role::Visitor, 0, 0, shape)?])?;
        let text = "x".repeat(self.chars);
        let conversation = peer.conversation(0);
        if !peer.is_floor() {
            // The first message makes the conversation.
            fleet.ask(&[(sender, wire::send_message(&conversation, 0, &text))], &[Kind::Ack])?;
        }
        let greetings = (0..self.subscribers).map(|at| peer.greeting(Role::User, at, 0, shape));
        let first = fleet.open(greetings.collect::<Result<_>>()?)?;
        peer.subscribe(&mut fleet, (first..first + self.subscribers).map(|on| (on, conversation.clone())))?;
        peer.process.settle(&mut fleet)?;
        let subscribers = self.subscribers;
        let shape = Shape::default();
        let heard_at = Instant::now();
        Ok(Room { fleet, sender, conversation, text, subscribers, sent: 0, acked: 0, delivered: 0, heard_at, shape })
    }
}

impl Room {
    fn send(&mut self) -> Result<()> {
        self.sent += 1;
        let message = wire::send_message(&self.conversation, self.sent, &self.text);
        self.shape.request = message.len();
        self.fleet.send(self.sender, &message)
    }

    /// Messages whose deliveries have not all come.
    fn waiting(&self) -> u64 {
        self.sent - self.delivered / self.subscribers as u64
    }

    fn hear(&mut self, wait: Duration) -> Result<()> {
        for news in self.fleet.pump(wait)? {
            self.heard_at = news.at;
            match news.kind {
                Kind::Ack => {
                    self.acked += 1;
                    self.shape.reply = news.bytes;
                }
                Kind::NewMessage => {
                    self.delivered += 1;
                    self.shape.delivery = news.bytes;
                }
                Kind::Established
                | Kind::Confirmed
                | Kind::Unrecovered
                | Kind::TypingProgress
                | Kind::Error
                | Kind::Other => {}
            }
        }
        Ok(())
    }

    /// Waits until every message is acked and delivered to everyone.
    fn finish(&mut self) -> Result<()> {
        self.heard_at = Instant::now();
        let all = self.sent * self.subscribers as u64;
        while self.delivered < all || self.acked < self.sent {
            self.hear(Duration::from_millis(50))?;
            let (delivered, acked, sent) = (self.delivered, self.acked, self.sent);
            ensure!(
                self.heard_at.elapsed() < PATIENCE,
                "{delivered} of {all} deliveries came, and {acked} of {sent} acks"
            );
        }
        ensure!(self.delivered == all, "{} deliveries came where {all} were due", self.delivered);
        Ok(())
    }
}
