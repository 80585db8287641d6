//! `/v1/webhooks`.

use axum::http::StatusCode;
use axum::response::Response;
use cossistant_protocol::WebhookId;
use cossistant_protocol::http::{
    CreateWebhook, Delivery, DeliveryList, DeliveryStatus, Webhook, WebhookCreated, WebhookList,
};

use super::call::{Call, done, json};
use super::{Failure, now};
use crate::store::{DeliveryRow, WebhookRow};
use crate::webhook::secret_text;

pub(super) async fn create(call: Call) -> Result<Response, Failure> {
    let actor = call.principal().await?;
    let (state, body) = call.body::<CreateWebhook>().await?;
    let row = state.chat.create_webhook(&actor, body, state.webhook_addresses, now()).await?;
    let WebhookRow { id, url, secret, events, created_at, organization: _ } = row;
    let created = WebhookCreated { id, url, events: events.to_vec(), secret: secret_text(&secret), created_at };
    Ok(json(StatusCode::CREATED, &created))
}

pub(super) async fn list(call: Call) -> Result<Response, Failure> {
    let actor = call.principal().await?;
    let rows = call.state.chat.webhooks(&actor).await?;
    let shown = |row: WebhookRow| {
        let WebhookRow { id, url, events, created_at, organization: _, secret: _ } = row;
        Webhook { id, url, events: events.to_vec(), created_at }
    };
    Ok(json(StatusCode::OK, &WebhookList { webhooks: rows.into_iter().map(shown).collect() }))
}

pub(super) async fn delete(call: Call) -> Result<Response, Failure> {
    let actor = call.principal().await?;
    call.state.chat.delete_webhook(&actor, call.id("webhookId")?).await?;
    Ok(done())
}

pub(super) async fn deliveries(call: Call) -> Result<Response, Failure> {
    let actor = call.principal().await?;
    let webhook: WebhookId = call.id("webhookId")?;
    let (rows, has_more) = call.state.chat.deliveries(&actor, webhook.clone(), call.query()?).await?;
    let next_cursor = if has_more { rows.last().map(|row| row.id.to_string()) } else { None };
    let deliveries = rows.into_iter().map(|row| shown(row, &webhook)).collect();
    Ok(json(StatusCode::OK, &DeliveryList { deliveries, next_cursor }))
}

pub(super) async fn resend(call: Call) -> Result<Response, Failure> {
    let actor = call.principal().await?;
    let webhook: WebhookId = call.id("webhookId")?;
    let row = call.state.chat.resend_delivery(&actor, webhook.clone(), call.id("deliveryId")?, now()).await?;
    Ok(json(StatusCode::ACCEPTED, &shown(row, &webhook)))
}

fn shown(row: DeliveryRow, webhook: &WebhookId) -> Delivery {
    let DeliveryRow { id, event, at, status, attempts, last_at, next_at, last_status, last_error } = row;
    let is_waiting = match status {
        DeliveryStatus::Pending | DeliveryStatus::Failed => true,
        DeliveryStatus::Delivered | DeliveryStatus::Dead => false,
    };
    Delivery {
        id,
        webhook_id: webhook.clone(),
        r#type: event,
        status,
        attempts,
        created_at: at,
        last_attempt_at: last_at,
        next_attempt_at: is_waiting.then_some(next_at),
        last_status,
        last_error,
    }
}
