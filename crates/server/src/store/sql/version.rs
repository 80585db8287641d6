//! What data is for, and of which version it is.

use std::fmt;

use sha2::{Digest, Sha256};

/// What the data of a store is for; it stays so for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataKind {
    /// Real data.
    Production,
    /// A demo, whose secrets everybody knows.
    Dev,
}

impl DataKind {
    /// As it is kept with the data.
    pub(in crate::store) const fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Dev => "dev",
        }
    }

    /// The inverse of [`DataKind::as_str`].
    pub(in crate::store) fn parse(text: &str) -> Option<Self> {
        [Self::Production, Self::Dev].into_iter().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for DataKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Production => "without --dev",
            Self::Dev => "with --dev",
        })
    }
}

/// What is kept of a migration that was applied.
pub(in crate::store) fn checksum(sql: &str) -> Vec<u8> {
    Sha256::digest(sql.as_bytes()).to_vec()
}

/// Whether a migration that was applied is the one that this program knows by the number.
pub(in crate::store) fn is_known(migrations: &[&str], version: u32, sum: &[u8]) -> bool {
    let known = version.checked_sub(1).and_then(|index| migrations.get(index as usize));
    known.is_some_and(|sql| checksum(sql) == sum)
}

/// A name for a store's life that no other one has.
///
/// # Errors
/// The system has no random bytes.
pub(in crate::store) fn fresh_epoch() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
