//! Taking connections from a listener, and going on when the process has no room for more.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use crate::http::steady_now;

/// How long a listener waits before it tries again when the process has no more file descriptors.
const PAUSE: Duration = Duration::from_millis(50);
/// For how long no connection must have been refused before it counts as over, in ms. While peers wait, they are
/// tried at every pause, so a place that comes free now and then is no end.
const OVER_MS: u64 = 1_000;

/// Whether there was room for the last connections, as all listeners of the process know it: the log tells it once.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// When the last connection was refused for want of room; 0 for never, or when that is over.
    refused_ms: AtomicU64,
}

impl Room {
    /// The next connection. One that the process has no room for waits, in the backlog of the listener.
    pub(super) async fn accept(&self, listener: &TcpListener) -> (TcpStream, SocketAddr) {
        loop {
            match listener.accept().await {
                Ok(accepted) => {
                    self.note_accepted(steady_now().as_millis());
                    return accepted;
                }
                Err(error) if is_of_peer(&error) => tracing::debug!(%error, "a peer left before it was accepted"),
                Err(error) => {
                    if self.note_refused(steady_now().as_millis()) {
                        tracing::warn!(%error, "no room for more connections; they wait");
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Whether this is news.
    fn note_refused(&self, now_ms: u64) -> bool {
        self.refused_ms.swap(now_ms.max(1), Ordering::Relaxed) == 0
    }

    fn note_accepted(&self, now_ms: u64) {
        let refused_ms = self.refused_ms.load(Ordering::Relaxed);
        let is_over = refused_ms > 0 && now_ms >= refused_ms + OVER_MS;
        // Of several listeners that notice it at once, one tells.
        if is_over && self.refused_ms.compare_exchange(refused_ms, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            tracing::info!("connections are accepted again");
        }
    }
}

/// Whether the error is of the one connection; all others mean that there is no room.
fn is_of_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn want_of_room_is_told_once_until_it_is_over() {
        let room = Room::default();
        assert!(room.note_refused(0));
        assert!(!room.note_refused(50));
        // A place came free, and is taken at once.
        room.note_accepted(60);
        assert!(!room.note_refused(100));
        room.note_accepted(100 + OVER_MS);
        assert!(room.note_refused(200 + OVER_MS), "it is another time");
    }
}
