//! The WebSocket of one client of many: small buffers, and no policy.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// How long the way in may take on a machine that has much to do.
const PATIENCE: Duration = Duration::from_secs(10);
/// Thousands of clients share a process.
const BUFFER: usize = 4 * 1024;

/// What comes on it.
#[derive(Debug)]
pub(super) enum News {
    /// A message, and its text.
    Frame(String, Value),
    /// Its end, with the code if there was one.
    End(Option<u16>),
}

#[derive(Debug)]
pub(super) struct Link(WebSocketStream<TcpStream>);

impl Link {
    /// Connects to the endpoint of a node. What refuses it, and what fails, is the same to a client; none in any case.
    pub(super) async fn open(url: &str, token: &str) -> Option<Self> {
        let mut request = url.into_client_request().ok()?;
        let authority = request.uri().authority()?.to_string();
        request.headers_mut().insert("Authorization", HeaderValue::from_str(&format!("Bearer {token}")).ok()?);
        let config = WebSocketConfig::default().read_buffer_size(BUFFER).write_buffer_size(0);
        let way_in = async {
            let stream = TcpStream::connect(&authority).await.ok()?;
            stream.set_nodelay(true).ok()?;
            client_async_with_config(request, stream, Some(config)).await.ok()
        };
        let (socket, _) = tokio::time::timeout(PATIENCE, way_in).await.ok()??;
        Some(Self(socket))
    }

    /// Says something. A line that is down shows in what comes next.
    pub(super) async fn say(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap_or_default();
    }

    /// Waits for what comes next. May be dropped and called again.
    pub(super) async fn next(&mut self) -> News {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => {
                    let text = text.as_str().to_owned();
                    let value = serde_json::from_str(&text).unwrap_or(Value::Null);
                    return News::Frame(text, value);
                }
                Some(Ok(Message::Close(frame))) => return News::End(frame.map(|frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return News::End(None),
            }
        }
    }

    /// Leaves in good order.
    pub(super) async fn close(mut self) {
        self.0.close(None).await.unwrap_or_default();
    }
}
