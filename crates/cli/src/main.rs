//! The `cossistant` command.
fn main() {}
