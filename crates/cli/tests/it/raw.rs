//! A WebSocket frame by frame.

use base64::Engine as _;
use cossistant_testkit::unique;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{PATIENCE, Stage};

/// A socket that writes frames by hand, for what no client library does.
pub(crate) struct RawSocket {
    pub(crate) stream: TcpStream,
    /// The answer to the handshake, in lower case.
    pub(crate) head: String,
}

impl RawSocket {
    pub(crate) async fn connect(stage: &Stage, extensions: &str) -> Self {
        Self::connect_and_send(stage, extensions, &[]).await
    }

    /// Sends bytes right behind the request, before it is answered.
    pub(crate) async fn connect_and_send(stage: &Stage, extensions: &str, behind: &[u8]) -> Self {
        Self::open(stage, extensions, behind, false).await
    }

    /// Shows no credentials, and says nothing yet.
    pub(crate) async fn connect_as_nobody(stage: &Stage) -> Self {
        Self::open(stage, "", &[], true).await
    }

    async fn open(stage: &Stage, extensions: &str, behind: &[u8], is_nobody: bool) -> Self {
        let address = stage.url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let mut stream = TcpStream::connect(&address).await.expect("the server listens");
        let key = base64::engine::general_purpose::STANDARD.encode(b"0123456789abcdef");
        let authorization = if is_nobody {
            String::new()
        } else {
            format!("Authorization: Bearer {}\r\n", stage.user_token(&unique("u")))
        };
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: {key}\r\n{authorization}Sec-WebSocket-Extensions: {extensions}\r\n\r\n"
        );
        let all = [request.as_bytes(), behind].concat();
        stream.write_all(&all).await.expect("the server reads");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(
                tokio::time::timeout(PATIENCE, stream.read_u8()).await.expect("an answer in time").expect("an answer"),
            );
        }
        Self { stream, head: String::from_utf8_lossy(&head).to_lowercase() }
    }

    /// A masked frame; the mask is zero, so the payload goes as it is.
    pub(crate) async fn send(&mut self, first: u8, payload: &[u8]) {
        let mut frame = vec![first];
        match u16::try_from(payload.len()) {
            Ok(length @ 0..126) => frame.push(0x80 | length.to_be_bytes()[1]),
            Ok(length) => {
                frame.push(0x80 | 126);
                frame.extend(length.to_be_bytes());
            }
            Err(_) => {
                frame.push(0x80 | 127);
                frame.extend((payload.len() as u64).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        self.stream.write_all(&frame).await.expect("the server reads");
    }

    /// The next frame's first byte and payload.
    pub(crate) async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.stream.read_u8().await.ok()?;
        let length = match self.stream.read_u8().await.ok()? {
            126 => u64::from(self.stream.read_u16().await.ok()?),
            127 => self.stream.read_u64().await.ok()?,
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(length).ok()?];
        self.stream.read_exact(&mut payload).await.ok()?;
        Some((first, payload))
    }

    /// The code of the close frame that comes next among the others.
    pub(crate) async fn close_code(&mut self) -> Option<u16> {
        let read = async {
            loop {
                let (first, payload) = self.frame().await?;
                if first & 0x0f == 8 {
                    return Some(u16::from_be_bytes([*payload.first()?, *payload.get(1)?]));
                }
            }
        };
        tokio::time::timeout(PATIENCE, read).await.expect("a close in time")
    }
}
