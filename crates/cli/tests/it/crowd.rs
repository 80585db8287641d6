//! Several of our own clients in one conversation, who talk while something goes wrong, and what each must have read.

use std::future::Future;
use std::time::Duration;

use cossistant_client::{Client, Config, Event, Events};
use cossistant_protocol::{ConversationId, MessageContent, ServerMessage};
use cossistant_testkit::unique;
use tokio::sync::watch;

use crate::support::Stage;

/// A client that dials again soon, so that many rounds do not take minutes.
pub(crate) fn connect(url: &str, token: &str) -> (Client, Events) {
    let mut config = Config::new(url).expect("the ready file has a good url").with_bearer(token).expect("a token");
    config.engine.reconnect_delay = 50;
    config.engine.max_reconnect_delay = 200;
    Client::connect(config)
}

/// Reads until so many messages have come; their places and texts, in the order in which they came.
pub(crate) async fn read(mut events: Events, count: usize) -> Vec<(u64, String)> {
    let mut read = Vec::new();
    while read.len() < count {
        let event = events.recv().await.expect("the client goes on");
        assert!(!matches!(event, Event::Resync(_) | Event::MessageFailed { .. }), "nothing is given up: {event:?}");
        if let Event::Message(message) = event
            && let ServerMessage::NewMessage(message) = *message
        {
            let content = message.content.expect("nothing was deleted");
            let content: serde_json::Value = serde_json::from_str(content.get()).expect("content is JSON");
            read.push((message.seq, content["text"].as_str().unwrap_or_default().to_owned()));
        }
    }
    read
}

/// Sends so many messages, each whether or not the server is there.
pub(crate) async fn send(
    client: &Client,
    conversation: &ConversationId,
    who: &str,
    count: usize,
    acked: &watch::Sender<usize>,
) {
    for at in 0..count {
        let content = MessageContent::text(format!("{who} {at}")).expect("a short text");
        let ack = client.send_message(conversation.clone(), content).await;
        ack.expect("every message is stored, whatever happens to the server");
        acked.send_modify(|acked| *acked += 1);
    }
}

/// A visitor and some of the team.
pub(crate) struct Crowd {
    conversation: ConversationId,
    members: Vec<(String, Client, Events)>,
}

impl Crowd {
    /// One visitor and so many users, all subscribed to a new conversation; they dial `ws_url`.
    pub(crate) async fn gather(stage: &Stage, ws_url: &str, users: usize) -> Self {
        let conversation = ConversationId::new(unique("conv")).expect("an id");
        let mut members = Vec::new();
        for at in 0..=users {
            let name = if at == 0 { "visitor".to_owned() } else { format!("user{at}") };
            let sub = unique(&name);
            let token = if at == 0 { stage.visitor_token(&sub) } else { stage.user_token(&sub) };
            let (client, mut events) = connect(ws_url, &token);
            client.subscribe_to_conversation(conversation.clone()).expect("it is wished for");
            let is_confirmed = |event: &Event| matches!(event, Event::Message(message) if matches!(**message, ServerMessage::SubscriptionConfirmed(_)));
            while !is_confirmed(&events.recv().await.expect("the client goes on")) {}
            members.push((name, client, events));
        }
        Self { conversation, members }
    }

    /// Everybody sends `each` messages, one after the other, and reads all of everybody, while `fault` happens. The
    /// fault is told how many messages are acknowledged so far. Asserts that each message was read by everyone, once,
    /// in its sender's order, at rising places.
    pub(crate) async fn talk<F: Future<Output = ()>>(
        self,
        each: usize,
        patience: Duration,
        fault: impl FnOnce(watch::Receiver<usize>) -> F,
    ) {
        let Self { conversation, members } = self;
        let names: Vec<String> = members.iter().map(|(name, ..)| name.clone()).collect();
        let all = each * members.len();
        let (acked, progress) = watch::channel(0);
        let mut clients = Vec::new();
        let mut sends = Vec::new();
        let mut reads = Vec::new();
        for (name, client, events) in members {
            reads.push(read(events, all));
            clients.push((name, client));
        }
        for (name, client) in &clients {
            sends.push(send(client, &conversation, name, each, &acked));
        }
        let (sends, reads) = (futures_util::future::join_all(sends), futures_util::future::join_all(reads));
        let everything = futures_util::future::join3(fault(progress), sends, reads);
        let ((), _, reads) = tokio::time::timeout(patience, everything).await.expect("all is sent and read in the end");
        for (reader, read) in names.iter().zip(&reads) {
            assert!(read.is_sorted_by(|a, b| a.0 < b.0), "in order and once, to {reader}: {read:?}");
            for sender in &names {
                let prefix = format!("{sender} ");
                let came: Vec<&str> =
                    read.iter().map(|(_, text)| text.as_str()).filter(|text| text.starts_with(&prefix)).collect();
                let wanted: Vec<String> = (0..each).map(|at| format!("{prefix}{at}")).collect();
                assert_eq!(came, wanted, "of {sender}, to {reader}");
            }
        }
    }
}
