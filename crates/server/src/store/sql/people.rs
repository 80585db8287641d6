//! People: visits, identities, merging, teams.

use std::sync::Arc;

use cossistant_protocol::{ConversationId, Identity, OrganizationId, PersonId, Timestamp, UserType, WebsiteId};

use super::error::Failure;
use super::link::{Aim, Aimed, Document, Row, Sql};
use super::lookup::{self, NO_WEBSITE, Person, Site};
use super::value::params;
use super::writer::{Write, indexed};
use super::{rows, setup, statements};
use crate::store::{Identified, IdentifyVisitor, Member, PersonKey, SiteKey, StoreError, TouchPerson, VisitorRow};

/// The columns of a person that change.
#[derive(Debug, Clone)]
struct Profile {
    public_id: PersonId,
    external_id: Option<String>,
    name: Option<String>,
    email: Option<String>,
    avatar_url: Option<String>,
    page: Option<String>,
    first_seen_at: Timestamp,
    last_seen_at: Timestamp,
}

impl Profile {
    fn read(conn: &dyn Sql, id: i64) -> Result<Self, Failure> {
        conn.must(statements::PERSON_ROW, params![id], Self::of)
    }

    /// Reads it in order to write it: until the transaction ends it is nobody else's to change.
    fn lock(conn: &dyn Sql, id: i64) -> Result<Self, Failure> {
        let found = conn.one(statements::LOCK_PERSON, params![id], Self::of)?;
        found.ok_or_else(|| Failure::collision("a person was merged or deleted at the same time"))
    }

    fn of(row: &dyn Row) -> Result<Self, Failure> {
        Ok(Self {
            public_id: rows::parsed(row, 0)?,
            external_id: rows::some_text(row, 1)?,
            name: rows::some_text(row, 2)?,
            email: rows::some_text(row, 3)?,
            avatar_url: rows::some_text(row, 4)?,
            page: rows::some_text(row, 5)?,
            first_seen_at: rows::time(row, 6)?,
            last_seen_at: rows::time(row, 7)?,
        })
    }

    fn save(&self, conn: &dyn Sql, id: i64) -> Result<(), Failure> {
        conn.execute(
            statements::UPDATE_PERSON,
            params![
                id,
                &self.external_id,
                &self.name,
                &self.email,
                &self.avatar_url,
                &self.page,
                rows::int(self.first_seen_at.0),
                rows::int(self.last_seen_at.0)
            ],
        )?;
        Ok(())
    }

    /// The words that a search finds a visitor's conversations by.
    fn words(&self, website: i64) -> String {
        let mut text = self.name.clone().unwrap_or_default();
        text.push(' ');
        text.push_str(self.email.as_deref().unwrap_or_default());
        indexed(website, 'v', &text)
    }

    /// Writes a visitor's row, and the search index if its words changed.
    fn save_visitor(&self, write: &mut Write<'_>, id: i64, website: i64, before: &Self) -> Result<(), Failure> {
        self.save(write.conn, id)?;
        if (&self.name, &self.email) != (&before.name, &before.email) {
            write.replace_words(Document::Visitor(id), self.words(website));
        }
        Ok(())
    }

    fn into_row(self) -> VisitorRow {
        let identity = Identity { external_id: self.external_id, email: self.email, name: self.name };
        let is_known = identity.external_id.is_some() || identity.email.is_some() || identity.name.is_some();
        VisitorRow {
            id: self.public_id,
            identity: is_known.then_some(identity),
            first_seen_at: self.first_seen_at,
            last_seen_at: self.last_seen_at,
            page: self.page,
        }
    }
}

/// Takes the new value if there is one.
fn renew(value: &mut Option<String>, new: Option<&Arc<str>>) {
    if let Some(new) = new {
        *value = Some(new.as_ref().to_owned());
    }
}

impl Aimed for TouchPerson {
    fn aim(&self) -> Aim<'_> {
        Aim::Person { organization: &self.organization, websites: &self.websites, person: &self.person }
    }
}

pub(super) fn touch(write: &mut Write<'_>, touch: &TouchPerson) -> Result<(), Failure> {
    match touch.person.kind {
        UserType::Visitor => {
            for website in &touch.websites {
                touch_visitor(write, touch, website)?;
            }
            Ok(())
        }
        UserType::User | UserType::AiAgent => touch_member(write.conn, touch),
    }
}

