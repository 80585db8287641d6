//! One server for a data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::OpenError;

/// The file within the data directory that is locked, and says by whom.
pub(super) const FILE: &str = "lock";

/// Holds a data directory until dropped. The operating system lets go of it however the process ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Makes the directory if need be, readable by its owner alone, and locks it.
    pub(super) fn take(dir: &Path) -> Result<Self, OpenError> {
        make_folder(dir)?;
        let path = dir.join(FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(OpenError::io(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::Locked { dir: dir.to_owned(), pid: noted_pid(&file) });
            }
            Err(TryLockError::Error(error)) => return Err(OpenError::io(&path)(error)),
        }
        note_pid(&mut file).map_err(OpenError::io(&path))?;
        Ok(Self { _file: file })
    }
}

/// Makes a data directory, readable by its owner alone, where there is none.
pub(crate) fn make_folder(dir: &Path) -> Result<(), OpenError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(OpenError::io(dir))
}

fn note_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{}", std::process::id())
}

/// The process that holds the lock of a directory, as it noted itself in the lock's file.
pub(super) fn noted_pid(mut file: &File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Which process holds a lock on a file, other than this one, as far as the system tells (Linux does).
pub(super) fn holder(path: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    let inode = std::fs::metadata(path).ok()?.ino();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    holder_in(&locks, inode, std::process::id())
}

/// Its lines are like `1: POSIX  ADVISORY  WRITE 4711 08:01:1234 0 EOF`.
fn holder_in(locks: &str, inode: u64, own: u32) -> Option<u32> {
    locks.lines().find_map(|line| {
        let mut fields = line.split_whitespace().skip(4);
        let pid: u32 = fields.next()?.parse().ok()?;
        let of: u64 = fields.next()?.rsplit(':').next()?.parse().ok()?;
        (of == inode && pid != own && pid > 0).then_some(pid)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_a_file_is_found_among_the_systems_locks() {
        let locks = "1: POSIX  ADVISORY  WRITE 77 00:32:5 1073741826 1073742335\n\
                     1: -> POSIX  ADVISORY  READ 99 00:32:5 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 78 08:01:6 0 EOF\n\
                     3: POSIX  ADVISORY  READ 79 08:01:6 0 EOF\n";
        assert_eq!(holder_in(locks, 5, 1), Some(77));
        assert_eq!(holder_in(locks, 6, 78), Some(79), "not oneself");
        assert_eq!(holder_in(locks, 7, 1), None);
    }
}
