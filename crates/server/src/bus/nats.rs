//! NATS, which carries what nodes tell each other. It may lose, double and reorder it, or be away.
//!
//! Core subjects alone: nothing is kept there. Nobody ever waits for it: what cannot be handed over at once is lost, and
//! its loss is noticed as every other one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Topic;
use super::wire::{MAX_BYTES, subject};
use crate::tls;

/// How often it is asked for a sign of life; two that do not come are its end.
const PING: Duration = Duration::from_secs(2);
/// How long an attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest pause between two attempts to connect.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// The most messages that wait to be sent.
const WAITING_MAX: usize = 65_536;
/// The most messages of one subject that wait to be looked at.
const UNHEARD_MAX: usize = 8_192;

/// Why a configuration of NATS cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NatsError {
    /// The key that should be changed.
    pub(crate) key: &'static str,
    /// Why. Never holds a part of a secret.
    pub(crate) reason: String,
}

/// Where NATS is, and how one is let in.
#[derive(Clone)]
pub(crate) struct NatsTarget {
    servers: Vec<ServerAddr>,
    user: Option<(String, String)>,
    token: Option<String>,
    credentials: Option<String>,
    tls: ClientConfig,
    /// Whether no server is spoken to without TLS.
    is_tls: bool,
    /// Hosts and ports, for people.
    pub(crate) place: String,
}

impl std::fmt::Debug for NatsTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NatsTarget").field("place", &self.place).finish_non_exhaustive()
    }
}

impl NatsTarget {
    /// Understands `nats://user:password@host:port`, or `tls://` where no server is to be spoken to without it; `token@`
    /// in place of user and password. Several servers of one cluster stand with commas between them. `credentials` is a
    /// file of NATS's own kind, `authority` one of certificates in place of the authorities that browsers know.
    ///
    /// # Errors
    /// [`NatsError`]. Nobody is asked, but the files are read.
    pub(crate) fn parse(url: &str, credentials: Option<&Path>, authority: Option<&Path>) -> Result<Self, NatsError> {
        let wrong = |reason: &str| NatsError { key: "nats_url", reason: reason.to_owned() };
        let (mut servers, mut places) = (Vec::new(), Vec::new());
        let (mut user, mut token, mut is_tls) = (None, None, false);
        for part in url.split(',').map(str::trim) {
            let scheme = if part.contains("://") { "" } else { "nats://" };
            // What the parser says of it could have a part of the password in it.
            let mut parsed = url::Url::parse(&format!("{scheme}{part}")).map_err(|_| wrong("is no address"))?;
            if !matches!(parsed.scheme(), "nats" | "tls") {
                return Err(wrong("must begin with nats:// or tls://"));
            }
            let host = parsed.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("names no host"))?;
            places.push(format!("{host}:{}", parsed.port().unwrap_or(4222)));
            if !matches!(parsed.path(), "" | "/") || parsed.query().is_some() || parsed.fragment().is_some() {
                return Err(wrong("must have nothing behind host and port"));
            }
            let plain = |text: &str| {
                let decoded = percent_decode(text);
                decoded.ok_or_else(|| wrong("has a user or password that is no text"))
            };
            match (parsed.username(), parsed.password()) {
                ("", None) => {}
                (name, None) => token = Some(plain(name)?),
                (name, Some(password)) => user = Some((plain(name)?, plain(password)?)),
            }
            is_tls |= parsed.scheme() == "tls";
            // Told separately, and so never with the address.
            let is_bare = parsed.set_username("").is_ok() && parsed.set_password(None).is_ok();
            debug_assert!(is_bare, "an address with a host can have no user");
            servers.push(ServerAddr::from_url(parsed).map_err(|_| wrong("is no address of NATS"))?);
        }
        if user.is_some() && token.is_some() {
            return Err(wrong("must have user and password, or a token, and not both"));
        }
        let read = |path: &Path| {
            let fail = |error: std::io::Error| NatsError {
                key: "nats_credentials",
                reason: format!("cannot be used: {}: {error}", path.display()),
            };
            let text = std::fs::read_to_string(path).map_err(fail)?;
            // The words of the error could quote it.
            let is_sound = ConnectOptions::with_credentials(&text).is_ok();
            let reason = || format!("cannot be used: {} holds no credentials of NATS", path.display());
            if is_sound { Ok(text) } else { Err(NatsError { key: "nats_credentials", reason: reason() }) }
        };
        let credentials = credentials.map(read).transpose()?;
        let roots = match authority {
            None => tls::public_authorities(),
            Some(path) => authorities(path)?,
        };
        let tls = tls::client(roots).map_err(|error| wrong(&format!("cannot be spoken to by TLS: {error}")))?;
        Ok(Self { servers, user, token, credentials, tls, is_tls, place: places.join(",") })
    }

    fn options(&self) -> Result<ConnectOptions, std::io::Error> {
        let mut options = ConnectOptions::new()
            .name("cossistant")
            .no_echo()
            .tls_client_config(self.tls.clone())
            .require_tls(self.is_tls)
            .ping_interval(PING)
            .connection_timeout(CONNECT_TIMEOUT)
            .client_capacity(WAITING_MAX)
            .subscription_capacity(UNHEARD_MAX)
            .reconnect_delay_callback(|attempts| {
                let pause =
                    Duration::from_millis(50) * u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(100);
                pause.min(PAUSE_MAX)
            });
        if let Some((user, password)) = self.user.clone() {
            options = options.user_and_password(user, password);
        }
        if let Some(token) = self.token.clone() {
            options = options.token(token);
        }
        if let Some(credentials) = &self.credentials {
            options = options.credentials(credentials)?;
        }
        Ok(options)
    }
}

