//! The proxy against a plain echo server.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use cossistant_testkit::{Mode, Proxy, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PATIENCE: Duration = Duration::from_secs(10);

async fn echo_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback works");
    let address = listener.local_addr().expect("loopback works").to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await.ok();
            });
        }
    });
    address
}

async fn connected() -> (Proxy, TcpStream) {
    let proxy = Proxy::start(&echo_server().await).await;
    let mut stream = TcpStream::connect(proxy.address()).await.expect("loopback works");
    round_trip(&mut stream, b"hello").await;
    (proxy, stream)
}

async fn round_trip(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).await.expect("loopback works");
    let mut back = vec![0; bytes.len()];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut back))
        .await
        .expect("an echo in time")
        .expect("loopback works");
    assert_eq!(back, bytes);
}

async fn read_end(stream: &mut TcpStream) -> Result<usize, ErrorKind> {
    let mut byte = [0; 1];
    tokio::time::timeout(PATIENCE, stream.read(&mut byte)).await.expect("an end in time").map_err(|error| error.kind())
}

#[tokio::test]
async fn passes_and_passes_a_half_close_on() {
    let (proxy, mut stream) = connected().await;
    assert_eq!((proxy.accepted(), proxy.open()), (1, 1));
    round_trip(&mut stream, &vec![7; 300_000][..100_000]).await;
    stream.write_all(b"bye").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"bye", "what was under way at the half close still comes back");
    eventually(PATIENCE, "the connection is counted off", || async { (proxy.open() == 0).then_some(()) }).await;
}

#[tokio::test]
async fn a_black_hole_keeps_bytes_and_gives_them_later() {
    let (mut proxy, mut stream) = connected().await;
    proxy.set(Mode::BlackHole).await;
    stream.write_all(b"late").await.unwrap();
    let mut back = [0; 4];
    let nothing = tokio::time::timeout(Duration::from_millis(200), stream.read_exact(&mut back)).await;
    assert!(nothing.is_err(), "nothing passes a black hole");
    let mut second = TcpStream::connect(proxy.address()).await.unwrap();
    second.write_all(b"new").await.unwrap();
    proxy.set(Mode::Pass).await;
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut back)).await.expect("in time").unwrap();
    assert_eq!(&back, b"late");
    let mut new = [0; 3];
    tokio::time::timeout(PATIENCE, second.read_exact(&mut new)).await.expect("in time").unwrap();
    assert_eq!(&new, b"new", "a connection accepted in the black hole comes to life");
}

#[tokio::test]
async fn reset_and_fin_end_open_and_new_connections() {
    let (mut proxy, mut stream) = connected().await;
    proxy.set(Mode::Reset).await;
    assert_eq!(read_end(&mut stream).await, Err(ErrorKind::ConnectionReset));
    let mut new = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(read_end(&mut new).await, Err(ErrorKind::ConnectionReset));

    let (mut proxy, mut stream) = connected().await;
    proxy.set(Mode::Fin).await;
    assert_eq!(read_end(&mut stream).await, Ok(0));
    let mut new = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(read_end(&mut new).await, Ok(0));
}

#[tokio::test]
async fn refuses_new_connections_and_serves_again_on_the_same_port() {
    let (mut proxy, mut stream) = connected().await;
    proxy.set(Mode::Refuse).await;
    let refused = TcpStream::connect(proxy.address()).await.map(drop).map_err(|error| error.kind());
    assert_eq!(refused, Err(ErrorKind::ConnectionRefused));
    round_trip(&mut stream, b"still").await;
    proxy.set(Mode::Pass).await;
    let mut again = TcpStream::connect(proxy.address()).await.unwrap();
    round_trip(&mut again, b"again").await;
}

#[tokio::test]
async fn delays_and_throttles() {
    let (mut proxy, mut stream) = connected().await;
    proxy.set(Mode::Delay(Duration::from_millis(60))).await;
    let start = Instant::now();
    round_trip(&mut stream, b"slow").await;
    assert!(start.elapsed() >= Duration::from_millis(120), "each way waits: {:?}", start.elapsed());
    proxy.set(Mode::Throttle(20_000)).await;
    let start = Instant::now();
    round_trip(&mut stream, &[1; 8_000]).await;
    assert!(start.elapsed() >= Duration::from_millis(350), "8,000 bytes at 20,000 a second: {:?}", start.elapsed());
}

#[tokio::test]
async fn cuts_after_the_bytes_it_was_told() {
    let mut proxy = Proxy::start(&echo_server().await).await;
    proxy.set(Mode::CutAfter(15)).await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    stream.write_all(b"0123456789").await.unwrap();
    let mut back = Vec::new();
    let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut back)).await.expect("in time");
    assert_eq!(end.map_err(|error| error.kind()), Err(ErrorKind::ConnectionReset));
    assert!(back.len() <= 5, "ten bytes up and five down: {back:?}");
}

#[tokio::test]
async fn a_new_target_serves_new_connections() {
    let (proxy, mut stream) = connected().await;
    proxy.set_target(&echo_server().await);
    let mut second = TcpStream::connect(proxy.address()).await.unwrap();
    round_trip(&mut second, b"second").await;
    round_trip(&mut stream, b"first").await;
    assert_eq!(proxy.url("ws://127.0.0.1:1/ws"), format!("ws://{}/ws", proxy.address()));
}
