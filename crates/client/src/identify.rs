//! Turning an anonymous visitor into a known one, by HTTP.

use std::time::Duration;

use cossistant_protocol::http::{AdmitVisitor, VisitorAdmitted};

use crate::handle::IdentifyError;

/// How long the server may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Asks the server, and gives the visitor's new token. Blocks.
pub(crate) fn admit(base: &str, origin: Option<&str>, request: &AdmitVisitor) -> Result<String, IdentifyError> {
    let no_answer = |error: &dyn std::fmt::Display| IdentifyError::NoAnswer(error.to_string());
    let body = serde_json::to_string(request).map_err(|error| no_answer(&error))?;
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false).build().into();
    let mut call = agent.post(format!("{base}/v1/visitors")).header("content-type", "application/json");
    if let Some(origin) = origin {
        call = call.header("origin", origin);
    }
    let mut response = call.send(body).map_err(|error| no_answer(&error))?;
    let status = response.status().as_u16();
    if !response.status().is_success() {
        return Err(IdentifyError::Refused(status));
    }
    let text = response.body_mut().read_to_string().map_err(|error| no_answer(&error))?;
    let admitted: VisitorAdmitted = serde_json::from_str(&text).map_err(|error| no_answer(&error))?;
    Ok(admitted.token)
}
