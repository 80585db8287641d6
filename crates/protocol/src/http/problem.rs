//! What is answered when a request fails, and what the health pages say.

use serde::{Deserialize, Serialize};

use crate::fields::present;
use crate::{ErrorCode, ErrorDetails};

/// The media type of a [`Problem`].
pub const PROBLEM_TYPE: &str = "application/problem+json";

/// Why a request failed (RFC 9457), as `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Always `about:blank`: `code` tells problems apart.
    pub r#type: String,
    /// The name of the status.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What failed, for people.
    pub detail: String,
    /// What failed, for programs; a code of a newer server is read as `unknown`.
    #[serde(deserialize_with = "ErrorCode::received")]
    pub code: ErrorCode,
    /// More about it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub details: Option<ErrorDetails>,
    /// After how many ms it may be tried again; the header `Retry-After` says the same in seconds.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

/// The process lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Health {
    /// Always `ok`.
    pub status: String,
}

/// The node takes requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Ready {
    /// Always `ready`.
    pub status: String,
    /// What is down without being missed by anybody: `bus`.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub degraded: Option<Vec<String>>,
}
