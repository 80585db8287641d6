//! The fixtures against peers that are known to be right.

mod proxy;
mod websocket;
