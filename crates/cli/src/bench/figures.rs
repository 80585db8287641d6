//! What a scenario found, for people and for programs.

use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;
use serde_json::json;

/// The longest latency that is told apart, in µs.
const LATENCY_US_MAX: u64 = 120_000_000;

/// Which peer a figure was measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measured {
    /// The server.
    Server,
    /// The floor: sockets and `write`, nothing else.
    Floor,
}

#[derive(Debug)]
struct Figure {
    name: String,
    server: Option<f64>,
    floor: Option<f64>,
}

/// The figures of one scenario. A name ends in its unit.
#[derive(Debug)]
pub(super) struct Report {
    scenario: &'static str,
    measured: Measured,
    figures: Vec<Figure>,
}

impl Report {
    pub(super) const fn new(scenario: &'static str) -> Self {
        Self { scenario, measured: Measured::Server, figures: Vec::new() }
    }

    /// From here on the figures are of this peer.
    pub(super) const fn of(&mut self, measured: Measured) {
        self.measured = measured;
    }

    /// Takes a figure, unless it could not be measured.
    pub(super) fn add(&mut self, name: &str, value: impl Into<Option<f64>>) {
        let Some(value) = value.into() else { return };
        let at = self.figures.iter().position(|figure| figure.name == name).unwrap_or_else(|| {
            self.figures.push(Figure { name: name.to_owned(), server: None, floor: None });
            self.figures.len() - 1
        });
        match self.measured {
            Measured::Server => self.figures[at].server = Some(value),
            Measured::Floor => self.figures[at].floor = Some(value),
        }
    }

    /// Takes the usual quantiles.
    pub(super) fn add_latencies(&mut self, prefix: &str, latencies: &Latencies) {
        for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)] {
            self.add(&format!("{prefix}_{name}_us"), latencies.quantile_us(quantile));
        }
    }

    /// Everything as text: a table, or a JSON line for each figure.
    pub(super) fn render(&self, is_json: bool) -> String {
        let mut lines = Vec::new();
        if !is_json {
            lines.push(format!("{:<52} {:>12} {:>12} {:>7}", self.scenario, "server", "floor", "ratio"));
        }
        for Figure { name, server, floor } in &self.figures {
            if is_json {
                let line = json!({"scenario": self.scenario, "figure": name, "value": server, "floor": floor});
                lines.push(line.to_string());
                continue;
            }
            let shown = |value: Option<f64>| value.map(|value| format!("{value:.2}")).unwrap_or_default();
            let ratio = server.zip(*floor).filter(|(_, floor)| *floor > 0.0).map(|(server, floor)| server / floor);
            lines.push(format!("  {name:<50} {:>12} {:>12} {:>7}", shown(*server), shown(*floor), shown(ratio)));
        }
        lines.join("\n")
    }
}

/// Latencies in µs.
#[derive(Debug)]
pub(super) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(super) fn new() -> Result<Self> {
        Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).map(Self).context("cannot make a histogram")
    }

    pub(super) fn add(&mut self, latency: std::time::Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.0.saturating_record(us.max(1));
    }

    fn quantile_us(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64
    }
}
