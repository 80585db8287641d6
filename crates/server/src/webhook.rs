//! Webhooks: telling customers' own servers of what happens.
//!
//! The store queues deliveries in the transactions of the events. Here one thread of its own takes them, so that
//! nothing of it ever waits in front of a conversation: it looks what is due (`worker`), writes the body (`payload`),
//! signs it (`sign`), sends it to an address that was checked (`target`, `send`), and says when it is tried again
//! (`schedule`).
//!
//! Promised: at least once, in no order, under the same `webhook-id` for every attempt. What was being sent when the
//! process ended is sent again by the next one.

mod lanes;
mod payload;
mod schedule;
mod send;
mod sign;
mod target;
mod worker;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::watch;

pub use lanes::AT_ONCE;
pub(crate) use sign::{new_secret, secret_text};
pub use target::{AddressPolicy, RefusedUrl, check_url};

use self::send::Sender;
use self::worker::{Clocks, Stage, Worker};
use crate::http::{now, steady_now};
use crate::store::Outbox;

/// The thread that sends to webhooks.
///
/// Dropping it without [`Webhooks::stop`] lets the thread end by itself.
#[derive(Debug)]
pub struct Webhooks {
    stage: watch::Sender<Stage>,
    thread: JoinHandle<()>,
}

impl Webhooks {
    /// Starts sending what is queued, and what will be.
    ///
    /// # Errors
    /// The system gives no thread, or TLS cannot be set up.
    pub fn start(outbox: Arc<dyn Outbox>, policy: AddressPolicy) -> io::Result<Self> {
        let sender = Sender::new(policy).map_err(io::Error::other)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stage, stages) = watch::channel(Stage::Running);
        // A clock that is put right forwards counts for both.
        let clocks = Clocks { wall: now, onward: || now().max(steady_now()) };
        let worker = Worker::new(outbox, sender, clocks);
        let thread = std::thread::Builder::new().name("webhooks".to_owned()).spawn(move || {
            runtime.block_on(worker.run(stages));
            // Whoever still asks for a name is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Self { stage, thread })
    }

    /// Begins no more attempts; those that run go on.
    pub fn drain(&self) {
        self.stage.send_replace(Stage::Draining);
    }

    /// Cuts the attempts that still run, and waits for the thread. They are made again by the next process.
    pub async fn stop(self) {
        self.stage.send_replace(Stage::Ended);
        let joined = tokio::task::spawn_blocking(move || self.thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the thread of the webhooks panicked");
        }
    }
}
