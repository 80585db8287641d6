//! Signs the credentials that tests show: good ones, and bad ones of every kind.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Map, Value, json};

/// The secret that signs tokens under `--dev`.
pub const DEV_SECRET: &str = "dev-secret-dev-secret-dev-secret-";
/// The organization that exists under `--dev`.
pub const DEV_ORGANIZATION: &str = "org-demo";
/// The website that exists under `--dev`.
pub const DEV_WEBSITE: &str = "website-123";

/// The Unix time in seconds, moved by `offset`.
#[must_use]
pub fn unix_seconds(offset: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    i64::try_from(now.as_secs()).expect("seconds fit") + offset
}

/// A visitor's token for the demo website, one hour long.
#[must_use]
pub fn visitor(sub: &str) -> Token {
    Token::new("visitor", sub)
}

/// A team member's token for the demo website, one hour long.
#[must_use]
pub fn user(sub: &str) -> Token {
    Token::new("user", sub)
}

/// An agent's token for the demo website, one hour long.
#[must_use]
pub fn ai_agent(sub: &str) -> Token {
    Token::new("ai_agent", sub)
}

/// Claims that can be bent in any way before they are signed.
#[derive(Clone, Debug)]
pub struct Token {
    claims: Map<String, Value>,
    kid: Option<String>,
}

impl Token {
    fn new(kind: &str, sub: &str) -> Self {
        let claims = json!({
            "sub": sub,
            "type": kind,
            "org": DEV_ORGANIZATION,
            "websites": [DEV_WEBSITE],
            "iat": unix_seconds(0),
            "exp": unix_seconds(3_600),
        });
        let Value::Object(claims) = claims else { unreachable!("an object literal") };
        Self { claims, kid: None }
    }

    /// Sets any claim, of any form.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves a claim out.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Another organization.
    #[must_use]
    pub fn org(self, org: &str) -> Self {
        self.claim("org", org)
    }

    /// Other websites.
    #[must_use]
    pub fn websites(self, websites: &[&str]) -> Self {
        self.claim("websites", json!(websites))
    }

    /// An end `seconds` from now; negative for one that is past.
    #[must_use]
    pub fn expires_in(self, seconds: i64) -> Self {
        self.claim("exp", unix_seconds(seconds))
    }

    /// Names the key in the header.
    #[must_use]
    pub fn kid(mut self, kid: &str) -> Self {
        self.kid = Some(kid.to_owned());
        self
    }

    /// HS256 by the secret of `--dev`.
    #[must_use]
    pub fn sign(&self) -> String {
        self.sign_with(Algorithm::HS256, DEV_SECRET.as_bytes())
    }

    /// Any HMAC algorithm and secret.
    #[must_use]
    pub fn sign_with(&self, algorithm: Algorithm, secret: &[u8]) -> String {
        self.sign_by(algorithm, &EncodingKey::from_secret(secret))
    }

    /// EdDSA by an Ed25519 private key in PKCS #8 PEM.
    #[must_use]
    pub fn sign_eddsa(&self, pem: &str) -> String {
        let key = EncodingKey::from_ed_pem(pem.as_bytes()).expect("a private key in PEM");
        self.sign_by(Algorithm::EdDSA, &key)
    }

    fn sign_by(&self, algorithm: Algorithm, key: &EncodingKey) -> String {
        let mut header = Header::new(algorithm);
        header.kid.clone_from(&self.kid);
        jsonwebtoken::encode(&header, &self.claims, key).expect("claims are plain JSON")
    }

    /// `alg: none` with an empty signature: what no server may accept.
    #[must_use]
    pub fn unsigned(&self) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({"alg": "none", "typ": "JWT"});
        format!("{}.{}.", part(&header), part(&Value::Object(self.claims.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(token: &str, part: usize) -> Value {
        let text = token.split('.').nth(part).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
    }

    #[test]
    fn claims_and_headers_are_as_asked() {
        let token = user("u1").claim("role", "admin").without("iat").kid("key_1").sign();
        assert_eq!(decoded(&token, 0)["alg"], "HS256");
        assert_eq!(decoded(&token, 0)["kid"], "key_1");
        assert_eq!(decoded(&token, 1)["role"], "admin");
        assert_eq!(decoded(&token, 1)["iat"], Value::Null);
        let none = visitor("v1").unsigned();
        assert_eq!(decoded(&none, 0)["alg"], "none");
        assert!(none.ends_with('.'));
    }
}
