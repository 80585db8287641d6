//! A socket as the HTTP parser has it.
//!
//! A request whose head cannot be read never reaches a handler: the parser answers it with a bare status and closes.
//! That answer is put into the form of all others on its way out.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use cossistant_protocol::http::PROBLEM_TYPE;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;

use crate::gateway::Upgraded;
use crate::http::{Failure, caution_lines};

/// The bytes of one HTTP connection: as they are, or by TLS.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// The socket for the driver, which watches its sockets by itself.
    pub(super) fn into_upgraded(self) -> io::Result<Upgraded> {
        match self {
            Self::Plain(stream) => Ok(Upgraded::Plain(stream.into_std()?)),
            Self::Tls(stream) => {
                let (stream, session) = stream.into_inner();
                Ok(Upgraded::Tls(stream.into_std()?, Box::new(session)))
            }
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, into),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// A socket that says by a problem document what the parser says by a status alone.
#[derive(Debug)]
pub(super) struct HttpSocket {
    io: TokioIo<Stream>,
    refusal: Option<Refusal>,
    /// For how long the peer may take nothing of what is written.
    patience: Duration,
    /// When that is over, while it takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

/// An answer that is being written in place of the parser's.
#[derive(Debug)]
struct Refusal {
    bytes: Vec<u8>,
    written: usize,
    /// The length of what it stands for.
    replaced: usize,
}

impl HttpSocket {
    pub(super) fn new(stream: Stream, patience: Duration) -> Self {
        Self { io: TokioIo::new(stream), refusal: None, patience, stalled: None }
    }

    /// A peer that asks and never reads would hold its socket for ever.
    fn unless_stalled<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        stalled.as_mut().poll(cx).map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the peer reads nothing")))
    }

    fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { io, refusal: under_way, .. } = self;
        if under_way.is_none() {
            *under_way = refusal(bytes);
        }
        let Some(refusal) = under_way else { return Pin::new(io).poll_write(cx, bytes) };
        while refusal.written < refusal.bytes.len() {
            let written = ready!(Pin::new(&mut *io).poll_write(cx, &refusal.bytes[refusal.written..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            refusal.written += written;
        }
        let replaced = refusal.replaced;
        *under_way = None;
        Poll::Ready(Ok(replaced))
    }

    /// The socket, once no HTTP is spoken on it any more.
    pub(super) fn into_inner(self) -> Stream {
        self.io.into_inner()
    }
}

/// The answer in place of the parser's own, if this is one: a whole head that announces no body and names no type,
/// of a status that no handler gives in that form. No body holds the end of a line as heads have it.
fn refusal(head: &[u8]) -> Option<Refusal> {
    const NO_BODY: &str = "content-length: 0\r\n";
    let text =
        std::str::from_utf8(head).ok().filter(|text| text.starts_with("HTTP/1.") && text.ends_with("\r\n\r\n"))?;
    let failure = match text.split(' ').nth(1)? {
        "400" => Failure::unreadable(),
        "414" => Failure::target_too_long(),
        "431" => Failure::head_too_large(),
        _ => return None,
    };
    if !text.contains(NO_BODY) || text.contains("content-type:") {
        return None;
    }
    let body = failure.into_document();
    let fields = format!("content-type: {PROBLEM_TYPE}\r\ncontent-length: {}\r\n{}", body.len(), caution_lines());
    let mut bytes = text.replacen(NO_BODY, &fields, 1).into_bytes();
    bytes.extend(body);
    Some(Refusal { bytes, written: 0, replaced: head.len() })
}

/// Tells a peer for which there is no room why, as far as that can be said at once.
pub(super) fn turn_away(stream: &TcpStream, failure: Failure) {
    let (status, retry_after) = (failure.status(), failure.retry_after_seconds());
    let body = failure.into_document();
    let head = format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\nretry-after: {retry_after}\r\ncontent-type: {PROBLEM_TYPE}\r\n\
         content-length: {}\r\n{}\r\n",
        body.len(),
        caution_lines()
    );
    // A new socket has room for it; if not, the end itself says enough.
    if let Err(error) = SockRef::from(stream).send(&[head.as_bytes(), &body].concat()) {
        tracing::debug!(%error, "a peer was turned away without a word");
    }
}

impl Read for HttpSocket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, into)
    }
}

impl Write for HttpSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.write(cx, bytes);
        self.unless_stalled(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // What the parser says by itself has no body, so it is alone.
        let mut filled = slices.iter().filter(|slice| !slice.is_empty());
        match (filled.next(), filled.next()) {
            (Some(only), None) => self.poll_write(cx, only),
            _ => {
                let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
                self.unless_stalled(cx, written)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // By TLS a write is taken before the peer takes it.
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.unless_stalled(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.io).poll_shutdown(cx);
        self.unless_stalled(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_parsers_own_answers_are_replaced() {
        let own =
            "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        let replaced = refusal(own.as_bytes()).expect("it is one");
        assert_eq!(replaced.replaced, own.len());
        let text = String::from_utf8(replaced.bytes).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(
            head.starts_with("HTTP/1.1 431 ") && head.contains("connection: close\r\n") && head.contains("date: x")
        );
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
        for other in [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\ncontent-length: 7\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n",
            "{\"text\":\"HTTP/1.1 400 \"}",
            "",
        ] {
            assert!(refusal(other.as_bytes()).is_none(), "{other:?}");
        }
    }
}
