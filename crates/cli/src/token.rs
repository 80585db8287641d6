//! `cossistant token`: signs tokens as a customer's server would.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use cossistant_protocol::{OrganizationId, PersonId, Timestamp, UserType, WebsiteId};
use cossistant_server::config::{DEMO_JWT_SECRET, DEMO_ORGANIZATION};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Map, Value, json};

use crate::Failure;
use crate::output::print;

/// What stands for all websites of an organization.
const ALL_WEBSITES: &str = "*";

/// Signs a token (HS256) with which a person or an agent connects.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cossistant token --dev --type visitor --sub ada --website website-123
  cossistant token --org org_1 --type user --sub grace --website '*' --role admin --jwt-secret \"$SECRET\"")]
pub(crate) struct Token {
    /// What kind of principal it is for
    #[arg(long, value_name = "TYPE", value_parser = PossibleValuesParser::new(["visitor", "user", "ai_agent"]).try_map(|name| name.parse::<UserType>()))]
    r#type: UserType,
    /// Whom it is for: their id
    #[arg(long, value_name = "ID")]
    sub: PersonId,
    /// A website it is good for; may be given again, and `*` is all of the organization's. A visitor has exactly one
    #[arg(long = "website", value_name = "ID", required = true)]
    websites: Vec<String>,
    /// Whose token it is [default: org-demo with --dev]
    #[arg(long, value_name = "ID")]
    org: Option<OrganizationId>,
    /// Makes a user an administrator of the organization
    #[arg(long, value_parser = ["admin"])]
    role: Option<String>,
    /// The name, for people
    #[arg(long)]
    name: Option<String>,
    /// The e-mail address
    #[arg(long)]
    email: Option<String>,
    /// How long it is good for: `30s`, `15m`, `1h`, `7d`
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = parse_life)]
    expires_in: Duration,
    /// Signs with the secret that `serve --dev` takes
    #[arg(long)]
    dev: bool,
    /// Signs with this secret, the server's `jwt_secret`; the environment does not show in the list of processes
    #[arg(long, value_name = "SECRET", env = "COSSISTANT_JWT_SECRET", hide_env_values = true)]
    jwt_secret: Option<String>,
    /// The `kid` of the token, when the secret is a key of the organization's own
    #[arg(long, value_name = "KEY")]
    key_id: Option<String>,
    /// Prints an object with `token` and `expiresAt`
    #[arg(long)]
    json: bool,
}

impl Token {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock stands before 1970")?.as_secs();
        let (token, expires) = self.sign(now)?;
        if self.json {
            print(&json!({ "token": token, "expiresAt": Timestamp(expires.saturating_mul(1000)) }).to_string())
        } else {
            print(&token)
        }
    }

    /// The token and when it ends, in seconds since 1970.
    fn sign(&self, now: u64) -> Result<(String, u64), Failure> {
        // Who says --dev means it, whatever the environment holds.
        let secret = match (self.dev, &self.jwt_secret) {
            (true, _) => DEMO_JWT_SECRET,
            (false, Some(secret)) if !secret.is_empty() => secret,
            (false, _) => return Err(usage("say --dev or --jwt-secret: what the server proves tokens by")),
        };
        let expires = now.saturating_add(self.expires_in.as_secs());
        let claims = Value::Object(self.claims(now, expires)?);
        let header = Header { kid: self.key_id.clone(), ..Header::new(Algorithm::HS256) };
        let token = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(secret.as_bytes()))
            .context("cannot sign")?;
        Ok((token, expires))
    }

    fn claims(&self, now: u64, expires: u64) -> Result<Map<String, Value>, Failure> {
        let organization = match (&self.org, self.dev) {
            (Some(organization), _) => organization.to_string(),
            (None, true) => DEMO_ORGANIZATION.to_owned(),
            (None, false) => return Err(usage("say --org: whose token it is")),
        };
        if self.r#type == UserType::Visitor && (self.websites.len() != 1 || self.websites[0] == ALL_WEBSITES) {
            return Err(usage("a visitor's token is for exactly one website"));
        }
        if self.role.is_some() && self.r#type != UserType::User {
            return Err(usage("only a user can have a role"));
        }
        for website in self.websites.iter().filter(|website| *website != ALL_WEBSITES) {
            WebsiteId::new(website).map_err(|error| usage(&format!("--website {website}: {error}")))?;
        }
        let mut claims = Map::new();
        claims.insert("sub".to_owned(), json!(self.sub));
        claims.insert("type".to_owned(), json!(self.r#type));
        claims.insert("org".to_owned(), json!(organization));
        claims.insert("websites".to_owned(), json!(self.websites));
        claims.insert("iat".to_owned(), json!(now));
        claims.insert("exp".to_owned(), json!(expires));
        for (name, value) in [("role", &self.role), ("name", &self.name), ("email", &self.email)] {
            if let Some(value) = value {
                claims.insert(name.to_owned(), json!(value));
            }
        }
        Ok(claims)
    }
}

