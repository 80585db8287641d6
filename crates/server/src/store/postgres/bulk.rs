//! What a group of operations asks for and writes at once.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use cossistant_protocol::{ConversationId, OrganizationId, PersonId, RequestId, UserType};
use tokio_postgres::types::Type;

use super::session::{Param, Session, ids};
use crate::store::outbox::EventSet;
use crate::store::sql::error::Failure;
use crate::store::sql::kept::{Kept, NewMessage};
use crate::store::sql::link::{Aim, Row as _, Sql as _};
use crate::store::sql::lookup::{NO_WEBSITE, Person};
use crate::store::sql::rows::{self, Thread};
use crate::store::sql::statements::THREADS;
use crate::store::transfer::row::clean;
use crate::store::{Heads, KnownMessage, SiteKey};

/// Two statements that lock the rows of a table that are aimed at, in the order of the rows so that no two groups wait for
/// each other. The first waits for all of them; the second does not wait, and answers what was aimed at where a row could
/// not be had.
macro_rules! locks {
    ($waiting:ident, $at_once:ident, $table:literal, $aimed:literal) => {
        pub(super) const $waiting: &str = concat!(
            "SELECT t.id FROM ",
            $table,
            " t WHERE t.id IN (SELECT a.target FROM (",
            $aimed,
            ") AS a) ORDER BY t.id FOR NO KEY UPDATE"
        );
        pub(super) const $at_once: &str = concat!(
            "WITH aimed AS MATERIALIZED (",
            $aimed,
            "), locked AS MATERIALIZED (SELECT t.id FROM ",
            $table,
            " t WHERE t.id IN (SELECT a.target FROM aimed a) ORDER BY t.id FOR NO KEY UPDATE SKIP LOCKED) \
            SELECT kind, organization, id FROM aimed WHERE target NOT IN (SELECT l.id FROM locked l)"
        );
    };
}

// Websites first, then conversations, then people: nobody who has one of the later ones waits for an earlier one.
locks!(
    LOCK_SITES,
    LOCK_SITES_AT_ONCE,
    "websites",
    "SELECT 0 AS kind, k.organization, k.id, c.website AS target FROM unnest(?1, ?2) AS k (organization, id) \
        JOIN organizations o ON o.public_id = k.organization \
        JOIN conversations c ON c.organization = o.id AND c.public_id = k.id \
    UNION ALL SELECT 1, k.organization, k.id, s.id FROM unnest(?3, ?4) AS k (organization, id) \
        JOIN organizations o ON o.public_id = k.organization \
        JOIN websites s ON s.organization = o.id AND s.public_id = k.id \
    UNION ALL SELECT 2, k.organization, '', s.id FROM unnest(?5) AS k (organization) \
        JOIN organizations o ON o.public_id = k.organization JOIN websites s ON s.organization = o.id"
);
// Those that are named, and those of a visitor who says who it is, which may become another one's.
locks!(
    LOCK_THREADS,
    LOCK_THREADS_AT_ONCE,
    "conversations",
    "SELECT 0 AS kind, k.organization, k.id, l.id AS target FROM unnest(?1, ?2) AS k (organization, id) \
        JOIN organizations o ON o.public_id = k.organization \
        JOIN conversations l ON l.organization = o.id AND l.public_id = k.id \
    UNION ALL SELECT 1, k.organization, k.id, l.id FROM unnest(?3, ?4, ?5) AS k (organization, website, id) \
        JOIN organizations o ON o.public_id = k.organization \
        JOIN websites w ON w.organization = o.id AND w.public_id = k.website \
        JOIN people p ON p.organization = o.id AND p.kind = 0 AND p.public_id = k.id AND p.website = w.id \
            AND p.external_id IS NULL \
        JOIN conversations l ON l.visitor = p.id"
);
// Of a visitor who was merged it is the row that its id stands for. The kind is a person's, or 3 for an external id.
locks!(
    LOCK_PEOPLE,
    LOCK_PEOPLE_AT_ONCE,
    "people",
    "SELECT k.kind, k.organization, k.id, coalesce(l.alias_of, l.id) AS target \
        FROM unnest(?1, ?2, ?3, ?4) AS k (organization, website, kind, id) \
        JOIN organizations o ON o.public_id = k.organization \
        LEFT JOIN websites w ON w.organization = o.id AND w.public_id = k.website \
        JOIN people l ON l.organization = o.id AND l.kind = k.kind AND l.public_id = k.id \
            AND l.website = CASE k.kind WHEN 0 THEN w.id ELSE 0 END \
    UNION ALL SELECT 3, k.organization, k.id, l.id FROM unnest(?5, ?6, ?7) AS k (organization, website, id) \
        JOIN organizations o ON o.public_id = k.organization \
        JOIN websites w ON w.organization = o.id AND w.public_id = k.website \
        JOIN people l ON l.website = w.id AND l.external_id = k.id"
);
const EXTERNAL: i64 = 3;
const OF_VISITOR: i64 = 1;
/// Who sends, and what stands under the keys already. Visitors who were merged are looked up one by one.
pub(super) const KEYS: &str = "SELECT k.n, o.id, c.id, s.id, m.public_id, m.team_seq, m.visitor_seq, m.at, \
    m.fingerprint FROM unnest(?1, ?2, ?3, ?4, ?5) WITH ORDINALITY AS k (organization, conversation, kind, person, key, n) \
    JOIN organizations o ON o.public_id = k.organization \
    JOIN conversations c ON c.organization = o.id AND c.public_id = k.conversation \
    JOIN people s ON s.organization = o.id AND s.kind = k.kind AND s.public_id = k.person \
        AND s.website = CASE k.kind WHEN 0 THEN c.website ELSE 0 END AND s.alias_of IS NULL \
    LEFT JOIN events m ON m.conversation = c.id AND m.sender = s.id AND m.key = k.key AND m.kind = 1";
