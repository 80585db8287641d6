//! The loop: hears what visitors say, and has one reply after another under way in each conversation.

use std::collections::{HashMap, HashSet, VecDeque};

use cossistant_client::{
    Channel, ConnectionState, ConversationId, Event, Events, NewMessage, PersonId, ServerMessage, SubscriptionState,
    UserType, WebsiteId,
};
use tokio::task::JoinSet;

use crate::api::ApiError;
use crate::reply::{Outcome, PAUSE, Question, Replier};

/// How many questions of one conversation wait; of more the oldest are let go, as they would be by a person.
const MAX_WAITING: usize = 20;
/// How many messages of a conversation are looked at for questions without a reply.
const LOOK_BACK: usize = 50;
/// How many questions wait for looks to end, in all conversations together.
const MAX_HELD: usize = 1_000;
/// How many pages of conversations are looked through after a start.
const MAX_PAGES: usize = 10;
/// How many messages are remembered as answered.
const MAX_KNOWN: usize = 10_000;

/// Why the agent cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("the server lets the agent in no longer: {0}")]
    Refused(String),
    #[error("the client has ended")]
    Client,
}

/// An agent at work.
pub(crate) struct Agent {
    replier: Replier,
    events: Events,
    /// The questions that wait, in each conversation in which a reply is under way.
    busy: HashMap<ConversationId, VecDeque<Question>>,
    replies: JoinSet<(Question, Outcome)>,
    /// Looks for questions without a reply.
    looks: JoinSet<Vec<Question>>,
    /// What was heard while a look is under way: it may yet find what was asked before that.
    held: VecDeque<Question>,
    known: Known,
}

/// The messages that have a reply or will have one, as many as are worth remembering. What is forgotten and comes again
/// is answered under the same key, and so is there once.
#[derive(Default)]
struct Known {
    ids: HashSet<String>,
    order: VecDeque<String>,
}

impl Known {
    /// Whether it is new.
    fn insert(&mut self, id: &str) -> bool {
        if !self.ids.insert(id.to_owned()) {
            return false;
        }
        self.order.push_back(id.to_owned());
        if self.order.len() > MAX_KNOWN
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }

    fn remove(&mut self, id: &str) {
        self.ids.remove(id);
        self.order.retain(|other| other != id);
    }
}

impl Agent {
    pub(crate) fn new(replier: Replier, events: Events) -> Self {
        Self {
            replier,
            events,
            busy: HashMap::new(),
            replies: JoinSet::new(),
            looks: JoinSet::new(),
            held: VecDeque::new(),
            known: Known::default(),
        }
    }