fn authorities(path: &Path) -> Result<RootCertStore, NatsError> {
    let fail = |reason: String| NatsError {
        key: "nats_tls_ca",
        reason: format!("cannot be used: {}: {reason}", PathBuf::from(path).display()),
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| fail(error.to_string()))? {
        let certificate = certificate.map_err(|error| fail(error.to_string()))?;
        roots.add(certificate).map_err(|error| fail(error.to_string()))?;
    }
    if roots.is_empty() { Err(fail("it holds no certificate".to_owned())) } else { Ok(roots) }
}

/// A part of an address as it was meant; `None` of what is no text.
fn percent_decode(text: &str) -> Option<String> {
    // A form has `+` for a space, which an address has not.
    let pair = format!("a={}", text.replace('+', "%2B"));
    let (_, value) = form_urlencoded::parse(pair.as_bytes()).next()?;
    (!value.contains('\u{fffd}')).then(|| value.into_owned())
}

/// Whether NATS lets one in, tried once, on a runtime of its own: where it is.
///
/// # Errors
/// Why not, for people.
pub(crate) fn look_at(target: &NatsTarget) -> Result<String, String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let options = target.options().map_err(|error| error.to_string())?;
        let connecting = async {
            let client = options.connect(target.servers.clone()).await.map_err(|error| error.to_string())?;
            client.flush().await.map_err(|error| error.to_string())
        };
        let looked = tokio::time::timeout(CONNECT_TIMEOUT * 2, connecting).await;
        looked.unwrap_or_else(|_| Err("it does not answer".to_owned()))
    })?;
    Ok(target.place.clone())
}

/// What one hears of NATS itself.
#[derive(Debug)]
pub(crate) enum Weather {
    /// It is there.
    Up,
    /// It is away; one tries on.
    Down,
    /// Something else is wrong with it.
    Trouble(String),
}

/// What was heard: of which topic, or of what all nodes listen to, and the bytes.
pub(crate) type Heard = (Option<Topic>, Bytes);

/// A connection to NATS, which goes on trying for as long as it lives. Dropping it ends it.
pub(crate) struct Link {
    client: Client,
    epoch: String,
    heard: mpsc::Sender<Heard>,
    hearing: HashMap<Option<Topic>, JoinHandle<()>>,
}

impl Link {
    /// Begins to connect, on the runtime that this runs on, and returns at once. What is heard past the bound of `heard`
    /// is lost.
    ///
    /// # Errors
    /// What is wrong with the credentials.
    pub(crate) async fn open(
        target: &NatsTarget,
        epoch: &str,
        weather: mpsc::Sender<Weather>,
        heard: mpsc::Sender<Heard>,
    ) -> Result<Self, std::io::Error> {
        let tell = move |event: Event| {
            let told = match event {
                Event::Connected => Some(Weather::Up),
                Event::Disconnected | Event::Closed => Some(Weather::Down),
                Event::ServerError(error) => Some(Weather::Trouble(error.to_string())),
                // That it cannot be connected to is all that this says.
                Event::ClientError(error) if error.to_string().ends_with("IO error") => None,
                Event::ClientError(error) => Some(Weather::Trouble(error.to_string())),
                Event::SlowConsumer(_) => Some(Weather::Trouble("more is told than can be heard".to_owned())),
                Event::LameDuckMode | Event::Draining => None,
            };
            let weather = weather.clone();
            async move {
                if let Some(told) = told {
                    // The reader outlives the connection, or does not care.
                    let _gone = weather.send(told).await;
                }
            }
        };
        let options = target.options()?.retry_on_initial_connect().event_callback(tell);
        let client = options.connect(target.servers.clone()).await.map_err(std::io::Error::other)?;
        Ok(Self { client, epoch: epoch.to_owned(), heard, hearing: HashMap::new() })
    }

