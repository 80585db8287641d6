//! What is never stored: typing, viewing, presence. What AI agents are doing is in `activity.rs`.
//!
//! Every shard applies the same notices to its own view and tells its own subscribers of what changed in it.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use cossistant_protocol::{
    CloseCode, ConversationId, PersonId, ServerMessage, TeamMember, TeamPresence, TypingIndicator, UserType,
    ViewingIndicator, VisitorPresence,
};

use super::conversation::{Activity, Conversation};
use super::deliver::Recipients;
use super::few::Few;
use super::outbox::MergeKey;
use super::presence::Local;
use super::{ConnRef, Effect, Hub};
use crate::auth::Principal;
use crate::bus::{Notice, PersonInfo, Source, Topic, Who};
use crate::event::Frame;
use crate::store::{PersonKey, SiteKey};

/// How long ago notices that were lost may have been told, in ms.
const LOST_MS: u64 = 60_000;
/// The most that one connection types in and views at once; the oldest ends.
const DOINGS_MAX: usize = 1_000;

/// The key under which newer news replaces older: a kind of news of one person in one conversation.
pub(super) fn merge_key(kind: &str, conversation: Option<&ConversationId>, person: impl Hash) -> MergeKey {
    let mut hasher = DefaultHasher::new();
    (kind, conversation, person).hash(&mut hasher);
    // A preview that is not the newest is replaced by the next keystroke; everything else is shown until it is taken back.
    MergeKey { hash: hasher.finish(), is_state: kind != "progress" }
}

impl Hub {
    /// Applies what a shard, this one included, has told.
    pub(crate) fn handle_notice(&mut self, notice: Notice) {
        match notice {
            Notice::Events(events) => self.handle_events(&events),
            Notice::TypingStarted { site, conversation, person, source } => {
                let slot = self.sites.entry(&site);
                let told = self
                    .sites
                    .get_mut(slot)
                    .is_some_and(|slot| slot.conversation(&conversation).start_typing(&person, source));
                if told {
                    self.tell_typing(slot, &conversation, &person, true);
                }
            }
            Notice::TypingStopped { site, conversation, person, source } => {
                self.stop_typing(&site, &conversation, &person, source);
            }
            Notice::Progress { site, conversation, person, frame, to_visitor } => {
                let Some(slot) = self.sites.find(&site) else { return };
                let to = Recipients {
                    except: Some(&person.key),
                    team: Some(&frame),
                    visitor: to_visitor.then_some(&frame),
                    key: merge_key("progress", Some(&conversation), &person.key),
                };
                self.deliver_ephemeral(slot, &conversation, &to);
            }
            Notice::Viewing { site, conversation, person, source, is_viewing } => {
                self.set_viewing(&site, &conversation, &person, source, is_viewing);
            }
            Notice::Activity { site, conversation, person, phase, text, to_visitor, stamp } => {
                self.set_activity(&site, &conversation, Activity { person, phase, text, to_visitor, stamp });
            }
            Notice::Seen { site, conversation, person, team, visitor } => {
                self.tell_seen(&site, &conversation, &person, &team, visitor.as_ref());
            }
            Notice::Presence { who, person, websites, shard, is_here } => match who {
                Who::Visitor(site, visitor) => {
                    if is_here {
                        self.end_grace(&(Some(site.clone()), site.organization.clone(), person.key.clone()), shard);
                    }
                    let changed = self.presence.set_visitor(&site, &visitor, (shard, self.config.shard.node), is_here);
                    if changed && self.speaks_for((&site, &visitor)) {
                        self.effects.push(Effect::TellPresence { site, visitor });
                    }
                }
                Who::Member(organization, key) => {
                    if is_here {
                        self.end_grace(&(None, organization.clone(), key), shard);
                    }
                    let websites = websites.unwrap_or(crate::store::Websites::All);
                    self.change_team(&organization, &person, websites, shard, is_here);
                }
            },
            Notice::VisitorPresence { site, visitor, is_online, conversations, frame } => {
                self.tell_visitor_presence(&site, &visitor, is_online, conversations, frame.as_ref());
            }
            Notice::OpenConversations { site, visitor } => {
                if self.speaks_for((&site, &visitor)) && self.presence.is_visitor_here(&site, &visitor) {
                    self.effects.push(Effect::TellPresence { site, visitor });
                }
            }
            Notice::Identified { site, visitor, previous, conversations, frame } => {
                self.tell_identified(&site, &visitor, previous.as_ref(), &conversations, &frame);
            }
            Notice::Doubt { site, for_ms } => self.doubt(site, for_ms),
            // The shard handles these two, since they are about connections and not about channels.
            Notice::Directory(_) | Notice::Disconnect { .. } => {}
        }
    }

