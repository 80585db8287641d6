//! Webhooks: for the holders of an organization's secret key, and within that organization alone.

use cossistant_protocol::http::{CreateWebhook, DeliveriesQuery, WebhookEvent};
use cossistant_protocol::{DeliveryId, ErrorCode, Invalid, OrganizationId, Timestamp, WebhookId};

use super::{Chat, ChatError};
use crate::auth::HttpPrincipal;
use crate::store::{DeliveryPage, DeliveryRow, EventSet, WebhookRow};
use crate::webhook::{AddressPolicy, check_url, new_secret};

impl Chat {
    /// Makes a webhook; its secret is in the row.
    ///
    /// # Errors
    /// `forbidden` unless asked by a secret key, `invalid_message` for an address that `policy` refuses or an empty list
    /// of events, `limit_exceeded`, `unavailable`.
    pub async fn create_webhook(
        &self,
        actor: &HttpPrincipal,
        create: CreateWebhook,
        policy: AddressPolicy,
        now: Timestamp,
    ) -> Result<WebhookRow, ChatError> {
        let organization = organization(actor)?;
        let CreateWebhook { url, events } = create;
        let invalid = |path: &str, reason: String| ChatError::invalid(Invalid::new(path, reason));
        check_url(url.as_str(), policy).map_err(|refused| invalid("url", refused.to_string()))?;
        let events = events.unwrap_or_else(|| WebhookEvent::ALL.to_vec());
        if events.is_empty() {
            return Err(invalid("events", "must have at least one entry".to_owned()));
        }
        let secret = new_secret().map_err(|error| {
            tracing::error!(%error, "no secret can be made");
            ChatError::new(ErrorCode::Internal, "internal error")
        })?;
        let row = WebhookRow {
            id: WebhookId::new(self.ids.other("hook_", now)).expect("made of letters"),
            organization: organization.clone(),
            url: url.as_str().to_owned(),
            secret,
            events: EventSet::new(&events),
            created_at: now,
        };
        self.store.create_webhook(row.clone()).await?;
        Ok(row)
    }

    /// All webhooks of the organization, the oldest first.
    ///
    /// # Errors
    /// `forbidden` unless asked by a secret key, `unavailable`.
    pub async fn webhooks(&self, actor: &HttpPrincipal) -> Result<Vec<WebhookRow>, ChatError> {
        Ok(self.store.webhooks(organization(actor)?.clone()).await?)
    }

    /// Deletes a webhook; what is queued for it is not sent any more.
    ///
    /// # Errors
    /// `forbidden` unless asked by a secret key, `not_found`, `unavailable`.
    pub async fn delete_webhook(&self, actor: &HttpPrincipal, webhook: WebhookId) -> Result<(), ChatError> {
        Ok(self.store.delete_webhook(organization(actor)?.clone(), webhook).await?)
    }

    /// One page of a webhook's deliveries, the newest first, and whether more follow.
    ///
    /// # Errors
    /// `forbidden` unless asked by a secret key, `invalid_message` for a cursor of another make, `not_found`,
    /// `unavailable`.
    pub async fn deliveries(
        &self,
        actor: &HttpPrincipal,
        webhook: WebhookId,
        query: DeliveriesQuery,
    ) -> Result<(Vec<DeliveryRow>, bool), ChatError> {
        let organization = organization(actor)?.clone();
        let DeliveriesQuery { status, cursor, limit } = query;
        let place = |cursor: &str| DeliveryId::new(cursor).ok().filter(is_place);
        let bad = || ChatError::invalid(Invalid::new("cursor", "must be the nextCursor of a page"));
        let before = cursor.map(|cursor| place(cursor.as_str()).ok_or_else(bad)).transpose()?;
        let page = DeliveryPage { status, before, limit: limit.unwrap_or_default().get() };
        Ok(self.store.deliveries(organization, webhook, page).await?)
    }

    /// Sends a delivery once more, with all of its attempts before it.
    ///
    /// # Errors
    /// `forbidden` unless asked by a secret key, `not_found`, `unavailable`.
    pub async fn resend_delivery(
        &self,
        actor: &HttpPrincipal,
        webhook: WebhookId,
        delivery: DeliveryId,
        now: Timestamp,
    ) -> Result<DeliveryRow, ChatError> {
        let organization = organization(actor)?.clone();
        Ok(self.store.resend_delivery(organization, webhook, delivery, now).await?)
    }
}

fn organization(actor: &HttpPrincipal) -> Result<&OrganizationId, ChatError> {
    match actor {
        HttpPrincipal::Secret { organization, .. } => Ok(organization),
        HttpPrincipal::Admin | HttpPrincipal::Person(_) => Err(ChatError::forbidden("for secret keys only")),
    }
}

/// Whether an id has the form of those that a store gives: a number, and what tells the store's life. The delivery need
/// not be there any more, and one of another life is older than all.
fn is_place(id: &DeliveryId) -> bool {
    let Some((number, life)) = id.as_str().strip_prefix("dlv_").and_then(|rest| rest.split_at_checked(12)) else {
        return false;
    };
    let is_number = number.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_number && life.len() <= 8 && life.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
