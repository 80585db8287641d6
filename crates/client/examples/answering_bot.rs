//! A bot that answers every visitor of a website, typing as it thinks, over any number of server restarts.
//!
//! ```sh
//! COSSISTANT_URL="ws://127.0.0.1:8080/ws?agentId=helper" COSSISTANT_KEY=sk_… WEBSITE_ID=site_… \
//!     cargo run -p cossistant-client --example answering_bot
//! ```
//!
//! With `QUEUE_FILE` set, an answer that was not acknowledged is sent again after a restart of the bot itself.

#![expect(clippy::wildcard_enum_match_arm, reason = "a bot answers one kind of message among many")]

use std::time::Duration;

use cossistant_client::{
    ActivityAudience, Client, Config, Event, MessageContent, NewMessage, ReceivedContent, SendError, ServerMessage,
    UserType,
};

/// How long the bot thinks about each word.
const PER_WORD: Duration = Duration::from_millis(120);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).init();
    let mut config = Config::new(&std::env::var("COSSISTANT_URL")?)?.with_bearer(&std::env::var("COSSISTANT_KEY")?)?;
    config.queue_file = std::env::var_os("QUEUE_FILE").map(Into::into);
    let (client, mut events) = Client::connect(config);
    client.subscribe_to_website(std::env::var("WEBSITE_ID")?.parse()?)?;

    let mut answers = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => {
                    if let Some(question) = question(event) {
                        answers.spawn(answer(client.clone(), question));
                    }
                }
                None => return Ok(()),
            },
            Some(answered) = answers.join_next() => match answered? {
                Ok(()) => tracing::info!("answered"),
                Err(error) => tracing::warn!(%error, "not answered"),
            },
        }
    }
}

/// What a visitor asks, if that is what happened.
fn question(event: Event) -> Option<NewMessage> {
    if let Event::StateChanged(state) = &event {
        tracing::info!(?state, "connection");
    }
    let Event::Message(message) = event else {
        return None;
    };
    match *message {
        ServerMessage::NewMessage(message) if message.sender_type == UserType::Visitor => Some(message),
        _ => None,
    }
}

/// Thinks aloud, word by word, and sends what came of it.
async fn answer(client: Client, question: NewMessage) -> Result<(), SendError> {
    let content = question.content.as_deref().and_then(|raw| ReceivedContent::parse(raw).ok()).unwrap_or_default();
    let asked = content.text.unwrap_or_else(|| String::from("something without words"));
    let whole = format!("You wrote: {asked}. A person of our team will read it soon.");
    let conversation_id = question.conversation_id;
    client.send_agent_activity(conversation_id.clone(), "thinking", None, ActivityAudience::All)?;
    let mut so_far = String::new();
    for word in whole.split_inclusive(' ') {
        so_far.push_str(word);
        client.send_typing_progress(conversation_id.clone(), &so_far);
        tokio::time::sleep(PER_WORD).await;
    }
    client.send_agent_activity(conversation_id.clone(), "done", None, ActivityAudience::All)?;
    let answer = MessageContent::text(whole).map_err(SendError::Invalid)?;
    client.send_message(conversation_id, answer).await?;
    Ok(())
}
