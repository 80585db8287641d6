//! Chat in a pipe: lines in, messages out.

use std::io::{self, BufRead as _};

use anyhow::{Context as _, anyhow};
use cossistant_client::{Channel, Client, Event, ServerMessage};
use tokio::sync::mpsc;

use super::{Chat, Outgoing};
use crate::Failure;
use crate::link::{Change, Link, interrupted};
use crate::output::print;
use crate::words;

/// Messages that wait for their acks; beyond it the input is not read.
const MAX_PENDING: usize = 64;

/// Lines that are read ahead.
const MAX_LINES: usize = 16;

pub(super) async fn run(chat: &Chat) -> Result<(), Failure> {
    let config = chat.endpoint.config()?;
    let mut link = Link::new(Channel::Conversation(chat.conversation.clone()), config.engine.clone());
    let (client, mut events) = Client::connect(config);
    client.subscribe_to_conversation(chat.conversation.clone())?;
    let mut outgoing = Outgoing::new(chat, client.clone())?;
    let mut lines = read_lines();
    let mut line_number = 0;
    let mut has_input = true;
    let mut interrupted = std::pin::pin!(interrupted());
    let ended = loop {
        if !has_input && outgoing.pending.is_empty() {
            break Ok(());
        }
        let step = tokio::select! {
            line = lines.recv(), if has_input && outgoing.pending.len() < MAX_PENDING => match line {
                Some(line) => {
                    line_number += 1;
                    send(&mut outgoing, line_number, line)
                }
                None => {
                    has_input = false;
                    Ok(())
                }
            },
            event = events.recv() => match event {
                Some(event) => hear(chat, &mut link, &mut outgoing, event),
                None => Err(Failure::Failed(anyhow!("the connection has ended"))),
            },
            () = &mut interrupted => break given_up(&outgoing),
        };
        if step.is_err() {
            break step;
        }
    };
    client.end().await;
    ended
}

/// Reads the input in a thread of its own: a read from a pipe cannot be called off, so nobody waits for its end.
fn read_lines() -> mpsc::Receiver<io::Result<String>> {
    let (sender, lines) = mpsc::channel(MAX_LINES);
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let is_last = line.is_err();
            if sender.blocking_send(line).is_err() || is_last {
                return;
            }
        }
    });
    lines
}

fn send(outgoing: &mut Outgoing, number: u64, line: io::Result<String>) -> Result<(), Failure> {
    let line = line.with_context(|| format!("cannot read line {number} of the standard input"))?;
    // An empty line is no message.
    if line.trim().is_empty() {
        return Ok(());
    }
    outgoing.send(line).with_context(|| format!("line {number} was not sent"))?;
    Ok(())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "most events mean nothing here, nor will new ones")]
fn hear(chat: &Chat, link: &mut Link, outgoing: &mut Outgoing, event: Event) -> Result<(), Failure> {
    let change = link.hear(&event, &outgoing.client);
    match event {
        Event::Message(message) => {
            if let ServerMessage::MessageAck(ack) = &*message {
                outgoing.settle(ack.id.as_str());
            }
            if chat.json {
                print(&message.encode())?;
            } else if let ServerMessage::NewMessage(message) = &*message
                && !outgoing.is_own(message)
            {
                print(&words::said(message))?;
            }
        }
        Event::Unknown(text) if chat.json => print(&text)?,
        Event::MessageFailed { id, error } => {
            let text = outgoing.settle(&id).unwrap_or_default();
            let start: String = text.chars().take(40).collect();
            return Err(Failure::Failed(anyhow!("the message \"{start}\" was not stored: {error}")));
        }
        _ => {}
    }
    match change {
        Some(Change::Ended(error)) => Err(Failure::Failed(error)),
        Some(Change::Live { is_back: false }) | None => Ok(()),
        Some(change) => {
            eprintln!("{change}");
            Ok(())
        }
    }
}

/// Ended before the input did: well, unless messages are still under way.
pub(super) fn given_up(outgoing: &Outgoing) -> Result<(), Failure> {
    match outgoing.pending.len() {
        0 => Ok(()),
        count => Err(Failure::Failed(anyhow!("ended before the last {count} messages were acknowledged"))),
    }
}
