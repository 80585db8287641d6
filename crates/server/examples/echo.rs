//! A node that echoes, for conformance suites: the product's own upgrade, framing, compression, sockets and flusher, with
//! an echo in the chat's place (`gateway/driver/echo.rs`).
//!
//! `echo DIRECTORY` keeps its data there. Prints `ws://ADDRESS/ws` on a line of its own, and runs until it is killed.

use std::error::Error;
use std::iter;

use cossistant_server::config::Config;
use cossistant_server::gateway::echo_from_now_on;
use cossistant_server::http::Apps;
use cossistant_server::node::Node;

/// No limit of the product stands in a suite's way: it sends what nobody else would.
const SETTINGS: [(&str, &str); 7] = [
    ("dev", "true"),
    ("listen", "127.0.0.1:0"),
    ("no_apps", "true"),
    ("max_outbox_bytes", "268435456"),
    ("limit_frames", "0"),
    ("limit_connects", "0"),
    ("heartbeat_interval", "10m"),
];

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "this is a command-line program")]
async fn main() -> Result<(), Box<dyn Error>> {
    let data = std::env::args().nth(1).ok_or("usage: echo DIRECTORY")?;
    let settings = SETTINGS.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let settings = settings.into_iter().chain(iter::once(("data".to_owned(), data)));
    let (config, _) = Config::load(settings, iter::empty(), None)?;
    echo_from_now_on();
    let node = Node::start(&config, Apps { files: &[] }).await?;
    println!("ws://{}/ws", node.address());
    std::future::pending().await
}
