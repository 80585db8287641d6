//! Whether what was built is that of the present inputs.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::path::Path;

use anyhow::{Context, Result};

use crate::step::root;

/// Folders on which no outcome depends: tests, outcomes themselves, and what the lock file speaks for.
const LEFT_OUT: &[&str] = &["tests", "test", "scenarios", "dist", "node_modules"];

/// A number that changes with any of these files, and folders with all that is in them. Paths from the root.
pub(crate) fn hash(inputs: &[&str]) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    for input in inputs {
        hash_path(&root().join(input), &mut hasher)?;
    }
    Ok(format!("{:016x}\n", hasher.finish()))
}

/// Whether a stamp says that what lies beside it was made of the inputs with this number.
pub(crate) fn is_made_of(stamp: &Path, inputs: &str) -> bool {
    std::fs::read_to_string(stamp).is_ok_and(|known| known == inputs)
}

fn hash_path(path: &Path, hasher: &mut DefaultHasher) -> Result<()> {
    if path.is_dir() {
        let mut paths = std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        paths.sort();
        paths.retain(|path| !LEFT_OUT.iter().any(|name| path.ends_with(name)));
        return paths.iter().try_for_each(|path| hash_path(path, hasher));
    }
    path.hash(hasher);
    std::fs::read(path).with_context(|| format!("reading {}", path.display()))?.hash(hasher);
    Ok(())
}
