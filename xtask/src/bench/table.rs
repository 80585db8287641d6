//! The figures of all rounds, and their medians.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::step::say;

/// What one figure was in each round.
struct Row {
    scenario: String,
    figure: String,
    server: Vec<f64>,
    floor: Vec<f64>,
}

/// Figures in the order in which they came first.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
    lines: String,
}

impl Table {
    /// Takes a line of the generator.
    pub(crate) fn add(&mut self, scenario: &str, line: &Value) -> Result<()> {
        let figure = line["figure"].as_str().context("a figure has a name")?;
        let position = self.rows.iter().position(|row| row.scenario == scenario && row.figure == figure);
        let at = position.unwrap_or_else(|| {
            let (scenario, figure) = (scenario.to_owned(), figure.to_owned());
            self.rows.push(Row { scenario, figure, server: Vec::new(), floor: Vec::new() });
            self.rows.len() - 1
        });
        self.rows[at].server.extend(line["value"].as_f64());
        self.rows[at].floor.extend(line["floor"].as_f64());
        let mut line = line.clone();
        line["scenario"] = scenario.into();
        writeln!(self.lines, "{line}").context("a string takes what is written")
    }

    /// The median of one figure of the server.
    pub(crate) fn median(&self, scenario: &str, figure: &str) -> Option<f64> {
        let row = self.rows.iter().find(|row| row.scenario == scenario && row.figure == figure)?;
        median(row.server.clone())
    }

    /// Every figure of every round, a JSON line each.
    pub(super) fn lines(&self) -> &str {
        &self.lines
    }

    /// Prints the medians with their least and greatest, and how the server compares with the floor.
    pub(crate) fn print(&self) {
        let head = ["median", "least", "greatest", "floor", "ratio"];
        let [median_of, least, greatest, floor, ratio] = head;
        say(&format!("{:<64} {median_of:>12} {least:>12} {greatest:>12} {floor:>12} {ratio:>7}", "figure"));
        for row in &self.rows {
            // Both sides of a ratio are of the same round: what disturbs one disturbs the other.
            let ratios = row.server.iter().zip(&row.floor).filter(|(_, floor)| **floor > 0.0);
            let ratio = median(ratios.map(|(server, floor)| server / floor).collect());
            let least = row.server.iter().copied().reduce(f64::min);
            let greatest = row.server.iter().copied().reduce(f64::max);
            say(&format!(
                "{:<64} {:>12} {:>12} {:>12} {:>12} {:>7}",
                format!("{} {}", row.scenario, row.figure),
                shown(median(row.server.clone())),
                shown(least),
                shown(greatest),
                shown(median(row.floor.clone())),
                shown(ratio),
            ));
        }
    }
}

fn shown(value: Option<f64>) -> String {
    value.map(|value| format!("{value:.2}")).unwrap_or_default()
}

/// The middle value; of an even number the lower one of the two.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![2.0, 1.0]), Some(1.0));
        assert_eq!(median(Vec::new()), None);
    }
}
