//! Files that are to be read anew when they change.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// When a file was last written and how long it is; `None` where there is none.
type Stamp = Option<(SystemTime, u64)>;

/// Several files that belong together, and in which state they were read.
#[derive(Debug)]
pub(crate) struct Watched {
    paths: Vec<PathBuf>,
    seen: Mutex<Seen>,
}

/// The states of the files: when they were read, and at the last look.
#[derive(Debug)]
struct Seen {
    read: Vec<Stamp>,
    last: Vec<Stamp>,
}

impl Watched {
    /// Takes the files as they are now as read; so it is made before they are.
    pub(crate) fn new(paths: Vec<PathBuf>) -> Self {
        let stamps = stamps(&paths);
        Self { paths, seen: Mutex::new(Seen { read: stamps.clone(), last: stamps }) }
    }

    /// Takes the files as they are now as read.
    pub(crate) fn note_read(&self) {
        let stamps = stamps(&self.paths);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen { read: stamps.clone(), last: stamps };
    }

    /// Whether the files are others than when they were read, and have stayed as they are since the last look: they are
    /// written one after the other. The answer is given once; they count as read then.
    pub(crate) fn has_changed(&self) -> bool {
        let stamps = stamps(&self.paths);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = seen.last == stamps && seen.read != stamps;
        if is_new {
            seen.read.clone_from(&stamps);
        }
        seen.last = stamps;
        is_new
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<Stamp> {
    let of = |path: &Path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    paths.iter().map(|path| of(path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once_and_when_it_is_over() {
        let name = crate::auth::new_secret("cossistant-watch-").expect("randomness");
        let path = std::env::temp_dir().join(name.expose());
        let watched = Watched::new(vec![path.clone()]);
        assert!(!watched.has_changed(), "what is not there has not changed");
        std::fs::write(&path, "1").expect("a file");
        assert!(!watched.has_changed(), "it may go on being written");
        assert!(watched.has_changed());
        assert!(!watched.has_changed());
        std::fs::write(&path, "22").expect("a file");
        watched.note_read();
        assert!(!watched.has_changed() && !watched.has_changed());
        std::fs::remove_file(&path).expect("it is there");
        assert!(!watched.has_changed());
        assert!(watched.has_changed());
    }
}
