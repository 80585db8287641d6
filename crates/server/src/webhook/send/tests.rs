//! Receivers that do what receivers should not.

use std::future::Future;
use std::time::Instant;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// Long enough for a busy machine, short enough to be waited for.
const PATIENCE: Duration = Duration::from_secs(5);

fn authority() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(include_bytes!("certificates/authority.pem")).unwrap()).unwrap();
    roots
}

fn sender(policy: AddressPolicy, timeout: Duration) -> Sender {
    Sender::with_roots(policy, authority(), timeout).unwrap()
}

async fn send_to(url: &str, timeout: Duration) -> Result<u16, SendError> {
    let signed = Signed { id: "dlv_1".to_owned(), seconds: 5, signature: "v1,x".to_owned() };
    sender(AddressPolicy::Any, timeout).send(url, signed, Bytes::from_static(b"{}")).await
}

/// Reads a request to its end: the body of these tests is `{}`.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n{}") {
        let mut bytes = [0; 1024];
        let count = stream.read(&mut bytes).await.unwrap();
        assert!(count > 0, "the request is whole: {}", String::from_utf8_lossy(&request));
        request.extend_from_slice(&bytes[..count]);
    }
    String::from_utf8(request).unwrap()
}

/// What is answered to one request, and whether the connection stays open behind it.
async fn answered<F, Fut>(timeout: Duration, answer: F) -> Result<u16, SendError>
where
    F: FnOnce(TcpStream) -> Fut,
    Fut: Future<Output = ()>,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook?a=b", listener.local_addr().unwrap());
    let receiver = async {
        let (stream, _) = listener.accept().await.unwrap();
        answer(stream).await;
    };
    let sending = send_to(&url, timeout);
    tokio::select! {
        biased;
        sent = sending => sent,
        () = async { receiver.await; std::future::pending().await } => unreachable!("it never ends"),
    }
}

async fn answered_with(text: &'static [u8]) -> Result<u16, SendError> {
    answered(PATIENCE, async |mut stream| {
        read_request(&mut stream).await;
        stream.write_all(text).await.unwrap();
        // Dropped only with the test, so that what is judged is not the end of the connection.
        std::future::pending::<()>().await;
    })
    .await
}

#[tokio::test]
async fn the_request_is_whole_and_signed() {
    let (told, heard) = tokio::sync::oneshot::channel();
    let sent = answered(PATIENCE, async |mut stream| {
        told.send(read_request(&mut stream).await).unwrap();
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    });
    assert_eq!(sent.await, Ok(204));
    let request = heard.await.unwrap().to_lowercase();
    assert!(request.starts_with("post /hook?a=b http/1.1\r\n"), "{request}");
    for header in [
        "host: 127.0.0.1:",
        "content-type: application/json\r\n",
        "content-length: 2\r\n",
        "webhook-id: dlv_1\r\n",
        "webhook-timestamp: 5\r\n",
        "webhook-signature: v1,x\r\n",
        "user-agent: cossistant/",
    ] {
        assert!(request.contains(&format!("\r\n{header}")), "{header}: {request}");
    }
}

#[tokio::test]
async fn redirects_are_answers_like_others() {
    let answer = b"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(answered_with(answer).await, Ok(307));
}