    /// So of every website.
    pub(crate) fn doubt_all(&mut self) {
        for (_, site) in self.sites.keys() {
            self.doubt(site, LOST_MS);
        }
    }

    /// Has looked at whatever may have been told of a website and not heard here, though the store has it.
    fn doubt(&mut self, site: SiteKey, for_ms: u64) {
        let mut mine = self.presence.visitors(&site);
        mine.retain(|visitor| self.speaks_for((&site, visitor)));
        mine.sort_unstable();
        self.effects.extend(mine.into_iter().map(|visitor| Effect::TellPresence { site: site.clone(), visitor }));
        let here = self.sites.find(&site).and_then(|slot| self.sites.get(slot));
        let is_listened_to = |(_, it): &(_, &Conversation)| !it.team.is_empty() || !it.visitors.is_empty();
        let conversations = here.into_iter().flat_map(|here| &here.conversations).filter(is_listened_to);
        let conversations: BTreeSet<ConversationId> = conversations.map(|(id, _)| id.clone()).collect();
        // Without a time in which marks may have been missed, visitors alone are in doubt.
        if !conversations.is_empty() && for_ms > 0 {
            self.effects.push(Effect::ReadMarks { site, conversations, for_ms });
        }
    }

    /// Whether this shard is the one that tells all of a person who came or left.
    ///
    /// It is always the same one, so that what it tells has an order: when a visitor comes or leaves on two shards at
    /// once, neither of them need be the one that sees a change by its own doing.
    fn speaks_for(&self, person: impl Hash) -> bool {
        let mut hasher = DefaultHasher::new();
        person.hash(&mut hasher);
        hasher.finish() % u64::from(self.config.shards.max(1)) == u64::from(self.config.shard.at)
    }

    fn stop_typing(
        &mut self,
        site: &SiteKey,
        conversation: &ConversationId,
        person: &Arc<PersonInfo>,
        source: Option<Source>,
    ) {
        let Some(slot) = self.sites.find(site) else { return };
        let told = self
            .sites
            .get_mut(slot)
            .and_then(|slot| slot.conversations.get_mut(conversation))
            .is_some_and(|conversation| conversation.stop_typing(&person.key, source));
        if told {
            self.tell_typing(slot, conversation, person, false);
            self.tidy(slot, conversation);
        }
    }

    pub(super) fn tidy(&mut self, slot: u32, conversation: &ConversationId) {
        if let Some(site) = self.sites.get_mut(slot) {
            site.forget_idle_conversation(conversation);
        }
        self.sites.forget_idle(slot);
    }

    fn tell_typing(&mut self, slot: u32, conversation: &ConversationId, person: &Arc<PersonInfo>, is_typing: bool) {
        // Every shard hears of it, and most have nobody who listens there.
        let Some(site) = self.sites.get(slot).filter(|site| site.has_listeners(conversation)) else { return };
        let site = site.key.clone();
        let frame = Frame::new(&ServerMessage::TypingIndicator(TypingIndicator {
            conversation_id: conversation.clone(),
            user_id: person.key.id.clone(),
            user_type: person.key.kind,
            is_typing,
            user_name: person.name.as_deref().map(str::to_owned),
            avatar_url: person.avatar_url.as_deref().map(str::to_owned),
            website_id: site.website,
            organization_id: site.organization,
        }));
        let to = Recipients {
            except: Some(&person.key),
            team: Some(&frame),
            visitor: person.key.kind.is_team().then_some(&frame),
            key: merge_key("typing", Some(conversation), &person.key),
        };
        self.deliver_ephemeral(slot, conversation, &to);
    }

