//! `cossistant tail`: shows what happens on a website, as it happens.

use clap::Args;
use cossistant_client::{Channel, Client, Event, ServerMessage, WebsiteId};

use crate::Failure;
use crate::clock::now;
use crate::link::{Change, Endpoint, Link, interrupted};
use crate::output::print;
use crate::words;

/// Follows a website: messages, notes, who comes, goes and types.
///
/// It comes back on its own after a loss and leaves nothing out. Ctrl-C ends it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cossistant tail --url http://127.0.0.1:8787 --website website-123 --token \"$TOKEN\"
  cossistant tail --url http://127.0.0.1:8787 --website website-123 --token \"$TOKEN\" --json | jq .type")]
pub(crate) struct Tail {
    #[command(flatten)]
    endpoint: Endpoint,
    /// The website to follow; the token is a user's or an agent's
    #[arg(long, value_name = "ID")]
    website: WebsiteId,
    /// Prints every server message as a line of JSON
    #[arg(long)]
    json: bool,
}

impl Tail {
    pub(crate) fn run(self) -> Result<(), Failure> {
        crate::runtime()?.block_on(self.follow())
    }

    async fn follow(self) -> Result<(), Failure> {
        let config = self.endpoint.config()?;
        let mut link = Link::new(Channel::Website(self.website.clone()), config.engine.clone());
        let (client, mut events) = Client::connect(config);
        client.subscribe_to_website(self.website.clone())?;
        let mut interrupted = std::pin::pin!(interrupted());
        let ended = loop {
            let event = tokio::select! {
                event = events.recv() => event,
                () = &mut interrupted => break Ok(()),
            };
            let Some(event) = event else { break Ok(()) };
            let change = link.hear(&event, &client);
            if let Err(failure) = self.tell(event) {
                break Err(failure);
            }
            match change {
                Some(Change::Ended(error)) => break Err(Failure::Failed(error)),
                Some(change) => eprintln!("{change}"),
                None => {}
            }
        };
        client.end().await;
        ended
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "most events mean nothing here, nor will new ones")]
    fn tell(&self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Message(message) if self.json => print(&message.encode()),
            Event::Unknown(text) if self.json => print(&text),
            // What is typed changes with every key; that somebody types is told once.
            Event::Message(message) if !matches!(*message, ServerMessage::TypingProgress(_)) => {
                line(&message).map_or(Ok(()), |line| print(&line))
            }
            _ => Ok(()),
        }
    }
}

fn line(message: &ServerMessage) -> Option<String> {
    let text = words::describe(message)?;
    let time = words::time(message).unwrap_or_else(now);
    let place = words::conversation(message).map(|id| format!("{id}  ")).unwrap_or_default();
    Some(format!("{time}  {place}{text}"))
}
