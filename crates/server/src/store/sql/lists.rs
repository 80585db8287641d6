//! Lists of conversations.
//!
//! A list is merged from walks along an index, one for each website and status that is asked for, so its cost depends
//! on the length of the page and not on how many conversations there are. A search finds its candidates in the
//! full-text index and sorts them.

use std::collections::{BTreeSet, HashMap, HashSet};

use cossistant_protocol::{ConversationId, ConversationStatus, PersonId, WebsiteId};

use super::error::Failure;
use super::link::{Searched, Sql};
use super::lookup::Person;
use super::rows::{self, Thread};
use super::value::{numbers, params};
use super::{lookup, statements};
use crate::store::{
    AssigneeFilter, Audience, ConversationItem, ConversationPage, ConversationQuery, OPEN_MAX, Scope, SiteKey,
    StoreError, UNREAD_MAX, search,
};

/// How many candidates of a search are read at once; no more of them are in memory.
const CANDIDATES: usize = 500;

/// A conversation's place in a list, greatest first.
type Rank = (u64, String, i64);

/// Where a walk goes along.
enum Walk {
    Website(i64),
    Visitor(i64),
    /// A visitor's, in the order that the visitor sees.
    Own(i64),
}

pub(in crate::store) fn page(conn: &dyn Sql, query: &ConversationQuery) -> Result<ConversationPage, Failure> {
    let sites = sites(conn, query)?;
    let walks = walks(conn, query, &sites)?;
    let one_more = query.limit.saturating_add(1);
    let (mut ranks, mut threads) = match search::asked(&query.search) {
        Some(asked) => found(conn, query, &sites, &walks, &asked, one_more)?,
        None => (walked(conn, query, &walks, one_more)?, HashMap::new()),
    };
    ranks.sort_unstable_by(|a, b| b.cmp(a));
    ranks.truncate(one_more);
    let has_more = ranks.len() > query.limit;
    ranks.truncate(query.limit);
    let rows: Vec<i64> = ranks.into_iter().map(|(_, _, row)| row).collect();
    if threads.is_empty() && !rows.is_empty() {
        threads = threads_of(conn, query, &rows)?;
    }
    Ok(ConversationPage { items: items(conn, query, &rows, threads)?, has_more })
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
    let resolve = |id| {
        let asked: Vec<_> = sites.iter().map(|(website, organization)| (*organization, *website, id)).collect();
        lookup::visitors(conn, &asked)
    };
    let people = resolve(asked)?;
    if let (Some(_), Some(other)) = (own, query.visitor.as_ref().filter(|other| *other != asked)) {
        // A visitor who asks for somebody else's learns nothing of whether there is such a one.
        let others = resolve(other)?;
        let is_own = |(a, b): (&Option<Person>, &Option<Person>)| matches!((a, b), (Some(a), Some(b)) if a.id == b.id);
        if !people.iter().zip(&others).all(is_own) {
            return Err(StoreError::NotFound.into());
        }
    }
    let walk = |person: Person| if own.is_some() { Walk::Own(person.id) } else { Walk::Visitor(person.id) };
    Ok(people.into_iter().flatten().map(walk).collect())
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
    let assignee = query.assignee.as_ref();
    walk_along(conn, walks, &statuses(query), assignee, start(query), at_most, |_, rank| ranks.push(rank))?;
    Ok(ranks)
}

/// Walks along the indexes, all of one kind, once for each status. Each rank comes with the place of its walk.
fn walk_along(
    conn: &dyn Sql,
    walks: &[Walk],
    statuses: &[ConversationStatus],
    assignee: Option<&AssigneeFilter>,
    (at, id): (i64, &str),
    at_most: usize,
    mut add: impl FnMut(usize, Rank),
) -> Result<(), Failure> {
    let Some(kind) = walks.first() else { return Ok(()) };
    let sql = match (kind, assignee) {
        (Walk::Website(_), None) => statements::LIST_BY_STATUS,
        (Walk::Website(_), Some(AssigneeFilter::Nobody)) => statements::LIST_UNASSIGNED,
        (Walk::Website(_), Some(AssigneeFilter::Person(_))) => statements::LIST_BY_ASSIGNEE,
        (Walk::Visitor(_), None) => statements::LIST_BY_VISITOR,
        (Walk::Visitor(_), Some(_)) => statements::LIST_BY_VISITOR_AND_ASSIGNEE,
        (Walk::Own(_), None) => statements::LIST_OWN,
        (Walk::Own(_), Some(_)) => statements::LIST_OWN_BY_ASSIGNEE,
    };
    let mut sets = Vec::with_capacity(walks.len() * statuses.len());
    for Walk::Website(of) | Walk::Visitor(of) | Walk::Own(of) in walks {
        for status in statuses {
            let mut set = params![*of, rows::status_number(*status), at, id, rows::limit(at_most)].to_vec();
            match (kind, assignee) {
                (_, None) | (Walk::Website(_), Some(AssigneeFilter::Nobody)) => {}
                (_, Some(AssigneeFilter::Nobody)) => set.push(None::<&str>.into()),
                (_, Some(AssigneeFilter::Person(person))) => set.push(person.as_str().into()),
            }
            sets.push(set);
        }
    }
    conn.query_each(sql, &sets, &mut |place, row| {
        add(place / statuses.len(), (rows::number(row, 1)?, rows::text(row, 2)?, rows::id(row, 0)?));
        Ok(())
    })
}