    fn set_viewing(
        &mut self,
        site: &SiteKey,
        conversation: &ConversationId,
        person: &Arc<PersonInfo>,
        source: Source,
        is_viewing: bool,
    ) {
        let slot = self.sites.entry(site);
        let told = self.sites.get_mut(slot).is_some_and(|site| {
            site.conversation(conversation).set_viewing(person, source, is_viewing) && site.has_listeners(conversation)
        });
        if told {
            let frame = Frame::new(&ServerMessage::ViewingIndicator(ViewingIndicator {
                conversation_id: conversation.clone(),
                user_id: person.key.id.clone(),
                is_viewing,
                user_name: person.name.as_deref().map(str::to_owned),
                avatar_url: person.avatar_url.as_deref().map(str::to_owned),
                website_id: site.website.clone(),
                organization_id: site.organization.clone(),
            }));
            let to = Recipients {
                except: Some(&person.key),
                team: Some(&frame),
                visitor: None,
                key: merge_key("viewing", Some(conversation), &person.key),
            };
            self.deliver_ephemeral(slot, conversation, &to);
        }
        self.tidy(slot, conversation);
    }

    fn tell_seen(
        &mut self,
        site: &SiteKey,
        conversation: &ConversationId,
        person: &PersonKey,
        team: &Frame,
        visitor: Option<&Frame>,
    ) {
        let Some(slot) = self.sites.find(site) else { return };
        let Some(at) = self.sites.get(slot) else { return };
        // A mark that is told while a state is being read may be newer than that state: it is told again behind it.
        if let Some(here) = at.conversations.get(conversation) {
            let waiting: Vec<(u32, &Frame)> = here
                .team
                .iter()
                .map(|index| (*index, team))
                .chain(visitor.iter().flat_map(|frame| here.visitors.iter().map(|index| (*index, *frame))))
                .collect();
            for (index, frame) in waiting {
                let is_own_or_user = |conn: &super::Conn| person.kind == UserType::User || conn.is(person);
                if let Some(conn) = &mut self.conns[index as usize]
                    && (conn.principal.kind.is_team() || is_own_or_user(conn))
                    && let Some(work) = &mut conn.work
                    && work.is_on(slot)
                {
                    work.hold_seen(frame);
                }
            }
        }
        let to = Recipients {
            except: None,
            team: Some(team),
            visitor: visitor.filter(|_| person.kind != UserType::AiAgent),
            // Two marks may come in the wrong order, so that the newest frame need not be the newest mark.
            key: merge_key("seen", Some(conversation), (person, team.json())),
        };
        self.deliver_ephemeral(slot, conversation, &to);
    }

    fn tell_visitor_presence(
        &mut self,
        site: &SiteKey,
        visitor: &PersonId,
        is_online: bool,
        conversations: Arc<[ConversationId]>,
        frame: Option<&Frame>,
    ) {
        let told = is_online.then(|| Arc::clone(&conversations));
        let before = self.presence.set_told(site, visitor, told);
        let before = before.filter(|before| !before.is_empty());
        match (frame, before) {
            (Some(frame), before) if is_online && before.as_ref() != Some(&conversations) => {
                self.tell_about_visitor(site, visitor, &[], frame, "presence");
            }
            (Some(frame), Some(_)) if !is_online => self.tell_about_visitor(site, visitor, &[], frame, "presence"),
            // Its last open conversation was closed: to those who were told of it, it is gone.
            (None, Some(before)) => {
                let frame = Frame::new(&ServerMessage::VisitorOffline(VisitorPresence {
                    conversation_id: before[0].clone(),
                    conversation_ids: before.to_vec(),
                    visitor_id: visitor.clone(),
                    website_id: site.website.clone(),
                    organization_id: site.organization.clone(),
                    last_seen_at: None,
                }));
                self.tell_about_visitor(site, visitor, &[], &frame, "presence");
            }
            (Some(_) | None, _) => {}
        }
    }

