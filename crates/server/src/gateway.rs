//! WebSockets: the upgrade, the framing, and the loop of each connection.

mod connection;
pub mod deflate;
mod driver;
pub mod frame;
pub mod handshake;
mod jobs;
mod shard;
mod upgrade;
mod wheel;

pub(crate) use connection::ConnectionConfig;
#[cfg(feature = "sim")]
pub(crate) use connection::MAX_DEFERRED;
#[cfg(feature = "sim")]
pub use driver::echo::echo_from_now_on;
pub(crate) use driver::{Clocks, Driver, Upgraded};
pub(crate) use jobs::Jobs;
pub(crate) use shard::{Arrival, Credential, Shard, ShardConfig};
#[cfg(feature = "sim")]
pub(crate) use shard::{Done, MarksWanted, Output};
pub(crate) use upgrade::{Admission, Admitted, Upgrader};
