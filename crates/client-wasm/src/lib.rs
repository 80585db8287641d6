//! The client engine for WebAssembly, behind a few plain functions.
//!
//! There are no imports and no generated glue. What goes in and what comes out are [records](record): numbers
//! and texts, one behind the other, in two buffers that this crate owns. So no pointer ever comes in from
//! outside, every length and every code is checked, and a wrong call is an error code and nothing worse.
//!
//! The engine carries neither the text of messages nor messages that come in: both stay in JavaScript, and
//! the engine speaks of them by their ids.
//!
//! The other side is `packages/client/src/engine`; both know the order of fields and the codes by heart, and
//! the scenarios in `scenarios/` prove that they agree.

#![deny(unsafe_code)]

pub mod abi;
mod host;
mod input;
mod output;
mod record;
