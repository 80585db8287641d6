//! `cossistant chat`: takes part in a conversation.

mod pipe;
mod prompt;
mod session;
mod terminal;

use std::collections::VecDeque;
use std::io::IsTerminal as _;

use clap::Args;
use cossistant_client::{
    Client, ConversationId, MessageContent, NewMessage, RequestId, SendError, SendMessage, Visibility,
};
use futures_util::FutureExt as _;

use crate::Failure;
use crate::link::Endpoint;

/// Takes part in a conversation, from a terminal or in a pipe.
///
/// In a terminal there is a prompt, and above it what others say, who types, who is here, and what became of one's
/// own messages. In a pipe each line of the standard input is a message, and what others say goes to the standard
/// output; it ends with the input, once every message is acknowledged. Messages wait while there is no connection.
///
/// A visitor begins a conversation by speaking in it; the team joins those that exist.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cossistant chat --url http://127.0.0.1:8787 --conversation demo-1 \\
      --token \"$(cossistant token --dev --type visitor --sub ada --website website-123)\"
  echo \"The build is green.\" | cossistant chat --url http://127.0.0.1:8787 --conversation demo-1 --token \"$TOKEN\"")]
pub(crate) struct Chat {
    #[command(flatten)]
    endpoint: Endpoint,
    /// The conversation
    #[arg(long, value_name = "ID")]
    conversation: ConversationId,
    /// Sends notes, which the team alone may read
    #[arg(long)]
    note: bool,
    /// Prints every server message as a line of JSON; the input is lines, even in a terminal
    #[arg(long)]
    json: bool,
}

impl Chat {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let is_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let runtime = crate::runtime()?;
        if is_terminal && !self.json {
            runtime.block_on(terminal::run(&self))
        } else {
            runtime.block_on(pipe::run(&self))
        }
    }
}

/// The messages of one's own, from their sending to their ack.
#[derive(Debug)]
struct Outgoing {
    client: Client,
    conversation: ConversationId,
    visibility: Option<Visibility>,
    /// What the ids of this run begin with, so that echoes are known as such.
    prefix: String,
    count: u64,
    /// Neither acknowledged nor failed, in order, with their texts.
    pending: VecDeque<(RequestId, String)>,
}

impl Outgoing {
    fn new(chat: &Chat, client: Client) -> Result<Self, Failure> {
        let run = getrandom::u64()?;
        Ok(Self {
            client,
            conversation: chat.conversation.clone(),
            visibility: chat.note.then_some(Visibility::Internal),
            prefix: format!("cli_{run:016x}_"),
            count: 0,
            pending: VecDeque::new(),
        })
    }

    /// Sends a text, or says at once why it cannot be sent.
    fn send(&mut self, text: String) -> Result<(), SendError> {
        let content = MessageContent::text(text.clone()).map_err(SendError::Invalid)?;
        self.count += 1;
        let id = RequestId::new(format!("{}{}", self.prefix, self.count)).expect("letters, digits and few of them");
        let conversation_id = self.conversation.clone();
        let message = SendMessage { conversation_id, content, metadata: None, visibility: self.visibility };
        // The events tell what becomes of it, in their order; only what never left has its answer here.
        if let Some(Err(error)) = self.client.send_with_id(id.clone(), message).now_or_never() {
            return Err(error);
        }
        self.pending.push_back((id, text));
        Ok(())
    }

    /// A message is done with: its text, unless it had been so before.
    fn settle(&mut self, id: &str) -> Option<String> {
        let at = self.pending.iter().position(|(pending, _)| pending.as_str() == id)?;
        self.pending.remove(at).map(|(_, text)| text)
    }

    /// Whether this run of the program sent it.
    fn is_own(&self, message: &NewMessage) -> bool {
        message.client_message_id.as_ref().is_some_and(|id| id.as_str().starts_with(&self.prefix))
    }
}
