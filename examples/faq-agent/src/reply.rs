//! One reply, from a visitor's message to what the agent says to it.
//!
//! Where a conversation stands is asked of the server each time, for only there it is true: the agent speaks in
//! conversations that are assigned to it, and takes open ones that are nobody's. A person who takes one over, and a
//! conversation that waits for a person, silence it; assigned to it again, or open and nobody's again, it goes on.
//!
//! The key of a reply is made from the id of the message that it answers, so that however often it is sent, and by
//! however many agents of this id, it is there once.

use std::sync::Arc;
use std::time::Duration;

use cossistant_client::{
    ActivityAudience, Client, ConversationId, ErrorCode, MessageContent, NewMessage, PersonId, ReceivedContent,
    RequestId, SendError, SendMessage, UserType, Visibility,
};

use crate::api::{Api, ApiError, Conversation, Status};
use crate::faq::Faq;
use crate::wish;

/// How long the agent waits before it asks a server again that did not answer.
pub(crate) const PAUSE: Duration = Duration::from_millis(500);
/// How often a draft grows, and in how many steps at most: whoever reads along should not have to wait.
const STEP: Duration = Duration::from_millis(120);
const STEPS: usize = 20;

const HANDED_OVER: &str = "I have asked the team to take over. A person will answer you here.";
const NOTE: &str =
    "The visitor wishes to talk to a person. Assign the conversation to the agent again to hand it back.";
const UNKNOWN: &str =
    "I have no answer to that. Ask me in other words, or write \"talk to a person\" and the team will take over.";
const WITHOUT_WORDS: &str = "I can only read text. Write \"talk to a person\" and the team will have a look.";

/// Something a visitor said that has no reply yet.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) conversation: ConversationId,
    pub(crate) message: String,
    text: String,
    is_for_a_person: bool,
}

impl Question {
    /// What a message asks of the agent: nothing, unless a visitor wrote it and it still stands.
    pub(crate) fn of(message: &NewMessage) -> Option<Self> {
        if message.sender_type != UserType::Visitor || message.visibility != Visibility::Public {
            return None;
        }
        let content = ReceivedContent::parse(message.content.as_deref()?).ok()?;
        let text = content.text.unwrap_or_default();
        let has_intent =
            [message.metadata.as_deref(), content.metadata.as_deref()].into_iter().flatten().any(|metadata| {
                let metadata = serde_json::from_str::<serde_json::Value>(metadata.get());
                metadata.is_ok_and(|metadata| metadata["intent"] == "person")
            });
        Some(Self {
            conversation: message.conversation_id.clone(),
            message: message.message_id.to_string(),
            is_for_a_person: has_intent || wish::is_for_a_person(&text),
            text,
        })
    }

    /// The key of the reply.
    pub(crate) fn key(&self) -> Option<RequestId> {
        RequestId::new(format!("re-{}", self.message)).ok()
    }
}

/// What became of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It has its reply.
    Answered,
    /// The people of the team have it.
    HandedOver,
    /// It is not for the agent to answer.
    Silent,
}

/// What every reply needs. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Replier {
    pub(crate) client: Client,
    pub(crate) api: Api,
    pub(crate) faq: Arc<Faq>,
    pub(crate) id: PersonId,
}

impl Replier {
    /// Replies, if it is the agent's turn. Waits for a server that is away. Dropping it ends the draft with the
    /// connection at the latest; what was sent stays sent.
    pub(crate) async fn reply(&self, question: &Question) -> Outcome {
        loop {
            match self.try_reply(question).await {
                Ok(outcome) => return outcome,
                Err(ApiError::Unreachable(error)) => {
                    tracing::warn!(error, "the server is asked again");
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error @ (ApiError::Conflict | ApiError::Refused(_))) => {
                    tracing::info!(%error, conversation = %question.conversation, "no reply");
                    return Outcome::Silent;
                }
            }
        }
    }

