//! From names to rows, and whether the asker may have them.

use cossistant_protocol::{Channel, ConversationId, OrganizationId, PersonId, Timestamp, UserType, WebsiteId};

use super::error::Failure;
use super::link::{Row, Sql};
use super::rows::{self, Thread};
use super::statements;
use super::value::params;
use crate::store::{PersonKey, Scope, SiteKey, StoreError};

/// A website's integers and its newest offset.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct Site {
    pub(in crate::store) id: i64,
    pub(in crate::store) organization: i64,
    pub(in crate::store) head: u64,
}

/// A person's row.
#[derive(Debug, Clone)]
pub(in crate::store) struct Person {
    pub(in crate::store) id: i64,
    /// The id that the row stands for, which is another one than was asked for once visitors were merged.
    pub(in crate::store) public_id: PersonId,
}

/// The website column of people who are of the organization.
pub(in crate::store) const NO_WEBSITE: i64 = 0;

pub(in crate::store) fn organization(conn: &dyn Sql, id: &OrganizationId) -> Result<i64, Failure> {
    conn.one(statements::ORGANIZATION, params![id.as_str()], |row| rows::id(row, 0))?
        .ok_or(Failure::Answer(StoreError::NotFound))
}

pub(in crate::store) fn site(
    conn: &dyn Sql,
    organization: &OrganizationId,
    website: &WebsiteId,
) -> Result<Site, Failure> {
    let site = conn.one(statements::SITE, params![organization.as_str(), website.as_str()], |row| {
        Ok(Site { id: rows::id(row, 0)?, organization: rows::id(row, 1)?, head: rows::number(row, 2)? })
    })?;
    site.ok_or(Failure::Answer(StoreError::NotFound))
}

/// Has a website stand until the transaction ends: whoever wants to delete it waits. One that somebody is deleting is not
/// found, and not waited for.
pub(in crate::store) fn hold_site(conn: &dyn Sql, website: i64) -> Result<(), Failure> {
    conn.one(statements::HOLD_SITE, params![website], |_| Ok(()))?.ok_or(Failure::Answer(StoreError::NotFound))
}

pub(in crate::store) fn site_of(conn: &dyn Sql, key: &SiteKey) -> Result<Site, Failure> {
    site(conn, &key.organization, &key.website)
}

/// From which places on the numbers of a channel go that was just made: the team's (or the website's offset) and the
/// visitor's. Zero, unless something of the same id was deleted. Asked behind the new row, which waits for whoever is
/// deleting the one before.
pub(in crate::store) fn begin(
    conn: &dyn Sql,
    organization: &OrganizationId,
    channel: &Channel,
) -> Result<(u64, u64), Failure> {
    let retired = conn.one(statements::RETIRED, params![organization.as_str(), &channel.to_string()], |row| {
        Ok((rows::number(row, 0)?, rows::number(row, 1)?))
    })?;
    Ok(retired.unwrap_or_default())
}

/// A person, or whom a merged visitor's id stands for.
pub(in crate::store) fn person(
    conn: &dyn Sql,
    organization: i64,
    website: i64,
    kind: UserType,
    id: &PersonId,
) -> Result<Option<Person>, Failure> {
    let website = if kind == UserType::Visitor { website } else { NO_WEBSITE };
    conn.one(statements::PERSON, params![organization, rows::kind_number(kind), id.as_str(), website], resolved)
}

/// The same for visitors of some websites, each by organization and website; in their order.
pub(in crate::store) fn visitors(
    conn: &dyn Sql,
    asked: &[(i64, i64, &PersonId)],
) -> Result<Vec<Option<Person>>, Failure> {
    let kind = rows::kind_number(UserType::Visitor);
    let sets =
        asked.iter().map(|(organization, website, id)| params![*organization, kind, id.as_str(), *website].to_vec());
    let mut found = vec![None; asked.len()];
    conn.query_each(statements::PERSON, &sets.collect::<Vec<_>>(), &mut |place, row| {
        found[place] = Some(resolved(row)?);
        Ok(())
    })?;
    Ok(found)
}

fn resolved(row: &dyn Row) -> Result<Person, Failure> {
    match row.int(2)? {
        Some(id) => Ok(Person { id, public_id: rows::parsed(row, 3)? }),
        None => Ok(Person { id: rows::id(row, 0)?, public_id: rows::parsed(row, 1)? }),
    }
}

/// The same, made if it is not there.
pub(in crate::store) fn person_or_new(
    conn: &dyn Sql,
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
    let made = conn.insert(
        statements::INSERT_PERSON,
        params![organization, rows::kind_number(kind), id.as_str(), website, rows::int(at.0)],
    )?;
    match made {
        Some(row) => Ok(Person { id: row, public_id: id.clone() }),
        // Another node has made it just now.
        None => person(conn, organization, website, kind, id)?
            .ok_or_else(|| Failure::collision("a person was made and deleted at the same time")),
    }
}

/// A conversation, whoever may see it.
pub(in crate::store) fn thread(
    conn: &dyn Sql,
    organization: &OrganizationId,
    conversation: &ConversationId,
) -> Result<Option<Thread>, Failure> {
    let found = conn.one(statements::CONVERSATION, params![organization.as_str(), conversation.as_str()], |row| {
        rows::thread(row, organization)
    })?;
    Ok(found)
}

/// A conversation within a scope.
pub(in crate::store) fn thread_in(
    conn: &dyn Sql,
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
    pub(in crate::store) fn check(&self, conn: &dyn Sql, scope: &Scope) -> Result<(), Failure> {
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
    pub(in crate::store) fn resolve(&self, conn: &dyn Sql, visitor: &PersonId) -> Result<PersonId, Failure> {
        if *visitor == self.conversation.visitor {
            // An id that was merged into another one owns nothing, so the owner needs no look-up.
            return Ok(visitor.clone());
        }
        let found = person(conn, self.organization, self.website, UserType::Visitor, visitor)?;
        Ok(found.map_or_else(|| visitor.clone(), |found| found.public_id))
    }

    /// The person as this conversation knows it.
    pub(in crate::store) fn resolve_person(&self, conn: &dyn Sql, person: PersonKey) -> Result<PersonKey, Failure> {
        match person.kind {
            UserType::Visitor => Ok(PersonKey { id: self.resolve(conn, &person.id)?, ..person }),
            UserType::User | UserType::AiAgent => Ok(person),
        }
    }

    /// The row of a person who has been resolved.
    pub(in crate::store) fn person_row(
        &self,
        conn: &dyn Sql,
        person: &PersonKey,
        at: Timestamp,
    ) -> Result<i64, Failure> {
        if person.kind == UserType::Visitor && person.id == self.conversation.visitor {
            return Ok(self.visitor);
        }
        Ok(person_or_new(conn, self.organization, self.website, person.kind, &person.id, at)?.id)
    }
}
