//! Lists of conversations.
//!
//! A list is merged from walks along an index, one for each website and status that is asked for, so its cost depends
//! on the length of the page and not on how many conversations there are. A search finds its candidates in the
//! full-text index and sorts them.

use std::collections::{BTreeSet, HashSet};

use cossistant_protocol::{ConversationId, ConversationStatus, PersonId, UserType, WebsiteId};
use rusqlite::Connection;

use super::conversations::seen;
use super::error::Failure;
use super::rows::{self, Thread};
use super::{history, lookup, statements};
use crate::store::{
    AssigneeFilter, Audience, ConversationItem, ConversationPage, ConversationQuery, MessagePage, OPEN_MAX, Scope,
    SiteKey, StoreError, UNREAD_MAX, search,
};

/// A conversation's place in a list, greatest first.
type Rank = (u64, String, i64);

/// Where a walk goes along.
enum Walk {
    Website(i64),
    Visitor(i64),
    /// A visitor's, in the order that the visitor sees.
    Own(i64),
}

pub(super) fn page(conn: &Connection, query: &ConversationQuery) -> Result<ConversationPage, Failure> {
    let sites = sites(conn, query)?;
    let walks = walks(conn, query, &sites)?;
    let one_more = query.limit.saturating_add(1);
    let mut ranks = match search::asked(&query.search) {
        Some(asked) => found(conn, query, &sites, &walks, &asked)?,
        None => walked(conn, query, &walks, one_more)?,
    };
    ranks.sort_unstable_by(|a, b| b.cmp(a));
    ranks.truncate(one_more);
    let has_more = ranks.len() > query.limit;
    ranks.truncate(query.limit);
    let mut items = Vec::with_capacity(ranks.len());
    for (_, _, id) in ranks {
        items.push(item(conn, query, id)?);
    }
    Ok(ConversationPage { items, has_more })
}

/// The websites that the query covers, each with its organization.
fn sites(conn: &Connection, query: &ConversationQuery) -> Result<Vec<(i64, i64)>, Failure> {
    let one = |website: &WebsiteId| {
        lookup::site(conn, &query.organization, website).map(|site| vec![(site.id, site.organization)])
    };
    match (&query.scope, &query.website) {
        (Scope::Visitor { website, .. }, Some(asked)) if asked != website => Err(StoreError::NotFound.into()),
        (Scope::Visitor { website, .. }, _) => one(website),
        (Scope::Team { websites }, Some(asked)) if !websites.contains(asked) => Err(StoreError::NotFound.into()),
        (Scope::Team { .. }, Some(asked)) => one(asked),
        (Scope::Team { websites }, None) => {
            let organization = match lookup::organization(conn, &query.organization) {
                Err(Failure::Answer(StoreError::NotFound)) => return Ok(Vec::new()),
                other => other?,
            };
            let mut statement = conn.prepare_cached(statements::SITES_OF_ORGANIZATION)?;
            let all = statement.query_map([query.organization.as_str()], |row| {
                Ok((row.get::<_, i64>(0)?, rows::parsed::<WebsiteId>(row, 1)?))
            })?;
            let mut sites = Vec::new();
            for row in all {
                let (id, website) = row?;
                if websites.contains(&website) {
                    sites.push((id, organization));
                }
            }
            Ok(sites)
        }
    }
}

fn walks(conn: &Connection, query: &ConversationQuery, sites: &[(i64, i64)]) -> Result<Vec<Walk>, Failure> {
    let own = match &query.scope {
        Scope::Visitor { visitor, .. } => Some(visitor),
        Scope::Team { .. } => None,
    };
    let Some(asked) = own.or(query.visitor.as_ref()) else {
        return Ok(sites.iter().map(|(id, _)| Walk::Website(*id)).collect());
    };
    let mut walks = Vec::new();
    for (website, organization) in sites {
        let resolve = |id: &PersonId| lookup::person(conn, *organization, *website, UserType::Visitor, id);
        let person = resolve(asked)?;
        if let (Some(_), Some(other)) = (own, &query.visitor) {
            // A visitor who asks for somebody else's learns nothing of whether there is such a one.
            let is_own = other == asked || matches!((&person, resolve(other)?), (Some(a), Some(b)) if a.id == b.id);
            if !is_own {
                return Err(StoreError::NotFound.into());
            }
        }
        walks.extend(person.map(|person| if own.is_some() { Walk::Own(person.id) } else { Walk::Visitor(person.id) }));
    }
    Ok(walks)
}

