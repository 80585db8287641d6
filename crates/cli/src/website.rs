//! `cossistant website`: sets up websites.

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, Subcommand};
use cossistant_protocol::fields::Text;
use cossistant_protocol::http::{ChangeWebsite, CreateWebsite};
use cossistant_protocol::{OrganizationId, TypingPreview, WebsiteId};

use crate::Failure;
use crate::api::Server;
use crate::output::{show, show_deleted};

/// Makes, shows, changes and deletes websites.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cossistant website create --url http://127.0.0.1:8787 --token ak_… \\
      --organization org_1 --name Shop --domain shop.example --domain '*.shop.example'")]
pub(crate) struct Website {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Makes a website
    #[command(after_help = "Example:
  cossistant website create --url http://127.0.0.1:8787 --token ak_… \\
      --organization org_1 --name Shop --domain shop.example")]
    Create(Create),
    /// Shows a website with its settings
    #[command(after_help = "Example:
  cossistant website show site_1 --url http://127.0.0.1:8787 --token ak_…")]
    Show {
        #[command(flatten)]
        which: Which,
    },
    /// Changes settings of a website; what is not named stays
    #[command(after_help = "Example:
  cossistant website change site_1 --url http://127.0.0.1:8787 --token ak_… --typing-preview indicator")]
    Change(Box<Change>),
    /// Deletes a website with its conversations
    #[command(after_help = "Example:
  cossistant website delete site_1 --yes --url http://127.0.0.1:8787 --token ak_…")]
    Delete {
        #[command(flatten)]
        which: Which,
        /// Says that it is meant: nothing brings it back
        #[arg(long, required = true)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
struct Create {
    #[command(flatten)]
    server: Server,
    /// Whose it is
    #[arg(long, value_name = "ID")]
    organization: OrganizationId,
    /// Its name, for people
    #[arg(long, value_parser = |text: &str| Text::<1, 200>::new(text))]
    name: Text<1, 200>,
    /// Where its pages are: `host` or `*.host`, for any port unless it ends in `:port`; may be given again
    #[arg(long = "domain", value_name = "DOMAIN", value_parser = |text: &str| Text::<1, 262>::new(text))]
    domains: Vec<Text<1, 262>>,
    /// Prints the server's answer
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Which {
    #[command(flatten)]
    server: Server,
    /// Which
    id: WebsiteId,
    /// Its organization, where two have a website of the same id
    #[arg(long, value_name = "ID")]
    organization: Option<OrganizationId>,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[group(id = "settings", required = true, multiple = true, args = ["name", "domains", "typing_preview", "unseen_after"])]
struct Change {
    #[command(flatten)]
    which: Which,
    /// Its name, for people
    #[arg(long, value_parser = |text: &str| Text::<1, 200>::new(text))]
    name: Option<Text<1, 200>>,
    /// Where its pages are, in place of all that was allowed; may be given again
    #[arg(long = "domain", value_name = "DOMAIN", value_parser = |text: &str| Text::<1, 262>::new(text))]
    domains: Option<Vec<Text<1, 262>>>,
    /// What of a visitor's unsent text the team sees
    #[arg(long, value_parser = PossibleValuesParser::new(["text", "indicator", "off"]).try_map(|name| name.parse::<TypingPreview>()))]
    typing_preview: Option<TypingPreview>,
    /// After how many seconds an unseen message is told to webhooks; 0 for never
    #[arg(long, value_name = "SECONDS")]
    unseen_after: Option<u64>,
}

impl Website {
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::Create(create) => {
                let Create { server, organization, name, domains, json } = create;
                let body = CreateWebsite { organization_id: organization, name, allowed_domains: domains };
                show(&server.post("/v1/websites", &body)?, json)
            }
            Action::Show { which } => show(&which.server.read(&which.path())?, which.json),
            Action::Change(change) => {
                let Change { which, name, domains, typing_preview, unseen_after } = *change;
                let body = ChangeWebsite {
                    name,
                    allowed_domains: domains,
                    typing_preview,
                    unseen_after: unseen_after.map(cossistant_protocol::fields::Integer),
                    ..ChangeWebsite::default()
                };
                show(&which.server.patch(&which.path(), &body)?, which.json)
            }
            Action::Delete { which, yes: _ } => {
                which.server.delete(&which.path())?;
                show_deleted(which.id.as_str(), which.json)
            }
        }
    }
}

impl Which {
    fn path(&self) -> String {
        let query = self.organization.as_ref().map(|id| format!("?organizationId={id}")).unwrap_or_default();
        format!("/v1/websites/{}{query}", self.id)
    }
}
