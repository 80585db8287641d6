//! `cossistant key`: sets up keys.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, Subcommand};
use cossistant_protocol::fields::Text;
use cossistant_protocol::http::{CreateKey, KeyAlgorithm, KeyType};
use cossistant_protocol::{KeyId, OrganizationId, WebsiteId};

use crate::Failure;
use crate::api::Server;
use crate::output::{show, show_deleted};

/// Makes, shows and deletes keys.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cossistant key create --url http://127.0.0.1:8787 --token ak_… \\
      --organization org_1 --website site_1 --type public")]
pub(crate) struct Key {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Makes a key; a secret is shown here and never again
    #[command(after_help = "Examples:
  cossistant key create --url http://127.0.0.1:8787 --token ak_… \\
      --organization org_1 --website site_1 --type public
  cossistant key create --url http://127.0.0.1:8787 --token ak_… \\
      --organization org_1 --type jwt_public --public-key key.pem --algorithm EdDSA")]
    Create(Create),
    /// Shows a key, without what is secret of it
    #[command(after_help = "Example:
  cossistant key show key_1 --url http://127.0.0.1:8787 --token ak_…")]
    Show {
        #[command(flatten)]
        server: Server,
        /// Which
        id: KeyId,
        /// Prints the server's answer
        #[arg(long)]
        json: bool,
    },
    /// Deletes a key; what was signed by it is refused from then on
    #[command(after_help = "Example:
  cossistant key delete key_1 --url http://127.0.0.1:8787 --token ak_…")]
    Delete {
        #[command(flatten)]
        server: Server,
        /// Which
        id: KeyId,
        /// Prints an object with `id` and `deleted`
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct Create {
    #[command(flatten)]
    server: Server,
    /// Whose it is
    #[arg(long, value_name = "ID")]
    organization: OrganizationId,
    /// What it is for: `public` lets visitors in, `secret` speaks for the organization, the others prove tokens
    #[arg(long, value_parser = PossibleValuesParser::new(["public", "secret", "jwt_hs256", "jwt_public"]).map(key_type))]
    r#type: KeyType,
    /// Of a public key, required: whose visitors it lets in
    #[arg(long, value_name = "ID", required_if_eq("type", "public"))]
    website: Option<WebsiteId>,
    /// Of a jwt_public key, required: the file of the public key, as PEM
    #[arg(long, value_name = "FILE", required_if_eq("type", "jwt_public"))]
    public_key: Option<PathBuf>,
    /// Of a jwt_public key, required: how it signs
    #[arg(long, required_if_eq("type", "jwt_public"), value_parser = PossibleValuesParser::new(["RS256", "ES256", "EdDSA"]).map(algorithm))]
    algorithm: Option<KeyAlgorithm>,
    /// Prints the server's answer
    #[arg(long)]
    json: bool,
}

#[expect(clippy::needless_pass_by_value, reason = "the parser hands over what it read")]
fn key_type(name: String) -> KeyType {
    match name.as_str() {
        "public" => KeyType::Public,
        "secret" => KeyType::Secret,
        "jwt_hs256" => KeyType::JwtHs256,
        // Other names do not come through.
        _ => KeyType::JwtPublic,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the parser hands over what it read")]
fn algorithm(name: String) -> KeyAlgorithm {
    match name.as_str() {
        "RS256" => KeyAlgorithm::RS256,
        "ES256" => KeyAlgorithm::ES256,
        // Other names do not come through.
        _ => KeyAlgorithm::EdDSA,
    }
}

impl Key {
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::Create(create) => create.run(),
            Action::Show { server, id, json } => show(&server.read(&format!("/v1/keys/{id}"))?, json),
            Action::Delete { server, id, json } => {
                server.delete(&format!("/v1/keys/{id}"))?;
                show_deleted(id.as_str(), json)
            }
        }
    }
}

impl Create {
    fn run(self) -> Result<(), Failure> {
        let public_key = match &self.public_key {
            Some(path) => {
                let pem = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
                Some(Text::new(pem).map_err(|error| anyhow!("{}: {error}", path.display()))?)
            }
            None => None,
        };
        let body = CreateKey {
            organization_id: self.organization,
            r#type: self.r#type,
            website_id: self.website,
            public_key,
            algorithm: self.algorithm,
        };
        show(&self.server.post("/v1/keys", &body)?, self.json)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        key: Key,
    }

    #[test]
    fn each_type_asks_for_what_it_needs() {
        let parses = |words: &str| {
            let all = format!("key create --url http://a --token ak_x --organization o --type {words}");
            Line::try_parse_from(all.split(' ')).is_ok()
        };
        for words in ["public --website w", "secret", "jwt_hs256", "jwt_public --public-key key.pem --algorithm ES256"]
        {
            assert!(parses(words), "{words}");
        }
        for words in ["public", "jwt_public --public-key key.pem", "jwt_public --algorithm ES256", "private"] {
            assert!(!parses(words), "{words}");
        }
    }
}
