//! The wire contract, proven against the real binary from outside.
//!
//! But for `crowd` and who uses it, which test our own client, nothing here knows the product's code: requests and answers are JSON as a stranger would
//! write it. Each module shares one server; a test that stops, floods or configures a server
//! has one of its own.

mod apps;
mod attacks;
mod audience;
mod auth;
mod auth_live;
mod chat;
mod cli;
mod clock;
mod crowd;
mod damage;
mod database;
mod deploy;
mod doctor;
mod durability;
mod ephemeral;
mod faults;
mod figures;
mod floods;
mod frames;
mod handshake;
mod http;
mod http_setup;
mod limits;
mod logs;
mod migrate;
mod network;
mod nodes;
mod old_clients;
mod presence;
mod quotas;
mod raw;
mod receiver;
mod replay;
mod resume;
mod secrets;
mod support;
mod tls;
mod traces;
mod webhooks;