    /// The conversations of a visitor, as far as somebody here listens to them.
    fn conversations_of(&self, site: &SiteKey, visitor: &PersonId) -> impl Iterator<Item = &ConversationId> {
        let at = self.sites.find(site).and_then(|slot| self.sites.get(slot));
        at.and_then(|at| at.by_visitor.get(visitor)).into_iter().flatten()
    }

    /// Tells the subscribers of a website and those of any of a visitor's conversations, each once.
    fn tell_about_visitor(
        &mut self,
        site: &SiteKey,
        visitor: &PersonId,
        further: &[ConversationId],
        frame: &Frame,
        kind: &str,
    ) {
        let Some(slot) = self.sites.find(site) else { return };
        let Some(at) = self.sites.get(slot) else { return };
        // Those who are not yet confirmed get the state as of their confirmation.
        let is_told = |index: &u32, id: Option<&ConversationId>| {
            self.conn(*index).is_some_and(|conn| !super::work::is_taking_up(conn, slot, id))
        };
        let mut indexes: Vec<u32> = at.team.iter().copied().filter(|index| is_told(index, None)).collect();
        for id in at.by_visitor.get(visitor).into_iter().flatten().chain(further) {
            let team = at.conversations.get(id).into_iter().flat_map(|conversation| &conversation.team);
            indexes.extend(team.copied().filter(|index| is_told(index, Some(id))));
        }
        indexes.sort_unstable();
        indexes.dedup();
        for index in indexes {
            self.push_ephemeral(index, frame, merge_key(kind, None, visitor.as_str()));
        }
    }

    fn tell_identified(
        &mut self,
        site: &SiteKey,
        visitor: &PersonId,
        previous: Option<&PersonId>,
        conversations: &[ConversationId],
        frame: &Frame,
    ) {
        // Whoever knows the person has the name anew, also who does not know the one that it was.
        let of_both: Vec<ConversationId> = self.conversations_of(site, visitor).chain(conversations).cloned().collect();
        self.tell_about_visitor(site, previous.unwrap_or(visitor), &of_both, frame, "identified");
        for id in conversations {
            self.note_visitor(site, id, visitor.clone());
        }
        let own =
            |visitor: &PersonId| self.connections_of(site, &PersonKey { kind: UserType::Visitor, id: visitor.clone() });
        let (mine, gone) = (own(visitor), previous.map(own).unwrap_or_default());
        for index in mine.iter().chain(&gone) {
            self.push_durable(*index, frame.clone());
        }
        for index in gone {
            if let Some(serial) = self.conn(index).map(|conn| conn.serial) {
                let at = ConnRef { index, serial };
                self.effects.push(Effect::Close(at, CloseCode::Disconnected, "the visitor is a known person now"));
            }
        }
    }

    // ---- who is here ----

    /// The connections here of a visitor of a website, or of a member of its organization.
    pub(crate) fn connections_of(&self, site: &SiteKey, person: &PersonKey) -> Few<u32> {
        let local = match person.kind {
            UserType::Visitor => self.locals.visitor(site, person),
            UserType::User | UserType::AiAgent => self.locals.member(&site.organization, person),
        };
        match local {
            Some(Local::Here(indexes)) => indexes.clone(),
            Some(Local::Grace(..)) | None => Few::None,
        }
    }

    pub(super) fn local_key(&self, index: u32) -> Option<LocalKey> {
        let principal = &self.conn(index)?.principal;
        Some((principal.visitor_site(), principal.organization.clone(), principal.key()))
    }

    fn put_local(&mut self, key: &LocalKey, local: Local) {
        if self.locals.insert(key, local) {
            self.follow_place(key, true);
        }
    }

    fn drop_local(&mut self, key: &LocalKey) {
        if self.locals.remove(key) {
            self.follow_place(key, false);
        }
    }

    /// A place has its first person, or none any more.
    fn follow_place(&mut self, (site, organization, _): &LocalKey, is_followed: bool) {
        match site {
            Some(site) => self.follow_site(site, is_followed),
            None => self.follow(Topic::Organization(organization.clone()), is_followed),
        }
    }

