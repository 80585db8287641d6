//! The HTTP API over a store in memory: each route's success, each refusal, each form of error.

mod api;
mod conversations;
mod errors;
mod messages;
mod people;
mod setup;