pub(super) const HOOKS: &str = "SELECT o.id, h.id, h.events FROM unnest(?1) AS k (organization) \
    JOIN organizations o ON o.public_id = k.organization LEFT JOIN webhooks h ON h.organization = o.id \
    ORDER BY o.id, h.public_id";
pub(super) const INSERT_MESSAGES: &str = "INSERT INTO events (website, event_offset, conversation, team_seq, \
    visitor_seq, at, public_id, sender, sender_name, key, fingerprint, content, metadata, kind, words) \
    SELECT k.website, k.event_offset, k.conversation, k.team_seq, k.visitor_seq, k.at, k.public_id, k.sender, \
    k.sender_name, k.key, k.fingerprint, k.content, k.metadata, 1, array_to_tsvector(string_to_array(k.words, ' ')) \
    FROM unnest(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) AS k (website, event_offset, \
    conversation, team_seq, visitor_seq, at, public_id, sender, sender_name, key, fingerprint, content, metadata, words)";
pub(super) const UPDATE_THREADS: &str = "UPDATE conversations SET status = k.status, assignee = k.assignee, \
    last_activity_at = k.last_activity_at, team_head = k.team_head, visitor_head = k.visitor_head, \
    visitor_activity_at = k.visitor_activity_at \
    FROM unnest(?1, ?2, ?3, ?4, ?5, ?6, ?7) AS k (id, status, assignee, last_activity_at, team_head, visitor_head, \
    visitor_activity_at) WHERE conversations.id = k.id";
pub(super) const UPDATE_HEADS: &str =
    "UPDATE websites SET head = k.head FROM unnest(?1, ?2) AS k (id, head) WHERE websites.id = k.id";
/// Which websites have come further, and at 0 the number of the set-up: both of one moment.
pub(super) const HEADS: &str = "SELECT k.n, w.head FROM unnest(?1, ?2, ?3) WITH ORDINALITY \
    AS k (organization, website, known, n) JOIN organizations o ON o.public_id = k.organization \
    JOIN websites w ON w.organization = o.id AND w.public_id = k.website AND w.head > k.known \
    UNION ALL SELECT 0, s.value::bigint FROM meta s WHERE s.key = 'setup'";
