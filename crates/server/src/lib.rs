//! The server of Cossistant realtime.
#![forbid(unsafe_code)]

pub mod store;