fn usage(text: &str) -> Failure {
    Failure::Usage(anyhow!("{text}"))
}

/// Reads a life of whole seconds: a number and a unit.
pub(crate) fn parse_life(text: &str) -> Result<Duration, String> {
    let form = || "a whole number and a unit, such as 30s, 15m, 1h or 7d".to_owned();
    let end = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(form)?;
    let (number, unit) = text.split_at(end);
    let seconds_each = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(form()),
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds_each)).ok_or_else(form)?;
    if seconds == 0 {
        return Err("a token must live".to_owned());
    }
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        token: Token,
    }

    fn parse(words: &str) -> Result<Token, clap::Error> {
        Line::try_parse_from(std::iter::once("token").chain(words.split(' '))).map(|line| line.token)
    }

    fn claims(words: &str) -> Result<Value, Failure> {
        parse(words).expect("it parses").claims(1000, 1060).map(Value::Object)
    }

    #[test]
    fn lives_are_numbers_with_a_unit() {
        for (text, seconds) in [("30s", 30), ("15m", 900), ("1h", 3_600), ("7d", 604_800)] {
            assert_eq!(parse_life(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "1", "h", "0s", "1.5h", "-1h", "1 h", "500ms", "99999999999999999999h"] {
            assert!(parse_life(text).is_err(), "{text}");
        }
    }

    #[test]
    fn claims_say_what_the_flags_say() {
        let got = claims("--dev --type user --sub u:1 --website a --website b --role admin --name Ada").expect("valid");
        let expected = json!({
            "sub": "u:1", "type": "user", "org": "org-demo", "websites": ["a", "b"],
            "iat": 1000, "exp": 1060, "role": "admin", "name": "Ada",
        });
        assert_eq!(got, expected);
    }

    #[test]
    fn what_no_server_would_take_is_wrong_usage() {
        for words in [
            "--dev --type visitor --sub v --website *",
            "--dev --type visitor --sub v --website a --website b",
            "--dev --type visitor --sub v --website a --role admin",
            "--dev --type user --sub v --website a/b",
            "--jwt-secret s --type user --sub v --website a",
        ] {
            assert!(matches!(claims(words), Err(Failure::Usage(_))), "{words}");
        }
        for words in [
            "--dev --type robot --sub v --website a",
            "--dev --type user --website a",
            "--dev --type user --sub v",
            "--dev --type user --sub v --website a --role owner",
            "--dev --type user --sub a/b --website a",
        ] {
            assert!(parse(words).is_err(), "{words}");
        }
    }

    #[test]
    fn a_token_is_signed_by_the_secret() {
        let token = parse("--dev --type user --sub u --website * --key-id key_1").expect("it parses");
        let (signed, expires) = token.sign(1000).expect("it signs");
        assert_eq!(expires, 4600);
        let mut validation = jsonwebtoken::Validation::new(Algorithm::HS256);
        validation.validate_exp = false;
        let key = jsonwebtoken::DecodingKey::from_secret(DEMO_JWT_SECRET.as_bytes());
        let read = jsonwebtoken::decode::<Value>(&signed, &key, &validation).expect("it is proven");
        assert_eq!((read.header.kid.as_deref(), &read.claims["websites"]), (Some("key_1"), &json!(["*"])));
    }
}