pub(super) const RAISE_SETUP: &str = "UPDATE meta SET value = (value::bigint + 1)::text WHERE key = 'setup'";
/// Leases are given and compared by the clock of the database.
pub(super) const CLAIM: &str = "UPDATE deliveries \
    SET leased_until = CAST(extract(epoch FROM statement_timestamp()) * 1000 AS bigint) + ?3, leased_by = ?4 WHERE id IN ( \
    SELECT d.id FROM unnest(?1) AS k (id) JOIN deliveries d ON d.id = k.id WHERE d.status <= 1 AND d.next_at <= ?2 \
    AND (d.leased_until <= CAST(extract(epoch FROM statement_timestamp()) * 1000 AS bigint) OR d.leased_by = ?4) \
    FOR UPDATE OF d SKIP LOCKED) RETURNING id";

/// Statements with the types of their parameters, for the test that looks at their plans.
#[cfg(test)]
pub(super) const ALL: &[(&str, &str, &[Type])] = {
    const T: Type = Type::TEXT_ARRAY;
    const I: Type = Type::INT8_ARRAY;
    &[
        ("LOCK_SITES", LOCK_SITES, &[T, T, T, T, T]),
        ("LOCK_SITES_AT_ONCE", LOCK_SITES_AT_ONCE, &[T, T, T, T, T]),
        ("LOCK_THREADS", LOCK_THREADS, &[T, T, T, T, T]),
        ("LOCK_THREADS_AT_ONCE", LOCK_THREADS_AT_ONCE, &[T, T, T, T, T]),
        ("THREADS", THREADS, &[T, T]),
        ("LOCK_PEOPLE", LOCK_PEOPLE, &[T, T, I, T, T, T, T]),
        ("LOCK_PEOPLE_AT_ONCE", LOCK_PEOPLE_AT_ONCE, &[T, T, I, T, T, T, T]),
        ("KEYS", KEYS, &[T, T, I, T, T]),
        ("HOOKS", HOOKS, &[T]),
        ("INSERT_MESSAGES", INSERT_MESSAGES, &[I, I, I, I, I, I, T, I, T, T, Type::BYTEA_ARRAY, T, T, T]),
        ("UPDATE_THREADS", UPDATE_THREADS, &[I, I, T, I, I, I, I]),
        ("UPDATE_HEADS", UPDATE_HEADS, &[I, I]),
        ("HEADS", HEADS, &[T, T, I]),
        ("RAISE_SETUP", RAISE_SETUP, &[]),
        ("CLAIM", CLAIM, &[I, Type::INT8, Type::INT8, Type::INT8]),
    ]
};

