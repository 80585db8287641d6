//! Organizations, websites, keys.

use axum::http::StatusCode;
use axum::response::Response;
use cossistant_protocol::http::{
    ChangeWebsite, CreateKey, CreateOrganization, CreateWebsite, Key, KeyCreated, KeyType, Organization, Website,
    WebsiteQuery,
};

use super::call::{Call, done, json};
use super::{Failure, now};
use crate::chat::MadeKey;
use crate::store::{KeyMaterial, KeyRow, OrganizationRow, WebsiteRow};

pub(super) async fn create_organization(call: Call) -> Result<Response, Failure> {
    let actor = call.principal().await?;
    let (state, body) = call.body::<CreateOrganization>().await?;
    let row = state.chat.create_organization(&actor, body, now()).await?;
    Ok(json(StatusCode::CREATED, &organization(row)))
}

pub(super) async fn read_organization(call: Call) -> Result<Response, Failure> {
    let actor = call.principal().await?;
    let row = call.state.chat.organization(&actor, &call.id("organizationId")?)?;
    Ok(json(StatusCode::OK, &organization(row)))
}

pub(super) async fn delete_organization(call: Call) -> Result<Response, Failure> {
    let actor = call.principal().await?;
    call.state.chat.delete_organization(&actor, call.id("organizationId")?).await?;
    Ok(done())
}

pub(super) async fn create_website(call: Call) -> Result<Response, Failure> {
    let actor = call.principal().await?;
    let (state, body) = call.body::<CreateWebsite>().await?;
    let row = state.chat.create_website(&actor, body, now()).await?;
    Ok(json(StatusCode::CREATED, &website(row)))
}

pub(super) async fn read_website(call: Call) -> Result<Response, Failure> {
    let actor = call.principal().await?;
    let WebsiteQuery { organization_id } = call.query()?;
    let row = call.state.chat.website_settings(&actor, organization_id.as_ref(), &call.id("websiteId")?)?;
    Ok(json(StatusCode::OK, &website(row)))
}

pub(super) async fn change_website(call: Call) -> Result<Response, Failure> {
    let actor = call.principal().await?;
    let WebsiteQuery { organization_id } = call.query()?;
    let id = call.id("websiteId")?;
    let (state, body) = call.body::<ChangeWebsite>().await?;
    let row = state.chat.change_website(&actor, organization_id.as_ref(), &id, body).await?;
    Ok(json(StatusCode::OK, &website(row)))
}

pub(super) async fn delete_website(call: Call) -> Result<Response, Failure> {
    let actor = call.principal().await?;
    let WebsiteQuery { organization_id } = call.query()?;
    call.state.chat.delete_website(&actor, organization_id.as_ref(), &call.id("websiteId")?).await?;
    Ok(done())
}

pub(super) async fn create_key(call: Call) -> Result<Response, Failure> {
    let actor = call.principal().await?;
    let (state, body) = call.body::<CreateKey>().await?;
    let MadeKey { row, shown } = state.chat.create_key(&actor, body, now()).await?;
    Ok(json(StatusCode::CREATED, &KeyCreated { id: row.id, key: shown }))
}

pub(super) async fn read_key(call: Call) -> Result<Response, Failure> {
    let actor = call.principal().await?;
    let row = call.state.chat.key(&actor, &call.id("keyId")?)?;
    Ok(json(StatusCode::OK, &key(row)))
}

pub(super) async fn delete_key(call: Call) -> Result<Response, Failure> {
    let actor = call.principal().await?;
    call.state.chat.delete_key(&actor, &call.id("keyId")?).await?;
    Ok(done())
}

fn organization(row: OrganizationRow) -> Organization {
    Organization { id: row.id, name: row.name, created_at: row.created_at }
}

fn website(row: WebsiteRow) -> Website {
    let WebsiteRow { key, settings, created_at } = row;
    Website {
        id: key.website,
        organization_id: key.organization,
        name: settings.name,
        accent: settings.accent,
        questions: settings.questions,
        allowed_domains: settings.allowed_domains,
        typing_preview: settings.typing_preview,
        unseen_after: settings.unseen_after,
        created_at,
    }
}

fn key(row: KeyRow) -> Key {
    let KeyRow { id, organization, material, created_at } = row;
    let key = Key {
        id,
        organization_id: organization,
        r#type: KeyType::Secret,
        website_id: None,
        key: None,
        public_key: None,
        algorithm: None,
        created_at,
    };
    match material {
        KeyMaterial::Public { key: text, website } => {
            Key { r#type: KeyType::Public, website_id: Some(website), key: Some(text), ..key }
        }
        KeyMaterial::Secret { .. } => key,
        KeyMaterial::JwtHs256 { .. } => Key { r#type: KeyType::JwtHs256, ..key },
        KeyMaterial::JwtPublic { pem, algorithm } => {
            Key { r#type: KeyType::JwtPublic, public_key: Some(pem), algorithm: Some(algorithm), ..key }
        }
    }
}
