//! Secrets: how they are made, kept in files, compared, and not shown.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Characters of a new secret: 43 of 62 kinds are 256 bits.
const SECRET_LENGTH: usize = 43;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A text that is never written to a log: its `Debug` form hides it. How long a comparison takes tells nothing of it.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes a text as a secret.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        SecretHash::of(&self.0).is_of(&other.0)
    }
}

impl Eq for Secret {}

/// The SHA-256 of a secret, by which guesses are compared in constant time whatever their length.
#[derive(Clone)]
pub(super) struct SecretHash([u8; 32]);

impl SecretHash {
    pub(super) fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    pub(super) fn is_of(&self, guess: &str) -> bool {
        Self::of(guess).0.ct_eq(&self.0).into()
    }
}

/// Makes a secret of 256 random bits: the prefix (`sk_`, `pk_`, `ak_`), then 43 letters and digits.
///
/// # Errors
/// The system has no randomness to give.
pub fn new_secret(prefix: &str) -> io::Result<Secret> {
    let mut text = String::with_capacity(prefix.len() + SECRET_LENGTH);
    text.push_str(prefix);
    let mut random = [0; 64];
    while text.len() < prefix.len() + SECRET_LENGTH {
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        // Bytes past the last multiple of 62 are drawn again, so that every character is as likely as the others.
        let fair = random.iter().filter(|byte| **byte < 248).map(|byte| ALPHABET[usize::from(*byte % 62)]);
        text.extend(fair.map(char::from).take(prefix.len() + SECRET_LENGTH - text.len()));
    }
    Ok(Secret(text))
}

/// A secret that is kept in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile {
    /// Its text, without white space around it.
    pub secret: Secret,
    /// Where it is kept.
    pub path: PathBuf,
    /// Whether it was made by this call.
    pub created: bool,
    /// Whether others than the owner may read the file, and that could not be changed.
    pub is_exposed: bool,
}

/// Reads the secret of a file, or makes one and writes it there, with mode 0600.
///
/// The file appears in one step, with all of its content on stable storage; of several processes that make it at the
/// same time one wins, and all return its secret.
///
/// # Errors
/// The folder does not exist, the file can be neither read nor written, or it is empty.
pub fn read_or_create_secret(path: &Path, prefix: &str) -> io::Result<SecretFile> {
    let created = match fs::symlink_metadata(path) {
        Ok(_) => false,
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path, &new_secret(prefix)?)?,
        Err(error) => return Err(error),
    };
    let text = fs::read_to_string(path)?;
    let text = text.trim();
    if text.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the file of a secret is empty"));
    }
    let is_open = |metadata: &fs::Metadata| metadata.permissions().mode() & 0o077 != 0;
    let is_exposed =
        is_open(&fs::metadata(path)?) && fs::set_permissions(path, fs::Permissions::from_mode(0o600)).is_err();
    Ok(SecretFile { secret: Secret::new(text), path: path.to_owned(), created, is_exposed })
}

/// Writes a file beside the path and puts it there in one step, with mode 0600 and on stable storage.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let draft = write_draft(path, text)?;
    fs::rename(&draft, path).and_then(|()| File::open(folder_of(path))?.sync_all())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a file beside the path, with mode 0600 and on stable storage.
fn write_draft(path: &Path, text: &str) -> io::Result<PathBuf> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("secret");
    let draft = folder_of(path).join(format!(".{name}.{}", new_secret("")?.expose()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if let Err(error) = written {
        fs::remove_file(&draft)?;
        return Err(error);
    }
    Ok(draft)
}

/// Writes a file beside the path and links it there; `false` when another process was first.
fn create(path: &Path, secret: &Secret) -> io::Result<bool> {
    let draft = write_draft(path, &format!("{}\n", secret.expose()))?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Ok(()) => File::open(folder_of(path))?.sync_all().map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("cossistant-{name}-{}", new_secret("").unwrap().expose()));
        fs::create_dir(&folder).unwrap();
        folder
    }

    #[test]
    fn secrets_are_long_plain_and_different() {
        let (one, two) = (new_secret("sk_").unwrap(), new_secret("sk_").unwrap());
        assert_ne!(one, two);
        for secret in [&one, &two] {
            let rest = secret.expose().strip_prefix("sk_").unwrap();
            assert_eq!(rest.len(), SECRET_LENGTH);
            assert!(rest.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        }
        assert!(!format!("{one:?}").contains(one.expose()));
    }

    #[test]
    fn a_file_is_made_once_for_the_owner_alone() {
        let folder = folder("made-once");
        let path = folder.join("admin-key");
        let first = read_or_create_secret(&path, "ak_").unwrap();
        assert!(first.created && !first.is_exposed && first.secret.expose().starts_with("ak_"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let second = read_or_create_secret(&path, "ak_").unwrap();
        assert_eq!((second.created, &second.secret), (false, &first.secret));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "no draft is left");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn all_who_make_it_at_once_get_the_same() {
        let folder = folder("at-once");
        let path = folder.join("visitor-secret");
        let made: Vec<SecretFile> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| read_or_create_secret(&path, "").unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(made.iter().filter(|file| file.created).count(), 1);
        assert!(made.iter().all(|file| file.secret == made[0].secret));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn an_open_file_is_closed_and_a_bad_one_refused() {
        let folder = folder("open-file");
        let path = folder.join("admin-key");
        fs::write(&path, " ak_given \n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let file = read_or_create_secret(&path, "ak_").unwrap();
        assert_eq!((file.secret.expose(), file.is_exposed), ("ak_given", false));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "\n").unwrap();
        assert!(read_or_create_secret(&path, "ak_").is_err());
        assert!(read_or_create_secret(&folder.join("none/admin-key"), "ak_").is_err());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn hashes_tell_equal_from_other() {
        let (secret, hash) = (Secret::new("ak_dev"), SecretHash::of("ak_dev"));
        assert!(hash.is_of("ak_dev") && secret == Secret::new("ak_dev"));
        for guess in ["ak_de", "ak_dev ", "AK_DEV", ""] {
            assert!(!hash.is_of(guess) && secret != Secret::new(guess), "{guess}");
        }
    }
}