/// The newest conversations in which every word is found, and that the query's other filters let through.
fn found(
    conn: &dyn Sql,
    query: &ConversationQuery,
    sites: &[(i64, i64)],
    walks: &[Walk],
    asked: &BTreeSet<String>,
    at_most: usize,
) -> Result<(Vec<Rank>, HashMap<i64, Thread>), Failure> {
    let audience = query.scope.audience();
    let sites: Vec<i64> = sites.iter().map(|(site, _)| *site).collect();
    if sites.is_empty() {
        return Ok((Vec::new(), HashMap::new()));
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
            return Ok((Vec::new(), HashMap::new()));
        }
        candidates = Some(next);
    }
    let candidates: Vec<i64> = candidates.unwrap_or_default().into_iter().collect();
    let mut best: Vec<(Rank, Thread)> = Vec::new();
    // A common word is in very many, of which only a page is wanted.
    for some in candidates.chunks(CANDIDATES) {
        let threads = threads_of(conn, query, some)?.into_values().filter(|thread| passes(query, walks, thread));
        best.extend(threads.map(|thread| {
            let c = &thread.conversation;
            ((c.activity(audience).0, c.id.as_str().to_owned(), thread.id), thread)
        }));
        best.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
        best.truncate(at_most);
    }
    let ranks = best.iter().map(|(rank, _)| rank.clone()).collect();
    Ok((ranks, best.into_iter().map(|(_, thread)| (thread.id, thread)).collect()))
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

fn threads_of(conn: &dyn Sql, query: &ConversationQuery, rows: &[i64]) -> Result<HashMap<i64, Thread>, Failure> {
    let threads = conn.all(statements::CONVERSATIONS_BY_ID, params![&numbers(rows)], |row| {
        let thread = rows::thread(row, &query.organization)?;
        Ok((thread.id, thread))
    })?;
    Ok(threads.into_iter().collect())
}

/// What a list says of some conversations, in their order.
fn items(
    conn: &dyn Sql,
    query: &ConversationQuery,
    rows: &[i64],
    mut threads: HashMap<i64, Thread>,
) -> Result<Vec<ConversationItem>, Failure> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let (newest_sql, unread_sql) = match query.scope.audience() {
        Audience::Team => (statements::TEAM_NEWEST, statements::TEAM_UNREAD),
        Audience::Visitor => (statements::VISITOR_NEWEST, statements::VISITOR_UNREAD),
    };
    let (all, asker) = (numbers(rows), &query.asker);
    let websites: HashMap<&ConversationId, &SiteKey> =
        threads.values().map(|thread| (&thread.conversation.id, &thread.conversation.website)).collect();
    let newest = conn.all(newest_sql, params![&all], |row| {
        let conversation: ConversationId = rows::parsed(row, 5)?;
        let website = websites.get(&conversation).ok_or_else(missing)?;
        Ok((conversation, rows::event(row, website)?))
    })?;
    let mut newest: HashMap<_, _> = newest.into_iter().collect();
    let unread = params![&all, rows::kind_number(asker.kind), asker.id.as_str(), rows::int(UNREAD_MAX)];
    let unread: HashMap<_, _> =
        conn.all(unread_sql, unread, |row| Ok((rows::id(row, 0)?, rows::number(row, 1)?)))?.into_iter().collect();
    let item = |row: &i64| -> Result<ConversationItem, Failure> {
        let thread = threads.remove(row).ok_or_else(missing)?;
        Ok(ConversationItem {
            last_message: newest.remove(&thread.conversation.id),
            unread: unread.get(row).copied().ok_or_else(missing)?,
            identity: thread.identity,
            conversation: thread.conversation,
        })
    };
    rows.iter().map(item).collect()
}

fn missing() -> StoreError {
    StoreError::Corrupt("a row is missing".to_owned())
}

/// The conversations of each walk that are not closed.
fn open_along(conn: &dyn Sql, walks: &[Walk], at_most: usize) -> Result<Vec<Vec<ConversationId>>, Failure> {
    let is_open = |status: &ConversationStatus| *status != ConversationStatus::Closed;
    let statuses: Vec<_> = ConversationStatus::ALL.iter().copied().filter(is_open).collect();
    let mut ranks: Vec<Vec<Rank>> = walks.iter().map(|_| Vec::new()).collect();
    let first = (i64::MAX, "");
    walk_along(conn, walks, &statuses, None, first, at_most, |place, rank| ranks[place].push(rank))?;
    let ids = |mut ranks: Vec<Rank>| {
        ranks.sort_unstable_by(|a, b| b.cmp(a));
        ranks.truncate(at_most);
        let ids = ranks.into_iter().map(|(_, id, _)| ConversationId::new(id));
        ids.collect::<Result<_, _>>().map_err(|error| StoreError::Corrupt(error.to_string()).into())
    };
    ranks.into_iter().map(ids).collect()
}

/// The conversations that are not closed of each of some visitors, by their names; newest activity first.
pub(super) fn open_of_each(
    conn: &dyn Sql,
    website: &SiteKey,
    visitors: Vec<PersonId>,
) -> Result<Vec<(PersonId, Vec<ConversationId>)>, Failure> {
    let people = match lookup::site_of(conn, website) {
        Ok(site) => {
            let asked: Vec<_> = visitors.iter().map(|visitor| (site.organization, site.id, visitor)).collect();
            lookup::visitors(conn, &asked)?
        }
        Err(Failure::Answer(StoreError::NotFound)) => vec![None; visitors.len()],
        Err(failure) => return Err(failure),
    };
    let walks: Vec<_> = people.iter().flatten().map(|person| Walk::Visitor(person.id)).collect();
    let mut open = open_along(conn, &walks, OPEN_MAX)?.into_iter();
    let mut of = |person: Option<Person>| person.and_then(|_| open.next()).unwrap_or_default();
    Ok(visitors.into_iter().zip(people).map(|(visitor, person)| (visitor, of(person))).collect())
}
