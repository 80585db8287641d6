//! Chat in a terminal.

use anyhow::{Context as _, anyhow};
use cossistant_client::{Channel, Client, ConnectionState, Event};
use cossistant_protocol::http::MessageList;

use super::pipe::{self, given_up};
use super::prompt::{Input, Prompt};
use super::session::Session;
use super::{Chat, Outgoing};
use crate::Failure;
use crate::api;
use crate::link::{Change, Link, interrupted};
use crate::output::tame;

/// How many earlier messages are shown to one who comes in.
const HISTORY: usize = 20;

pub(super) async fn run(chat: &Chat) -> Result<(), Failure> {
    let config = chat.endpoint.config()?;
    let Some(mut prompt) = Prompt::start()? else { return pipe::run(chat).await };
    let link = Link::new(Channel::Conversation(chat.conversation.clone()), config.engine.clone());
    let (client, mut events) = Client::connect(config);
    client.subscribe_to_conversation(chat.conversation.clone())?;
    let mut room = Room { chat, link, session: Session::default(), seen: 0, client: client.clone() };
    room.session.trouble = Some("connecting".to_owned());
    room.session.remark("Enter sends, Ctrl-D leaves");
    let mut outgoing = Outgoing::new(chat, client.clone())?;
    let mut has_input = true;
    let mut interrupted = std::pin::pin!(interrupted());
    let ended = loop {
        let columns = console::Term::stdout().size().1;
        prompt.show(room.session.take_lines(), room.session.area(&outgoing, columns.into()));
        if !has_input && outgoing.pending.is_empty() {
            break Ok(());
        }
        let step = tokio::select! {
            input = prompt.inputs.recv(), if has_input => match input {
                Some(Input::Line(line)) => room.submit(line, &mut outgoing),
                Some(Input::Failed(error)) => Err(Failure::Failed(anyhow!("cannot read the terminal: {error}"))),
                Some(Input::End) | None => {
                    has_input = false;
                    room.leave(&outgoing);
                    Ok(())
                }
            },
            Ok(()) = prompt.draft.changed(), if has_input => {
                let draft = prompt.draft.borrow_and_update().clone();
                room.tell_typing(&draft);
                Ok(())
            }
            event = events.recv() => match event {
                Some(event) => room.hear(event, &mut outgoing).await,
                None => Err(Failure::Failed(anyhow!("the connection has ended"))),
            },
            () = &mut interrupted => break given_up(&outgoing),
        };
        if step.is_err() {
            break step;
        }
    };
    prompt.show(room.session.take_lines(), Vec::new());
    prompt.end(has_input)?;
    client.end().await;
    ended
}

/// The person, the conversation and the screen together.
struct Room<'c> {
    chat: &'c Chat,
    link: Link,
    session: Session,
    /// Up to where the server knows that the person has read.
    seen: u64,
    client: Client,
}

impl Room<'_> {
    fn submit(&mut self, line: String, outgoing: &mut Outgoing) -> Result<(), Failure> {
        if line.trim().is_empty() {
            self.client.stop_typing(self.chat.conversation.clone());
            return Ok(());
        }
        if let Err(error) = outgoing.send(line) {
            self.session.complain(&format!("not sent: {error}"));
        }
        Ok(())
    }

    fn leave(&mut self, outgoing: &Outgoing) {
        self.client.stop_typing(self.chat.conversation.clone());
        if !outgoing.pending.is_empty() {
            self.session.remark("leaving once all is stored; Ctrl-C does not wait");
        }
    }

    /// Tells others what is being written. What will be a note is nobody's to watch.
    fn tell_typing(&self, draft: &str) {
        if !self.session.is_live || self.chat.note {
            return;
        }
        let conversation = self.chat.conversation.clone();
        self.client.send_typing_progress(conversation.clone(), draft);
        if draft.is_empty() {
            self.client.stop_typing(conversation);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "most events mean nothing here, nor will new ones")]
    async fn hear(&mut self, event: Event, outgoing: &mut Outgoing) -> Result<(), Failure> {
        let change = self.link.hear(&event, &self.client);
        match event {
            Event::Message(message) => self.session.hear(&message, outgoing),
            Event::MessageFailed { id, error } => {
                let text = outgoing.settle(&id).unwrap_or_default();
                self.session.complain(&format!("not stored: {error}: {}", tame(&text)));
            }
            Event::StateChanged(ConnectionState::Connecting) => {
                self.session.is_live = false;
                self.session.trouble.get_or_insert_with(|| "connecting".to_owned());
            }
            _ => {}
        }
        match change {
            Some(Change::Live { is_back }) => self.live(is_back, outgoing).await,
            Some(Change::Waiting { .. }) => {
                self.session.is_live = false;
                self.session.trouble = change.as_ref().map(ToString::to_string);
            }
            Some(Change::Missing) => {
                self.session.remark("events are missing here; the newest messages follow");
                self.load(outgoing).await;
            }
            Some(Change::Ended(error)) => return Err(Failure::Failed(error)),
            None => {}
        }
        if self.session.is_live && self.session.newest > self.seen {
            self.seen = self.session.newest;
            self.client.mark_seen(self.chat.conversation.clone(), self.seen);
        }
        Ok(())
    }

    async fn live(&mut self, is_back: bool, outgoing: &mut Outgoing) {
        self.session.is_live = true;
        self.session.trouble = None;
        // What was told on the lost connection may not have come through.
        self.seen = 0;
        if self.session.is_user() {
            self.client.set_viewing(self.chat.conversation.clone(), true);
        }
        if is_back {
            self.session.remark("connected again");
        } else {
            self.load(outgoing).await;
        }
    }

    /// Loads the newest messages. Events wait meanwhile, so that all comes in order.
    async fn load(&mut self, outgoing: &mut Outgoing) {
        let endpoint = &self.chat.endpoint;
        let (url, token) = (endpoint.url.clone(), endpoint.token.clone());
        let path = format!("/v1/conversations/{}/messages?limit={HISTORY}", self.chat.conversation);
        let loading = tokio::task::spawn_blocking(move || {
            let page = api::read(&url, &token, &path)?;
            serde_json::from_value::<MessageList>(page).context("the server's answer is no list of messages")
        });
        match loading.await {
            Ok(Ok(page)) => self.session.load(&page.messages, outgoing),
            Ok(Err(error)) => self.session.complain(&format!("earlier messages cannot be shown: {error:#}")),
            Err(error) => self.session.complain(&format!("earlier messages cannot be shown: {error}")),
        }
    }
}
