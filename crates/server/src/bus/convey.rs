//! From what nodes tell each other to what shards tell each other, and back.

use std::sync::Arc;

use cossistant_protocol::{PHASE_DONE, UserType};
use serde_json::value::RawValue;

use super::wire::{Entry, Live, Told, websites_of};
use super::{NodeId, Notice, PersonInfo, ShardId, Source, Stamp, Topic, Who};
use crate::event::{Event, Frame};
use crate::store::PersonKey;

/// A frame's message as it goes into another one.
pub(super) fn raw(frame: &Frame) -> Option<Box<RawValue>> {
    RawValue::from_string(frame.json().to_owned()).ok()
}

pub(super) fn told(event: &Arc<Event>) -> Option<Told> {
    let visitor = match &event.visitor {
        Some(frame) => Some(raw(frame)?),
        None => None,
    };
    let (conversation, moves) = (event.conversation.clone(), event.moves.clone());
    Some(Told { conversation, offset: event.offset, team: raw(&event.team)?, visitor, moves })
}

/// Whether an entry can stand of a topic: people of a team are of the organization, all else is of a website.
pub(super) const fn is_of(topic: &Topic, entry: &Entry) -> bool {
    matches!((topic, entry), (Topic::Organization(_), Entry::Member { .. }))
        || (matches!(topic, Topic::Site(_)) && !matches!(entry, Entry::Member { .. }))
}

/// What the shards are told of an entry that stands at another node, or no longer does.
pub(super) fn notice(topic: &Topic, node: NodeId, entry: Entry, stands: bool) -> Option<Notice> {
    let source = |shard, connection| Source { shard: ShardId { node, at: shard }, connection };
    Some(match (topic, entry) {
        (Topic::Organization(organization), Entry::Member { shard, person, websites }) => {
            let person = person.info();
            Notice::Presence {
                who: Who::Member(organization.clone(), person.key.clone()),
                person,
                websites: Some(websites_of(websites)),
                shard: ShardId { node, at: shard },
                is_here: stands,
            }
        }
        (Topic::Site(site), Entry::Visitor { shard, id }) => {
            let key = PersonKey { kind: UserType::Visitor, id: id.clone() };
            Notice::Presence {
                who: Who::Visitor(site.clone(), id),
                person: Arc::new(PersonInfo { key, name: None, avatar_url: None }),
                websites: None,
                shard: ShardId { node, at: shard },
                is_here: stands,
            }
        }
        (Topic::Site(site), Entry::Typing { conversation, person, shard, connection }) => {
            let (site, person, source) = (site.clone(), person.info(), source(shard, connection));
            if stands {
                Notice::TypingStarted { site, conversation, person, source }
            } else {
                Notice::TypingStopped { site, conversation, person, source: Some(source) }
            }
        }
        (Topic::Site(site), Entry::Viewing { conversation, person, shard, connection }) => Notice::Viewing {
            site: site.clone(),
            conversation,
            person: person.info(),
            source: source(shard, connection),
            is_viewing: stands,
        },
        // An end that is remembered no longer has ended all the same, and nothing that came since.
        (Topic::Site(_), Entry::Activity { phase, .. }) if !stands && phase == PHASE_DONE => return None,
        (Topic::Site(site), Entry::Activity { conversation, person, phase, text, to_visitor, shard, count }) => {
            let (phase, text) = if stands { (phase, text) } else { (PHASE_DONE.to_owned(), None) };
            Notice::Activity {
                site: site.clone(),
                conversation,
                person: person.info(),
                phase: phase.into(),
                text: text.map(Into::into),
                to_visitor: to_visitor && stands,
                stamp: Stamp { count, shard: ShardId { node, at: shard } },
            }
        }
        (Topic::Organization(_) | Topic::Site(_), _) => return None,
    })
}

/// What the shards are told of what happens at another node.
pub(super) fn live_notice(topic: &Topic, live: Live) -> Option<Notice> {
    let frame = |raw: &RawValue| Frame::of_json(raw.get());
    match (topic, live) {
        (Topic::Organization(organization), Live::Disconnect { who, is_revoked }) => {
            let who = Who::Member(organization.clone(), PersonKey::from(&who));
            Some(Notice::Disconnect { who, is_revoked })
        }
        (Topic::Organization(_), _) => None,
        (Topic::Site(site), live) => {
            let site = site.clone();
            Some(match live {
                Live::Events(events) => {
                    let event = |told: Told| {
                        let (team, visitor) = (frame(&told.team), told.visitor.as_deref().map(frame));
                        let (site, conversation, offset) = (site.clone(), told.conversation, told.offset);
                        Arc::new(Event { site, conversation, offset, team, visitor, moves: told.moves })
                    };
                    Notice::Events(events.into_iter().map(event).collect())
                }
                Live::TypingStopped { conversation, person } => {
                    Notice::TypingStopped { site, conversation, person: person.info(), source: None }
                }
                Live::Progress { conversation, person, frame: raw, to_visitor } => {
                    Notice::Progress { site, conversation, person: person.info(), frame: frame(&raw), to_visitor }
                }
                Live::Seen { conversation, by, team, visitor } => Notice::Seen {
                    site,
                    conversation,
                    person: PersonKey::from(&by),
                    team: frame(&team),
                    visitor: visitor.as_deref().map(frame),
                },
                Live::Open { visitor } => Notice::OpenConversations { site, visitor },
                Live::Identified { visitor, previous, conversations, frame: raw } => {
                    let conversations = conversations.into();
                    Notice::Identified { site, visitor, previous, conversations, frame: frame(&raw) }
                }
                Live::Disconnect { who, is_revoked } => {
                    Notice::Disconnect { who: Who::Visitor(site, who.id), is_revoked }
                }
            })
        }
    }
}
