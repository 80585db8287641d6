//! One request to a webhook: connected to an address that was checked, answered in time, and not followed anywhere.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Host;

use super::target::{AddressPolicy, RefusedUrl, Target};
use crate::tls;

/// How long an attempt may take, from the look-up of the name to the head of the answer.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How many addresses of one name are tried.
const ADDRESSES: usize = 4;
/// How long one address may take to answer, so that the next one has its turn.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// How large the head of an answer may be; of its body nothing is read but what came in the same packets.
const HEAD_BYTES: usize = 16 * 1024;
/// Who sends.
const AGENT: &str = concat!("Cossistant/", env!("CARGO_PKG_VERSION"));

/// Why an attempt had no answer. The words are shown to the webhook's owner, and tell nothing of the network behind
/// the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(super) enum SendError {
    /// The address may not be sent to.
    #[error("the address is refused: it {0}")]
    Refused(#[from] RefusedUrl),
    /// The name has no address.
    #[error("the name has no address")]
    Unresolved,
    /// Nobody answers there.
    #[error("no connection could be made")]
    Unreachable,
    /// The certificate is not good, or it is no TLS.
    #[error("TLS failed: the certificate is not good for the name, or there is none")]
    Tls,
    /// The connection ended, or what came was no HTTP.
    #[error("the connection broke off, or the answer was no HTTP")]
    BrokenOff,
    /// It took too long.
    #[error("there was no answer in time")]
    TimedOut,
}

/// The signed headers of a request.
#[derive(Debug, Clone)]
pub(super) struct Signed {
    pub(super) id: String,
    pub(super) seconds: u64,
    pub(super) signature: String,
}

/// Sends requests. Cheap to clone.
#[derive(Clone)]
pub(super) struct Sender {
    policy: AddressPolicy,
    tls: TlsConnector,
    timeout: Duration,
}

impl Sender {
    /// A sender that trusts the authorities that browsers trust.
    pub(super) fn new(policy: AddressPolicy) -> Result<Self, rustls::Error> {
        Self::with_roots(policy, tls::public_authorities(), TIMEOUT)
    }

    fn with_roots(policy: AddressPolicy, roots: RootCertStore, timeout: Duration) -> Result<Self, rustls::Error> {
        let mut config = tls::client(roots)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { policy, tls: TlsConnector::from(Arc::new(config)), timeout })
    }

    /// Sends a body and answers with the HTTP status. Dropping the future closes the connection.
    pub(super) async fn send(&self, url: &str, signed: Signed, body: Bytes) -> Result<u16, SendError> {
        let exchange = async {
            let target = Target::parse(url, self.policy)?;
            let addresses = self.resolve(&target).await?;
            let stream = self.connect(&addresses).await?;
            let request = request(&target, signed, body)?;
            if !target.is_tls {
                return exchange(stream, request).await;
            }
            let name = match &target.host {
                Host::Domain(name) => ServerName::try_from(name.clone()).map_err(|_| SendError::Tls)?,
                Host::Ipv4(address) => ServerName::from(IpAddr::V4(*address)),
                Host::Ipv6(address) => ServerName::from(IpAddr::V6(*address)),
            };
            let stream = self.tls.connect(name, stream).await.map_err(|_| SendError::Tls)?;
            exchange(stream, request).await
        };
        tokio::time::timeout(self.timeout, exchange).await.unwrap_or(Err(SendError::TimedOut))
    }

    /// The addresses to connect to, each of which was checked.
    async fn resolve(&self, target: &Target) -> Result<Vec<SocketAddr>, SendError> {
        let found: Vec<IpAddr> = match &target.host {
            Host::Ipv4(address) => vec![IpAddr::V4(*address)],
            Host::Ipv6(address) => vec![IpAddr::V6(*address)],
            Host::Domain(name) => {
                let found = tokio::net::lookup_host((name.as_str(), target.port)).await;
                found.map_err(|_| SendError::Unresolved)?.map(|address| address.ip()).collect()
            }
        };
        if found.is_empty() {
            return Err(SendError::Unresolved);
        }
        if !self.policy.allows(&found) {
            return Err(SendError::Refused(RefusedUrl::Private));
        }
        Ok(found.into_iter().take(ADDRESSES).map(|address| SocketAddr::new(address, target.port)).collect())
    }

    async fn connect(&self, addresses: &[SocketAddr]) -> Result<TcpStream, SendError> {
        for address in addresses {
            let connected = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await;
            let Ok(Ok(stream)) = connected else { continue };
            let (Ok(from), Ok(to)) = (stream.local_addr(), stream.peer_addr()) else { continue };
            if !self.policy.allows_connection(from.ip(), to.ip()) {
                return Err(SendError::Refused(RefusedUrl::Private));
            }
            return Ok(stream);
        }
        Err(SendError::Unreachable)
    }
}

fn request(target: &Target, signed: Signed, body: Bytes) -> Result<Request<Full<Bytes>>, SendError> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(&target.path)
        .header(HOST, &target.authority)
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header(USER_AGENT, HeaderValue::from_static(AGENT))
        .header(CONNECTION, HeaderValue::from_static("close"))
        .header("webhook-id", signed.id)
        .header("webhook-timestamp", signed.seconds)
        .header("webhook-signature", signed.signature)
        .body(Full::new(body));
    // Only an address that the library reads and HTTP does not know could fail here.
    request.map_err(|_| SendError::Refused(RefusedUrl::Form))
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<u16, SendError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let broken_off = |_: hyper::Error| SendError::BrokenOff;
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES);
    let (mut requests, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(broken_off)?;
    let mut connection = pin!(connection);
    let mut answer = pin!(requests.send_request(request));
    // The connection moves the bytes, and may end before the answer is looked at.
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        _ended = &mut connection => answer.await,
    };
    Ok(answer.map_err(broken_off)?.status().as_u16())
}

#[cfg(test)]
mod tests;
