//! `/v1/conversations/{conversationId}/messages`.

use axum::http::StatusCode;
use axum::response::Response;
use cossistant_protocol::MessageId;
use cossistant_protocol::http::{EditContent, MessageList, MessagesQuery, PostMessage};

use super::call::{Call, done, json};
use super::{Failure, now};
use crate::store::MessagePage;

pub(super) async fn list(call: Call) -> Result<Response, Failure> {
    let actor = call.principal().await?;
    let id = call.id("conversationId")?;
    let MessagesQuery { before, after, limit } = call.query()?;
    let page = MessagePage {
        before: before.map(|place| place.0),
        after: after.map(|place| place.0),
        limit: limit.unwrap_or_default().get(),
    };
    let (messages, has_more) = call.state.chat.messages(&actor, id, page).await?;
    Ok(json(StatusCode::OK, &MessageList { messages, has_more }))
}

pub(super) async fn post(call: Call) -> Result<Response, Failure> {
    let sender = call.sender().await?;
    let id = call.id("conversationId")?;
    let (state, body) = call.body::<PostMessage>().await?;
    let (key, send) = body.into_send(id).map_err(Failure::invalid)?;
    let ack = state.chat.send_message(&sender, Some(key), send, now()).await?;
    let status = if ack.duplicate == Some(true) { StatusCode::OK } else { StatusCode::CREATED };
    Ok(json(status, &ack))
}

pub(super) async fn edit(call: Call) -> Result<Response, Failure> {
    let sender = call.sender().await?;
    let (conversation, message) = (call.id("conversationId")?, call.id::<MessageId>("messageId")?);
    let (state, body) = call.body::<EditContent>().await?;
    let message = state.chat.edit_message(&sender, conversation, message, body.content, now()).await?;
    Ok(json(StatusCode::OK, &message))
}

pub(super) async fn delete(call: Call) -> Result<Response, Failure> {
    let sender = call.sender().await?;
    let (conversation, message) = (call.id("conversationId")?, call.id::<MessageId>("messageId")?);
    call.state.chat.delete_message(&sender, conversation, message, now()).await?;
    Ok(done())
}
