//! Others, who go on chatting while something happens to many.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::figures::{Latencies, Report};
use super::peer::Peer;
use super::wire::{self, Kind, Shape};

/// How many pairs chat.
const PAIRS: usize = 20;
/// How long the sender of a pair waits after its message has arrived.
const PAUSE: Duration = Duration::from_millis(50);
/// How long an undisturbed talk is measured, for comparison.
const CALM: Duration = Duration::from_secs(2);

/// What the talk is measured for now.
const MEASURES_CALM: u8 = 0;
const MEASURES_NOTHING: u8 = 1;
const MEASURES_EVENT: u8 = 2;
const IS_OVER: u8 = 3;

/// Tells the talk when the event is.
pub(super) struct Event<'s>(&'s AtomicU8);

impl Event<'_> {
    pub(super) fn begins(&self) {
        self.0.store(MEASURES_EVENT, Ordering::Relaxed);
    }

    pub(super) fn is_over(&self) {
        self.0.store(IS_OVER, Ordering::Relaxed);
    }
}

/// Runs `event` while some pairs chat on a thread of their own, and reports how long their messages took from the
/// sender to the reader, stored on the way: in calm, and during the event.
pub(super) fn chat_during(
    peer: &Peer,
    report: &mut Report,
    event: impl FnOnce(&Event<'_>, &mut Report) -> Result<()>,
) -> Result<()> {
    let stage = AtomicU8::new(MEASURES_CALM);
    let (ready, is_ready) = mpsc::channel();
    std::thread::scope(|scope| {
        let talk = scope.spawn(|| talk(&peer.apart("b"), &stage, ready));
        let outcome = is_ready.recv().context("the bystanders did not come").and_then(|()| {
            std::thread::sleep(CALM);
            stage.store(MEASURES_NOTHING, Ordering::Relaxed);
            event(&Event(&stage), report)
        });
        stage.store(IS_OVER, Ordering::Relaxed);
        let talk = talk.join().map_err(|_| anyhow::anyhow!("the bystanders panicked"))?;
        outcome?;
        let (calm, during) = talk?;
        report.add_latencies("others_in_calm", &calm);
        report.add_latencies("others_meanwhile", &during);
        Ok(())
    })
}

fn talk(peer: &Peer, stage: &AtomicU8, ready: mpsc::Sender<()>) -> Result<(Latencies, Latencies)> {
    let mut fleet = peer.pairs(PAIRS, Shape::default())?;
    ready.send(()).context("nobody waits for the bystanders")?;
    let (mut calm, mut during) = (Latencies::new()?, Latencies::new()?);
    let mut due = vec![Instant::now(); PAIRS];
    let mut sent: Vec<Option<Instant>> = vec![None; PAIRS];
    let mut number = 0;
    loop {
        let measured = stage.load(Ordering::Relaxed);
        if measured == IS_OVER {
            return Ok((calm, during));
        }
        for pair in 0..PAIRS {
            if sent[pair].is_none() && due[pair] <= Instant::now() {
                number += 1;
                sent[pair] = Some(Instant::now());
                fleet.send(2 * pair, &wire::send_message(&peer.conversation(pair), number, "meanwhile"))?;
            }
        }
        for news in fleet.pump(Duration::from_millis(2))? {
            let pair = news.on / 2;
            if news.kind != Kind::NewMessage || news.on % 2 == 0 {
                continue;
            }
            let Some(from) = sent[pair].take() else { continue };
            due[pair] = news.at + PAUSE;
            let took = news.at.saturating_duration_since(from);
            match measured {
                MEASURES_CALM => calm.add(took),
                MEASURES_EVENT => during.add(took),
                _ => {}
            }
        }
    }
}
