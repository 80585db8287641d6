//! `/v1/conversations` and the inbox.

use std::collections::{HashMap, HashSet};

use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cossistant_protocol::http::{
    ChangeConversation, ConversationItem, ConversationList, ConversationsQuery, CreateConversation,
};
use cossistant_protocol::{ConversationId, Invalid, PersonId, Timestamp, WebsiteId};

use super::call::{Call, json};
use super::{Failure, State, now};
use crate::auth::HttpPrincipal;
use crate::chat::{ConversationFilter, ListPlace, Listed, ListedConversation};
use crate::store::SiteKey;

pub(super) async fn list_of_website(call: Call) -> Result<Response, Failure> {
    let actor = call.principal().await?;
    let website: WebsiteId = call.id("websiteId")?;
    listed(call, &actor, Some(website)).await
}

pub(super) async fn list(call: Call) -> Result<Response, Failure> {
    let actor = call.principal().await?;
    listed(call, &actor, None).await
}

async fn listed(call: Call, actor: &HttpPrincipal, website: Option<WebsiteId>) -> Result<Response, Failure> {
    let ConversationsQuery { status, assignee, visitor_id, search, cursor, limit } = call.query()?;
    let after = cursor.as_ref().map(|cursor| decode(cursor.as_str())).transpose()?;
    let filter = ConversationFilter {
        website,
        visitor: visitor_id,
        status,
        assignee,
        search: search.map(cossistant_protocol::fields::Text::into_string).filter(|text| !text.trim().is_empty()),
        after,
        limit: limit.unwrap_or_default().get(),
    };
    let Listed { items, next } = call.state.chat.conversations(actor, filter).await?;
    let list =
        ConversationList { conversations: described(&call.state, items).await, next_cursor: next.as_ref().map(encode) };
    Ok(json(StatusCode::OK, &list))
}

pub(super) async fn create(call: Call) -> Result<Response, Failure> {
    let actor = call.principal().await?;
    let (state, body) = call.body::<CreateConversation>().await?;
    let (conversation, is_new) = state.chat.create_conversation(&actor, body, now()).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    one(&state, status, conversation).await
}

pub(super) async fn read(call: Call) -> Result<Response, Failure> {
    let actor = call.principal().await?;
    let conversation = call.state.chat.conversation(&actor, call.id("conversationId")?).await?;
    one(&call.state, StatusCode::OK, conversation).await
}

pub(super) async fn change(call: Call) -> Result<Response, Failure> {
    let actor = call.principal().await?;
    let id = call.id("conversationId")?;
    let (state, body) = call.body::<ChangeConversation>().await?;
    let conversation = state.chat.change_conversation(&actor, id, body, now()).await?;
    one(&state, StatusCode::OK, conversation).await
}

async fn one(state: &State, status: StatusCode, conversation: ListedConversation) -> Result<Response, Failure> {
    let items = described(state, vec![conversation]).await;
    items.first().map(|item| json(status, item)).ok_or_else(Failure::not_found)
}

/// The conversations as they are told, with who is online.
async fn described(state: &State, items: Vec<ListedConversation>) -> Vec<ConversationItem> {
    let mut visitors: HashMap<SiteKey, Vec<PersonId>> = HashMap::new();
    for ListedConversation { conversation, .. } in &items {
        visitors.entry(conversation.website.clone()).or_default().push(conversation.visitor.clone());
    }
    let mut online: HashSet<(SiteKey, PersonId)> = HashSet::new();
    for (site, ids) in visitors {
        let here = state.presence.visitors_online(&site, ids).await;
        online.extend(here.into_iter().map(|id| (site.clone(), id)));
    }
    items
        .into_iter()
        .map(|ListedConversation { conversation, last_activity_at, identity, last_message, unread }| ConversationItem {
            online: online.contains(&(conversation.website.clone(), conversation.visitor.clone())),
            conversation_id: conversation.id,
            website_id: conversation.website.website,
            visitor_id: conversation.visitor,
            visitor: identity,
            status: conversation.status,
            assigned_team_member_id: conversation.assignee,
            created_at: conversation.created_at,
            last_activity_at,
            last_message,
            unread_count: unread,
        })
        .collect()
}

/// A place as a text that means nothing to others.
fn encode(place: &ListPlace) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}.{}", place.at.as_millis(), place.conversation))
}

fn decode(cursor: &str) -> Result<ListPlace, Failure> {
    let parse = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let (at, conversation) = text.split_once('.')?;
        Some(ListPlace { at: Timestamp(at.parse().ok()?), conversation: ConversationId::new(conversation).ok()? })
    };
    parse().ok_or_else(|| Failure::invalid(Invalid::new("cursor", "must be the nextCursor of a page")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_as_they_are_written() {
        let at = Timestamp(1_700_000_000_000);
        let place = ListPlace { at, conversation: ConversationId::new("conv_1").unwrap() };
        assert_eq!(decode(&encode(&place)), Ok(place));
        for text in ["", "x", "!!", "MTIz", "LWEuYg"] {
            assert!(decode(text).is_err(), "{text}");
        }
    }
}