fn touch_visitor(write: &mut Write<'_>, touch: &TouchPerson, website: &WebsiteId) -> Result<(), Failure> {
    let site = lookup::site(write.conn, &touch.organization, website)?;
    let (conn, kind, id) = (write.conn, UserType::Visitor, &touch.person.id);
    let person = match lookup::person(conn, site.organization, site.id, kind, id)? {
        Some(person) => person,
        None => {
            // Nobody may be left behind on a website that is deleted meanwhile.
            lookup::hold_site(conn, site.id)?;
            lookup::person_or_new(conn, site.organization, site.id, kind, id, touch.at)?
        }
    };
    let before = Profile::lock(conn, person.id)?;
    let mut now = before.clone();
    renew(&mut now.name, touch.name.as_ref());
    renew(&mut now.email, touch.email.as_ref());
    renew(&mut now.avatar_url, touch.avatar_url.as_ref());
    if touch.page.is_some() {
        now.page.clone_from(&touch.page);
    }
    now.last_seen_at = now.last_seen_at.max(touch.at);
    now.save_visitor(write, person.id, site.id, &before)
}

fn touch_member(conn: &dyn Sql, touch: &TouchPerson) -> Result<(), Failure> {
    let organization = lookup::organization(conn, &touch.organization)?;
    let PersonKey { kind, id } = &touch.person;
    let person = lookup::person_or_new(conn, organization, NO_WEBSITE, *kind, id, touch.at)?;
    let mut profile = Profile::lock(conn, person.id)?;
    renew(&mut profile.name, touch.name.as_ref());
    renew(&mut profile.email, touch.email.as_ref());
    renew(&mut profile.avatar_url, touch.avatar_url.as_ref());
    profile.last_seen_at = profile.last_seen_at.max(touch.at);
    profile.save(conn, person.id)?;
    if touch.websites.is_empty() {
        return Ok(());
    }
    // A token may name websites that are gone, and as many as it has room for: they cost one statement.
    let websites: Vec<&str> = touch.websites.iter().map(WebsiteId::as_str).collect();
    let websites = setup::json(&websites)?;
    conn.execute(statements::PUT_MEMBERS, params![organization, &websites, person.id])?;
    Ok(())
}

pub(super) fn resolve(conn: &dyn Sql, website: &SiteKey, visitor: PersonId) -> Result<PersonId, Failure> {
    match find(conn, website, &visitor) {
        Ok(found) => Ok(found.public_id),
        Err(Failure::Answer(StoreError::NotFound)) => Ok(visitor),
        Err(failure) => Err(failure),
    }
}

pub(super) fn known_visitor(conn: &dyn Sql, website: &SiteKey, external_id: &str) -> Result<Option<PersonId>, Failure> {
    let known = with_external_id(conn, lookup::site_of(conn, website)?, external_id)?;
    Ok(known.map(|person| person.public_id))
}

pub(super) fn visitor(conn: &dyn Sql, website: &SiteKey, visitor: &PersonId) -> Result<VisitorRow, Failure> {
    let found = find(conn, website, visitor)?;
    Ok(Profile::read(conn, found.id)?.into_row())
}

fn find(conn: &dyn Sql, website: &SiteKey, visitor: &PersonId) -> Result<Person, Failure> {
    let site = lookup::site_of(conn, website)?;
    let found = lookup::person(conn, site.organization, site.id, UserType::Visitor, visitor)?;
    found.ok_or(Failure::Answer(StoreError::NotFound))
}

pub(super) fn visitor_websites(
    conn: &dyn Sql,
    organization: &OrganizationId,
    visitor: &PersonId,
) -> Result<Vec<WebsiteId>, Failure> {
    let organization = match lookup::organization(conn, organization) {
        Err(Failure::Answer(StoreError::NotFound)) => return Ok(Vec::new()),
        other => other?,
    };
    conn.all(statements::VISITOR_WEBSITES, params![organization, visitor.as_str()], |row| rows::parsed(row, 0))
}

pub(super) fn members(conn: &dyn Sql, website: &SiteKey) -> Result<Vec<Member>, Failure> {
    let site = lookup::site_of(conn, website)?;
    let mut members = conn.all(statements::MEMBERS, params![site.id], |row| {
        Ok(Member {
            person: rows::person(row, 0, 1)?,
            name: rows::some_text(row, 2)?,
            avatar_url: rows::some_text(row, 3)?,
        })
    })?;
    members.sort_by(|a, b| a.person.cmp(&b.person));
    Ok(members)
}

impl Aimed for IdentifyVisitor {
    fn aim(&self) -> Aim<'_> {
        Aim::Identity {
            website: &self.website,
            visitor: self.visitor.as_ref(),
            external_id: self.identity.external_id.as_deref(),
        }
    }
}

