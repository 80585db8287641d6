//! `cossistant organization`: sets up customers.

use clap::{Args, Subcommand};
use cossistant_protocol::OrganizationId;
use serde_json::json;

use crate::Failure;
use crate::api::Server;
use crate::output::{show, show_deleted};

/// Makes, shows and deletes organizations.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cossistant organization create --url http://127.0.0.1:8787 --token ak_… --name \"Ada's shops\"")]
pub(crate) struct Organization {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Makes an organization
    #[command(after_help = "Example:
  cossistant organization create --url http://127.0.0.1:8787 --token ak_… --name \"Ada's shops\"")]
    Create {
        #[command(flatten)]
        server: Server,
        /// Its name, for people
        #[arg(long)]
        name: String,
        /// Prints the server's answer
        #[arg(long)]
        json: bool,
    },
    /// Shows an organization
    #[command(after_help = "Example:
  cossistant organization show org_1 --url http://127.0.0.1:8787 --token ak_…")]
    Show {
        #[command(flatten)]
        server: Server,
        /// Which
        id: OrganizationId,
        /// Prints the server's answer
        #[arg(long)]
        json: bool,
    },
    /// Deletes an organization with all that is its own, conversations included
    #[command(after_help = "Example:
  cossistant organization delete org_1 --yes --url http://127.0.0.1:8787 --token ak_…")]
    Delete {
        #[command(flatten)]
        server: Server,
        /// Which
        id: OrganizationId,
        /// Says that it is meant: nothing brings it back
        #[arg(long, required = true)]
        yes: bool,
        /// Prints an object with `id` and `deleted`
        #[arg(long)]
        json: bool,
    },
}

impl Organization {
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::Create { server, name, json } => {
                show(&server.post("/v1/organizations", &json!({ "name": name }))?, json)
            }
            Action::Show { server, id, json } => show(&server.read(&format!("/v1/organizations/{id}"))?, json),
            Action::Delete { server, id, yes: _, json } => {
                server.delete(&format!("/v1/organizations/{id}"))?;
                show_deleted(id.as_str(), json)
            }
        }
    }
}
