//! The files that a running node reads anew: its certificate, and its own secrets.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::StartError;
use crate::auth::{
    Authenticator, OwnSecret, OwnSecrets, SecretFile, SecretPair, previous_path, read_or_create_secret, read_previous,
};
use crate::config::Config;
use crate::tls::Tls;
use crate::watch::Watched;

/// The server's own secrets, as configuration and folder have them.
#[derive(Debug)]
pub(super) struct SecretFiles {
    dir: PathBuf,
    /// Those that the configuration has: then the folder need not.
    admin_key: Option<SecretPair>,
    own: Option<SecretPair>,
    watched: Watched,
}

impl SecretFiles {
    pub(super) fn new(config: &Config) -> Self {
        let paths = OwnSecret::ALL.map(|secret| secret.path_in(&config.data));
        let paths = paths.iter().flat_map(|path| [path.clone(), previous_path(path)]).collect();
        Self {
            dir: config.data.clone(),
            admin_key: config.own_secret(OwnSecret::AdminKey),
            own: config.own_secret(OwnSecret::Signing),
            watched: Watched::new(paths),
        }
    }

    /// Reads the secrets, and makes those that are not there; also the file of the admin key, if there is one.
    pub(super) fn read(&self) -> Result<(OwnSecrets, Option<SecretFile>), StartError> {
        self.watched.note_read();
        let (own, own_file) = given_or_read(self.own.as_ref(), &self.dir, OwnSecret::Signing)?;
        let (admin_key, file) = given_or_read(self.admin_key.as_ref(), &self.dir, OwnSecret::AdminKey)?;
        if [&own_file, &file].into_iter().flatten().any(|file| file.created) {
            self.watched.note_read();
        }
        Ok((OwnSecrets { admin_key, own }, file))
    }
}

fn given_or_read(
    given: Option<&SecretPair>,
    dir: &Path,
    secret: OwnSecret,
) -> Result<(SecretPair, Option<SecretFile>), StartError> {
    match given {
        Some(pair) => Ok((pair.clone(), None)),
        None => read(dir, secret).map(|(pair, file)| (pair, Some(file))),
    }
}

fn read(dir: &Path, secret: OwnSecret) -> Result<(SecretPair, SecretFile), StartError> {
    let path = secret.path_in(dir);
    let file = read_or_create_secret(&path, secret.prefix())
        .map_err(|error| StartError::Secret { path: path.clone(), error })?;
    let previous = read_previous(&path).map_err(|error| StartError::Secret { path: previous_path(&path), error })?;
    Ok((SecretPair { current: file.secret.clone(), previous }, file))
}

/// Everything that is read anew while the node runs.
pub(super) struct Files {
    pub(super) tls: Option<Arc<Tls>>,
    secrets: SecretFiles,
    auth: Arc<Authenticator>,
}

impl Files {
    pub(super) fn new(tls: Option<Arc<Tls>>, secrets: SecretFiles, auth: Arc<Authenticator>) -> Self {
        Self { tls, secrets, auth }
    }

    /// Reads anew what has changed.
    pub(super) fn look(&self) {
        if let Some(tls) = &self.tls {
            tls.look();
        }
        if self.secrets.watched.has_changed() {
            self.renew_secrets();
        }
    }

    /// Reads all of it anew.
    pub(super) fn reload(&self) {
        if let Some(tls) = &self.tls {
            tls.reload();
        }
        self.renew_secrets();
    }

    fn renew_secrets(&self) {
        let renewed = match self.secrets.read() {
            Ok((secrets, _)) => self.auth.renew(&secrets).map_err(StartError::from),
            Err(error) => Err(error),
        };
        match renewed {
            Ok(()) => tracing::info!("the server's own secrets were read anew"),
            Err(error) => tracing::error!(%error, "the server's own secrets could not be read anew; the old ones stay"),
        }
    }
}