fn statuses(query: &ConversationQuery) -> Vec<ConversationStatus> {
    query.status.map_or_else(|| ConversationStatus::ALL.to_vec(), |status| vec![status])
}

fn start(query: &ConversationQuery) -> (i64, &str) {
    match &query.after {
        Some((at, id)) => (rows::int(at.0), id.as_str()),
        None => (i64::MAX, ""),
    }
}

fn walked(conn: &Connection, query: &ConversationQuery, walks: &[Walk], at_most: usize) -> Result<Vec<Rank>, Failure> {
    let mut ranks = Vec::new();
    for status in statuses(query) {
        for walk in walks {
            walk_along(conn, walk, status, query.assignee.as_ref(), start(query), at_most, &mut ranks)?;
        }
    }
    Ok(ranks)
}

fn walk_along(
    conn: &Connection,
    walk: &Walk,
    status: ConversationStatus,
    assignee: Option<&AssigneeFilter>,
    (at, id): (i64, &str),
    at_most: usize,
    ranks: &mut Vec<Rank>,
) -> Result<(), Failure> {
    let (sql, of) = match (walk, assignee) {
        (Walk::Website(id), None) => (statements::LIST_BY_STATUS, *id),
        (Walk::Website(id), Some(_)) => (statements::LIST_BY_ASSIGNEE, *id),
        (Walk::Visitor(id), None) => (statements::LIST_BY_VISITOR, *id),
        (Walk::Own(id), None) => (statements::LIST_OWN, *id),
        (Walk::Own(id), Some(_)) => (statements::LIST_OWN_BY_ASSIGNEE, *id),
        (Walk::Visitor(id), Some(_)) => (statements::LIST_BY_VISITOR_AND_ASSIGNEE, *id),
    };
    let mut statement = conn.prepare_cached(sql)?;
    let status = rows::status_number(status);
    let limit = rows::limit(at_most);
    let mut found = match assignee {
        None => statement.query((of, status, at, id, limit))?,
        Some(AssigneeFilter::Nobody) => statement.query((of, status, at, id, limit, None::<&str>))?,
        Some(AssigneeFilter::Person(person)) => statement.query((of, status, at, id, limit, person.as_str()))?,
    };
    while let Some(row) = found.next()? {
        ranks.push((rows::number(row, 1)?, row.get(2)?, row.get(0)?));
    }
    Ok(())
}

/// The conversations in which every word is found, and that the query's other filters let through.
fn found(
    conn: &Connection,
    query: &ConversationQuery,
    sites: &[(i64, i64)],
    walks: &[Walk],
    asked: &BTreeSet<String>,
) -> Result<Vec<Rank>, Failure> {
    let audience = query.scope.audience();
    let mut candidates: Option<HashSet<i64>> = None;
    for word in asked {
        let mut next = HashSet::new();
        let of_messages: &[char] = if audience == Audience::Team { &['p', 'n'] } else { &['p'] };
        matching(conn, statements::SEARCH_MESSAGES, sites, of_messages, word, &mut next)?;
        matching(conn, statements::SEARCH_VISITORS, sites, &['v'], word, &mut next)?;
        if let Some(earlier) = &candidates {
            next.retain(|id| earlier.contains(id));
        }
        if next.is_empty() {
            return Ok(Vec::new());
        }
        candidates = Some(next);
    }
    let mut ranks = Vec::new();
    for id in candidates.unwrap_or_default() {
        let thread = thread_by_id(conn, query, id)?;
        if passes(query, walks, &thread) {
            let c = thread.conversation;
            ranks.push((c.activity(audience).0, c.id.as_str().to_owned(), id));
        }
    }
    Ok(ranks)
}

fn matching(
    conn: &Connection,
    sql: &str,
    sites: &[(i64, i64)],
    of: &[char],
    word: &str,
    into: &mut HashSet<i64>,
) -> Result<(), Failure> {
    // Words have letters and digits only, so the quotes cannot be escaped from.
    let terms = sites.iter().flat_map(|(site, _)| of.iter().map(move |of| format!("\"{site}{of}{word}\" *")));
    let expression = terms.collect::<Vec<_>>().join(" OR ");
    if expression.is_empty() {
        return Ok(());
    }
    let mut statement = conn.prepare_cached(sql)?;
    let mut found = statement.query([expression])?;
    while let Some(row) = found.next()? {
        into.insert(row.get(0)?);
    }
    Ok(())
}

