//! One secret after another: the new one is in force at once, and the one before is taken until its time is over.
//!
//! The one before is kept in a file beside that of the secret, with `.previous` behind its name: the secret in the
//! first line, until when it is taken in the second.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cossistant_protocol::Timestamp;

use super::own::OwnKey;
use super::secret::{SecretHash, replace};
use super::token::{Token, Verified};
use super::{AuthError, AuthSetupError, Secret, new_secret};
use crate::directory::{InvalidKey, VerifyingKey};

/// A secret that was replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviousSecret {
    /// Its text.
    pub secret: Secret,
    /// From when on it is refused.
    pub until: Timestamp,
}

/// A secret, and the one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretPair {
    /// The one in force.
    pub current: Secret,
    /// The one before, if it may still be taken.
    pub previous: Option<PreviousSecret>,
}

/// The secrets of the server itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnSecrets {
    /// By which whoever sets up customers is known.
    pub admin_key: SecretPair,
    /// By which the server signs its own tokens.
    pub own: SecretPair,
}

impl From<Secret> for SecretPair {
    /// With none before it.
    fn from(current: Secret) -> Self {
        Self { current, previous: None }
    }
}

/// A secret that the server makes for itself at its first start, and keeps in its data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnSecret {
    /// The admin key, unless the configuration has one.
    AdminKey,
    /// What signs visitors' tokens, and those of `POST /v1/tokens`.
    Signing,
}

impl OwnSecret {
    /// Each of them.
    pub const ALL: [Self; 2] = [Self::AdminKey, Self::Signing];

    /// How a new one begins.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::AdminKey => "ak_",
            Self::Signing => "own_",
        }
    }

    /// Its file in a data folder.
    #[must_use]
    pub fn path_in(self, data: &Path) -> PathBuf {
        data.join(match self {
            Self::AdminKey => "admin-key",
            Self::Signing => "visitor-secret",
        })
    }
}

/// The file of the secret before the one that is kept in `path`.
#[must_use]
pub fn previous_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".previous");
    PathBuf::from(name)
}

