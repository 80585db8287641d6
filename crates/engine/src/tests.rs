//! The behaviours one by one, on a virtual clock, and all of them together in random histories.

mod connection;
mod histories;
mod rig;
mod sending;
mod server;
mod subscription;
