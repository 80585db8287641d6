//! One WebSocket: dialled, read and written until it closes.

use std::sync::Arc;
use std::time::Duration;

use cossistant_engine::Envelope;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use http::Request;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

use crate::incoming;
use crate::translate::{Incoming, Payload};

/// How long a closing handshake may take.
const CLOSING: Duration = Duration::from_secs(2);

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What the driver wants of a socket.
#[derive(Debug)]
pub(crate) enum Order {
    Send(Payload),
    Close(u16),
}

/// What a socket tells the driver.
#[derive(Debug)]
pub(crate) enum SocketEvent {
    Opened,
    DialFailed(String),
    Received(Incoming, Envelope),
    /// A frame that is no valid message; why, for logs.
    Invalid(String),
    Closed {
        code: u16,
        reason: String,
    },
}

/// A socket's life. It ends by itself after the close, or when it is aborted.
pub(crate) async fn run(
    generation: u32,
    request: Request<()>,
    tls: Arc<rustls::ClientConfig>,
    orders: mpsc::Receiver<Order>,
    events: mpsc::Sender<(u32, SocketEvent)>,
    gone: oneshot::Receiver<()>,
) {
    let connector = Some(Connector::Rustls(tls));
    let stream = match connect_async_tls_with_config(request, None, true, connector).await {
        Ok((stream, _)) => stream,
        Err(error) => {
            drop(events.send((generation, SocketEvent::DialFailed(error.to_string()))).await);
            return;
        }
    };
    drop(events.send((generation, SocketEvent::Opened)).await);
    let (sink, stream) = stream.split();
    let mut reading = std::pin::pin!(read(generation, stream, &events));
    tokio::select! {
        (code, reason) = &mut reading => {
            drop(events.send((generation, SocketEvent::Closed { code, reason })).await);
        }
        // The other end is heard out, so that it sees a clean close rather than a reset.
        () = write(sink, orders) => {
            if tokio::time::timeout(CLOSING, reading).await.is_err() {
                tracing::debug!("the other end did not close in time");
            }
        }
        // The driver has let go, and what is being written is not taken.
        () = give_up(gone) => {}
    }
}

async fn give_up(gone: oneshot::Receiver<()>) {
    gone.await.unwrap_or_default();
    tokio::time::sleep(2 * CLOSING).await;
}

/// Reads until the end, and tells how it ended. The end of reading is the end of the socket.
async fn read(
    generation: u32,
    mut stream: SplitStream<Stream>,
    events: &mpsc::Sender<(u32, SocketEvent)>,
) -> (u16, String) {
    while let Some(message) = stream.next().await {
        let event = match message {
            Ok(Message::Text(text)) => match incoming::read(&text) {
                Ok((incoming, envelope)) => SocketEvent::Received(incoming, envelope),
                Err(error) => SocketEvent::Invalid(error.to_string()),
            },
            Ok(Message::Binary(_)) => SocketEvent::Invalid(String::from("a binary frame")),
            // tungstenite answers pings itself; both are signs of life that the engine need not see.
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => continue,
            Ok(Message::Close(Some(frame))) => return (frame.code.into(), String::from(frame.reason.as_str())),
            Ok(Message::Close(None)) => return (1_005, String::new()),
            Err(Error::ConnectionClosed) => break,
            Err(error) => return (1_006, error.to_string()),
        };
        if events.send((generation, event)).await.is_err() {
            break;
        }
    }
    (1_006, String::new())
}

/// Writes until it is told to close. A failure to write shows in the reading.
async fn write(mut sink: SplitSink<Stream, Message>, mut orders: mpsc::Receiver<Order>) {
    while let Some(order) = orders.recv().await {
        match order {
            Order::Send(text) => {
                if let Err(error) = sink.send(Message::text(&*text)).await {
                    tracing::debug!(%error, "could not write");
                }
            }
            Order::Close(code) => {
                let frame = CloseFrame { code: code.into(), reason: "".into() };
                let close = sink.send(Message::Close(Some(frame)));
                if tokio::time::timeout(CLOSING, close).await.is_err() {
                    tracing::debug!("the close frame was not taken in time");
                }
                return;
            }
        }
    }
}
