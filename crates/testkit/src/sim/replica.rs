//! What an application would show: the state of each channel, by its confirmation and the events behind it.

use std::collections::{BTreeMap, BTreeSet};

use cossistant_protocol::{
    Channel, ConversationId, ConversationStatus, OnlineState, PHASE_DONE, PersonId, ServerMessage,
    SubscriptionConfirmed, UserType,
};

/// A person as others tell it apart.
pub(super) type Person = (UserType, PersonId);

/// The state of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ConversationView {
    pub(super) visitor: Option<PersonId>,
    pub(super) status: Option<ConversationStatus>,
    pub(super) assignee: Option<PersonId>,
    pub(super) seen: BTreeMap<Person, u64>,
    pub(super) typing: BTreeSet<Person>,
    pub(super) activity: BTreeMap<PersonId, (String, Option<String>)>,
    pub(super) viewing: BTreeSet<PersonId>,
    /// Told to the team.
    pub(super) online: Option<bool>,
}

/// The state of a website.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct WebsiteView {
    /// By visitor: its conversations that are not closed.
    pub(super) online: BTreeMap<PersonId, BTreeSet<ConversationId>>,
    pub(super) typing: BTreeSet<(ConversationId, Person)>,
}

/// All that one client shows.
#[derive(Debug, Clone, Default)]
pub(super) struct Replica {
    /// Each with the head of its confirmation, up to which events are no news to the state.
    pub(super) conversations: BTreeMap<String, (u64, ConversationView)>,
    pub(super) website: Option<WebsiteView>,
    /// Told to visitors: whether anybody of the team is there.
    pub(super) is_team_online: Option<bool>,
}

fn set<T: Ord>(items: &mut BTreeSet<T>, item: T, is_in: bool) {
    if is_in {
        items.insert(item);
    } else {
        items.remove(&item);
    }
}

impl Replica {
    /// Nothing is held any more of a channel.
    pub(super) fn forget(&mut self, channel: &Channel) {
        match channel {
            Channel::Conversation(id) => {
                self.conversations.remove(id.as_str());
            }
            Channel::Website(_) => self.website = None,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "most messages change no state")]
    pub(super) fn apply(&mut self, message: &ServerMessage) {
        match message {
            ServerMessage::SubscriptionConfirmed(confirmed) => self.confirm(confirmed),
            ServerMessage::ConnectionEstablished(established) => {
                self.is_team_online = established.team.as_ref().map(|team| team.online);
            }
            ServerMessage::TeamOnline(_) => self.is_team_online = Some(true),
            ServerMessage::TeamOffline(_) => self.is_team_online = Some(false),
            ServerMessage::ConversationStatusChanged(event) => {
                let id = event.conversation_id.as_str();
                if let Some((head, view)) = self.conversations.get_mut(id)
                    && event.seq > *head
                {
                    view.status = Some(event.status);
                }
            }
            ServerMessage::ConversationAssigned(event) => {
                if let Some((head, view)) = self.conversations.get_mut(event.conversation_id.as_str())
                    && event.seq > *head
                {
                    view.assignee.clone_from(&event.assigned_team_member_id);
                }
            }
            ServerMessage::ConversationSeen(event) => {
                if let Some((_, view)) = self.conversations.get_mut(event.conversation_id.as_str()) {
                    let mark = view.seen.entry((event.user_type, event.user_id.clone())).or_default();
                    *mark = event.last_seen_seq.max(*mark);
                }
            }
            ServerMessage::TypingIndicator(event) => {
                let (id, person) = (&event.conversation_id, (event.user_type, event.user_id.clone()));
                if let Some((_, view)) = self.conversations.get_mut(id.as_str()) {
                    set(&mut view.typing, person.clone(), event.is_typing);
                }
                if let Some(website) = &mut self.website {
                    set(&mut website.typing, (id.clone(), person), event.is_typing);
                }
            }
            ServerMessage::ViewingIndicator(event) => {
                if let Some((_, view)) = self.conversations.get_mut(event.conversation_id.as_str()) {
                    set(&mut view.viewing, event.user_id.clone(), event.is_viewing);
                }
            }
            ServerMessage::AgentActivity(event) => {
                if let Some((_, view)) = self.conversations.get_mut(event.conversation_id.as_str()) {
                    if event.phase == PHASE_DONE {
                        view.activity.remove(&event.user_id);
                    } else {
                        view.activity.insert(event.user_id.clone(), (event.phase.clone(), event.text.clone()));
                    }
                }
            }
            ServerMessage::VisitorOnline(event) => {
                self.presence(&event.visitor_id, true);
                if let Some(website) = &mut self.website {
                    let open = event.conversation_ids.iter().cloned().collect();
                    website.online.insert(event.visitor_id.clone(), open);
                }
            }
            ServerMessage::VisitorOffline(event) => {
                self.presence(&event.visitor_id, false);
                if let Some(website) = &mut self.website {
                    website.online.remove(event.visitor_id.as_str());
                }
            }
            _ => {}
        }
    }

    fn presence(&mut self, visitor: &PersonId, is_online: bool) {
        for (_, view) in self.conversations.values_mut() {
            if view.visitor.as_ref() == Some(visitor) && view.online.is_some() {
                view.online = Some(is_online);
            }
        }
    }

    fn confirm(&mut self, confirmed: &SubscriptionConfirmed) {
        let typing = confirmed.typing.iter().flatten();
        match &confirmed.channel {
            Channel::Conversation(id) => {
                let view = ConversationView {
                    visitor: confirmed.visitor_id.clone(),
                    status: confirmed.status,
                    assignee: confirmed.assigned_team_member_id.clone().flatten(),
                    seen: confirmed
                        .seen
                        .iter()
                        .flatten()
                        .map(|seen| ((seen.user_type, seen.user_id.clone()), seen.last_seen_seq))
                        .collect(),
                    typing: typing.map(|typist| (typist.user_type, typist.user_id.clone())).collect(),
                    activity: confirmed
                        .activity
                        .iter()
                        .flatten()
                        .map(|activity| (activity.user_id.clone(), (activity.phase.clone(), activity.text.clone())))
                        .collect(),
                    viewing: confirmed.viewing.iter().flatten().map(|viewer| viewer.user_id.clone()).collect(),
                    online: match confirmed.online {
                        Some(OnlineState::Conversation(is_online)) => Some(is_online),
                        Some(OnlineState::Website(_)) | None => None,
                    },
                };
                self.conversations.insert(id.as_str().to_owned(), (confirmed.head, view));
            }
            Channel::Website(_) => {
                let online = match &confirmed.online {
                    Some(OnlineState::Website(visitors)) => visitors
                        .iter()
                        .map(|visitor| {
                            let open = visitor.conversation_ids.iter().cloned().collect();
                            (visitor.visitor_id.clone(), open)
                        })
                        .collect(),
                    Some(OnlineState::Conversation(_)) | None => BTreeMap::new(),
                };
                let typing = typing.filter_map(|typist| {
                    let conversation = typist.conversation_id.clone()?;
                    Some((conversation, (typist.user_type, typist.user_id.clone())))
                });
                self.website = Some(WebsiteView { online, typing: typing.collect() });
            }
        }
    }
}
