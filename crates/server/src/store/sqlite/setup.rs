//! Organizations, websites, keys, revocations.

use cossistant_protocol::{Channel, KeyId, OrganizationId};
use rusqlite::{Connection, Row};

use super::error::Failure;
use super::statements::{self, directory};
use super::writer::{Write, message_document, visitor_document};
use super::{lookup, outbox, rows};
use crate::store::{
    Conflict, DirectoryRows, KeyMaterial, KeyRow, OrganizationRow, RevocationRow, SiteKey, StoreError, WebsiteRow,
    WebsiteSettings,
};

const PUBLIC: i64 = 0;
const SECRET: i64 = 1;
const JWT_HS256: i64 = 2;
const JWT_PUBLIC: i64 = 3;

/// A unique index refused it: the id, or what tells a caller apart, is somebody's already.
pub(super) fn taken(error: rusqlite::Error) -> Failure {
    let failure = Failure::from(error);
    if failure.is_unique() { StoreError::Conflict(Conflict::Taken).into() } else { failure }
}

fn json(texts: &[String]) -> Result<String, Failure> {
    serde_json::to_string(texts).map_err(|error| StoreError::Corrupt(error.to_string()).into())
}

pub(super) fn create_organization(conn: &Connection, row: &OrganizationRow) -> Result<(), Failure> {
    let mut statement = conn.prepare_cached(statements::INSERT_ORGANIZATION)?;
    statement.execute((row.id.as_str(), &row.name, rows::int(row.created_at.0))).map_err(taken)?;
    Ok(())
}

pub(super) fn create_website(conn: &Connection, row: &WebsiteRow) -> Result<(), Failure> {
    let organization = lookup::organization(conn, &row.key.organization)?;
    let (head, _) = lookup::begin(conn, &row.key.organization, &Channel::Website(row.key.website.clone()))?;
    let settings = &row.settings;
    let mut statement = conn.prepare_cached(statements::INSERT_WEBSITE)?;
    let inserted = statement.execute((
        organization,
        row.key.website.as_str(),
        &settings.name,
        &settings.accent,
        json(&settings.questions)?,
        json(&settings.allowed_domains)?,
        settings.typing_preview.as_str(),
        rows::int(settings.unseen_after),
        rows::int(row.created_at.0),
        rows::int(head),
    ));
    inserted.map_err(taken)?;
    Ok(())
}

pub(super) fn update_website(conn: &Connection, row: &WebsiteRow) -> Result<(), Failure> {
    let site = lookup::site_of(conn, &row.key)?;
    let settings = &row.settings;
    conn.prepare_cached(statements::UPDATE_WEBSITE)?.execute((
        site.id,
        &settings.name,
        &settings.accent,
        json(&settings.questions)?,
        json(&settings.allowed_domains)?,
        settings.typing_preview.as_str(),
        rows::int(settings.unseen_after),
    ))?;
    Ok(())
}

pub(super) fn delete_website(write: &mut Write<'_>, key: &SiteKey) -> Result<(), Failure> {
    let site = lookup::site_of(write.conn, key)?;
    clear_website(write, site.id)
}

fn clear_website(write: &mut Write<'_>, website: i64) -> Result<(), Failure> {
    let conn = write.conn;
    for message in ids(conn, statements::MESSAGE_IDS_OF_WEBSITE, website)? {
        write.delete_words(message_document(message));
    }
    for visitor in ids(conn, statements::VISITOR_IDS_OF_WEBSITE, website)? {
        write.delete_words(visitor_document(visitor));
    }
    for conversation in ids(conn, statements::CONVERSATION_IDS_OF_WEBSITE, website)? {
        conn.prepare_cached(statements::RETIRE_CONVERSATION)?.execute([conversation])?;
        conn.prepare_cached(statements::CLEAR_SEEN)?.execute([conversation])?;
        conn.prepare_cached(statements::CLEAR_UNSEEN)?.execute([conversation])?;
    }
    for sql in [
        statements::RETIRE_WEBSITE,
        statements::CLEAR_EVENTS,
        statements::CLEAR_CONVERSATIONS,
        statements::CLEAR_MEMBERS,
        statements::CLEAR_ALIASES,
        statements::CLEAR_VISITORS,
        statements::CLEAR_WEBSITE_KEYS,
        statements::CLEAR_WEBSITE,
    ] {
        conn.prepare_cached(sql)?.execute([website])?;
    }
    Ok(())
}

