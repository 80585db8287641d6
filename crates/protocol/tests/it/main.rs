//! The wire contract: what is written, what is read, what is refused.

mod arbitrary;
mod examples;
//mod fixtures;
mod refused;