    /// Works until it cannot. Dropping it ends every reply that is under way; the next start looks for what is open.
    pub(crate) async fn run(&mut self) -> Ended {
        loop {
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => if let Some(ended) = self.hear(event) { return ended },
                    None => return Ended::Client,
                },
                Some(replied) = self.replies.join_next() => match replied {
                    Ok((question, outcome)) => self.replied(&question, outcome),
                    Err(error) => tracing::error!(%error, "a reply failed"),
                },
                Some(found) = self.looks.join_next() => {
                    match found {
                        Ok(questions) => questions.into_iter().for_each(|question| self.take(question)),
                        Err(error) => tracing::error!(%error, "a look failed"),
                    }
                    self.take_held();
                }
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "an agent follows a few kinds of events among many")]
    fn hear(&mut self, event: Event) -> Option<Ended> {
        match event {
            Event::Message(message) => self.hear_message(*message),
            Event::StateChanged(ConnectionState::Stopped(reason)) => {
                return Some(Ended::Refused(format!("{reason:?}")));
            }
            Event::StateChanged(state) => tracing::info!(?state, "connection"),
            // From here on nothing is missed; what was said before has to be looked for.
            Event::SubscriptionChanged { channel: Channel::Website(id), state: SubscriptionState::Confirmed }
            | Event::Resync(Channel::Website(id)) => self.look(Place::Website(id)),
            Event::SubscriptionChanged { channel, state: SubscriptionState::Refused(code) } => {
                return Some(Ended::Refused(format!("{channel:?}: {code:?}")));
            }
            _ => {}
        }
        None
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "an agent follows a few kinds of messages among many")]
    fn hear_message(&mut self, message: ServerMessage) {
        match message {
            ServerMessage::NewMessage(message) => {
                if let Some(question) = Question::of(&message) {
                    self.held.push_back(question);
                    if self.held.len() > MAX_HELD {
                        self.held.pop_front();
                    }
                    self.take_held();
                }
            }
            ServerMessage::ConversationAssigned(changed) => {
                self.look_if_handed(changed.conversation_id, changed.changed_by)
            }
            ServerMessage::ConversationStatusChanged(changed) => {
                self.look_if_handed(changed.conversation_id, changed.changed_by);
            }
            _ => {}
        }
    }

    /// A conversation that somebody else changed may be the agent's again.
    fn look_if_handed(&mut self, conversation: ConversationId, changed_by: Option<PersonId>) {
        if changed_by.as_ref() != Some(&self.replier.id) {
            self.look(Place::Conversation(conversation));
        }
    }

    fn look(&mut self, place: Place) {
        let replier = self.replier.clone();
        self.looks.spawn(async move { replier.look(&place).await });
    }

    /// Takes what was heard, unless something asked before it is still to be found.
    fn take_held(&mut self) {
        while self.looks.is_empty()
            && let Some(question) = self.held.pop_front()
        {
            self.take(question);
        }
    }

    /// Replies at once, or behind what the conversation waits for.
    fn take(&mut self, question: Question) {
        if !self.known.insert(&question.message) {
            return;
        }
        if let Some(waiting) = self.busy.get_mut(&question.conversation) {
            waiting.push_back(question);
            if waiting.len() > MAX_WAITING {
                waiting.pop_front();
            }
            return;
        }
        self.busy.insert(question.conversation.clone(), VecDeque::new());
        self.begin(question);
    }

    fn begin(&mut self, question: Question) {
        let replier = self.replier.clone();
        self.replies.spawn(async move {
            let outcome = replier.reply(&question).await;
            (question, outcome)
        });
    }

    fn replied(&mut self, question: &Question, outcome: Outcome) {
        tracing::info!(conversation = %question.conversation, message = question.message, ?outcome, "replied");
        // It may be the agent's turn later.
        if outcome == Outcome::Silent {
            self.known.remove(&question.message);
        }
        match self.busy.get_mut(&question.conversation).and_then(VecDeque::pop_front) {
            Some(next) => self.begin(next),
            None => drop(self.busy.remove(&question.conversation)),
        }
    }
}

/// Where to look for questions without a reply.
enum Place {
    /// All of a website: what visitors said while no agent was here.
    Website(WebsiteId),
    Conversation(ConversationId),
}

impl Replier {
    /// The questions without a reply where it is the agent's turn. Waits for a server that does not answer.
    async fn look(&self, place: &Place) -> Vec<Question> {
        loop {
            match self.try_look(place).await {
                Ok(questions) => return questions,
                Err(ApiError::Unreachable(error)) => {
                    tracing::warn!(error, "what was said before is not known yet");
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error @ (ApiError::Conflict | ApiError::Refused(_))) => {
                    tracing::warn!(%error, "what was said before is not known");
                    return Vec::new();
                }
            }
        }
    }

    async fn try_look(&self, place: &Place) -> Result<Vec<Question>, ApiError> {
        let conversations = match place {
            Place::Website(id) => self.api.live_conversations(id, MAX_PAGES).await?,
            Place::Conversation(id) => vec![self.api.conversation(id).await?],
        };
        let mut questions = Vec::new();
        for stands in conversations.iter().filter(|stands| self.may_speak(stands)) {
            questions.extend(self.unanswered(&stands.conversation_id).await?);
        }
        Ok(questions)
    }

    /// What visitors said since a person last spoke, and the agent has not answered.
    async fn unanswered(&self, conversation: &ConversationId) -> Result<Vec<Question>, ApiError> {
        let messages = self.api.newest_messages(conversation, LOOK_BACK).await?;
        let is_persons = |message: &NewMessage| message.sender_type == UserType::User;
        let from = messages.iter().rposition(is_persons).map_or(0, |at| at + 1);
        let replies: HashSet<&str> = messages
            .iter()
            .filter(|message| message.sender_id == self.id)
            .filter_map(|message| message.client_message_id.as_ref().map(|key| key.as_str()))
            .collect();
        let is_open = |question: &Question| question.key().is_some_and(|key| !replies.contains(key.as_str()));
        Ok(messages[from..].iter().filter_map(Question::of).filter(is_open).collect())
    }
}
