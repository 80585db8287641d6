//! Organizations, websites, keys, revocations.

use cossistant_protocol::{Channel, KeyId, OrganizationId};

use super::error::Failure;
use super::link::{Aim, Aimed, Document, Row, Sql};
use super::statements::{self, directory};
use super::value::params;
use super::writer::Write;
use super::{lookup, outbox, rows};
use crate::store::{
    Conflict, DirectoryRows, KeyMaterial, KeyRow, OrganizationRow, RevocationRow, SiteKey, StoreError, WebsiteRow,
    WebsiteSettings,
};

const PUBLIC: i64 = 0;
const SECRET: i64 = 1;
const JWT_HS256: i64 = 2;
const JWT_PUBLIC: i64 = 3;

/// How many rows of a website that is deleted one statement removes: however many there are, none takes long.
const CLEARED_AT_ONCE: i64 = 10_000;

/// A unique index refused it: the id, or what tells a caller apart, is somebody's already.
pub(super) fn taken(failure: Failure) -> Failure {
    if failure.is_unique() { StoreError::Conflict(Conflict::Taken).into() } else { failure }
}

/// Texts as one value.
pub(super) fn json<T: AsRef<str> + serde::Serialize>(texts: &[T]) -> Result<String, Failure> {
    serde_json::to_string(texts).map_err(|error| StoreError::Corrupt(error.to_string()).into())
}

impl Aimed for SiteKey {
    fn aim(&self) -> Aim<'_> {
        Aim::Website(self)
    }
}

impl Aimed for OrganizationId {
    fn aim(&self) -> Aim<'_> {
        Aim::Organization(self)
    }
}

pub(super) fn create_organization(conn: &dyn Sql, row: &OrganizationRow) -> Result<(), Failure> {
    conn.execute(statements::INSERT_ORGANIZATION, params![row.id.as_str(), &row.name, rows::int(row.created_at.0)])
        .map_err(taken)?;
    conn.raise_setup()
}

pub(super) fn create_website(conn: &dyn Sql, row: &WebsiteRow) -> Result<(), Failure> {
    let organization = lookup::organization(conn, &row.key.organization)?;
    let settings = &row.settings;
    let made = conn.insert(
        statements::INSERT_WEBSITE,
        params![
            organization,
            row.key.website.as_str(),
            &settings.name,
            &settings.accent,
            &json(&settings.questions)?,
            &json(&settings.allowed_domains)?,
            settings.typing_preview.as_str(),
            rows::int(settings.unseen_after),
            rows::int(row.created_at.0)
        ],
    );
    let made = made.map_err(taken)?;
    match (made, lookup::begin(conn, &row.key.organization, &Channel::Website(row.key.website.clone()))?) {
        (Some(website), (head, _)) if head > 0 => conn.update_heads(&[(website, head)])?,
        _ => {}
    }
    conn.raise_setup()
}

pub(super) fn update_website(conn: &dyn Sql, row: &WebsiteRow) -> Result<(), Failure> {
    let site = lookup::site_of(conn, &row.key)?;
    let settings = &row.settings;
    conn.execute(
        statements::UPDATE_WEBSITE,
        params![
            site.id,
            &settings.name,
            &settings.accent,
            &json(&settings.questions)?,
            &json(&settings.allowed_domains)?,
            settings.typing_preview.as_str(),
            rows::int(settings.unseen_after)
        ],
    )?;
    conn.raise_setup()
}

pub(super) fn delete_website(write: &mut Write<'_>, key: &SiteKey) -> Result<(), Failure> {
    let site = lookup::site_of(write.conn, key)?;
    clear_website(write, site.id)?;
    write.conn.raise_setup()
}

fn clear_website(write: &mut Write<'_>, website: i64) -> Result<(), Failure> {
    let conn = write.conn;
    // Whoever has begun something in it ends first, and whoever comes later does not find it.
    conn.one(statements::LOCK_SITE, params![website], |_| Ok(()))?;
    if !conn.unindexes_deleted() {
        for message in ids(conn, statements::MESSAGE_IDS_OF_WEBSITE, website)? {
            write.delete_words(Document::Message(message));
        }
        for visitor in ids(conn, statements::VISITOR_IDS_OF_WEBSITE, website)? {
            write.delete_words(Document::Visitor(visitor));
        }
    }
    conn.one(statements::LOCK_CONVERSATIONS, params![website], |_| Ok(()))?;
    for sql in [
        statements::RETIRE_CONVERSATIONS,
        statements::CLEAR_SEEN,
        statements::CLEAR_UNSEEN,
        statements::RETIRE_WEBSITE,
        statements::CLEAR_MEMBERS,
        statements::CLEAR_WEBSITE_KEYS,
        statements::CLEAR_ALIASES,
    ] {
        conn.execute(sql, params![website])?;
    }
    for sql in [statements::CLEAR_EVENTS, statements::CLEAR_CONVERSATIONS, statements::CLEAR_VISITORS] {
        while conn.execute(sql, params![website, CLEARED_AT_ONCE])? > 0 {}
    }
    conn.execute(statements::CLEAR_WEBSITE, params![website])?;
    Ok(())
}

