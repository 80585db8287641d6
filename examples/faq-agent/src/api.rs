//! The server's HTTP interface, as far as an agent needs it.

use std::time::Duration;

use cossistant_client::{ConversationId, NewMessage, PersonId, TokenError, WebsiteId};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use ureq::http::{Request, StatusCode};

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// For how long a token is good, in seconds; the client asks for the next one in time.
const TOKEN_LIFE: u64 = 3_600;
/// How many conversations a page has.
const PAGE: usize = 100;

/// Speaks to one server, as one agent. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    agent: ureq::Agent,
    base: String,
    key: String,
    id: PersonId,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// It may be there later.
    #[error("the server does not answer: {0}")]
    Unreachable(String),
    /// Somebody else was faster.
    #[error("it is not as it was supposed to be")]
    Conflict,
    /// The request will not do, now or later.
    #[error("the server answers {0}")]
    Refused(u16),
}

/// Where a conversation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Open,
    Pending,
    Resolved,
    Closed,
}

/// What an agent looks at of a conversation.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Conversation {
    pub(crate) conversation_id: ConversationId,
    pub(crate) status: Status,
    pub(crate) assigned_team_member_id: Option<PersonId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    conversations: Vec<Conversation>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Messages {
    messages: Vec<NewMessage>,
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

impl Api {
    /// `base` is the address of the server, `key` a secret key of the organization.
    pub(crate) fn new(base: &str, key: &str, id: &PersonId) -> Self {
        let config = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false);
        let base = base.trim_end_matches('/').to_owned();
        Self { agent: config.build().new_agent(), base, key: key.to_owned(), id: id.clone() }
    }

    /// A token for the agent under a name that people see.
    pub(crate) async fn token(&self, name: &str, websites: &[WebsiteId]) -> Result<String, TokenError> {
        let websites: Vec<&str> = websites.iter().map(WebsiteId::as_str).collect();
        let body = json!({
            "type": "ai_agent", "sub": self.id.as_str(), "websites": websites, "name": name, "expiresIn": TOKEN_LIFE,
        });
        match self.ask::<Token>("POST", "/v1/tokens", Some(body)).await {
            Ok(issued) => Ok(issued.token),
            Err(error @ ApiError::Unreachable(_)) => Err(TokenError::Failed(error.to_string())),
            Err(error @ (ApiError::Conflict | ApiError::Refused(_))) => Err(TokenError::Denied(error.to_string())),
        }
    }

    /// Where a conversation stands.
    pub(crate) async fn conversation(&self, id: &ConversationId) -> Result<Conversation, ApiError> {
        self.ask("GET", &format!("/v1/conversations/{id}"), None).await
    }

    /// The newest messages of a conversation, by rising `seq`.
    pub(crate) async fn newest_messages(&self, id: &ConversationId, limit: usize) -> Result<Vec<NewMessage>, ApiError> {
        let path = format!("/v1/conversations/{id}/messages?limit={limit}");
        Ok(self.ask::<Messages>("GET", &path, None).await?.messages)
    }

    /// The conversations of a website that nobody has resolved, newest first, up to `pages` pages of them.
    pub(crate) async fn live_conversations(&self, id: &WebsiteId, pages: usize) -> Result<Vec<Conversation>, ApiError> {
        let mut all = Vec::new();
        for status in ["open", "pending"] {
            let first = format!("/v1/websites/{id}/conversations?status={status}&limit={PAGE}");
            let mut path = first.clone();
            for _ in 0..pages {
                let page: Page = self.ask("GET", &path, None).await?;
                all.extend(page.conversations);
                let Some(cursor) = page.next_cursor else { break };
                path = format!("{first}&cursor={cursor}");
            }
        }
        Ok(all)
    }

    /// Takes a conversation that is nobody's.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] when it is somebody's.
    pub(crate) async fn claim(&self, id: &ConversationId) -> Result<(), ApiError> {
        self.change(id, json!({"assignedTeamMemberId": self.id.as_str(), "ifAssignedTo": null})).await
    }

    /// Leaves a conversation to the people of the team: it waits for one of them.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] when it is no longer assigned to `holder`.
    pub(crate) async fn hand_over(&self, id: &ConversationId, holder: Option<&PersonId>) -> Result<(), ApiError> {
        let holder = holder.map(PersonId::as_str);
        self.change(id, json!({"status": "pending", "assignedTeamMemberId": null, "ifAssignedTo": holder})).await
    }

    async fn change(&self, id: &ConversationId, change: Value) -> Result<(), ApiError> {
        self.ask::<Value>("PATCH", &format!("/v1/conversations/{id}"), Some(change)).await.map(drop)
    }

    /// Every request names the agent, on whose behalf the key speaks.
    async fn ask<T: DeserializeOwned + Send + 'static>(
        &self,
        method: &'static str,
        path: &str,
        body: Option<Value>,
    ) -> Result<T, ApiError> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let url = format!("{}{path}{separator}agentId={}", self.base, self.id);
        let (agent, key) = (self.agent.clone(), self.key.clone());
        let asked = tokio::task::spawn_blocking(move || run(&agent, method, &url, &key, body)).await;
        asked.unwrap_or_else(|error| Err(ApiError::Unreachable(error.to_string())))
    }
}

fn run<T: DeserializeOwned>(
    agent: &ureq::Agent,
    method: &str,
    url: &str,
    key: &str,
    body: Option<Value>,
) -> Result<T, ApiError> {
    let unreachable = |error: ureq::Error| ApiError::Unreachable(error.to_string());
    let request = Request::builder().method(method).uri(url).header("authorization", format!("Bearer {key}"));
    let mut answer = match body {
        Some(body) => {
            let request = request.header("content-type", "application/json").body(body.to_string());
            agent.run(request.map_err(|error| unreachable(error.into()))?)
        }
        None => agent.run(request.body(()).map_err(|error| unreachable(error.into()))?),
    }
    .map_err(unreachable)?;
    match answer.status() {
        status if status.is_success() => {
            let text = answer.body_mut().read_to_string().map_err(unreachable)?;
            serde_json::from_str(&text).map_err(|error| ApiError::Unreachable(error.to_string()))
        }
        StatusCode::CONFLICT => Err(ApiError::Conflict),
        status @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) => {
            Err(ApiError::Unreachable(status.to_string()))
        }
        status if status.is_server_error() => Err(ApiError::Unreachable(status.to_string())),
        status => Err(ApiError::Refused(status.as_u16())),
    }
}
