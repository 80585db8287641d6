//! What a test run builds, each library once.
//!
//! Cargo gives a library the features that whatever is being built asks for. The program alone, the simulation alone and
//! all tests together ask for different ones, of tokio for example, and for each of them everything that stands on tokio
//! would be built again. So all of them are built as part of the whole workspace and beside a test, which is what makes
//! cargo look at the features that only tests ask for. Programs for people are built alone (`cargo xtask run`).

use anyhow::Result;

use crate::step::sh;

/// Chooses the features of all tests. The test that it names is a small one.
const AS_TESTED: &str = "--locked --workspace --test replay";

/// Builds something, named by cargo's own options, as a test run has it.
pub(crate) fn as_tested(what: &str) -> Result<()> {
    sh(&format!("cargo build {AS_TESTED} {what}"))
}