pub(super) fn delete_organization(write: &mut Write<'_>, id: &OrganizationId) -> Result<(), Failure> {
    let conn = write.conn;
    let organization = lookup::organization(conn, id)?;
    let websites = conn.all(statements::SITES_OF_ORGANIZATION, params![id.as_str()], |row| rows::id(row, 0))?;
    for website in websites {
        clear_website(write, website)?;
    }
    outbox::clear_organization(write, organization)?;
    for sql in [
        statements::CLEAR_KEYS,
        statements::CLEAR_REVOCATIONS,
        statements::CLEAR_PEOPLE,
        statements::CLEAR_ORGANIZATION,
    ] {
        conn.execute(sql, params![organization])?;
    }
    conn.raise_setup()
}

fn ids(conn: &dyn Sql, sql: &'static str, website: i64) -> Result<Vec<i64>, Failure> {
    conn.all(sql, params![website], |row| rows::id(row, 0))
}

pub(super) fn create_key(conn: &dyn Sql, row: &KeyRow) -> Result<(), Failure> {
    let organization = lookup::organization(conn, &row.organization)?;
    let (kind, website, material, algorithm) = match &row.material {
        KeyMaterial::Public { key, website } => {
            let site = lookup::site(conn, &row.organization, website)?;
            (PUBLIC, Some(site.id), key.as_bytes(), None)
        }
        KeyMaterial::Secret { sha256 } => (SECRET, None, sha256.as_slice(), None),
        KeyMaterial::JwtHs256 { secret } => (JWT_HS256, None, secret.as_slice(), None),
        KeyMaterial::JwtPublic { pem, algorithm } => (JWT_PUBLIC, None, pem.as_bytes(), Some(algorithm)),
    };
    let at = rows::int(row.created_at.0);
    conn.execute(
        statements::INSERT_KEY,
        params![row.id.as_str(), organization, website, kind, material, algorithm, at],
    )
    .map_err(taken)?;
    conn.raise_setup()
}

pub(super) fn delete_key(conn: &dyn Sql, key: &KeyId) -> Result<(), Failure> {
    match conn.execute(statements::DELETE_KEY, params![key.as_str()])? {
        0 => Err(StoreError::NotFound.into()),
        _ => conn.raise_setup(),
    }
}

pub(super) fn revoke(conn: &dyn Sql, row: &RevocationRow) -> Result<(), Failure> {
    let organization = lookup::organization(conn, &row.organization)?;
    let kind = rows::kind_number(row.person.kind);
    conn.execute(statements::PUT_REVOCATION, params![organization, kind, row.person.id.as_str(), rows::int(row.at.0)])?;
    conn.raise_setup()
}

pub(super) fn directory(conn: &dyn Sql) -> Result<DirectoryRows, Failure> {
    let organizations = all(conn, directory::ORGANIZATIONS, |row| {
        Ok(OrganizationRow { id: rows::parsed(row, 0)?, name: rows::text(row, 1)?, created_at: rows::time(row, 2)? })
    })?;
    let revocations = all(conn, directory::REVOCATIONS, |row| {
        Ok(RevocationRow {
            organization: rows::parsed(row, 0)?,
            person: rows::person(row, 1, 2)?,
            at: rows::time(row, 3)?,
        })
    })?;
    let websites = all(conn, directory::WEBSITES, website)?;
    let keys = all(conn, directory::KEYS, key)?;
    Ok(DirectoryRows { organizations, websites, keys, revocations })
}

fn all<T>(conn: &dyn Sql, sql: &'static str, read: fn(&dyn Row) -> Result<T, Failure>) -> Result<Vec<T>, Failure> {
    conn.all(sql, params![], read)
}

fn texts(row: &dyn Row, index: usize) -> Result<Vec<String>, Failure> {
    let texts = serde_json::from_str(&rows::text(row, index)?);
    texts.map_err(|error| StoreError::Corrupt(format!("texts of a website: {error}")).into())
}

fn website(row: &dyn Row) -> Result<WebsiteRow, Failure> {
    Ok(WebsiteRow {
        key: SiteKey { organization: rows::parsed(row, 0)?, website: rows::parsed(row, 1)? },
        settings: WebsiteSettings {
            name: rows::text(row, 2)?,
            accent: rows::some_text(row, 3)?,
            questions: texts(row, 4)?,
            allowed_domains: texts(row, 5)?,
            typing_preview: rows::parsed(row, 6)?,
            unseen_after: rows::number(row, 7)?,
        },
        created_at: rows::time(row, 8)?,
    })
}

fn key(row: &dyn Row) -> Result<KeyRow, Failure> {
    let text = |bytes: Vec<u8>| {
        let text = String::from_utf8(bytes);
        text.map_err(|error| StoreError::Corrupt(format!("the text of a key: {error}")))
    };
    let material = match rows::id(row, 2)? {
        PUBLIC => KeyMaterial::Public { key: text(rows::bytes(row, 3)?)?, website: rows::parsed(row, 5)? },
        SECRET => KeyMaterial::Secret { sha256: rows::array(row, 3)? },
        JWT_HS256 => KeyMaterial::JwtHs256 { secret: rows::bytes(row, 3)? },
        JWT_PUBLIC => KeyMaterial::JwtPublic { pem: text(rows::bytes(row, 3)?)?, algorithm: rows::text(row, 4)? },
        other => return Err(StoreError::Corrupt(format!("{other} is no kind of key")).into()),
    };
    Ok(KeyRow {
        id: rows::parsed(row, 0)?,
        organization: rows::parsed(row, 1)?,
        material,
        created_at: rows::time(row, 6)?,
    })
}