    /// Tells all once more who is here and what they do, since it may have been lost on the way.
    pub(crate) fn retell(&mut self) {
        let mut people = self.locals.people();
        people.sort_unstable();
        for key in people {
            let first = match self.locals.get(&key) {
                Some(Local::Here(indexes)) => indexes.iter().next().copied(),
                Some(Local::Grace(..)) | None => None,
            };
            match first {
                Some(index) => self.publish_presence(index, &key, true),
                None if key.0.is_some() => self.push_presence_of_lost(&key, true),
                None => {}
            }
        }
        // Of what goes on here, not of what is shown: what has just ended may be shown, and is told to have ended already.
        let indexes = self.indexes();
        let goings = indexes.into_iter().flat_map(|index| self.goings_of(index));
        let notices: Vec<Notice> = goings.chain(self.activities_here()).collect();
        self.effects.extend(notices.into_iter().map(Effect::Publish));
    }

    /// What a connection does, as it is told.
    fn goings_of(&self, index: u32) -> Vec<Notice> {
        let (Some(source), Some(person)) = (self.source(index), self.person(index)) else { return Vec::new() };
        let doing = self.conn(index).and_then(|conn| conn.busy.as_ref()).map_or(&[][..], |busy| &busy.doing);
        let notice = |Doing { site, conversation, what }: &Doing| {
            let (site, conversation, person) = (site.clone(), conversation.clone(), Arc::clone(&person));
            match what {
                What::Typing => Notice::TypingStarted { site, conversation, person, source },
                What::Viewing => Notice::Viewing { site, conversation, person, source, is_viewing: true },
            }
        };
        doing.iter().map(notice).collect()
    }

    /// A connection's person is here.
    pub(super) fn arrive(&mut self, index: u32) {
        let Some(key) = self.local_key(index) else { return };
        match self.locals.get_mut(&key) {
            Some(Local::Here(indexes)) => indexes.push(index),
            Some(local @ Local::Grace(..)) => *local = Local::Here(Few::One(index)),
            None => self.put_local(&key, Local::Here(Few::One(index))),
        }
        // Told even if it was here already: a loss on another shard need then not be waited for.
        let is_first = matches!(self.locals.get(&key), Some(Local::Here(indexes)) if indexes.len() == 1);
        if is_first || key.0.is_none() {
            self.publish_presence(index, &key, true);
        }
    }

    /// For which websites a member is here: those of all its connections.
    fn local_websites(&self, key: &LocalKey) -> crate::store::Websites {
        use crate::store::Websites;
        let Some(Local::Here(indexes)) = self.locals.get(key) else { return Websites::Only([].into()) };
        let mut ids = Vec::new();
        for conn in indexes.iter().filter_map(|index| self.conn(*index)) {
            match &conn.principal.websites {
                Websites::All => return Websites::All,
                Websites::Only(only) => ids.extend_from_slice(only),
            }
        }
        ids.sort_unstable();
        ids.dedup();
        Websites::Only(ids.into())
    }

    /// A connection has shown a newer token of its person: with another name perhaps, and for other websites.
    pub(crate) fn renew(&mut self, index: u32, principal: Principal) {
        if let Some(conn) = self.conn_mut(index) {
            conn.principal = principal;
        }
        if let Some(key) = self.local_key(index)
            && key.0.is_none()
        {
            self.publish_presence(index, &key, true);
        }
    }

    fn publish_presence(&mut self, index: u32, key: &LocalKey, is_here: bool) {
        let Some(person) = self.person(index) else { return };
        let websites = key.0.is_none().then(|| self.local_websites(key));
        self.push_presence(key, person, websites, is_here);
    }

    pub(super) fn push_presence(
        &mut self,
        key: &LocalKey,
        person: Arc<PersonInfo>,
        websites: Option<crate::store::Websites>,
        is_here: bool,
    ) {
        let who = match &key.0 {
            Some(site) => Who::Visitor(site.clone(), key.2.id.clone()),
            None => Who::Member(key.1.clone(), key.2.clone()),
        };
        let shard = self.config.shard;
        self.effects.push(Effect::Publish(Notice::Presence { who, person, websites, shard, is_here }));
    }

