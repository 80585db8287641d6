//! `cossistant doctor`: looks at a server's surroundings from outside, and says what to do.

mod data;
mod system;

use anyhow::anyhow;
use clap::Args;
use cossistant_server::store::Depth;
use serde_json::json;

use crate::Failure;
use crate::check_config::{file_problems, told};
use crate::output::print;
use crate::sources::Sources;

/// Looks whether a server could run here, or runs well, and says what to do about what is wrong.
///
/// It takes the flags of `serve` and reads the same environment and file. It writes nothing and may be run beside a
/// server: as the same user, and where the server runs. The exit code is 0 when nothing failed, warnings or not, and 1
/// when something did.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cossistant doctor --config /etc/cossistant.toml")]
pub(crate) struct Doctor {
    #[command(flatten)]
    sources: Sources,
    /// Reads the whole store several times: every index against its table, and every place
    #[arg(long)]
    full: bool,
    /// Prints an object with `ok` and `findings`: each with `check`, `state` (ok, warn, fail), `found` and `advice`
    #[arg(long)]
    json: bool,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ok,
    Warn,
    Fail,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// What one look has shown.
#[derive(Debug)]
struct Finding {
    /// What was looked at.
    check: &'static str,
    state: State,
    /// What was found, for people.
    found: String,
    /// What to do; nothing where all is well.
    advice: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, state: State::Ok, found: found.into(), advice: None }
    }

    fn warn(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, state: State::Warn, found: found.into(), advice: Some(advice.into()) }
    }

    fn fail(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, state: State::Fail, found: found.into(), advice: Some(advice.into()) }
    }
}

impl Doctor {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let depth = if self.full { Depth::Full } else { Depth::Quick };
        let findings = examine(self.sources, depth);
        let failed = findings.iter().filter(|finding| finding.state == State::Fail).count();
        if self.json {
            let each = |finding: &Finding| {
                json!({
                    "check": finding.check,
                    "state": finding.state.as_str(),
                    "found": finding.found,
                    "advice": finding.advice,
                })
            };
            let findings: Vec<_> = findings.iter().map(each).collect();
            print(&json!({ "ok": failed == 0, "findings": findings }).to_string())?;
        } else {
            print(&as_text(&findings))?;
        }
        match failed {
            0 => Ok(()),
            1 => Err(Failure::Failed(anyhow!("1 check failed"))),
            count => Err(Failure::Failed(anyhow!("{count} checks failed"))),
        }
    }
}

fn examine(sources: Sources, depth: Depth) -> Vec<Finding> {
    let mut checked = sources.check();
    if checked.problems.is_empty() {
        checked.problems.extend(file_problems(&checked.config));
    }
    let mut findings = Vec::new();
    for problem in &checked.problems {
        let advice = format!("change {}; `cossistant check-config` shows what is in force", problem.place);
        findings.push(Finding::fail("config", told(problem), advice));
    }
    for warning in &checked.warnings {
        findings.push(Finding::warn("config", warning, "change it, unless it is meant so"));
    }
    if findings.is_empty() {
        findings.push(Finding::ok("config", "nothing is wrong with it"));
    }
    if !checked.problems.is_empty() {
        // What stands in place of a value at fault is not where the server's data is.
        return findings;
    }
    let config = &checked.config;
    let database = config.database();
    // On a database no server holds the folder, which has only its secrets then.
    let holder = database.is_none().then(|| data::holder(config, &mut findings));
    data::folder(config, &mut findings);
    data::secrets(config, &mut findings);
    data::certificate(config, &mut findings);
    data::bus(config, &mut findings);
    match &database {
        Some(database) => data::database(database, &mut findings),
        None => data::store(config, depth, &mut findings),
    }
    system::open_files(config, holder, &mut findings);
    system::ports(config, holder, &mut findings);
    findings
}

fn as_text(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
    let line = |finding: &Finding| {
        let line = format!("{:4}  {:width$}  {}", finding.state.as_str(), finding.check, finding.found);
        match &finding.advice {
            Some(advice) => format!("{line}\n{:width$}  -> {advice}", "", width = width + 6),
            None => line,
        }
    };
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}