fn passes(query: &ConversationQuery, walks: &[Walk], thread: &Thread) -> bool {
    let c = &thread.conversation;
    let is_walked = walks.iter().any(|walk| match walk {
        Walk::Website(id) => *id == thread.website,
        Walk::Visitor(id) | Walk::Own(id) => *id == thread.visitor,
    });
    let is_assigned = match &query.assignee {
        None => true,
        Some(AssigneeFilter::Nobody) => c.assignee.is_none(),
        Some(AssigneeFilter::Person(person)) => c.assignee.as_ref() == Some(person),
    };
    let place = (c.activity(query.scope.audience()), &c.id);
    let is_past = query.after.as_ref().is_none_or(|(at, id)| place < (*at, id));
    is_walked && is_assigned && is_past && query.status.is_none_or(|status| status == c.status)
}

fn thread_by_id(conn: &Connection, query: &ConversationQuery, id: i64) -> Result<Thread, Failure> {
    let mut statement = conn.prepare_cached(statements::CONVERSATION_BY_ID)?;
    Ok(statement.query_row([id], |row| rows::thread(row, &query.organization))?)
}

fn item(conn: &Connection, query: &ConversationQuery, id: i64) -> Result<ConversationItem, Failure> {
    let thread = thread_by_id(conn, query, id)?;
    let audience = query.scope.audience();
    let newest = MessagePage { before: None, after: None, limit: 1 };
    let (mut last, _) = history::page_of(conn, id, audience, &thread.conversation.website, newest)?;
    let asker = &query.asker;
    let asker = lookup::person(conn, thread.organization, thread.website, asker.kind, &asker.id)?;
    let unread = unread(conn, id, audience, asker.map(|person| person.id))?;
    Ok(ConversationItem {
        conversation: thread.conversation,
        identity: thread.identity,
        last_message: last.pop(),
        unread,
    })
}

fn unread(conn: &Connection, thread: i64, audience: Audience, asker: Option<i64>) -> Result<u64, Failure> {
    let (team, visitor) = match asker {
        Some(person) => seen(conn, thread, person)?,
        None => (0, 0),
    };
    let (sql, mark) = match audience {
        Audience::Team => (statements::TEAM_UNREAD, team),
        Audience::Visitor => (statements::VISITOR_UNREAD, visitor),
    };
    let mut statement = conn.prepare_cached(sql)?;
    let mut found = statement.query((thread, rows::int(mark), asker, rows::int(UNREAD_MAX)))?;
    let mut count = 0;
    while found.next()?.is_some() {
        count += 1;
    }
    Ok(count)
}

/// A visitor's conversations that are not closed, newest activity that the audience may see first.
pub(super) fn open_of(
    conn: &Connection,
    visitor: i64,
    audience: Audience,
    at_most: usize,
) -> Result<Vec<ConversationId>, Failure> {
    let walk = match audience {
        Audience::Team => Walk::Visitor(visitor),
        Audience::Visitor => Walk::Own(visitor),
    };
    let mut ranks = Vec::new();
    for status in ConversationStatus::ALL.iter().filter(|status| **status != ConversationStatus::Closed) {
        walk_along(conn, &walk, *status, None, (i64::MAX, ""), at_most, &mut ranks)?;
    }
    ranks.sort_unstable_by(|a, b| b.cmp(a));
    ranks.truncate(at_most);
    let ids = ranks.into_iter().map(|(_, id, _)| ConversationId::new(id));
    ids.collect::<Result<_, _>>().map_err(|error| StoreError::Corrupt(error.to_string()).into())
}

/// The same for each of some visitors, by their names.
pub(super) fn open_of_each(
    conn: &Connection,
    website: &SiteKey,
    visitors: Vec<PersonId>,
) -> Result<Vec<(PersonId, Vec<ConversationId>)>, Failure> {
    let site = match lookup::site_of(conn, website) {
        Ok(site) => Some(site),
        Err(Failure::Answer(StoreError::NotFound)) => None,
        Err(failure) => return Err(failure),
    };
    let mut all = Vec::with_capacity(visitors.len());
    for visitor in visitors {
        let person = match site {
            Some(site) => lookup::person(conn, site.organization, site.id, UserType::Visitor, &visitor)?,
            None => None,
        };
        let open = match person {
            Some(person) => open_of(conn, person.id, Audience::Team, OPEN_MAX)?,
            None => Vec::new(),
        };
        all.push((visitor, open));
    }
    Ok(all)
}
