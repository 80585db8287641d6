//! The two small files that outlive a client: a visitor's tokens, and messages not yet acknowledged.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// A message in the queue file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoredMessage {
    pub(crate) id: String,
    pub(crate) conversation_id: String,
    /// When it was first queued, in ms since 1970.
    pub(crate) queued_at: u64,
    /// The whole frame.
    pub(crate) frame: String,
}

impl StoredMessage {
    /// How long ago it was first queued, in ms.
    pub(crate) fn age(&self) -> u64 {
        unix_now().saturating_sub(self.queued_at)
    }
}

/// The wall clock, in ms since 1970.
pub(crate) fn unix_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Reads the queue file; what cannot be read is told in the log and set aside by the next write.
pub(crate) fn load_queue(path: &Path) -> Vec<StoredMessage> {
    load(path)
}

/// The token of a visitor, by endpoint and key.
pub(crate) fn load_token(path: &Path, name: &str) -> Option<String> {
    load::<BTreeMap<String, String>>(path).remove(name)
}

/// The file with that token in place of the last, or without one.
pub(crate) fn with_token(path: &Path, name: &str, token: Option<&str>) -> Vec<u8> {
    let mut tokens = load::<BTreeMap<String, String>>(path);
    match token {
        Some(token) => tokens.insert(String::from(name), String::from(token)),
        None => tokens.remove(name),
    };
    serde_json::to_vec(&tokens).unwrap_or_default()
}

fn load<T: Default + serde::de::DeserializeOwned>(path: &Path) -> T {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(path = %path.display(), %error, "could not read");
            }
            return T::default();
        }
    };
    serde_json::from_slice(&bytes).unwrap_or_else(|error| {
        tracing::warn!(path = %path.display(), %error, "could not understand the file");
        T::default()
    })
}

/// Writes the newest contents to a file, each time they change, until the sender is gone and all is written.
///
/// Contents that are replaced before they were written are never written.
pub(crate) async fn keep(path: PathBuf, mut contents: watch::Receiver<Vec<u8>>) {
    while contents.changed().await.is_ok() {
        let bytes = contents.borrow_and_update().clone();
        let target = path.clone();
        match tokio::task::spawn_blocking(move || replace(&target, &bytes)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(path = %path.display(), %error, "could not write"),
            Err(error) => tracing::warn!(path = %path.display(), %error, "the writer failed"),
        }
    }
}

/// Replaces a file as a whole: after a crash it is the old one or the new one. Only its owner may read it.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let new = path.with_file_name(name);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(new, path)
}
