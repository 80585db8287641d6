//! The client engine for WebAssembly, behind a few plain functions.
//!
//! There are no imports and no generated glue. What goes in and what comes out are [records](record) of numbers, at
//! one place of this crate's, one at a time. So no pointer ever comes in from outside, every number is checked,
//! and a wrong call is refused and nothing worse.
//!
//! The engine carries neither the text of messages nor messages that come in nor any other text: all stay in
//! JavaScript, and the engine speaks of them by numbers.
//!
//! The other side is `packages/client/src/engine`; both know the order of fields and the codes by heart, and
//! the scenarios in `scenarios/` prove that they agree.

#![deny(unsafe_code)]

pub mod abi;
mod host;
mod input;
mod output;
pub mod record;
mod symbol;
