//! What a terminal shows of a conversation: lines that stay, and the area that tells how things stand now.

use std::collections::{BTreeMap, HashSet};

use console::{style, truncate_str};
use cossistant_client::{NewMessage, PersonId, ServerMessage, UserType, Visibility};
use cossistant_protocol::{ConnectionEstablished, OnlineState, SubscriptionConfirmed};

use super::Outgoing;
use crate::output::tame;
use crate::words;

/// Own messages under way that the area lists one by one.
const MAX_PENDING_ROWS: usize = 5;

/// The state of one conversation on a screen.
#[derive(Debug, Default)]
pub(super) struct Session {
    me: Option<(PersonId, UserType)>,
    /// Connected and subscribed.
    pub(super) is_live: bool,
    /// Why not, and what comes next.
    pub(super) trouble: Option<String>,
    lines: Vec<String>,
    /// Who types, by name, and what, where that is told.
    typing: BTreeMap<PersonId, (String, String)>,
    /// What agents do.
    activity: BTreeMap<PersonId, String>,
    /// How far others have read.
    seen: BTreeMap<PersonId, (String, u64)>,
    /// Messages that were loaded, not heard; heard again they are no news.
    loaded: HashSet<String>,
    /// The newest place of a message of somebody else that was shown.
    pub(super) newest: u64,
}

impl Session {
    /// Whether the person belongs to the team.
    pub(super) fn is_user(&self) -> bool {
        self.me.as_ref().is_some_and(|(_, kind)| *kind == UserType::User)
    }

    pub(super) fn take_lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    /// A line of the program's own.
    pub(super) fn remark(&mut self, text: &str) {
        self.lines.push(style(format!("· {text}")).dim().to_string());
    }

    pub(super) fn complain(&mut self, text: &str) {
        self.lines.push(style(format!("✗ {text}")).red().to_string());
    }

    pub(super) fn hear(&mut self, message: &ServerMessage, outgoing: &mut Outgoing) {
        match message {
            ServerMessage::ConnectionEstablished(established) => self.established(established),
            ServerMessage::SubscriptionConfirmed(confirmed) => self.confirmed(confirmed),
            ServerMessage::NewMessage(message) => {
                if !self.loaded.remove(message.message_id.as_str()) {
                    self.say(message, outgoing);
                }
            }
            ServerMessage::MessageAck(ack) => {
                if let Some(text) = outgoing.settle(ack.id.as_str()) {
                    self.own(&tame(&text), ack.seq, outgoing.visibility == Some(Visibility::Internal));
                }
            }
            ServerMessage::TypingIndicator(typing) if typing.is_typing => {
                let who = words::who(typing.user_name.as_deref(), &typing.user_id);
                self.typing.entry(typing.user_id.clone()).or_insert((who, String::new()));
            }
            ServerMessage::TypingIndicator(typing) => {
                self.typing.remove(&typing.user_id);
            }
            ServerMessage::TypingProgress(typing) => {
                let who = words::who(typing.user_name.as_deref(), &typing.user_id);
                self.typing.insert(typing.user_id.clone(), (who, tame(&typing.content).replace('\n', " ")));
            }
            ServerMessage::AgentActivity(activity) if activity.phase == "done" => {
                self.activity.remove(&activity.user_id);
            }
            ServerMessage::AgentActivity(activity) => {
                let text = words::describe(message).unwrap_or_default();
                self.activity.insert(activity.user_id.clone(), text);
            }
            ServerMessage::ConversationSeen(seen) => {
                let who = words::who(seen.user_name.as_deref(), &seen.user_id);
                self.note_seen(&seen.user_id, seen.user_type, who, seen.last_seen_seq);
            }
            // One that answers a message is told with the message, and one that comes before a close with the close.
            ServerMessage::Error(error) if error.id.is_some() || !self.is_live => {}
            ServerMessage::MessageUpdated(_)
            | ServerMessage::ConversationCreated(_)
            | ServerMessage::VisitorIdentified(_)
            | ServerMessage::TeamOnline(_)
            | ServerMessage::TeamOffline(_)
            | ServerMessage::ConversationStatusChanged(_)
            | ServerMessage::ConversationAssigned(_)
            | ServerMessage::ViewingIndicator(_)
            | ServerMessage::VisitorOnline(_)
            | ServerMessage::VisitorOffline(_)
            | ServerMessage::TokenExpiring(_)
            | ServerMessage::Error(_)
            | ServerMessage::Pong(_)
            | ServerMessage::Authenticated(_)
            | ServerMessage::SubscriptionError(_)
            | ServerMessage::SubscriptionEnded(_)
            | ServerMessage::Reconnect(_) => {
                if let Some(text) = words::describe(message) {
                    self.remark(&text);
                }
            }
        }
    }

    fn established(&mut self, established: &ConnectionEstablished) {
        let is_first = self.me.is_none();
        self.me = Some((established.user_id.clone(), established.user_type));
        // What was told on an earlier connection is told anew with the confirmation.
        self.typing.clear();
        self.activity.clear();
        if !is_first {
            return;
        }
        self.remark(&format!("you are {} ({})", established.user_id, established.user_type));
        if let Some(team) = &established.team {
            let names = team.members.iter().filter_map(|member| member.name.as_deref()).map(tame).collect::<Vec<_>>();
            let text = match (team.online, names.is_empty()) {
                (true, true) => "the team is here".to_owned(),
                (true, false) => format!("the team is here: {}", names.join(", ")),
                (false, _) => "nobody of the team is here at the moment".to_owned(),
            };
            self.remark(&text);
        }
    }

