//! The targets, one a file.

pub(crate) mod addresses;
pub(crate) mod client_messages;
pub(crate) mod config;
pub(crate) mod deflate;
pub(crate) mod engine;
pub(crate) mod frames;
pub(crate) mod handshake;
pub(crate) mod html;
pub(crate) mod ids;
pub(crate) mod inflate;
pub(crate) mod records;
pub(crate) mod server_messages;
pub(crate) mod tokens;
pub(crate) mod validators;
