//! A small JSON client over HTTP that hides nothing: every status is an answer.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;

/// Speaks to one server. Cheap to clone; requests of clones run side by side.
#[derive(Clone, Debug)]
pub struct Http {
    base: String,
    agent: Agent,
}

impl Http {
    /// A client of the server at `base`, which is the `url` of a ready file.
    #[must_use]
    pub fn new(base: &str) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .allow_non_standard_methods(true)
            .timeout_global(Some(Duration::from_secs(30)))
            .build()
            .new_agent();
        Self { base: base.trim_end_matches('/').to_owned(), agent }
    }

    /// Starts a request; nothing is sent before [`Request::send`].
    #[must_use]
    pub fn request(&self, method: &str, path: &str) -> Request {
        Request {
            agent: self.agent.clone(),
            method: method.to_owned(),
            url: format!("{}{path}", self.base),
            headers: Vec::new(),
            body: None,
        }
    }

    /// `GET`.
    #[must_use]
    pub fn get(&self, path: &str) -> Request {
        self.request("GET", path)
    }

    /// `POST` of a JSON body.
    #[must_use]
    pub fn post(&self, path: &str, body: Value) -> Request {
        self.request("POST", path).json(body)
    }

    /// `PATCH` of a JSON body.
    #[must_use]
    pub fn patch(&self, path: &str, body: Value) -> Request {
        self.request("PATCH", path).json(body)
    }

    /// `DELETE`.
    #[must_use]
    pub fn delete(&self, path: &str) -> Request {
        self.request("DELETE", path)
    }
}

/// One request in the making.
#[derive(Clone, Debug)]
pub struct Request {
    agent: Agent,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    /// `Authorization: Bearer`.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// The page that a browser would say the request comes from.
    #[must_use]
    pub fn origin(self, origin: &str) -> Self {
        self.header("Origin", origin)
    }

    /// Any header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A JSON body with its content type.
    #[must_use]
    pub fn json(self, body: Value) -> Self {
        self.raw("application/json", body.to_string().into_bytes())
    }

    /// Any body, of any type; an empty `content_type` sends none.
    #[must_use]
    pub fn raw(mut self, content_type: &str, body: Vec<u8>) -> Self {
        self.body = Some(body);
        if content_type.is_empty() { self } else { self.header("Content-Type", content_type) }
    }

    /// Sends it and reads the whole answer.
    ///
    /// # Panics
    ///
    /// When the server cannot be reached or breaks off: use [`Self::try_send`] where that is
    /// part of the test.
    pub async fn send(self) -> Response {
        let what = format!("{} {}", self.method, self.url);
        match self.try_send().await {
            Ok(response) => response,
            Err(error) => panic!("no HTTP answer to {what}: {error}"),
        }
    }

    /// Sends it and reads the whole answer.
    ///
    /// # Errors
    ///
    /// The transport's words when no whole answer came.
    pub async fn try_send(self) -> Result<Response, String> {
        tokio::task::spawn_blocking(move || self.run()).await.map_err(|error| error.to_string())?
    }

    fn run(self) -> Result<Response, String> {
        let what = format!("{} {}", self.method, self.url);
        let mut builder = ureq::http::Request::builder().method(self.method.as_str()).uri(&self.url);
        for (name, value) in &self.headers {
            builder = builder.header(name, value);
        }
        let answer = match self.body {
            Some(body) => {
                let request = builder.body(body).map_err(|error| error.to_string())?;
                self.agent.run(request)
            }
            None => {
                let request = builder.body(()).map_err(|error| error.to_string())?;
                self.agent.run(request)
            }
        };
        let mut answer = answer.map_err(|error| error.to_string())?;
        let text = answer.body_mut().read_to_string().map_err(|error| error.to_string())?;
        Ok(Response {
            what,
            status: answer.status().as_u16(),
            headers: answer
                .headers()
                .iter()
                .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
                .collect(),
            json: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
        })
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Response {
    what: String,
    /// The status code.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as JSON; null when it is none.
    pub json: Value,
    /// The body as it came.
    pub text: String,
}

impl Response {
    /// The first header of this name (lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The body, if the status is `status`.
    ///
    /// # Panics
    ///
    /// With `rule` and the whole answer when the status is another.
    #[track_caller]
    #[must_use]
    pub fn expect(self, status: u16, rule: &str) -> Value {
        self.expect_one_of(&[status], rule)
    }

    /// The body, if the status is one of `statuses`.
    ///
    /// # Panics
    ///
    /// With `rule` and the whole answer when the status is another.
    #[track_caller]
    #[must_use]
    pub fn expect_one_of(self, statuses: &[u16], rule: &str) -> Value {
        assert!(
            statuses.contains(&self.status),
            "{rule}: {} should answer {statuses:?}, answered {} {}",
            self.what,
            self.status,
            self.text
        );
        self.json
    }

    /// Checks that this is a problem document with `status` and `code`, and gives it.
    ///
    /// # Panics
    ///
    /// With `rule` when it is not.
    #[track_caller]
    pub fn expect_problem(&self, status: u16, code: &str, rule: &str) -> Value {
        let seen = format!("{} answered {} {:?} {}", self.what, self.status, self.header("content-type"), self.text);
        assert_eq!(self.status, status, "{rule}: {seen}");
        let kind = self.header("content-type").unwrap_or_default();
        assert!(
            kind.starts_with("application/problem+json"),
            "section 8, every error is application/problem+json ({rule}): {seen}"
        );
        assert_eq!(self.json["code"], code, "{rule}: {seen}");
        if let Some(said) = self.json.get("status") {
            assert_eq!(said, status, "RFC 9457, `status` repeats the status ({rule}): {seen}");
        }
        self.json.clone()
    }
}