/// What the operations of a group have told of themselves, as columns.
#[derive(Default)]
struct Aims<'a> {
    /// Conversations: organization and id.
    threads: BTreeSet<(&'a ConversationId, &'a OrganizationId)>,
    /// Those of them whose website gives places.
    placed: BTreeSet<(&'a ConversationId, &'a OrganizationId)>,
    sites: BTreeSet<(&'a str, &'a str)>,
    organizations: BTreeSet<&'a str>,
    hooked: BTreeSet<&'a str>,
    /// People: organization, website of a visitor, kind, id.
    people: BTreeSet<(&'a str, Option<&'a str>, i64, &'a str)>,
    /// Visitors who say who they are: organization, website, id.
    anonymous: BTreeSet<(&'a str, &'a str, &'a str)>,
    /// Visitors: organization, website, external id.
    known: BTreeSet<(&'a str, &'a str, &'a str)>,
    messages: Vec<Sent<'a>>,
}

struct Sent<'a> {
    organization: &'a OrganizationId,
    conversation: &'a ConversationId,
    kind: UserType,
    person: &'a PersonId,
    key: &'a RequestId,
}

impl<'a> Aims<'a> {
    fn new(aims: &[Aim<'a>]) -> Self {
        let mut all = Self::default();
        for aim in aims {
            match *aim {
                Aim::Nothing => {}
                Aim::Message { organization, conversation, website, sender, key } => {
                    all.place(organization, conversation, website);
                    let (kind, person) = (sender.kind, &sender.id);
                    all.messages.push(Sent { organization, conversation, kind, person, key });
                }
                Aim::Conversation { organization, conversation, website } => {
                    all.place(organization, conversation, website);
                }
                Aim::Marks { organization, conversation } => {
                    all.threads.insert((conversation, organization));
                }
                Aim::Person { organization, websites, person } => {
                    let mut add = |website| {
                        let kind = rows::kind_number(person.kind);
                        all.people.insert((organization.as_str(), website, kind, person.id.as_str()));
                    };
                    match person.kind {
                        UserType::Visitor => websites.iter().for_each(|website| add(Some(website.as_str()))),
                        UserType::User | UserType::AiAgent => add(None),
                    }
                }
                Aim::Identity { website: site, visitor, external_id } => {
                    let (organization, website) = (site.organization.as_str(), site.website.as_str());
                    all.sites.insert((organization, website));
                    let kind = rows::kind_number(UserType::Visitor);
                    all.people.extend(visitor.map(|id| (organization, Some(website), kind, id.as_str())));
                    all.anonymous.extend(visitor.map(|id| (organization, website, id.as_str())));
                    all.known.extend(external_id.map(|external_id| (organization, website, external_id)));
                }
                Aim::Website(site) => {
                    all.sites.insert((site.organization.as_str(), site.website.as_str()));
                }
                Aim::Organization(organization) => {
                    all.organizations.insert(organization.as_str());
                }
            }
        }
        all
    }

    fn place(
        &mut self,
        organization: &'a OrganizationId,
        conversation: &'a ConversationId,
        website: Option<&'a cossistant_protocol::WebsiteId>,
    ) {
        self.threads.insert((conversation, organization));
        self.placed.insert((conversation, organization));
        self.hooked.insert(organization.as_str());
        self.sites.extend(website.map(|website| (organization.as_str(), website.as_str())));
    }
}

/// Locks what the operations are going to change, and reads the conversations, senders, keys and webhooks that they will
/// ask for: one journey, whatever their number. Each statement sees what was committed before it began, so what is read
/// behind a lock is what stands. Answers the places of those aims of which something is locked by others.
pub(super) fn prepare(session: &Session, all: &[Aim<'_>], kept: &mut Kept, waits: bool) -> Result<Vec<usize>, Failure> {
    let aims = Aims::new(all);
    let column = |pairs: &BTreeSet<(&ConversationId, &OrganizationId)>| -> (Vec<String>, Vec<String>) {
        pairs.iter().map(|(thread, organization)| (organization.to_string(), thread.to_string())).unzip()
    };
    let (placed_in, placed) = column(&aims.placed);
    let (threads_in, threads) = column(&aims.threads);
    let (sites_in, sites): (Vec<_>, Vec<_>) = aims.sites.iter().copied().unzip();
    let organizations: Vec<_> = aims.organizations.iter().copied().collect();
    let hooked: Vec<_> = aims.hooked.iter().copied().collect();
    let sent_in: Vec<_> = aims.messages.iter().map(|sent| sent.organization.as_str()).collect();
    let sent_to: Vec<_> = aims.messages.iter().map(|sent| sent.conversation.as_str()).collect();
    let kinds: Vec<_> = aims.messages.iter().map(|sent| rows::kind_number(sent.kind)).collect();
    let senders: Vec<_> = aims.messages.iter().map(|sent| sent.person.as_str()).collect();
    let keys: Vec<_> = aims.messages.iter().map(|sent| sent.key.as_str()).collect();
    let people_in: Vec<_> = aims.people.iter().map(|person| person.0).collect();
    let people_of: Vec<_> = aims.people.iter().map(|person| person.1).collect();
    let people_kinds: Vec<_> = aims.people.iter().map(|person| person.2).collect();
    let people: Vec<_> = aims.people.iter().map(|person| person.3).collect();
    let anonymous_in: Vec<_> = aims.anonymous.iter().map(|visitor| visitor.0).collect();
    let anonymous_of: Vec<_> = aims.anonymous.iter().map(|visitor| visitor.1).collect();
    let anonymous: Vec<_> = aims.anonymous.iter().map(|visitor| visitor.2).collect();
    let known_in: Vec<_> = aims.known.iter().map(|known| known.0).collect();
    let known_of: Vec<_> = aims.known.iter().map(|known| known.1).collect();
    let known: Vec<_> = aims.known.iter().map(|known| known.2).collect();

    let text = Type::TEXT_ARRAY;
    let lock_sites: [Param<'_>; 5] = [
        (&placed_in, text.clone()),
        (&placed, text.clone()),
        (&sites_in, text.clone()),
        (&sites, text.clone()),
        (&organizations, text.clone()),
    ];
    let lock_threads: [Param<'_>; 5] = [
        (&threads_in, text.clone()),
        (&threads, text.clone()),
        (&anonymous_in, text.clone()),
        (&anonymous_of, text.clone()),
        (&anonymous, text.clone()),
    ];
    let of_threads: [Param<'_>; 2] = [(&threads_in, text.clone()), (&threads, text.clone())];
    let of_keys: [Param<'_>; 5] = [
        (&sent_in, text.clone()),
        (&sent_to, text.clone()),
        (&kinds, Type::INT8_ARRAY),
        (&senders, text.clone()),
        (&keys, text.clone()),
    ];
    let of_people: [Param<'_>; 7] = [
        (&people_in, text.clone()),
        (&people_of, text.clone()),
        (&people_kinds, Type::INT8_ARRAY),
        (&people, text.clone()),
        (&known_in, text.clone()),
        (&known_of, text.clone()),
        (&known, text.clone()),
    ];
    let of_hooks: [Param<'_>; 1] = [(&hooked, text)];
    let has_sites = !(placed.is_empty() && sites.is_empty() && organizations.is_empty());
    let has_threads = !threads.is_empty();
    let has_people = !(people.is_empty() && known.is_empty());
    let asked: [(&'static str, &[Param<'_>], bool); 6] = [
        (if waits { LOCK_SITES } else { LOCK_SITES_AT_ONCE }, &lock_sites, has_sites),
        (if waits { LOCK_THREADS } else { LOCK_THREADS_AT_ONCE }, &lock_threads, has_threads || !anonymous.is_empty()),
        (if waits { LOCK_PEOPLE } else { LOCK_PEOPLE_AT_ONCE }, &of_people, has_people),
        (THREADS, &of_threads, has_threads),
        (KEYS, &of_keys, !keys.is_empty()),
        (HOOKS, &of_hooks, !hooked.is_empty()),
    ];
    let ask = async |at: usize| {
        let (sql, params, is_needed) = asked[at];
        if is_needed { session.run(sql, false, params).await.map(|(rows, _)| rows) } else { Ok(Vec::new()) }
    };
    let (locks, found_threads, found_keys, found_hooks) = session.wait(async {
        // One that still has to be prepared would be run behind those that follow it here, which read what is not locked
        // yet.
        for (sql, params, _) in asked {
            session.make_ready(sql, false, params).await?;
        }
        let (sites, locked, people, threads, keys, hooks) =
            tokio::join!(biased; ask(0), ask(1), ask(2), ask(3), ask(4), ask(5));
        Ok(([sites?, locked?, people?], threads?, keys?, hooks?))
    })?;
    let others = if waits { Others::default() } else { Others::read(&locks)? };
    for row in &found_threads {
        kept.learn_thread(rows::thread(row, &rows::parsed(row, 18)?)?);
    }
    for (thread, organization) in aims.threads {
        kept.learn_absent(thread.clone(), organization.clone());
    }
    learn_keys(&found_keys, &aims.messages, kept)?;
    let mut hooks: BTreeMap<i64, Vec<_>> = BTreeMap::new();
    for row in &found_hooks {
        let of = hooks.entry(rows::id(row, 0)?).or_default();
        if let Some(hook) = row.int(1)? {
            of.push((hook, EventSet::from_bits(rows::small(row, 2)?)));
        }
    }
    kept.hooks = Some(hooks);
    Ok(all.iter().enumerate().filter(|(_, aim)| others.have(aim)).map(|(at, _)| at).collect())
}

/// What of that which was aimed at is locked by others: websites, conversations, people, each by kind, organization and
/// id.
#[derive(Default)]
struct Others([BTreeSet<(i64, String, String)>; 3]);

impl Others {
    fn read(answers: &[Vec<tokio_postgres::Row>; 3]) -> Result<Self, Failure> {
        let mut all = Self::default();
        for (others, rows) in all.0.iter_mut().zip(answers) {
            for row in rows {
                others.insert((rows::id(row, 0)?, rows::text(row, 1)?, rows::text(row, 2)?));
            }
        }
        Ok(all)
    }

    /// Whether something of an aim is among it.
    fn have(&self, aim: &Aim<'_>) -> bool {
        let [sites, threads, people] = &self.0;
        let is_in = |others: &BTreeSet<_>, kind: i64, organization: &OrganizationId, id: &str| {
            !others.is_empty() && others.contains(&(kind, organization.to_string(), id.to_owned()))
        };
        match *aim {
            Aim::Nothing => false,
            Aim::Message { organization, conversation, website, .. }
            | Aim::Conversation { organization, conversation, website } => {
                is_in(sites, 0, organization, conversation.as_str())
                    || is_in(threads, 0, organization, conversation.as_str())
                    || website.is_some_and(|website| is_in(sites, 1, organization, website.as_str()))
            }
            Aim::Marks { organization, conversation } => is_in(threads, 0, organization, conversation.as_str()),
            Aim::Person { organization, person, .. } => {
                is_in(people, rows::kind_number(person.kind), organization, person.id.as_str())
            }
            Aim::Identity { website: SiteKey { organization, website }, visitor, external_id } => {
                let kind = rows::kind_number(UserType::Visitor);
                is_in(sites, 1, organization, website.as_str())
                    || visitor.is_some_and(|visitor| {
                        is_in(threads, OF_VISITOR, organization, visitor.as_str())
                            || is_in(people, kind, organization, visitor.as_str())
                    })
                    || external_id.is_some_and(|id| is_in(people, EXTERNAL, organization, id))
            }
            Aim::Website(SiteKey { organization, website }) => is_in(sites, 1, organization, website.as_str()),
            Aim::Organization(organization) => is_in(sites, 2, organization, ""),
        }
    }
}

fn learn_keys(found: &[tokio_postgres::Row], sent: &[Sent<'_>], kept: &mut Kept) -> Result<(), Failure> {
    for row in found {
        let at: usize = rows::small(row, 0)?;
        let Some(sent) = at.checked_sub(1).and_then(|at| sent.get(at)) else { continue };
        let (organization, thread, sender) = (rows::id(row, 1)?, rows::id(row, 2)?, rows::id(row, 3)?);
        if sent.kind != UserType::Visitor {
            let person = Person { id: sender, public_id: sent.person.clone() };
            kept.learn_person((organization, NO_WEBSITE, sent.kind, sent.person.clone()), Some(person));
        }
        let known = match row.text(4)? {
            None => None,
            Some(_) => Some(KnownMessage {
                message: rows::parsed(row, 4)?,
                team_seq: rows::number(row, 5)?,
                visitor_seq: rows::some_number(row, 6)?,
                created_at: rows::time(row, 7)?,
                fingerprint: rows::array(row, 8)?,
            }),
        };
        kept.learn_key((thread, sender, sent.key.clone()), known);
    }
    Ok(())
}

pub(super) fn insert_messages(session: &Session, messages: &[NewMessage]) -> Result<(), Failure> {
    fn column<'m, T>(messages: &'m [NewMessage], of: impl Fn(&'m NewMessage) -> T) -> Vec<T> {
        messages.iter().map(of).collect()
    }
    let places = column(messages, |message| rows::int(message.offset));
    let (websites, threads) = (column(messages, |message| message.website), column(messages, |message| message.thread));
    let team_seqs = column(messages, |message| rows::int(message.team_seq));
    let visitor_seqs = column(messages, |message| message.visitor_seq.map(rows::int));
    let times = column(messages, |message| rows::int(message.at.0));
    let ids = column(messages, |message| message.id.as_str());
    let senders = column(messages, |message| message.sender);
    let names = column(messages, |message| message.sender_name.as_deref().map(clean));
    let names: Vec<Option<&str>> = names.iter().map(|name| name.as_ref().map(Cow::as_ref)).collect();
    let keys = column(messages, |message| message.key.as_str());
    let fingerprints = column(messages, |message| message.fingerprint.as_slice());
    let contents = column(messages, |message| &*message.content);
    let metadata = column(messages, |message| message.metadata.as_deref());
    let words = column(messages, |message| message.words.as_str());
    let (int, text) = (Type::INT8_ARRAY, Type::TEXT_ARRAY);
    let params: [Param<'_>; 14] = [
        (&websites, int.clone()),
        (&places, int.clone()),
        (&threads, int.clone()),
        (&team_seqs, int.clone()),
        (&visitor_seqs, int.clone()),
        (&times, int.clone()),
        (&ids, text.clone()),
        (&senders, int),
        (&names, text.clone()),
        (&keys, text.clone()),
        (&fingerprints, Type::BYTEA_ARRAY),
        (&contents, text.clone()),
        (&metadata, text.clone()),
        (&words, text),
    ];
    session.wait(session.run(INSERT_MESSAGES, false, &params))?;
    Ok(())
}

pub(super) fn update_threads(session: &Session, threads: &[&Thread]) -> Result<(), Failure> {
    if threads.is_empty() {
        return Ok(());
    }
    let column = |of: fn(&Thread) -> i64| -> Vec<i64> { threads.iter().map(|thread| of(thread)).collect() };
    let ids = column(|thread| thread.id);
    let statuses = column(|thread| rows::status_number(thread.conversation.status));
    let assignees: Vec<_> =
        threads.iter().map(|thread| thread.conversation.assignee.as_ref().map(PersonId::as_str)).collect();
    let active = column(|thread| rows::int(thread.conversation.last_activity_at.0));
    let team_heads = column(|thread| rows::int(thread.conversation.team_head));
    let visitor_heads = column(|thread| rows::int(thread.conversation.visitor_head));
    let visitor_active = column(|thread| rows::int(thread.conversation.visitor_activity_at.0));
    let int = Type::INT8_ARRAY;
    let params: [Param<'_>; 7] = [
        (&ids, int.clone()),
        (&statuses, int.clone()),
        (&assignees, Type::TEXT_ARRAY),
        (&active, int.clone()),
        (&team_heads, int.clone()),
        (&visitor_heads, int.clone()),
        (&visitor_active, int),
    ];
    session.wait(session.run(UPDATE_THREADS, false, &params))?;
    Ok(())
}

pub(super) fn update_heads(session: &Session, heads: &[(i64, u64)]) -> Result<(), Failure> {
    if heads.is_empty() {
        return Ok(());
    }
    let (websites, heads): (Vec<i64>, Vec<i64>) =
        heads.iter().map(|(website, head)| (*website, rows::int(*head))).unzip();
    let params: [Param<'_>; 2] = [(&websites, Type::INT8_ARRAY), (&heads, Type::INT8_ARRAY)];
    session.wait(session.run(UPDATE_HEADS, false, &params))?;
    Ok(())
}

pub(super) fn heads(session: &Session, known: &[(SiteKey, u64)]) -> Result<Heads, Failure> {
    let organizations: Vec<&str> = known.iter().map(|(site, _)| site.organization.as_str()).collect();
    let websites: Vec<&str> = known.iter().map(|(site, _)| site.website.as_str()).collect();
    let offsets: Vec<i64> = known.iter().map(|(_, offset)| rows::int(*offset)).collect();
    let params: [Param<'_>; 3] =
        [(&organizations, Type::TEXT_ARRAY), (&websites, Type::TEXT_ARRAY), (&offsets, Type::INT8_ARRAY)];
    let (found, _) = session.wait(session.run(HEADS, false, &params))?;
    let (mut setup, mut moved) = (0, Vec::new());
    for row in &found {
        let (at, number): (usize, u64) = (rows::small(row, 0)?, rows::number(row, 1)?);
        match at.checked_sub(1) {
            None => setup = number,
            Some(at) => moved.extend(known.get(at).map(|(site, _)| (site.clone(), number))),
        }
    }
    Ok(Heads { setup, moved })
}

pub(super) fn claim(session: &Session, deliveries: &[i64], now: i64, lease_ms: i64) -> Result<Vec<i64>, Failure> {
    let node = session.node();
    let params: [Param<'_>; 4] =
        [(&deliveries, Type::INT8_ARRAY), (&now, Type::INT8), (&lease_ms, Type::INT8), (&node, Type::INT8)];
    let (rows, _) = session.wait(session.run(CLAIM, false, &params))?;
    ids(&rows)
}
