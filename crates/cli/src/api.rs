//! Calls to a server's HTTP API.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use cossistant_protocol::http::Problem;
use serde::Serialize;
use serde_json::Value;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Which server, and who asks.
#[derive(Debug, Args)]
pub(crate) struct Server {
    /// The server: the `url` of its ready file
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    url: String,
    /// The admin key (ak_…), or the token of a user who is an administrator; for webhooks a secret key (sk_…)
    #[arg(long, value_name = "TOKEN", env = "COSSISTANT_TOKEN", hide_env_values = true)]
    token: String,
}

impl Server {
    pub(crate) fn post(&self, path: &str, body: &impl Serialize) -> anyhow::Result<Value> {
        let body = serde_json::to_string(body).context("cannot write the request")?;
        let call = agent().post(self.at(path)).header("content-type", "application/json");
        answer(call.header("authorization", self.bearer()).send(body))
    }

    pub(crate) fn patch(&self, path: &str, body: &impl Serialize) -> anyhow::Result<Value> {
        let body = serde_json::to_string(body).context("cannot write the request")?;
        let call = agent().patch(self.at(path)).header("content-type", "application/json");
        answer(call.header("authorization", self.bearer()).send(body))
    }

    pub(crate) fn read(&self, path: &str) -> anyhow::Result<Value> {
        read(&self.url, &self.token, path)
    }

    pub(crate) fn delete(&self, path: &str) -> anyhow::Result<()> {
        answer(agent().delete(self.at(path)).header("authorization", self.bearer()).call()).map(|_| ())
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }
}

/// Asks for one resource of the server at `url`.
pub(crate) fn read(url: &str, token: &str, path: &str) -> anyhow::Result<Value> {
    answer(agent().get(format!("{url}{path}")).header("authorization", format!("Bearer {token}")).call())
}

/// Reads the address of a server: http or https, without a slash at its end.
pub(crate) fn parse_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let has_host = rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '['));
    if !has_host || text.contains(['?', '#', ' ']) {
        return Err("an address such as http://127.0.0.1:8787".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false).build().into()
}

/// The JSON of an answer that says yes, null where it has none; the words of a problem where it says no.
fn answer(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> anyhow::Result<Value> {
    let mut response = response.context("the server does not answer")?;
    let status = response.status();
    let text = response.body_mut().read_to_string().context("the server broke off its answer")?;
    if status.is_success() {
        if text.is_empty() {
            return Ok(Value::Null);
        }
        return serde_json::from_str(&text).context("the server's answer is not JSON");
    }
    match serde_json::from_str::<Problem>(&text) {
        Ok(problem) => Err(refusal(&problem)),
        Err(_) => bail!("the server answered with status {status}"),
    }
}

fn refusal(problem: &Problem) -> anyhow::Error {
    let details = problem.details.as_ref();
    let path = details.and_then(|details| details.path.as_deref());
    let reason = details.and_then(|details| details.reason.as_deref());
    let place = match (path, reason) {
        (Some(path), Some(reason)) => format!(": {path} {reason}"),
        (Some(text), None) | (None, Some(text)) => format!(": {text}"),
        (None, None) => String::new(),
    };
    anyhow!("{}{place} ({})", problem.detail, problem.code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_named_by_http_addresses() {
        assert_eq!(parse_url("http://127.0.0.1:8787/").as_deref(), Ok("http://127.0.0.1:8787"));
        assert_eq!(parse_url("https://chat.example/live").as_deref(), Ok("https://chat.example/live"));
        assert_eq!(parse_url("http://[::1]:1").as_deref(), Ok("http://[::1]:1"));
        for text in ["", "127.0.0.1:8787", "ws://a", "http://", "http:///x", "http://a?token=x"] {
            assert!(parse_url(text).is_err(), "{text}");
        }
    }
}
