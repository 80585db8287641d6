//! How far a migration has come, for whoever looks.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use cossistant_server::store::{TransferPhase, TransferProgress};
use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};

/// How often a line is written where there is no terminal.
const LINES: Duration = Duration::from_secs(5);

/// A bar on a terminal, else a line now and then.
pub(super) enum Shown {
    Bar(ProgressBar, Option<TransferPhase>),
    Lines { at: Option<Instant>, of: Option<(TransferPhase, &'static str)> },
}

impl Shown {
    pub(super) fn new() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines { at: None, of: None };
        }
        let style = ProgressStyle::with_template("{msg:24} {bar:30} {percent:>3} % {human_pos} rows, {pace}, {eta}")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .with_key("pace", pace);
        Self::Bar(ProgressBar::new(0).with_style(style), None)
    }

    pub(super) fn show(&mut self, progress: &TransferProgress) {
        let TransferProgress { phase, table, done, total, .. } = *progress;
        match self {
            Self::Bar(bar, of) => {
                if *of != Some(phase) {
                    // What was moved before counts for the bar and not for the pace.
                    bar.reset();
                    *of = Some(phase);
                }
                bar.set_length(total);
                bar.set_message(format!("{} {table}", verb(phase)));
                bar.set_position(done);
            }
            Self::Lines { at, of } => {
                let is_new = *of != Some((phase, table));
                if is_new || at.is_none_or(|at| at.elapsed() >= LINES) {
                    eprintln!("{} {table}: {} of {} rows", verb(phase), HumanCount(done), HumanCount(total));
                    (*at, *of) = (Some(Instant::now()), Some((phase, table)));
                }
            }
        }
    }

    pub(super) fn end(&self) {
        if let Self::Bar(bar, _) = self {
            bar.finish_and_clear();
        }
    }
}

/// Nobody wants to know parts of a row.
fn pace(state: &ProgressState, out: &mut dyn std::fmt::Write) {
    // There is nobody to be told of a line that cannot be written.
    let _written = write!(out, "{:.0}/s", state.per_sec());
}

const fn verb(phase: TransferPhase) -> &'static str {
    match phase {
        TransferPhase::Recognizing => "recognizing",
        TransferPhase::Moving => "moving",
        TransferPhase::Comparing => "comparing",
    }
}
