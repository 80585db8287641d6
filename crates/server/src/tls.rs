//! TLS from files: a certificate and its key, and others in their place while connections go on.
//!
//! Every connection is served by the pair that is in force when it begins. A new pair is proven before it takes the
//! place of the old one, so a half-written or wrong one changes nothing.

mod certificate;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use cossistant_protocol::Timestamp;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use self::certificate::validity;
use crate::http::now;
use crate::watch::Watched;

/// Why a pair of files cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read, or holds nothing of what it should.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The key is not that of the certificate.
    #[error("{}: is not the key of the certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The file of the key.
        key: PathBuf,
        /// The file of the certificate.
        certificate: PathBuf,
    },
    /// The certificate's time is over.
    #[error("{}: the certificate's time was over at {since}", path.display())]
    Expired {
        /// Which file.
        path: PathBuf,
        /// Since when.
        since: Timestamp,
    },
}

/// The authorities that browsers trust.
pub(crate) fn public_authorities() -> RootCertStore {
    RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned())
}

/// How TLS is spoken to others, whose certificates are always verified, by these authorities.
pub(crate) fn client(authorities: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    Ok(ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(authorities)
        .with_no_client_auth())
}

/// The two files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those between it and its authority, as PEM.
    pub certificate: PathBuf,
    /// The certificate's key, as PEM: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
}

/// A certificate with its key, proven to belong together.
#[derive(Debug, Clone)]
pub struct TlsPair {
    key: Arc<CertifiedKey>,
    /// From when on the certificate is valid.
    pub not_before: Timestamp,
    /// Until when it is.
    pub not_after: Timestamp,
}

impl TlsFiles {
    /// Reads and proves the pair. Whether its time has come or is over is for the caller to judge.
    ///
    /// # Errors
    /// [`TlsError::File`] and [`TlsError::Mismatch`].
    pub fn load(&self) -> Result<TlsPair, TlsError> {
        let fail = |path: &Path, reason: String| TlsError::File { path: path.to_owned(), reason };
        let read = |path: &Path| std::fs::read(path).map_err(|error| fail(path, format!("cannot be read: {error}")));
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&read(&self.certificate)?)
            .collect::<Result<_, _>>()
            .map_err(|error| fail(&self.certificate, format!("is no PEM: {error}")))?;
        let leaf = chain.first().ok_or_else(|| fail(&self.certificate, "holds no certificate".to_owned()))?;
        let (not_before, not_after) = validity(leaf)
            .ok_or_else(|| fail(&self.certificate, "holds no certificate that can be read".to_owned()))?;
        // The words of the error could quote the key.
        let key = PrivateKeyDer::from_pem_slice(&read(&self.key)?)
            .map_err(|_| fail(&self.key, "holds no private key as PEM, or an encrypted one".to_owned()))?;
        let key = CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| {
            if matches!(error, rustls::Error::InconsistentKeys(_)) {
                TlsError::Mismatch { key: self.key.clone(), certificate: self.certificate.clone() }
            } else {
                fail(&self.key, format!("cannot be used: {error}"))
            }
        })?;
        Ok(TlsPair { key: Arc::new(key), not_before, not_after })
    }
}

/// Which pair is in force.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// What a server has to do with TLS.
#[derive(Debug)]
pub(crate) struct Tls {
    files: TlsFiles,
    current: Arc<Current>,
    config: Arc<ServerConfig>,
    watched: Watched,
}

impl Tls {
    /// Reads the pair. One whose time is over is used all the same, since there is none before it, and warned of.
    pub(crate) fn start(files: TlsFiles) -> Result<Self, TlsError> {
        let watched = Watched::new(vec![files.certificate.clone(), files.key.clone()]);
        let pair = files.load()?;
        let now = now();
        if pair.not_after <= now || pair.not_before > now {
            tracing::warn!(from = %pair.not_before, until = %pair.not_after, "the certificate is not valid now");
        }
        tell_expiry(&pair);
        let current = Arc::new(Current(RwLock::new(pair.key)));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider knows TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { files, current, config: Arc::new(config), watched })
    }

    /// What a connection that begins now is served by.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Reads the files anew. A pair that cannot be used, or whose time is over, leaves the old one in force and is
    /// told in the log and the figures.
    pub(crate) fn reload(&self) {
        self.watched.note_read();
        let loaded = self.files.load().and_then(|pair| {
            let expired = TlsError::Expired { path: self.files.certificate.clone(), since: pair.not_after };
            if pair.not_after > now() { Ok(pair) } else { Err(expired) }
        });
        let result = match loaded {
            Ok(pair) => {
                tell_expiry(&pair);
                tracing::info!(until = %pair.not_after, "another certificate is in force");
                *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = pair.key;
                "ok"
            }
            Err(error) => {
                tracing::error!(%error, "the certificate could not be read anew; the old one stays");
                "failed"
            }
        };
        metrics::counter!(crate::metrics::TLS_RELOADS_TOTAL, "result" => result).increment(1);
    }

    /// Reads the files anew if they have changed.
    pub(crate) fn look(&self) {
        if self.watched.has_changed() {
            self.reload();
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds of this millennium are exact")]
fn tell_expiry(pair: &TlsPair) {
    metrics::gauge!(crate::metrics::TLS_EXPIRES_SECONDS).set((pair.not_after.as_millis() / 1000) as f64);
}