    fn confirmed(&mut self, confirmed: &SubscriptionConfirmed) {
        for typing in confirmed.typing.iter().flatten() {
            let who = words::who(typing.user_name.as_deref(), &typing.user_id);
            self.typing.insert(typing.user_id.clone(), (who, String::new()));
        }
        for activity in confirmed.activity.iter().flatten() {
            let who = words::who(activity.user_name.as_deref(), &activity.user_id);
            self.activity.insert(activity.user_id.clone(), format!("{who}: {}", tame(&activity.phase)));
        }
        for seen in confirmed.seen.iter().flatten() {
            let who = words::who(seen.user_name.as_deref(), &seen.user_id);
            self.note_seen(&seen.user_id, seen.user_type, who, seen.last_seen_seq);
        }
        if let (Some(OnlineState::Conversation(is_online)), Some(visitor)) = (&confirmed.online, &confirmed.visitor_id)
        {
            self.remark(&format!("{visitor} is {}", if *is_online { "here" } else { "not here" }));
        }
        for viewing in confirmed.viewing.iter().flatten() {
            let who = words::who(viewing.user_name.as_deref(), &viewing.user_id);
            self.remark(&format!("{who} has it open"));
        }
    }

    fn note_seen(&mut self, id: &PersonId, kind: UserType, who: String, seq: u64) {
        if self.me.as_ref().is_none_or(|(me, my_kind)| me != id || *my_kind != kind) {
            self.seen.insert(id.clone(), (who, seq));
        }
    }

    /// A message that was told: one's own has a mark, because only what is stored is told.
    pub(super) fn say(&mut self, message: &NewMessage, outgoing: &mut Outgoing) {
        self.typing.remove(&message.sender_id);
        let is_note = message.visibility == Visibility::Internal;
        let is_own =
            self.me.as_ref().is_some_and(|(me, kind)| *me == message.sender_id && *kind == message.sender_type);
        if is_own {
            let is_pending = message.client_message_id.as_ref().and_then(|id| outgoing.settle(id.as_str())).is_some();
            // What is not under way any more was shown with its ack, unless another program of the same person sent it.
            if is_pending || !outgoing.is_own(message) {
                self.own(&words::content(message.content.as_deref()), message.seq, is_note);
            }
            return;
        }
        self.newest = self.newest.max(message.seq);
        let who = words::who(message.sender_name.as_deref(), &message.sender_id);
        let note = if is_note { " (note)" } else { "" };
        let content = words::content(message.content.as_deref());
        self.lines.push(format!("{}: {content}", style(format!("{who}{note}")).cyan().bold()));
    }

    fn own(&mut self, text: &str, seq: u64, is_note: bool) {
        let note = if is_note { " (note)" } else { "" };
        let mark = style(format!("✓ #{seq}")).green();
        self.lines.push(format!("{}: {text}  {mark}", style(format!("you{note}")).bold()));
    }

    /// Messages that were loaded, in order.
    pub(super) fn load(&mut self, messages: &[NewMessage], outgoing: &mut Outgoing) {
        for message in messages {
            self.loaded.insert(message.message_id.to_string());
            self.say(message, outgoing);
        }
    }

    /// How things stand now, a row each.
    pub(super) fn area(&self, outgoing: &Outgoing, columns: usize) -> Vec<String> {
        let mut rows = Vec::new();
        if !self.seen.is_empty() {
            let seen = self.seen.values().map(|(who, seq)| format!("{who} has read up to #{seq}"));
            rows.push(style(format!("✓✓ {}", seen.collect::<Vec<_>>().join(", "))).green().dim());
        }
        for (at, (_, text)) in outgoing.pending.iter().take(MAX_PENDING_ROWS).enumerate() {
            // One message at a time is under way; the others wait for their turn.
            let mark = if self.is_live && at == 0 { "→ sent" } else { "… queued" };
            rows.push(style(format!("{mark}: {}", tame(text).replace('\n', " "))).yellow());
        }
        let more = outgoing.pending.len().saturating_sub(MAX_PENDING_ROWS);
        if more > 0 {
            rows.push(style(format!("… queued: {more} more")).yellow());
        }
        rows.extend(self.activity.values().map(|text| style(text.replace('\n', " ")).magenta()));
        rows.extend(self.typing.values().map(|(who, text)| {
            let colon = if text.is_empty() { "" } else { ": " };
            style(format!("✎ {who} is typing{colon}{text}")).magenta()
        }));
        if let Some(trouble) = &self.trouble {
            rows.push(style(format!("⟳ {trouble}")).red());
        }
        // A row that wraps would be two.
        let width = columns.saturating_sub(1).max(1);
        rows.into_iter().map(|row| truncate_str(&row.to_string(), width, "…").into_owned()).collect()
    }
}