pub(super) fn delete_organization(write: &mut Write<'_>, id: &OrganizationId) -> Result<(), Failure> {
    let conn = write.conn;
    let organization = lookup::organization(conn, id)?;
    let mut statement = conn.prepare_cached(statements::SITES_OF_ORGANIZATION)?;
    let websites = statement.query_map([id.as_str()], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
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
        conn.prepare_cached(sql)?.execute([organization])?;
    }
    Ok(())
}

fn ids(conn: &Connection, sql: &str, website: i64) -> Result<Vec<i64>, Failure> {
    let mut statement = conn.prepare_cached(sql)?;
    let ids = statement.query_map([website], |row| row.get(0))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

pub(super) fn create_key(conn: &Connection, row: &KeyRow) -> Result<(), Failure> {
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
    let mut statement = conn.prepare_cached(statements::INSERT_KEY)?;
    let at = rows::int(row.created_at.0);
    statement.execute((row.id.as_str(), organization, website, kind, material, algorithm, at)).map_err(taken)?;
    Ok(())
}

pub(super) fn delete_key(conn: &Connection, key: &KeyId) -> Result<(), Failure> {
    match conn.prepare_cached(statements::DELETE_KEY)?.execute([key.as_str()])? {
        0 => Err(StoreError::NotFound.into()),
        _ => Ok(()),
    }
}

pub(super) fn revoke(conn: &Connection, row: &RevocationRow) -> Result<(), Failure> {
    let organization = lookup::organization(conn, &row.organization)?;
    let kind = rows::kind_number(row.person.kind);
    let mut statement = conn.prepare_cached(statements::PUT_REVOCATION)?;
    statement.execute((organization, kind, row.person.id.as_str(), rows::int(row.at.0)))?;
    Ok(())
}

pub(super) fn directory(conn: &Connection) -> Result<DirectoryRows, Failure> {
    let organizations = all(conn, directory::ORGANIZATIONS, |row| {
        Ok(OrganizationRow { id: rows::parsed(row, 0)?, name: row.get(1)?, created_at: rows::time(row, 2)? })
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

fn all<T>(conn: &Connection, sql: &str, read: fn(&Row<'_>) -> rusqlite::Result<T>) -> Result<Vec<T>, Failure> {
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn texts(row: &Row<'_>, index: usize) -> rusqlite::Result<Vec<String>> {
    let text = row.get_ref(index)?.as_str()?;
    serde_json::from_str(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, error.into()))
}

fn website(row: &Row<'_>) -> rusqlite::Result<WebsiteRow> {
    Ok(WebsiteRow {
        key: SiteKey { organization: rows::parsed(row, 0)?, website: rows::parsed(row, 1)? },
        settings: WebsiteSettings {
            name: row.get(2)?,
            accent: row.get(3)?,
            questions: texts(row, 4)?,
            allowed_domains: texts(row, 5)?,
            typing_preview: rows::parsed(row, 6)?,
            unseen_after: rows::number(row, 7)?,
        },
        created_at: rows::time(row, 8)?,
    })
}

fn key(row: &Row<'_>) -> rusqlite::Result<KeyRow> {
    let text = |bytes: Vec<u8>| {
        String::from_utf8(bytes)
            .map_err(|error| rusqlite::Error::FromSqlConversionFailure(3, rusqlite::types::Type::Blob, error.into()))
    };
    let bytes: Vec<u8> = row.get(3)?;
    let kind: i64 = row.get(2)?;
    let material = match kind {
        PUBLIC => KeyMaterial::Public { key: text(bytes)?, website: rows::parsed(row, 5)? },
        SECRET => KeyMaterial::Secret {
            sha256: bytes.try_into().map_err(|bytes: Vec<u8>| {
                rusqlite::Error::FromSqlConversionFailure(
                    3,
                    rusqlite::types::Type::Blob,
                    format!("a digest of {} bytes", bytes.len()).into(),
                )
            })?,
        },
        JWT_HS256 => KeyMaterial::JwtHs256 { secret: bytes },
        JWT_PUBLIC => KeyMaterial::JwtPublic { pem: text(bytes)?, algorithm: row.get(4)? },
        other => return Err(rusqlite::Error::IntegralValueOutOfRange(2, other)),
    };
    Ok(KeyRow {
        id: rows::parsed(row, 0)?,
        organization: rows::parsed(row, 1)?,
        material,
        created_at: rows::time(row, 6)?,
    })
}