    /// Whether there is a connection at this moment.
    pub(crate) fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Says something; whether it could be handed over.
    pub(crate) fn say(&self, topic: Option<&Topic>, bytes: Vec<u8>) -> bool {
        if bytes.len() > MAX_BYTES.min(self.client.max_payload()) {
            return false;
        }
        let published = self.client.publish(subject(&self.epoch, topic), bytes.into());
        // It waits for nothing but room, which there is or is not.
        matches!(tokio::task::unconstrained(published).now_or_never(), Some(Ok(())))
    }

    /// Hears what is said of a topic, and says this to all as soon as one hears.
    pub(crate) fn hear(&mut self, topic: Option<Topic>, then: Option<Vec<u8>>) {
        let (client, heard, at) = (self.client.clone(), self.heard.clone(), topic.clone());
        let (subject, of_all) = (subject(&self.epoch, topic.as_ref()), subject(&self.epoch, None));
        let hearing = tokio::spawn(async move {
            let mut subscriber = match client.subscribe(subject).await {
                Ok(subscriber) => subscriber,
                Err(error) => return tracing::warn!(%error, "a subject of NATS cannot be heard"),
            };
            if let Some(bytes) = then
                && let Err(error) = client.publish(of_all, bytes.into()).await
            {
                tracing::debug!(%error, "what stands elsewhere could not be asked for");
            }
            while let Some(message) = subscriber.next().await {
                if heard.try_send((at.clone(), message.payload)).is_err() {
                    metrics::counter!(crate::metrics::BUS_LOST_TOTAL, "direction" => "in").increment(1);
                }
            }
        });
        if let Some(before) = self.hearing.insert(topic, hearing) {
            before.abort();
        }
    }

    /// Hears no longer what is said of a topic.
    pub(crate) fn leave(&mut self, topic: &Topic) {
        // Its subscription goes with the task.
        if let Some(hearing) = self.hearing.remove(&Some(topic.clone())) {
            hearing.abort();
        }
    }

    /// Has what was said go out, for a moment at most.
    pub(crate) async fn flush(&self) {
        // Who ends need not care whether it came to anything.
        let _said = tokio::time::timeout(Duration::from_millis(200), self.client.flush()).await;
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.hearing.drain().for_each(|(_, hearing)| hearing.abort());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_understood_and_their_secrets_kept() {
        let target = NatsTarget::parse("nats://us%40er:p%2Bw@one:4223, tls://two", None, None).unwrap();
        assert_eq!(target.place, "one:4223,two:4222");
        assert_eq!(target.user, Some(("us@er".to_owned(), "p+w".to_owned())));
        assert!(target.is_tls && target.servers.len() == 2);
        assert!(!format!("{target:?} {:?}", target.servers).contains("p+w"));
        let target = NatsTarget::parse("t0ken@one", None, None).unwrap();
        assert_eq!((target.token.as_deref(), target.user, target.is_tls), (Some("t0ken"), None, false));
        for (url, part) in [
            ("", "host"),
            ("nats://", "host"),
            ("http://user:hunter2@one", "nats://"),
            ("nats://user:hunter2@one/path", "nothing behind"),
            ("nats://user:hunter2@one?a=b", "nothing behind"),
            ("nats://user:hunter2@one,hunter3@two", "not both"),
            ("nats://user:hunter2@one:port", "no address"),
        ] {
            let error = NatsTarget::parse(url, None, None).unwrap_err();
            assert!(error.key == "nats_url" && error.reason.contains(part), "{url}: {error:?}");
            assert!(!error.reason.contains("hunter"), "no secret is told: {error:?}");
        }
        let nowhere = Path::new("/nowhere/at/all");
        assert_eq!(NatsTarget::parse("one", Some(nowhere), None).unwrap_err().key, "nats_credentials");
        assert_eq!(NatsTarget::parse("one", None, Some(nowhere)).unwrap_err().key, "nats_tls_ca");
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        assert_eq!(NatsTarget::parse("one", Some(&own), None).unwrap_err().key, "nats_credentials");
        assert_eq!(NatsTarget::parse("one", None, Some(&own)).unwrap_err().key, "nats_tls_ca");
    }
}
