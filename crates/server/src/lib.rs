//! The server of Cossistant realtime: HTTP, gateway, chat rules, hub, store.
//!
//! `http` and `gateway` call `chat`, which authorizes, commits to the `store` and publishes over the `bus` to every
//! shard's hub. [`node`] builds all of it and owns every task.
#![forbid(unsafe_code)]

pub mod auth;
pub mod bus;
pub mod chat;
pub mod config;
pub mod directory;
pub mod event;
pub mod gateway;
pub mod http;
mod hub;
pub mod limits;
pub mod metrics;
pub mod node;
#[cfg(feature = "sim")]
pub mod sim;
mod slow;
pub mod store;
pub mod tls;
mod trace;
mod watch;
pub mod webhook;
