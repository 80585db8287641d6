//! Lists of conversations.
//!
//! A list is merged from walks along an index, one for each website and status that is asked for, so its cost depends
//! on the length of the page and not on how many conversations there are. A search finds its candidates in the
//! full-text index and sorts them.

use std::collections::{BTreeSet, HashSet};
use std::ops::ControlFlow;

use cossistant_protocol::{ConversationId, ConversationStatus, PersonId, UserType, WebsiteId};

use super::conversations::seen;
use super::error::Failure;
use super::link::{Row, Searched, Sql};
use super::rows::{self, Thread};
use super::value::params;
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

pub(super) fn page(conn: &dyn Sql, query: &ConversationQuery) -> Result<ConversationPage, Failure> {
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
fn sites(conn: &dyn Sql, query: &ConversationQuery) -> Result<Vec<(i64, i64)>, Failure> {
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
            let all = conn.all(statements::SITES_OF_ORGANIZATION, params![query.organization.as_str()], |row| {
                Ok((rows::id(row, 0)?, rows::parsed::<WebsiteId>(row, 1)?))
            })?;
            let mut sites = Vec::new();
            for (id, website) in all {
                if websites.contains(&website) {
                    sites.push((id, organization));
                }
            }
            Ok(sites)
        }
    }
}

fn walks(conn: &dyn Sql, query: &ConversationQuery, sites: &[(i64, i64)]) -> Result<Vec<Walk>, Failure> {
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

fn walked(conn: &dyn Sql, query: &ConversationQuery, walks: &[Walk], at_most: usize) -> Result<Vec<Rank>, Failure> {
    let mut ranks = Vec::new();
    for status in statuses(query) {
        for walk in walks {
            walk_along(conn, walk, status, query.assignee.as_ref(), start(query), at_most, &mut ranks)?;
        }
    }
    Ok(ranks)
}

fn walk_along(
    conn: &dyn Sql,
    walk: &Walk,
    status: ConversationStatus,
    assignee: Option<&AssigneeFilter>,
    (at, id): (i64, &str),
    at_most: usize,
    ranks: &mut Vec<Rank>,
) -> Result<(), Failure> {
    let status = rows::status_number(status);
    let limit = rows::limit(at_most);
    let (sql, of) = match (walk, assignee) {
        (Walk::Website(id), None) => (statements::LIST_BY_STATUS, *id),
        (Walk::Website(id), Some(AssigneeFilter::Nobody)) => (statements::LIST_UNASSIGNED, *id),
        (Walk::Website(id), Some(AssigneeFilter::Person(_))) => (statements::LIST_BY_ASSIGNEE, *id),
        (Walk::Visitor(id), None) => (statements::LIST_BY_VISITOR, *id),
        (Walk::Own(id), None) => (statements::LIST_OWN, *id),
        (Walk::Own(id), Some(_)) => (statements::LIST_OWN_BY_ASSIGNEE, *id),
        (Walk::Visitor(id), Some(_)) => (statements::LIST_BY_VISITOR_AND_ASSIGNEE, *id),
    };
    let rank = |row: &dyn Row| Ok((rows::number(row, 1)?, rows::text(row, 2)?, rows::id(row, 0)?));
    let found = match (walk, assignee) {
        (_, None) | (Walk::Website(_), Some(AssigneeFilter::Nobody)) => {
            conn.all(sql, params![of, status, at, id, limit], rank)?
        }
        (_, Some(AssigneeFilter::Nobody)) => conn.all(sql, params![of, status, at, id, limit, None::<&str>], rank)?,
        (_, Some(AssigneeFilter::Person(person))) => {
            conn.all(sql, params![of, status, at, id, limit, person.as_str()], rank)?
        }
    };
    ranks.extend(found);
    Ok(())
}

/// The conversations in which every word is found, and that the query's other filters let through.
fn found(
    conn: &dyn Sql,
    query: &ConversationQuery,
    sites: &[(i64, i64)],
    walks: &[Walk],
    asked: &BTreeSet<String>,
) -> Result<Vec<Rank>, Failure> {
    let audience = query.scope.audience();
    let sites: Vec<i64> = sites.iter().map(|(site, _)| *site).collect();
    if sites.is_empty() {
        return Ok(Vec::new());
    }
    let mut candidates: Option<HashSet<i64>> = None;
    for word in asked {
        let mut next = HashSet::new();
        for searched in [Searched::Messages(audience), Searched::Visitors] {
            conn.search(searched, &sites, word, &mut |id| {
                next.insert(id);
            })?;
        }
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

fn thread_by_id(conn: &dyn Sql, query: &ConversationQuery, id: i64) -> Result<Thread, Failure> {
    conn.must(statements::CONVERSATION_BY_ID, params![id], |row| rows::thread(row, &query.organization))
}

fn item(conn: &dyn Sql, query: &ConversationQuery, id: i64) -> Result<ConversationItem, Failure> {
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

fn unread(conn: &dyn Sql, thread: i64, audience: Audience, asker: Option<i64>) -> Result<u64, Failure> {
    let (team, visitor) = match asker {
        Some(person) => seen(conn, thread, person)?,
        None => (0, 0),
    };
    let (sql, mark) = match audience {
        Audience::Team => (statements::TEAM_UNREAD, team),
        Audience::Visitor => (statements::VISITOR_UNREAD, visitor),
    };
    let mut count = 0;
    conn.query(sql, params![thread, rows::int(mark), asker, rows::int(UNREAD_MAX)], &mut |_| {
        count += 1;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(count)
}

/// A visitor's conversations that are not closed, newest activity that the audience may see first.
pub(super) fn open_of(
    conn: &dyn Sql,
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
    conn: &dyn Sql,
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
