//! Our own client against the real server: it comes back by itself, and nothing is missing.

use std::time::Duration;

use cossistant_client::Event;
use cossistant_protocol::{ConversationId, MessageContent, ServerMessage};
use cossistant_testkit::unique;
use tokio::sync::watch;

use crate::crowd::{connect, read, send};
use crate::support::{Stage, options};

const ROUNDS: usize = 20;
const MESSAGES_A_ROUND: usize = 6;
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test]
async fn both_clients_resume_by_themselves_over_twenty_kills() {
    let mut server = options("").start();
    let stage = Stage::of(&server);
    let conversation = ConversationId::new(unique("conv")).expect("an id");
    let (visitor, visitor_events) = connect(&server.ready().ws_url, &stage.visitor_token(&unique("v")));
    visitor.subscribe_to_conversation(conversation.clone()).expect("it is wished for");
    let hello = MessageContent::text("visitor hello").expect("a short text");
    visitor.send_message(conversation.clone(), hello).await.expect("the first message makes the conversation");
    let (user, mut user_events) = connect(&server.ready().ws_url, &stage.user_token(&unique("u")));
    user.subscribe_to_conversation(conversation.clone()).expect("it is wished for");
    // What was said before somebody listens is history, which is read by HTTP.
    let is_confirmed = |event: &Event| matches!(event, Event::Message(message) if matches!(**message, ServerMessage::SubscriptionConfirmed(_)));
    while !is_confirmed(&user_events.recv().await.expect("the client goes on")) {}

    let each = ROUNDS * MESSAGES_A_ROUND;
    let (acked, mut progress) = watch::channel(0);
    let kills = async {
        for round in 1..=ROUNDS {
            // In the middle of both bursts, some of them before the last kill is overcome.
            let enough = |acked: &usize| *acked >= round * (2 * MESSAGES_A_ROUND - 1);
            progress.wait_for(enough).await.expect("the senders go on");
            server.kill_9();
            server.start_again();
        }
    };
    let sends = futures_util::future::join(
        send(&visitor, &conversation, "visitor", each, &acked),
        send(&user, &conversation, "user", each, &acked),
    );
    let reads = futures_util::future::join(read(visitor_events, 2 * each + 1), read(user_events, 2 * each));
    let all = futures_util::future::join3(kills, sends, reads);
    let ((), _, (by_visitor, by_user)) =
        tokio::time::timeout(PATIENCE, all).await.expect("both come back, and everything comes");

    for (reader, read) in [("visitor", &by_visitor), ("user", &by_user)] {
        assert!(read.is_sorted_by(|a, b| a.0 < b.0), "in order and once, to the {reader}: {read:?}");
        for sender in ["visitor", "user"] {
            let of_sender: Vec<&str> =
                read.iter().map(|(_, text)| text.as_str()).filter(|text| text.starts_with(sender)).collect();
            let wanted: Vec<String> = (0..each).map(|at| format!("{sender} {at}")).collect();
            let came: Vec<&str> = of_sender.into_iter().filter(|text| !text.ends_with("hello")).collect();
            assert_eq!(came, wanted, "of the {sender}, to the {reader}");
        }
    }
}
