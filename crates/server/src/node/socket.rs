//! A socket as the HTTP parser has it.
//!
//! A request whose head cannot be read never reaches a handler: the parser answers it with a bare status and closes.
//! That answer is put into the form of all others on its way out. A head that others may read in another way is made
//! one that cannot be read: one with two lengths, of which the parser would go by one and somebody before it by the
//! other, and one with a line that ends without CR, which is no end of a line to everybody.

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
    head: Head,
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
        Self { io: TokioIo::new(stream), refusal: None, head: Head::default(), patience, stalled: None }
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
        self.expect_another(bytes);
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

    /// Behind the answer to a request comes the next head; what is said before it (a status of 100 and so on) leaves
    /// the body, or the frames of a WebSocket, as what comes next.
    fn expect_another(&mut self, written: &[u8]) {
        if written.starts_with(b"HTTP/1.") && written.get(9) != Some(&b'1') {
            self.head = Head::default();
        }
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

/// What has come of a request's head: of what comes first, and of what comes behind an answer. A request that was sent
/// before the one ahead of it was answered is left to the parser, which goes by the chunks and then closes.
#[derive(Debug, Default)]
struct Head {
    /// How the present line begins: as much of it as the longer name has, with its colon.
    line: Vec<u8>,
    /// How it ends so far: as much as the longer of the ends that are looked for.
    end: Vec<u8>,
    has_begun: bool,
    has_length: bool,
    has_encoding: bool,
    is_over: bool,
}

impl Head {
    const LENGTH: &[u8] = b"content-length:";
    const ENCODING: &[u8] = b"transfer-encoding:";
    const VERSION: &[u8] = b" HTTP/1.1\r\n";

    /// Looks at what has come: where the end of a line stands at which the head is to be refused (RFC 9112, 2.2 and
    /// 6.3).
    fn refused_at(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.is_over {
                break;
            }
            at += piece.len();
            let room = Self::ENCODING.len() - self.line.len();
            self.line.extend(piece.iter().take(room));
            self.end.extend(&piece[piece.len().saturating_sub(Self::VERSION.len())..]);
            self.end.drain(..self.end.len().saturating_sub(Self::VERSION.len()));
            if piece.ends_with(b"\n") && self.is_refused_by_line() {
                self.is_over = true;
                return Some(at - 1);
            }
        }
        None
    }

    /// Takes a line that has come to its end.
    fn is_refused_by_line(&mut self) -> bool {
        let begins = |name: &[u8]| self.line.get(..name.len()).is_some_and(|line| line.eq_ignore_ascii_case(name));
        let (is_length, is_encoding) = (begins(Self::LENGTH), begins(Self::ENCODING));
        let is_empty = matches!(self.line.as_slice(), b"\n" | b"\r\n");
        let (is_bare, is_request) = (!self.end.ends_with(b"\r\n"), ends_like_a_request(&self.end));
        self.line.clear();
        self.end.clear();
        if !self.has_begun && (is_empty || !is_request) {
            // Lines before the first count for nothing. What does not begin like a request is none: the parser refuses
            // it, or it is the rest of a body that nobody waited for.
            self.is_over = !is_empty;
            return false;
        }
        self.has_begun = true;
        self.has_length |= is_length;
        self.has_encoding |= is_encoding;
        self.is_over = is_empty;
        is_bare || (self.is_over && self.has_length && self.has_encoding)
    }
}

/// Whether a line ends as the first one of a request.
fn ends_like_a_request(end: &[u8]) -> bool {
    let text = end.strip_suffix(b"\n").unwrap_or(end);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    text.ends_with(b" HTTP/1.1") || text.ends_with(b" HTTP/1.0")
}

impl Read for HttpSocket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if self.head.is_over {
            return Pin::new(&mut self.io).poll_read(cx, into);
        }
        let mut room = [0; 4 * 1024];
        let most = room.len().min(into.remaining());
        let mut read = ReadBuf::new(&mut room[..most]);
        ready!(Pin::new(self.io.inner_mut()).poll_read(cx, &mut read))?;
        if let Some(at) = self.head.refused_at(read.filled()) {
            // No head may have it anywhere, least of all in place of the end of a line.
            read.filled_mut()[at] = 0;
        }
        into.put_slice(read.filled());
        Poll::Ready(Ok(()))
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
            (first, _) => {
                self.expect_another(first.map_or(&[], |first| &**first));
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

    /// Where a head is refused that comes in two reads.
    fn refused(head: &str, cut: usize) -> Option<usize> {
        let (first, second) = head.as_bytes().split_at(cut);
        let mut looked_at = Head::default();
        looked_at.refused_at(first).or_else(|| looked_at.refused_at(second).map(|at| cut + at))
    }

    #[test]
    fn two_lengths_are_seen_however_a_head_is_cut() {
        let both = "POST / HTTP/1.1\r\nHost: x\r\ncontent-LENGTH: 5\r\nTransfer-Encoding: chunked\r\n\r\n";
        let reversed = "\r\nPOST / HTTP/1.0\r\nTRANSFER-encoding:chunked\r\nContent-Length:5\r\n\r\n";
        for head in [both, reversed] {
            for cut in 0..head.len() {
                assert_eq!(refused(head, cut), Some(head.len() - 1), "cut at {cut}: {head:?}");
            }
        }
        for other in [
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX-Content-Length: 5\r\n\r\n0\r\n\r\nContent-Length: 5\r\n\r\n",
            "GET /?content-length:transfer-encoding: HTTP/1.1\r\nContent-Length\r\nTransfer-Encoding: x\r\n\r\n",
        ] {
            assert_eq!(refused(other, 0), None, "{other:?}");
        }
    }

    #[test]
    fn lines_that_end_without_cr_are_seen_however_a_head_is_cut() {
        for head in [
            "GET /healthz HTTP/1.1\n",
            "\r\nGET / HTTP/1.0\r\nHost: x\n",
            "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\r\nC: d\n",
            "GET / HTTP/1.1\r\nHost: x\r\n\n",
        ] {
            let whole = format!("{head}A: b\r\n\r\n");
            for cut in 0..whole.len() {
                assert_eq!(refused(&whole, cut), Some(head.len() - 1), "cut at {cut}: {whole:?}");
            }
        }
        // What follows a head, what is the end of something before, and what is no request.
        for other in [
            "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n{\n}\n",
            "\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "{\n\"a\": 1\n}\nGET / HTTP/1.1\nHost: x\n\n",
            "GET /\n\n",
        ] {
            for cut in 0..other.len() {
                assert_eq!(refused(other, cut), None, "cut at {cut}: {other:?}");
            }
        }
    }

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
