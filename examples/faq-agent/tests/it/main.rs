//! The agent, seen by visitors and the team, with the real server.
//!
//! The server's binary lies beside the agent's: `cargo build -p cossistant` makes it.

mod answers;
mod hand_over;
mod losses;
mod stage;