pub(super) fn identify(write: &mut Write<'_>, identify: &IdentifyVisitor) -> Result<Identified, Failure> {
    let conn = write.conn;
    let site = lookup::site_of(conn, &identify.website)?;
    let external_id =
        identify.identity.external_id.as_deref().ok_or(StoreError::Forbidden("an external id is needed"))?;
    let known = with_external_id(conn, site, external_id)?;
    let anonymous = anonymous(conn, site, identify, external_id)?;
    let (person, merged) = match (known, anonymous) {
        (Some(known), Some(old)) if old.id != known.id => {
            let moved = merge(write, site, &old, &known)?;
            (known, Some((old.public_id, moved)))
        }
        (Some(known), _) => (known, None),
        (None, Some(anonymous)) => (anonymous, None),
        (None, None) => {
            let kind = UserType::Visitor;
            (lookup::person_or_new(conn, site.organization, site.id, kind, &identify.fresh, identify.at)?, None)
        }
    };
    let before = Profile::lock(conn, person.id)?;
    let mut now = before.clone();
    now.external_id.clone_from(&identify.identity.external_id);
    now.name = identify.identity.name.clone().or(now.name);
    now.email = identify.identity.email.clone().or(now.email);
    now.save_visitor(write, person.id, site.id, &before)?;
    match merged {
        Some((previous, conversations)) => {
            Ok(Identified { visitor: person.public_id, previous: Some(previous), conversations })
        }
        None => {
            let parsed = |row: &dyn Row| rows::parsed(row, 1);
            let conversations = conn.all(statements::CONVERSATIONS_OF_VISITOR, params![person.id], parsed)?;
            Ok(Identified { visitor: person.public_id, previous: None, conversations })
        }
    }
}

fn with_external_id(conn: &dyn Sql, site: Site, external_id: &str) -> Result<Option<Person>, Failure> {
    let person = |row: &dyn Row| Ok(Person { id: rows::id(row, 0)?, public_id: rows::parsed(row, 1)? });
    conn.one(statements::PERSON_BY_EXTERNAL_ID, params![site.id, external_id], person)
}

/// The visitor who says who it is, unless it is somebody else already: two known people are never one.
fn anonymous(
    conn: &dyn Sql,
    site: Site,
    identify: &IdentifyVisitor,
    external_id: &str,
) -> Result<Option<Person>, Failure> {
    let Some(visitor) = &identify.visitor else { return Ok(None) };
    let kind = UserType::Visitor;
    let person = lookup::person_or_new(conn, site.organization, site.id, kind, visitor, identify.at)?;
    let is_other = Profile::read(conn, person.id)?.external_id.is_some_and(|is| is != external_id);
    Ok((!is_other).then_some(person))
}

/// Moves all that is a visitor's own to another one, for whom its id stands from then on.
fn merge(write: &mut Write<'_>, site: Site, old: &Person, known: &Person) -> Result<Vec<ConversationId>, Failure> {
    let conn = write.conn;
    let owned = conn.all(statements::CONVERSATIONS_OF_VISITOR, params![old.id], |row| {
        Ok((rows::id(row, 0)?, rows::parsed(row, 1)?))
    })?;
    let mut moved = Vec::new();
    for (conversation, id) in owned {
        conn.execute(statements::MOVE_CONVERSATION, params![conversation, known.id])?;
        // Only its own visitor acts as a visitor in a conversation, so nothing of the other one's is in the way.
        conn.execute(statements::MOVE_MESSAGES, params![conversation, old.id, known.id])?;
        conn.execute(statements::MOVE_SEEN, params![conversation, old.id, known.id])?;
        conn.execute(
            statements::MOVE_CHANGES,
            params![conversation, old.public_id.as_str(), known.public_id.as_str()],
        )?;
        moved.push(id);
    }
    let from = Profile::lock(conn, old.id)?;
    let before = Profile::lock(conn, known.id)?;
    let mut now = before.clone();
    now.name = now.name.or(from.name);
    now.email = now.email.or(from.email);
    now.avatar_url = now.avatar_url.or(from.avatar_url);
    if from.page.is_some() && (now.page.is_none() || from.last_seen_at >= now.last_seen_at) {
        now.page = from.page;
    }
    now.first_seen_at = now.first_seen_at.min(from.first_seen_at);
    now.last_seen_at = now.last_seen_at.max(from.last_seen_at);
    conn.execute(statements::MOVE_ALIASES, params![old.id, known.id])?;
    conn.execute(statements::MAKE_ALIAS, params![old.id, known.id])?;
    write.delete_words(Document::Visitor(old.id));
    now.save_visitor(write, known.id, site.id, &before)?;
    Ok(moved)
}
