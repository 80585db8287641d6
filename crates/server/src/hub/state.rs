//! The state that a confirmation tells: together with the events behind it, it equals what a fresh subscriber gets.

use std::sync::Arc;

use cossistant_protocol::{
    ActivityState, Channel, OnlineState, OnlineVisitor, RequestId, SeenState, SubscriptionConfirmed, TypingState,
    UserType, ViewingState,
};

use super::{Conn, Hub};
use crate::bus::PersonInfo;
use crate::chat::Snapshot;
use crate::store::{Audience, SeenMark, SiteKey};

fn name(person: &PersonInfo) -> Option<String> {
    person.name.as_deref().map(str::to_owned)
}

fn avatar_url(person: &PersonInfo) -> Option<String> {
    person.avatar_url.as_deref().map(str::to_owned)
}

fn typing_state(person: &Arc<PersonInfo>, conversation: Option<&cossistant_protocol::ConversationId>) -> TypingState {
    TypingState {
        user_id: person.key.id.clone(),
        user_type: person.key.kind,
        conversation_id: conversation.cloned(),
        user_name: name(person),
        avatar_url: avatar_url(person),
    }
}

/// How far each has read, as an audience may know: a visitor knows of users and of itself.
fn seen_states(conn: &Conn, seen: &[SeenMark]) -> Vec<SeenState> {
    let audience = conn.audience();
    let may_know = |mark: &&SeenMark| match audience {
        Audience::Team => true,
        Audience::Visitor => mark.person.kind == UserType::User || conn.is(&mark.person),
    };
    seen.iter()
        .filter(may_know)
        .map(|mark| SeenState {
            user_id: mark.person.id.clone(),
            user_type: mark.person.kind,
            last_seen_seq: match audience {
                Audience::Team => mark.team_seq,
                Audience::Visitor => mark.visitor_seq,
            },
            user_name: mark.name.as_deref().map(str::to_owned),
            avatar_url: mark.avatar_url.as_deref().map(str::to_owned),
        })
        .collect()
}

impl Hub {
    /// The confirmation of a subscription, as of now.
    pub(super) fn confirmation(
        &mut self,
        index: u32,
        id: Option<RequestId>,
        channel: &Channel,
        snapshot: &Snapshot,
    ) -> SubscriptionConfirmed {
        let mut confirmed = SubscriptionConfirmed {
            id,
            channel: channel.clone(),
            epoch: self.config.epoch.to_string(),
            head: snapshot.head,
            recovered: snapshot.is_recovered,
            replayed: snapshot.head - snapshot.replay_after,
            visitor_id: None,
            status: None,
            assigned_team_member_id: None,
            seen: None,
            typing: None,
            activity: None,
            online: None,
            viewing: None,
        };
        let Some(conn) = self.conn(index) else { return confirmed };
        match &snapshot.conversation {
            Some((conversation, seen)) => {
                confirmed.visitor_id = Some(conversation.visitor.clone());
                confirmed.status = Some(conversation.status);
                confirmed.assigned_team_member_id = Some(conversation.assignee.clone());
                confirmed.seen = Some(seen_states(conn, seen));
                let goings = self.goings_state(conn, snapshot, conversation);
                (confirmed.typing, confirmed.activity, confirmed.viewing, confirmed.online) = goings;
            }
            None => {
                confirmed.online = Some(OnlineState::Website(self.online_state(&snapshot.site)));
                confirmed.typing = Some(self.website_typing(conn, &snapshot.site));
            }
        }
        if let Some((conversation, _)) = &snapshot.conversation {
            let is_team = conn.audience() == Audience::Team;
            let (id, visitor) = (conversation.id.clone(), conversation.visitor.clone());
            if is_team {
                self.note_visitor(&snapshot.site, &id, visitor);
            }
        }
        confirmed
    }

    #[expect(clippy::type_complexity, reason = "four optional fields of one message")]
    fn goings_state(
        &self,
        conn: &Conn,
        snapshot: &Snapshot,
        conversation: &crate::store::Conversation,
    ) -> (Option<Vec<TypingState>>, Option<Vec<ActivityState>>, Option<Vec<ViewingState>>, Option<OnlineState>) {
        let is_team = conn.audience() == Audience::Team;
        let here = self
            .sites
            .find(&snapshot.site)
            .and_then(|site| self.sites.get(site))
            .and_then(|site| site.conversations.get(&conversation.id));
        let typing = here
            .map(|here| here.typists(&conn.principal.key()).map(|person| typing_state(person, None)).collect())
            .unwrap_or_default();
        let goings = here.and_then(|here| here.goings.as_deref());
        let activity = goings
            .iter()
            .flat_map(|goings| &goings.activity)
            .filter(|activity| (is_team || activity.to_visitor) && !conn.is(&activity.person.key))
            .map(|activity| ActivityState {
                user_id: activity.person.key.id.clone(),
                phase: activity.phase.to_string(),
                text: activity.text.as_deref().map(str::to_owned),
                user_name: name(&activity.person),
                avatar_url: avatar_url(&activity.person),
            })
            .collect();
        if !is_team {
            return (Some(typing), Some(activity), None, None);
        }
        let viewing = goings
            .iter()
            .flat_map(|goings| &goings.viewing)
            .filter(|viewer| !conn.is(&viewer.person.key))
            .map(|viewer| ViewingState {
                user_id: viewer.person.key.id.clone(),
                user_name: name(&viewer.person),
                avatar_url: avatar_url(&viewer.person),
            })
            .collect();
        let online = self.presence.is_told_online(&snapshot.site, &conversation.visitor);
        (Some(typing), Some(activity), Some(viewing), Some(OnlineState::Conversation(online)))
    }

    fn online_state(&self, site: &SiteKey) -> Vec<OnlineVisitor> {
        self.presence
            .online_visitors(site)
            .into_iter()
            .map(|(visitor_id, conversations)| OnlineVisitor { visitor_id, conversation_ids: conversations.to_vec() })
            .collect()
    }

    fn website_typing(&self, conn: &Conn, site: &SiteKey) -> Vec<TypingState> {
        let Some(slot) = self.sites.find(site).and_then(|site| self.sites.get(site)) else { return Vec::new() };
        let own = conn.principal.key();
        let mut typing: Vec<TypingState> = slot
            .conversations
            .iter()
            .flat_map(|(id, conversation)| conversation.typists(&own).map(move |person| typing_state(person, Some(id))))
            .collect();
        typing.sort_unstable_by(|a, b| (&a.conversation_id, &a.user_id).cmp(&(&b.conversation_id, &b.user_id)));
        typing
    }

    /// Remembers whose a conversation is that a team member here holds, so that its presence finds its way.
    pub(super) fn note_visitor(
        &mut self,
        key: &SiteKey,
        id: &cossistant_protocol::ConversationId,
        visitor: cossistant_protocol::PersonId,
    ) {
        let Some(slot) = self.sites.find(key).and_then(|site| self.sites.get_mut(site)) else { return };
        let Some(conversation) = slot.conversations.get_mut(id).filter(|here| !here.team.is_empty()) else { return };
        if let Some(before) = conversation.visitor.replace(visitor.clone()) {
            if before == visitor {
                return;
            }
            if let Some(held) = slot.by_visitor.get_mut(&before) {
                held.retain(|other| other != id);
            }
        }
        slot.by_visitor.entry(visitor).or_default().push(id.clone());
    }
}