    /// The same of a person without a connection here, of whom nothing but the id is known.
    fn push_presence_of_lost(&mut self, key: &LocalKey, is_here: bool) {
        let person = Arc::new(PersonInfo { key: key.2.clone(), name: None, avatar_url: None });
        self.push_presence(key, person, None, is_here);
    }

    /// A connection ends.
    pub(super) fn leave(&mut self, index: u32, is_clean: bool, now_ms: u64) {
        let Some(key) = self.local_key(index) else { return };
        let grace = self.config.presence_grace_ms;
        let Some(Local::Here(indexes)) = self.locals.get_mut(&key) else { return };
        indexes.retain(|other| *other != index);
        if !indexes.is_empty() {
            if key.0.is_none() {
                self.publish_presence(index, &key, true);
            }
            return;
        }
        // A page that is reloaded is back at once; what a program was doing has ended with it.
        if is_clean || grace == 0 || key.2.kind == UserType::AiAgent {
            self.drop_local(&key);
            self.publish_presence(index, &key, false);
        } else {
            let at_ms = now_ms + grace;
            self.put_local(&key, Local::Grace(at_ms, Few::None));
            self.effects.push(Effect::GraceTimer { at_ms, key });
        }
    }

    /// A visitor has become another one. Whoever was here is soon back as that one, who is here for as long as a lost
    /// person is; of the one before nothing more is told.
    pub(crate) fn hand_over(&mut self, site: &SiteKey, previous: &PersonId, visitor: &PersonId, now_ms: u64) {
        let mut others = self.presence.shards_of(site, previous);
        others.retain(|shard| *shard != self.config.shard);
        self.presence.set_told(site, previous, None);
        let key = |id: &PersonId| {
            let person = PersonKey { kind: UserType::Visitor, id: id.clone() };
            (Some(site.clone()), site.organization.clone(), person)
        };
        let (before, after) = (key(previous), key(visitor));
        if self.locals.get(&before).is_none() {
            return;
        }
        self.drop_local(&before);
        self.push_presence_of_lost(&before, false);
        let grace = self.config.presence_grace_ms;
        if grace > 0 && self.locals.get(&after).is_none() && !self.presence.is_visitor_here(site, visitor) {
            let at_ms = now_ms + grace;
            self.put_local(&after, Local::Grace(at_ms, others));
            self.push_presence_of_lost(&after, true);
            self.effects.push(Effect::GraceTimer { at_ms, key: after });
        }
    }

    /// The grace of a lost person may be over.
    pub(crate) fn handle_grace(&mut self, key: &LocalKey, now_ms: u64) {
        if matches!(self.locals.get(key), Some(Local::Grace(until, _)) if *until <= now_ms) {
            self.drop_local(key);
            self.push_presence_of_lost(key, false);
        }
    }

    /// A person that was lost here is here again, on another shard: the loss need not be waited for.
    fn end_grace(&mut self, key: &LocalKey, shard: crate::bus::ShardId) {
        if shard == self.config.shard {
            return;
        }
        if let Some(Local::Grace(_, others)) = self.locals.get_mut(key) {
            let before = others.len();
            others.retain(|other| *other != shard);
            if others.len() < before {
                return;
            }
            self.drop_local(key);
            self.push_presence_of_lost(key, false);
        }
    }

    fn change_team(
        &mut self,
        organization: &cossistant_protocol::OrganizationId,
        person: &Arc<PersonInfo>,
        websites: crate::store::Websites,
        shard: crate::bus::ShardId,
        is_here: bool,
    ) {
        let sites: Vec<SiteKey> =
            self.visitor_sites().into_iter().filter(|site| site.organization == *organization).collect();
        let before: Vec<bool> = sites.iter().map(|site| self.presence.members(site).next().is_some()).collect();
        let was_member_here = self.presence.is_member_here(organization, &person.key);
        self.presence.set_member(organization, person, websites, shard, is_here);
        if was_member_here {
            self.end_activities_of(organization, &person.key);
        }
        for (site, was_online) in sites.iter().zip(before) {
            let is_online = self.presence.members(site).next().is_some();
            if is_online != was_online {
                let body = TeamPresence { website_id: site.website.clone() };
                let message =
                    if is_online { ServerMessage::TeamOnline(body) } else { ServerMessage::TeamOffline(body) };
                let frame = Frame::new(&message);
                self.deliver_to_visitors(site, &frame, merge_key("team", None, ""));
            }
        }
    }

