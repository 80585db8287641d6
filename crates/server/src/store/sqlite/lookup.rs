//! From names to rows, and whether the asker may have them.

use cossistant_protocol::{Channel, ConversationId, OrganizationId, PersonId, Timestamp, UserType, WebsiteId};
use rusqlite::{Connection, OptionalExtension};

use super::error::Failure;
use super::rows::{self, Thread};
use super::statements;
use crate::store::{PersonKey, Scope, SiteKey, StoreError};

/// A website's integers and its newest offset.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site {
    pub(super) id: i64,
    pub(super) organization: i64,
    pub(super) head: u64,
}

/// A person's row.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) id: i64,
    /// The id that the row stands for, which is another one than was asked for once visitors were merged.
    pub(super) public_id: PersonId,
}

/// The website column of people who are of the organization.
pub(super) const NO_WEBSITE: i64 = 0;

pub(super) fn organization(conn: &Connection, id: &OrganizationId) -> Result<i64, Failure> {
    let mut statement = conn.prepare_cached(statements::ORGANIZATION)?;
    statement.query_row([id.as_str()], |row| row.get(0)).optional()?.ok_or(Failure::Answer(StoreError::NotFound))
}

pub(super) fn site(conn: &Connection, organization: &OrganizationId, website: &WebsiteId) -> Result<Site, Failure> {
    let mut statement = conn.prepare_cached(statements::SITE)?;
    let site = statement
        .query_row([organization.as_str(), website.as_str()], |row| {
            Ok(Site { id: row.get(0)?, organization: row.get(1)?, head: rows::number(row, 2)? })
        })
        .optional()?;
    site.ok_or(Failure::Answer(StoreError::NotFound))
}

pub(super) fn site_of(conn: &Connection, key: &SiteKey) -> Result<Site, Failure> {
    site(conn, &key.organization, &key.website)
}

/// From which places on the numbers of a channel go that is about to be made: the team's (or the website's offset) and
/// the visitor's. Zero, unless something of the same id was deleted.
pub(super) fn begin(
    conn: &Connection,
    organization: &OrganizationId,
    channel: &Channel,
) -> Result<(u64, u64), Failure> {
    let mut statement = conn.prepare_cached(statements::RETIRED)?;
    let retired = statement
        .query_row([organization.as_str(), &channel.to_string()], |row| {
            Ok((rows::number(row, 0)?, rows::number(row, 1)?))
        })
        .optional()?;
    Ok(retired.unwrap_or_default())
}

/// A person, or whom a merged visitor's id stands for.
pub(super) fn person(
    conn: &Connection,
    organization: i64,
    website: i64,
    kind: UserType,
    id: &PersonId,
) -> Result<Option<Person>, Failure> {
    let website = if kind == UserType::Visitor { website } else { NO_WEBSITE };
    let mut statement = conn.prepare_cached(statements::PERSON)?;
    let found = statement
        .query_row((organization, rows::kind_number(kind), id.as_str(), website), |row| {
            let alias: Option<i64> = row.get(2)?;
            match alias {
                Some(id) => Ok(Person { id, public_id: rows::parsed(row, 3)? }),
                None => Ok(Person { id: row.get(0)?, public_id: rows::parsed(row, 1)? }),
            }
        })
        .optional()?;
    Ok(found)
}

/// The same, made if it is not there.
pub(super) fn person_or_new(
    conn: &Connection,
    organization: i64,
    website: i64,
    kind: UserType,
    id: &PersonId,
    at: Timestamp,
) -> Result<Person, Failure> {
    if let Some(found) = person(conn, organization, website, kind, id)? {
        return Ok(found);
    }
    let website = if kind == UserType::Visitor { website } else { NO_WEBSITE };
    conn.prepare_cached(statements::INSERT_PERSON)?.execute((
        organization,
        rows::kind_number(kind),
        id.as_str(),
        website,
        rows::int(at.0),
    ))?;
    Ok(Person { id: conn.last_insert_rowid(), public_id: id.clone() })
}

/// A conversation, whoever may see it.
pub(super) fn thread(
    conn: &Connection,
    organization: &OrganizationId,
    conversation: &ConversationId,
) -> Result<Option<Thread>, Failure> {
    let mut statement = conn.prepare_cached(statements::CONVERSATION)?;
    let found = statement
        .query_row([organization.as_str(), conversation.as_str()], |row| rows::thread(row, organization))
        .optional()?;
    Ok(found)
}

/// A conversation within a scope.
pub(super) fn thread_in(
    conn: &Connection,
    organization: &OrganizationId,
    scope: &Scope,
    conversation: &ConversationId,
) -> Result<Thread, Failure> {
    let thread = thread(conn, organization, conversation)?.ok_or(StoreError::NotFound)?;
    thread.check(conn, scope)?;
    Ok(thread)
}

impl Thread {
    /// Whether the scope covers it.
    pub(super) fn check(&self, conn: &Connection, scope: &Scope) -> Result<(), Failure> {
        let is_within = match scope {
            Scope::Team { websites } => websites.contains(&self.conversation.website.website),
            Scope::Visitor { website, visitor } => {
                *website == self.conversation.website.website
                    && self.resolve(conn, visitor)? == self.conversation.visitor
            }
        };
        if is_within { Ok(()) } else { Err(StoreError::NotFound.into()) }
    }

    /// Whom a visitor's id stands for on this conversation's website.
    pub(super) fn resolve(&self, conn: &Connection, visitor: &PersonId) -> Result<PersonId, Failure> {
        if *visitor == self.conversation.visitor {
            // An id that was merged into another one owns nothing, so the owner needs no look-up.
            return Ok(visitor.clone());
        }
        let found = person(conn, self.organization, self.website, UserType::Visitor, visitor)?;
        Ok(found.map_or_else(|| visitor.clone(), |found| found.public_id))
    }

    /// The person as this conversation knows it.
    pub(super) fn resolve_person(&self, conn: &Connection, person: PersonKey) -> Result<PersonKey, Failure> {
        match person.kind {
            UserType::Visitor => Ok(PersonKey { id: self.resolve(conn, &person.id)?, ..person }),
            UserType::User | UserType::AiAgent => Ok(person),
        }
    }

    /// The row of a person who has been resolved.
    pub(super) fn person_row(&self, conn: &Connection, person: &PersonKey, at: Timestamp) -> Result<i64, Failure> {
        if person.kind == UserType::Visitor && person.id == self.conversation.visitor {
            return Ok(self.visitor);
        }
        Ok(person_or_new(conn, self.organization, self.website, person.kind, &person.id, at)?.id)
    }
}
