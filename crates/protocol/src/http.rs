//! The HTTP API: the bodies of requests and answers, and the table of endpoints.
//!
//! Bodies are JSON objects whose unknown fields are ignored. A list that is empty is written as such; an answer's
//! optional field is left out where there is nothing to tell, and is `null` only where its documentation says so.

mod conversations;
mod endpoint;
#[cfg(feature = "schema")]
mod openapi;
mod people;
mod problem;
mod query;
mod setup;
mod webhooks;

pub use conversations::*;
pub use endpoint::*;
#[cfg(feature = "schema")]
pub use openapi::openapi;
pub use people::*;
pub use problem::*;
pub use query::*;
pub use setup::*;
pub use webhooks::*;