/// Reads the secret before the one of a file; `None` if there is none.
///
/// # Errors
/// The file cannot be read, or is not of the form above.
pub fn read_previous(path: &Path) -> io::Result<Option<PreviousSecret>> {
    let text = match fs::read_to_string(previous_path(path)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut lines = text.lines().map(str::trim);
    let secret = lines.next().filter(|line| !line.is_empty());
    let until = lines.next().and_then(|line| line.parse().ok());
    match secret.zip(until) {
        Some((secret, until)) => Ok(Some(PreviousSecret { secret: Secret::new(secret), until })),
        None => Err(io::Error::new(io::ErrorKind::InvalidData, "must hold a secret and, below it, a time")),
    }
}

/// Why a secret is not replaced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RotationError {
    /// The secret before the present one is still taken, and would not be any more.
    #[error("the secret before the present one is taken until {0}, and there is room for one only")]
    Overlap(Timestamp),
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Puts a new secret into a file, beginning with `prefix`; the old one is taken until `until`. A server that runs reads
/// both within seconds. However this ends, the file holds the old or the new secret as a whole.
///
/// # Errors
/// [`RotationError::Overlap`] unless `force` says that the one before ends now; the file is not there or cannot be
/// written.
pub fn rotate_secret(
    path: &Path,
    prefix: &str,
    until: Timestamp,
    now: Timestamp,
    force: bool,
) -> Result<(), RotationError> {
    let fail = |path: &Path| {
        let path = path.to_owned();
        |error| RotationError::Io { path, error }
    };
    let beside = previous_path(path);
    let old = fs::read_to_string(path).map_err(fail(path))?;
    let before = read_previous(path).map_err(fail(&beside))?;
    if let Some(before) = before.filter(|before| before.until > now && before.secret.expose() != old.trim() && !force) {
        return Err(RotationError::Overlap(before.until));
    }
    // The old one first: between the two steps it is both, and nobody is refused.
    replace(&beside, &format!("{}\n{until}\n", old.trim())).map_err(fail(&beside))?;
    let new = new_secret(prefix).map_err(fail(path))?;
    replace(path, &format!("{}\n", new.expose())).map_err(fail(path))
}

/// The server's own secrets as they are used.
pub(super) struct Held {
    pub(super) own: OwnKey,
    own_before: Option<(VerifyingKey, Timestamp)>,
    admin_key: SecretHash,
    admin_key_before: Option<(SecretHash, Timestamp)>,
}

impl Held {
    pub(super) fn new(secrets: &OwnSecrets) -> Result<Self, AuthSetupError> {
        let own_before = secrets.own.previous.as_ref().map(verifying).transpose();
        let before = secrets.admin_key.previous.as_ref();
        Ok(Self {
            own: OwnKey::new(&secrets.own.current)?,
            own_before: own_before.map_err(|_| AuthSetupError::SelfCheck)?,
            admin_key: SecretHash::of(secrets.admin_key.current.expose()),
            admin_key_before: before.map(|before| (SecretHash::of(before.secret.expose()), before.until)),
        })
    }

    pub(super) fn is_admin_key(&self, guess: &str, now: Timestamp) -> bool {
        let is_before = |(hash, until): &(SecretHash, Timestamp)| (now < *until) & hash.is_of(guess);
        // Both are compared, so that the time tells nothing.
        self.admin_key.is_of(guess) | self.admin_key_before.as_ref().is_some_and(is_before)
    }

    /// Proves that the server signed a token itself.
    pub(super) fn verify<'a>(&self, token: &Token<'a>, now: Timestamp) -> Result<Verified<'a>, AuthError> {
        match (token.verify(&self.own.verifying), &self.own_before) {
            (Err(_), Some((key, until))) if now < *until => token.verify(key),
            (proven, _) => proven,
        }
    }
}

/// The key of a secret that was replaced, and until when it is taken.
pub(super) fn verifying(previous: &PreviousSecret) -> Result<(VerifyingKey, Timestamp), InvalidKey> {
    Ok((VerifyingKey::from_secret(previous.secret.expose().as_bytes())?, previous.until))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_of_a_secret_and_the_one_before_it() {
        let folder = std::env::temp_dir().join(new_secret("cossistant-rotation-").unwrap().expose());
        fs::create_dir(&folder).unwrap();
        let path = folder.join("admin-key");
        let at = |ms: u64| Timestamp(1_800_000_000_000 + ms);
        assert!(matches!(rotate_secret(&path, "ak_", at(10), at(0), false), Err(RotationError::Io { .. })));
        fs::write(&path, "ak_first\n").unwrap();
        assert_eq!(read_previous(&path).unwrap(), None);

        rotate_secret(&path, "ak_", at(10), at(0), false).unwrap();
        let second = fs::read_to_string(&path).unwrap();
        assert!(second.starts_with("ak_") && second.trim() != "ak_first");
        let before = read_previous(&path).unwrap().unwrap();
        assert_eq!((before.secret.expose(), before.until), ("ak_first", at(10)));
        for path in [&path, &previous_path(&path)] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }

        let refused = rotate_secret(&path, "ak_", at(20), at(9), false);
        assert!(matches!(refused, Err(RotationError::Overlap(until)) if until == at(10)));
        assert_eq!(fs::read_to_string(&path).unwrap(), second, "nothing has changed");
        rotate_secret(&path, "ak_", at(20), at(9), true).unwrap();
        rotate_secret(&path, "ak_", at(30), at(20), false).unwrap();
        assert_ne!(read_previous(&path).unwrap().unwrap().secret.expose(), second.trim());
        // Of the drafts nothing is left.
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);

        for bad in ["", "ak_x", "ak_x\nsoon\n"] {
            fs::write(previous_path(&path), bad).unwrap();
            assert!(read_previous(&path).is_err(), "{bad:?}");
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