#[tokio::test]
async fn the_body_of_an_answer_is_not_waited_for() {
    assert_eq!(answered_with(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\nonly").await, Ok(200));
    let endless = answered(PATIENCE, async |mut stream| {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
        while stream.write_all(b"4\r\nmore\r\n").await.is_ok() {}
    });
    assert_eq!(endless.await, Ok(500));
}

#[tokio::test]
async fn answers_that_are_none_break_off() {
    for text in [&b"SSH-2.0-OpenSSH_9\r\n"[..], b"HTTP/1.1 abc\r\n\r\n", b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"] {
        assert_eq!(answered_with(text).await, Err(SendError::BrokenOff), "{}", String::from_utf8_lossy(text));
    }
    let closed = answered(PATIENCE, async |mut stream| {
        read_request(&mut stream).await;
    });
    assert_eq!(closed.await, Err(SendError::BrokenOff));
    let large = answered(PATIENCE, async |mut stream| {
        read_request(&mut stream).await;
        let head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(HEAD_BYTES * 2));
        // The other end may have closed before all of it is written.
        drop(stream.write_all(head.as_bytes()).await);
        std::future::pending::<()>().await;
    });
    assert_eq!(large.await, Err(SendError::BrokenOff), "a head has a bound");
}

#[tokio::test]
async fn a_receiver_that_never_ends_its_head_is_cut() {
    let began = Instant::now();
    let limit = Duration::from_millis(300);
    let silent = answered(limit, async |mut stream| {
        read_request(&mut stream).await;
        std::future::pending::<()>().await;
    });
    assert_eq!(silent.await, Err(SendError::TimedOut));
    // It goes on sending, but never to the end.
    let slow = answered(limit, async |mut stream| {
        read_request(&mut stream).await;
        while stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.is_ok() {
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(slow.await, Err(SendError::TimedOut));
    assert!(began.elapsed() >= limit * 2);
}

#[tokio::test]
async fn nobody_is_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(send_to(&url, PATIENCE).await, Err(SendError::Unreachable));
}

#[tokio::test]
async fn private_addresses_are_not_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let sender = sender(AddressPolicy::Public, PATIENCE);
    for url in [format!("http://127.0.0.1:{port}/"), format!("http://localhost:{port}/")] {
        let signed = Signed { id: "dlv_1".to_owned(), seconds: 5, signature: "v1,x".to_owned() };
        let sent = sender.send(&url, signed, Bytes::from_static(b"{}")).await;
        assert_eq!(sent, Err(SendError::Refused(RefusedUrl::Private)), "{url}");
    }
    // A name that is public by its looks and private by its address, as a rebinding name is at its second look-up.
    let target = Target {
        host: Host::Domain("localhost".to_owned()),
        ..Target::parse("http://a.example/", AddressPolicy::Public).unwrap()
    };
    assert_eq!(sender.resolve(&target).await, Err(SendError::Refused(RefusedUrl::Private)));
    let connected = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(connected.is_err(), "nobody came");
}

/// A receiver by TLS, whose certificate is for `localhost`.
async fn tls_receiver() -> (TcpListener, TlsAcceptor) {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("certificates/receiver.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("certificates/receiver.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    (TcpListener::bind("127.0.0.1:0").await.unwrap(), TlsAcceptor::from(Arc::new(config)))
}

#[tokio::test]
async fn tls_is_verified() {
    let (listener, acceptor) = tls_receiver().await;
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            read_request(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    let signed = || Signed { id: "dlv_1".to_owned(), seconds: 5, signature: "v1,x".to_owned() };
    assert_eq!(send_to(&format!("https://localhost:{port}/"), PATIENCE).await, Ok(200));
    let other_name = send_to(&format!("https://127.0.0.1:{port}/"), PATIENCE).await;
    assert_eq!(other_name, Err(SendError::Tls), "the certificate is for another name");
    let browsers = Sender::new(AddressPolicy::Any).unwrap();
    let unknown = browsers.send(&format!("https://localhost:{port}/"), signed(), Bytes::from_static(b"{}")).await;
    assert_eq!(unknown, Err(SendError::Tls), "nobody knows the authority");
}

#[tokio::test]
async fn a_connection_to_the_machine_itself_is_not_used() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = [listener.local_addr().unwrap()];
    let connected = sender(AddressPolicy::Public, PATIENCE).connect(&address).await;
    assert_eq!(connected.unwrap_err(), SendError::Refused(RefusedUrl::Private));
    let (mut stream, _) = listener.accept().await.unwrap();
    assert_eq!(stream.read(&mut [0; 16]).await.unwrap(), 0, "it was closed before anything was said");
    sender(AddressPolicy::Any, PATIENCE).connect(&address).await.unwrap();
}
