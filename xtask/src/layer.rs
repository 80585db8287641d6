//! Layers: the parts of a check or a test run, in their order, any of which can be run alone.

use anyhow::{Result, ensure};

use crate::step::step;

/// How long random tests go on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rounds {
    /// As long as one waits for.
    Short,
    /// As long as a release asks for.
    Long,
}

/// A part of a run.
#[derive(Clone, Copy)]
pub(crate) struct Layer {
    /// What one calls it by.
    pub(crate) name: &'static str,
    /// What it does.
    pub(crate) run: fn(Rounds) -> Result<()>,
}

/// Runs the layers in their order, or the one that was asked for, each with its time. The first that fails ends it.
pub(crate) fn run(layers: &[Layer], only: Option<&str>, rounds: Rounds) -> Result<()> {
    let chosen: Vec<&Layer> = layers.iter().filter(|layer| only.is_none_or(|name| name == layer.name)).collect();
    let names: Vec<&str> = layers.iter().map(|layer| layer.name).collect();
    ensure!(!chosen.is_empty(), "there is no such layer; there are: {}", names.join(", "));
    chosen.into_iter().try_for_each(|layer| step(layer.name, || (layer.run)(rounds)))
}
