//! `cossistant check-config`: judges a configuration without starting anything.

use anyhow::anyhow;
use clap::Args;
use cossistant_server::auth::{AuthSetupError, Authenticator, OwnSecrets, Secret, SecretPair};
use cossistant_server::config::{Checked, Config, ConfigError, Effective, Problem};
use cossistant_server::tls::TlsError;
use serde_json::{Value, json};

use crate::Failure;
use crate::output::print;
use crate::sources::Sources;

/// Judges the configuration that `serve` would have, and shows what is in force.
///
/// It takes the flags of `serve` and reads the same environment and file, and starts nothing. Everything that is wrong
/// is told, with the place where it was given; secrets are not shown. The exit code is 0 when a server would take it,
/// and 2 when not, as that of `serve`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cossistant check-config --config /etc/cossistant.toml")]
pub(crate) struct CheckConfig {
    #[command(flatten)]
    sources: Sources,
    /// Prints an object with `ok`, `problems`, `warnings` and `effective`
    #[arg(long)]
    json: bool,
}

impl CheckConfig {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mut checked = self.sources.check();
        // What the values lead to can be judged only where they could be read.
        if checked.problems.is_empty() {
            checked.problems.extend(file_problems(&checked.config));
            checked.warnings.extend(open_figures(&checked.config));
        }
        if self.json {
            print(&as_json(&checked).to_string())?;
        } else {
            print(&as_text(&checked))?;
        }
        match checked.problems.len() {
            0 => Ok(()),
            1 => Err(Failure::Usage(anyhow!("a server would not start: 1 problem"))),
            count => Err(Failure::Usage(anyhow!("a server would not start: {count} problems"))),
        }
    }
}

/// Figures that whoever can connect may read, where those may be strangers.
fn open_figures(config: &Config) -> Option<String> {
    let is_open = config.ops_listen.is_none() && !config.listen.ip().is_loopback();
    is_open.then(|| {
        format!(
            "everybody who reaches {} can read /metrics: set ops_listen, or keep it from the public by a proxy",
            config.listen
        )
    })
}

fn as_json(checked: &Checked) -> Value {
    let problem = |problem: &Problem| json!({ "place": problem.place, "problem": problem.error.to_string() });
    let effective = |value: &Effective| {
        json!({
            "key": value.key.name,
            "value": value.value,
            "isSecret": value.key.is_secret(),
            "place": value.place,
        })
    };
    json!({
        "ok": checked.problems.is_empty(),
        "problems": checked.problems.iter().map(problem).collect::<Vec<_>>(),
        "warnings": checked.warnings,
        "effective": checked.effective.iter().map(effective).collect::<Vec<_>>(),
    })
}

fn as_text(checked: &Checked) -> String {
    let shown = checked.effective.iter().filter(|value| !value.value.is_empty() || value.place.is_some());
    let rows: Vec<(String, &str)> = shown
        .map(|value| (format!("{} = {}", value.key.name, value.value), value.place.as_deref().unwrap_or("by default")))
        .collect();
    let width = rows.iter().map(|(text, _)| text.chars().count()).max().unwrap_or(0);
    let mut lines: Vec<String> = rows.iter().map(|(text, place)| format!("{text:width$}  {place}")).collect();
    lines.push(String::new());
    lines.extend(checked.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.extend(checked.problems.iter().map(told));
    if checked.problems.is_empty() {
        lines.push("ok: a server takes it".to_owned());
    }
    lines.join("\n")
}

/// What is wrong, and where, unless the words say it already.
pub(crate) fn told(problem: &Problem) -> String {
    let words = problem.error.to_string();
    if words.contains(&problem.place) {
        format!("problem: {words}")
    } else {
        format!("problem: {words} (given as {})", problem.place)
    }
}

/// What is wrong with the files that the configuration names; a server would find it when it starts.
pub(crate) fn file_problems(config: &Config) -> Vec<Problem> {
    key_problem(config).into_iter().chain(tls_problem(config)).collect()
}

fn tls_problem(config: &Config) -> Option<Problem> {
    let error = config.tls_files()?.load().err()?;
    let is_of_certificate = matches!(&error, TlsError::File { path, .. } if Some(path) == config.tls_cert.as_ref());
    let key = if is_of_certificate { "tls_cert" } else { "tls_key" };
    let reason = format!("cannot be used: {error}");
    Some(Problem { place: key.to_owned(), error: ConfigError::Conflict { key, reason } })
}

fn key_problem(config: &Config) -> Option<Problem> {
    let any = || SecretPair::from(Secret::new("a secret that only has to be there"));
    let error = Authenticator::new(config.auth_settings(OwnSecrets { admin_key: any(), own: any() })).err()?;
    let is_of_public_key = matches!(&error, AuthSetupError::PublicKey(_) | AuthSetupError::PublicKeyFile { .. });
    let key = if is_of_public_key { "jwt_public_key" } else { "jwt_secret" };
    Some(Problem { place: key.to_owned(), error: ConfigError::Conflict { key, reason: without_name(&error, key) } })
}

/// The words of an error that begins with the name of its key.
fn without_name(error: &AuthSetupError, key: &str) -> String {
    let words = error.to_string();
    words.strip_prefix(key).map(|rest| rest.trim_start_matches(": ").to_owned()).unwrap_or(words)
}
