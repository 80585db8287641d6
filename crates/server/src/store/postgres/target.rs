//! Where the database is, and how a connection to it is made.

use std::future::Future;
use std::io;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres::{Client, Config};
use tokio_rustls::TlsConnector;

use super::DatabaseError;
use crate::tls;

/// What a server is called among the connections of a database; behind it, and a space, is the name that it was given.
pub(super) const APPLICATION: &str = "cossistant";
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// After how long without a sign from the other machine a connection is broken.
const DEAD_AFTER: Duration = Duration::from_secs(10);

/// An address of a database that was understood.
#[derive(Clone)]
pub(super) struct Target {
    config: Config,
    tls: Tls,
    /// Host and port, for people.
    pub(super) place: String,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Target {
    /// Understands `postgres://user:password@host:port/database?sslmode=…&sslrootcert=…`. Several hosts may be named;
    /// the one that takes writes is used.
    ///
    /// Where TLS is spoken the certificate is always verified, by `sslrootcert` or the authorities that browsers know:
    /// `prefer` (the default) does without TLS only if the server has none, `require` and the stronger modes never.
    pub(super) fn parse(address: &str) -> Result<Self, DatabaseError> {
        let wrong = |reason: &str| DatabaseError::Url(reason.to_owned());
        if !address.starts_with("postgres://") && !address.starts_with("postgresql://") {
            return Err(wrong("it has to begin with postgres:// or postgresql://"));
        }
        let (base, query) = address.split_once('?').unwrap_or((address, ""));
        let mut authority = None;
        let mut mode = SslMode::Prefer;
        let mut kept = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match (&*name, &*value) {
                ("sslmode", "disable") => mode = SslMode::Disable,
                ("sslmode", "allow" | "prefer") => mode = SslMode::Prefer,
                ("sslmode", "require" | "verify-ca" | "verify-full") => mode = SslMode::Require,
                ("sslmode", _) => return Err(wrong("sslmode has to be disable, prefer or require")),
                ("sslrootcert", path) => authority = Some(PathBuf::from(path)),
                (name, value) => {
                    kept.append_pair(name, value);
                }
            }
        }
        // What the parser says of it could have a part of the password in it.
        let text = format!("{base}?{}", kept.finish());
        let mut config: Config = text
            .trim_end_matches('?')
            .parse()
            .map_err(|_| wrong("user, host, port or a parameter is not understood"))?;
        if config.get_hosts().iter().all(|host| matches!(host, Host::Tcp(name) if name.is_empty())) {
            return Err(wrong("it names no host"));
        }
        if config.get_dbname().is_none() {
            return Err(wrong("it names no database"));
        }
        // Whatever it is called, it is seen that it is a server.
        let name = match config.get_application_name() {
            Some(given) if given != APPLICATION => format!("{APPLICATION} {given}"),
            Some(_) | None => APPLICATION.to_owned(),
        };
        config
            .application_name(name)
            .ssl_mode(mode)
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_user_timeout(DEAD_AFTER)
            .keepalives_idle(DEAD_AFTER);
        let place = place(&config);
        Ok(Self { config, tls: Tls::new(authority.as_deref())?, place })
    }

    /// The same address, with another name among the connections of the database.
    pub(super) fn called(mut self, name: &str) -> Self {
        self.config.application_name(name);
        self
    }

    /// The name of the database.
    pub(super) fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or_default()
    }

    /// Makes a connection, whose other half is spawned on the runtime that this runs on.
    pub(super) async fn connect(&self) -> Result<Connection, DatabaseError> {
        let connecting = self.config.connect(self.tls.clone());
        let connected = tokio::time::timeout(CONNECT_TIMEOUT * 2, connecting).await;
        let (client, connection) = connected
            .map_err(|_| DatabaseError::Unreachable { place: self.place.clone(), reason: "no answer".to_owned() })?
            .map_err(|error| DatabaseError::connecting(&self.place, &error))?;
        let other_half = tokio::spawn(async move {
            // Whoever uses the connection is told.
            if let Err(error) = connection.await {
                tracing::debug!(error = %super::error::words(&error), "a connection to the database ended");
            }
        });
        Ok(Connection { client, other_half })
    }
}

/// A connection, which is closed when this was dropped and its runtime runs for the next time.
pub(super) struct Connection {
    client: Client,
    other_half: JoinHandle<()>,
}

impl Deref for Connection {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.other_half.abort();
    }
}

fn place(config: &Config) -> String {
    let ports = config.get_ports();
    let host = |(at, host): (usize, &Host)| {
        let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        match host {
            Host::Tcp(name) => format!("{name}:{port}"),
            Host::Unix(path) => format!("{}:{port}", path.display()),
        }
    };
    config.get_hosts().iter().enumerate().map(host).collect::<Vec<_>>().join(",")
}

/// TLS by rustls.
#[derive(Clone)]
pub(super) struct Tls(Arc<ClientConfig>);

impl Tls {
    fn new(authority: Option<&Path>) -> Result<Self, DatabaseError> {
        let roots = match authority {
            None => tls::public_authorities(),
            Some(path) => {
                let fail = |reason: String| DatabaseError::Authority { path: path.to_owned(), reason };
                let mut roots = RootCertStore::empty();
                let found = CertificateDer::pem_file_iter(path).map_err(|error| fail(error.to_string()))?;
                for certificate in found {
                    let certificate = certificate.map_err(|error| fail(error.to_string()))?;
                    roots.add(certificate).map_err(|error| fail(error.to_string()))?;
                }
                if roots.is_empty() {
                    return Err(fail("holds no certificate".to_owned()));
                }
                roots
            }
        };
        let config = tls::client(roots).map_err(|error| DatabaseError::Database(error.to_string()))?;
        Ok(Self(Arc::new(config)))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for Tls {
    type Stream = Encrypted<S>;
    type TlsConnect = Connect;
    type Error = io::Error;

    fn make_tls_connect(&mut self, domain: &str) -> io::Result<Connect> {
        // A socket of the file system has no name, and no TLS.
        let name = if domain.is_empty() { "localhost" } else { domain };
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        Ok(Connect { connector: TlsConnector::from(Arc::clone(&self.0)), name })
    }
}

/// A handshake to be made.
pub(super) struct Connect {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for Connect {
    type Stream = Encrypted<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move { self.connector.connect(self.name, stream).await.map(Encrypted) })
    }
}

/// A stream in TLS.
pub(super) struct Encrypted<S>(tokio_rustls::client::TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Encrypted<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Encrypted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Encrypted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