    /// Whether the agent may speak in a conversation.
    pub(crate) fn may_speak(&self, conversation: &Conversation) -> bool {
        match &conversation.assigned_team_member_id {
            Some(assignee) => *assignee == self.id && conversation.status != Status::Closed,
            None => conversation.status == Status::Open,
        }
    }

    async fn try_reply(&self, question: &Question) -> Result<Outcome, ApiError> {
        let Some(key) = question.key() else { return Ok(Outcome::Silent) };
        let conversation = self.api.conversation(&question.conversation).await?;
        if !self.may_speak(&conversation) {
            return Ok(Outcome::Silent);
        }
        if question.is_for_a_person {
            return self.hand_over(question, key, conversation.assigned_team_member_id.as_ref()).await;
        }
        if conversation.assigned_team_member_id.is_none() {
            self.api.claim(&question.conversation).await?;
        }
        let answer = self.faq.find(&question.text);
        let answer = answer.unwrap_or(if question.text.trim().is_empty() { WITHOUT_WORDS } else { UNKNOWN });
        self.draft(&question.conversation, answer).await;
        // Somebody may have taken over while the agent wrote.
        if !self.may_speak(&self.api.conversation(&question.conversation).await?) {
            self.stop_writing(&question.conversation);
            return Ok(Outcome::Silent);
        }
        self.say(key, &question.conversation, answer, Visibility::Public).await;
        self.stop_writing(&question.conversation);
        Ok(Outcome::Answered)
    }

    /// First the team has it, then the visitor is told so: what was promised is true already.
    async fn hand_over(
        &self,
        question: &Question,
        key: RequestId,
        holder: Option<&PersonId>,
    ) -> Result<Outcome, ApiError> {
        self.api.hand_over(&question.conversation, holder).await?;
        if let Ok(key) = RequestId::new(format!("note-{}", question.message)) {
            self.say(key, &question.conversation, NOTE, Visibility::Internal).await;
        }
        self.say(key, &question.conversation, HANDED_OVER, Visibility::Public).await;
        Ok(Outcome::HandedOver)
    }

    /// Writes a text before the eyes of those who watch.
    async fn draft(&self, conversation: &ConversationId, text: &str) {
        self.tell_activity(conversation, "writing");
        let ends: Vec<usize> = text.match_indices(char::is_whitespace).map(|(at, _)| at).chain([text.len()]).collect();
        let stride = ends.len().div_ceil(STEPS);
        for &end in ends.iter().skip(stride - 1).step_by(stride) {
            self.client.send_typing_progress(conversation.clone(), &text[..end]);
            tokio::time::sleep(STEP).await;
        }
    }

    fn stop_writing(&self, conversation: &ConversationId) {
        self.client.stop_typing(conversation.clone());
        self.tell_activity(conversation, "done");
    }

    fn tell_activity(&self, conversation: &ConversationId, phase: &str) {
        if let Err(error) = self.client.send_agent_activity(conversation.clone(), phase, None, ActivityAudience::All) {
            tracing::debug!(%error, "activity");
        }
    }

    /// Sends under a key, over any number of reconnects. That another text has been sent under the key is as good: the
    /// question was answered before the file was changed.
    async fn say(&self, key: RequestId, conversation: &ConversationId, text: &str, visibility: Visibility) {
        let content = match MessageContent::text(text) {
            Ok(content) => content,
            Err(error) => return tracing::warn!(%error, "an answer of the file cannot be sent"),
        };
        let message = SendMessage {
            conversation_id: conversation.clone(),
            content,
            metadata: None,
            visibility: Some(visibility),
        };
        match self.client.send_with_id(key, message).await {
            Ok(ack) => tracing::info!(%conversation, seq = ack.seq, "said"),
            Err(SendError::Refused { code: ErrorCode::Conflict, .. }) => tracing::info!(%conversation, "said before"),
            Err(error) => tracing::warn!(%error, %conversation, "not said"),
        }
    }
}