    /// The websites that have visitors here.
    fn visitor_sites(&self) -> Vec<SiteKey> {
        let mut sites: Vec<SiteKey> = self.locals.sites().cloned().collect();
        sites.sort_unstable();
        sites
    }

    /// Notes that a connection types in, or views, a conversation, so that its end ends that.
    pub(crate) fn begin_doing(&mut self, index: u32, doing: Doing) {
        let Some(conn) = self.conn_mut(index) else { return };
        let doings = &mut conn.busy.get_or_insert_default().doing;
        if doings.contains(&doing) {
            return;
        }
        doings.push(doing);
        if doings.len() > DOINGS_MAX {
            let oldest = doings.remove(0);
            self.tell_ends(index, [oldest]);
        }
    }

    /// A connection types, or views, no longer; whether it did.
    pub(crate) fn end_doing(&mut self, index: u32, doing: &Doing) -> bool {
        let Some(conn) = self.conn_mut(index) else { return false };
        let Some(busy) = &mut conn.busy else { return false };
        let before = busy.doing.len();
        busy.doing.retain(|other| other != doing);
        let has_ended = busy.doing.len() != before;
        conn.rest();
        has_ended
    }

    /// Ends what a connection was doing on some websites: typing and viewing.
    pub(super) fn end_goings(&mut self, index: u32, is_over: impl Fn(&SiteKey) -> bool) {
        let Some(conn) = self.conn_mut(index) else { return };
        let Some(busy) = &mut conn.busy else { return };
        let doing: Vec<Doing> = busy.doing.extract_if(.., |doing| is_over(&doing.site)).collect();
        conn.rest();
        self.tell_ends(index, doing);
    }

    /// Tells of what a connection was doing that it does so no longer.
    fn tell_ends(&mut self, index: u32, doings: impl IntoIterator<Item = Doing>) {
        let (Some(source), Some(person)) = (self.source(index), self.person(index)) else { return };
        for Doing { site, conversation, what } in doings {
            let person = Arc::clone(&person);
            self.effects.push(Effect::Publish(match what {
                What::Typing => Notice::TypingStopped { site, conversation, person, source: Some(source) },
                What::Viewing => Notice::Viewing { site, conversation, person, source, is_viewing: false },
            }));
        }
    }

    /// What a visitor is told of the team when it connects.
    pub(crate) fn team(&self, site: &SiteKey) -> Vec<TeamMember> {
        self.presence.team(site)
    }

    /// Whether a visitor is here, on any shard.
    pub(crate) fn is_visitor_here(&self, site: &SiteKey, visitor: &PersonId) -> bool {
        self.presence.is_visitor_here(site, visitor)
    }

    /// Whether a visitor who is gone was last at another node, which sees to what is kept of it.
    pub(crate) fn is_gone_elsewhere(&self, site: &SiteKey, visitor: &PersonId) -> bool {
        self.presence.is_gone_elsewhere(site, visitor)
    }

    /// The members who are here for a website, on any shard.
    pub(crate) fn members_here(&self, site: &SiteKey) -> Vec<PersonKey> {
        self.presence.members(site).map(|entry| entry.person.key.clone()).collect()
    }
}

/// What a connection does that ends with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Doing {
    pub(crate) site: SiteKey,
    pub(crate) conversation: ConversationId,
    pub(crate) what: What,
}

/// Typing or viewing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Typing,
    Viewing,
}

/// A person on this shard; visitors are told apart by website.
pub(crate) type LocalKey = (Option<SiteKey>, cossistant_protocol::OrganizationId, PersonKey);

#[cfg(test)]
pub(super) mod tests;
