//! `cossistant webhook`: sets up webhooks, and shows what became of what they were told.

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, Subcommand};
use cossistant_protocol::http::{CreateWebhook, DeliveryStatus, WebhookEvent};
use cossistant_protocol::{DeliveryId, Url, WebhookId};
use serde_json::{Value, json};

use crate::Failure;
use crate::api::Server;
use crate::output::{print, show, show_deleted, tame};

/// Makes, lists and deletes webhooks; shows and repeats their deliveries.
///
/// The token is a secret key (sk_…): a webhook belongs to the organization of that key.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cossistant webhook create https://shop.example/hook --url http://127.0.0.1:8787 --token sk_… \\
      --event message.created --event message.unseen")]
pub(crate) struct Webhook {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Makes a webhook; its secret is shown here and never again
    #[command(after_help = "Example:
  cossistant webhook create https://shop.example/hook --url http://127.0.0.1:8787 --token sk_…")]
    Create(Create),
    /// Lists the webhooks of the organization
    #[command(after_help = "Example:
  cossistant webhook list --url http://127.0.0.1:8787 --token sk_…")]
    List {
        #[command(flatten)]
        server: Server,
        /// Prints the server's answer
        #[arg(long)]
        json: bool,
    },
    /// Lists what a webhook was told, the newest first
    #[command(after_help = "Example:
  cossistant webhook deliveries hook_1 --status dead --url http://127.0.0.1:8787 --token sk_…")]
    Deliveries(Deliveries),
    /// Tells a webhook once more, under the same webhook-id
    #[command(after_help = "Example:
  cossistant webhook resend hook_1 dlv_1 --url http://127.0.0.1:8787 --token sk_…")]
    Resend {
        #[command(flatten)]
        server: Server,
        /// Which webhook
        webhook: WebhookId,
        /// Which delivery
        delivery: DeliveryId,
        /// Prints the server's answer
        #[arg(long)]
        json: bool,
    },
    /// Deletes a webhook; nothing more is sent to it
    #[command(after_help = "Example:
  cossistant webhook delete hook_1 --url http://127.0.0.1:8787 --token sk_…")]
    Delete {
        #[command(flatten)]
        server: Server,
        /// Which
        id: WebhookId,
        /// Prints an object with `id` and `deleted`
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct Create {
    #[command(flatten)]
    server: Server,
    /// Where it is told: an http or https address
    #[arg(value_name = "ENDPOINT", value_parser = |text: &str| Url::new(text))]
    endpoint: Url,
    /// What it is told of; everything, unless it is given. May be given again
    #[arg(long = "event", value_name = "EVENT", value_parser = events())]
    events: Option<Vec<WebhookEvent>>,
    /// Prints the server's answer
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Deliveries {
    #[command(flatten)]
    server: Server,
    /// Which webhook
    webhook: WebhookId,
    /// Only those that stand so
    #[arg(long, value_parser = statuses())]
    status: Option<DeliveryStatus>,
    /// How many at most, up to 200
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=200))]
    limit: u64,
    /// The `nextCursor` of the page before
    #[arg(long)]
    cursor: Option<DeliveryId>,
    /// Prints the server's answer
    #[arg(long)]
    json: bool,
}

fn events() -> impl clap::builder::TypedValueParser<Value = WebhookEvent> {
    let names: Vec<_> = WebhookEvent::ALL.iter().map(|event| event.as_str()).collect();
    PossibleValuesParser::new(names).try_map(|name| name.parse())
}

fn statuses() -> impl clap::builder::TypedValueParser<Value = DeliveryStatus> {
    let names: Vec<_> = DeliveryStatus::ALL.iter().map(|status| status.as_str()).collect();
    PossibleValuesParser::new(names).try_map(|name| name.parse())
}

impl Webhook {
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::Create(Create { server, endpoint, events, json }) => {
                show(&server.post("/v1/webhooks", &CreateWebhook { url: endpoint, events })?, json)
            }
            Action::List { server, json } => {
                list(&server.read("/v1/webhooks")?, json, "webhooks", &["id", "createdAt", "url", "events"])
            }
            Action::Deliveries(deliveries) => deliveries.run(),
            Action::Resend { server, webhook, delivery, json } => {
                let path = format!("/v1/webhooks/{webhook}/deliveries/{delivery}/resend");
                show(&server.post(&path, &json!({}))?, json)
            }
            Action::Delete { server, id, json } => {
                server.delete(&format!("/v1/webhooks/{id}"))?;
                show_deleted(id.as_str(), json)
            }
        }
    }
}

impl Deliveries {
    fn run(self) -> Result<(), Failure> {
        let Self { server, webhook, status, limit, cursor, json } = self;
        let status = status.map(|status| format!("&status={status}")).unwrap_or_default();
        let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let path = format!("/v1/webhooks/{webhook}/deliveries?limit={limit}{status}{cursor}");
        let columns = ["id", "createdAt", "type", "status", "attempts", "lastError"];
        list(&server.read(&path)?, json, "deliveries", &columns)
    }
}

/// Prints a list: as one line of JSON, or an entry a line for people.
fn list(answer: &Value, is_json: bool, field: &str, columns: &[&str]) -> Result<(), Failure> {
    if is_json {
        return print(&answer.to_string());
    }
    for entry in answer[field].as_array().into_iter().flatten() {
        let cells: Vec<_> =
            columns.iter().map(|column| cell(&entry[*column])).filter(|cell| !cell.is_empty()).collect();
        print(&cells.join("  "))?;
    }
    if let Some(cursor) = answer["nextCursor"].as_str() {
        eprintln!("there are more: --cursor {}", tame(cursor));
    }
    Ok(())
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => tame(text),
        Value::Array(entries) => entries.iter().map(cell).collect::<Vec<_>>().join(","),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        webhook: Webhook,
    }

    #[test]
    fn events_and_statuses_have_names() {
        let parses = |words: &str| {
            let all = format!("webhook {words} --url http://a --token sk_x");
            Line::try_parse_from(all.split(' ')).is_ok()
        };
        for words in [
            "create https://a/b",
            "create https://a/b --event message.created --event message.unseen",
            "deliveries hook_1 --status dead --limit 200",
            "resend hook_1 dlv_1",
            "list",
            "delete hook_1",
        ] {
            assert!(parses(words), "{words}");
        }
        for words in [
            "create",
            "create ftp://a/b",
            "create https://a/b --event message.read",
            "deliveries hook_1 --status lost",
            "deliveries hook_1 --limit 201",
            "resend hook_1",
        ] {
            assert!(!parses(words), "{words}");
        }
    }
}
