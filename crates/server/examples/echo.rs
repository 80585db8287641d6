//! A WebSocket echo service on the gateway's own handshake, framing and compression, for conformance suites.
//!
//! It sends back what it is sent, binary messages too, up to 16 MiB, and compresses every message with the window that
//! the peer asked for. The product's own choices (text alone, smaller limits, small messages as they are) are not here.
//! A suite sends frames that nobody else would, one connection at a time, so a thread for each does.
//!
//! Prints `ws://ADDRESS` on a line of its own, and runs until it is killed.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};

use cossistant_server::gateway::deflate::{DeflateParams, Deflater, negotiate};
use cossistant_server::gateway::frame::{
    BinaryMessages, Decoded, Decoder, DecoderConfig, Opcode, Scratch, close_frame, close_reply, compressed_frame,
    encode_frame, pong_frame,
};
use cossistant_server::gateway::handshake::accept_key;

const MAX_MESSAGE_BYTES: u32 = 16 * 1024 * 1024;
/// The suites cut messages of a few hundred KiB into single bytes.
const MAX_FRAGMENTS: u32 = u32::MAX;
const READ_BYTES: usize = 64 * 1024;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is a command-line program")]
fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("ws://{}", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = stream?;
        std::thread::spawn(move || {
            // A peer that hangs up in the middle is part of the suites.
            if let Err(error) = serve(stream) {
                eprintln!("a connection ended: {error}");
            }
        });
    }
    Ok(())
}

fn serve(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(READ_BYTES, stream.try_clone()?);
    let deflate = open(&mut reader, &stream)?;
    let mut connection = Connection {
        deflater: deflate.and_then(|params| Deflater::with_window_bits(params.server_window_bits())),
        stream,
    };
    let mut decoder = Decoder::new(DecoderConfig {
        max_message_bytes: MAX_MESSAGE_BYTES,
        max_fragments: MAX_FRAGMENTS,
        binary: BinaryMessages::Accept,
        deflate: deflate.is_some(),
        ..DecoderConfig::default()
    });
    let mut scratch = Scratch::default();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        let mut bytes = &mut buffer[..count];
        while !bytes.is_empty() {
            let taken = match decoder.decode(bytes, &mut scratch) {
                Ok((taken, None)) => taken,
                Ok((taken, Some(decoded))) => {
                    if connection.answer(&decoded)?.is_over() {
                        return connection.close();
                    }
                    taken
                }
                Err(error) => {
                    connection.stream.write_all(&close_frame(error.close_code(), error.reason()))?;
                    return connection.close();
                }
            };
            bytes = &mut bytes[taken..];
        }
    }
}

/// Answers the opening handshake; what was agreed on compression.
fn open(reader: &mut impl io::BufRead, mut stream: &TcpStream) -> io::Result<Option<DeflateParams>> {
    let mut headers: HashMap<String, Vec<String>> = HashMap::new();
    for line in reader.lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.entry(name.to_ascii_lowercase()).or_default().push(value.trim().to_owned());
        }
    }
    let values = |name: &str| headers.get(name).into_iter().flatten().map(String::as_str);
    let key = values("sec-websocket-key").next().unwrap_or_default();
    let deflate = negotiate(values("sec-websocket-extensions"));
    let extensions = deflate.map(|params| format!("Sec-WebSocket-Extensions: {params}\r\n")).unwrap_or_default();
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n{extensions}\r\n",
        accept_key(key)
    );
    stream.write_all(answer.as_bytes())?;
    Ok(deflate)
}

/// Whether more is to come.
#[derive(PartialEq, Eq)]
enum Next {
    Read,
    Over,
}

impl Next {
    fn is_over(&self) -> bool {
        *self == Self::Over
    }
}

struct Connection {
    /// `None` also where the peer asked for a window that is too small to compress with.
    deflater: Option<Deflater>,
    stream: TcpStream,
}

impl Connection {
    fn answer(&mut self, decoded: &Decoded<'_>) -> io::Result<Next> {
        match decoded {
            Decoded::Text(text) => self.echo(Opcode::Text, text.as_bytes())?,
            Decoded::Binary(bytes) => self.echo(Opcode::Binary, bytes)?,
            Decoded::Ping(payload) => self.stream.write_all(&pong_frame(payload))?,
            Decoded::Pong(_) => {}
            Decoded::Close { code, .. } => {
                self.stream.write_all(&close_reply(*code))?;
                return Ok(Next::Over);
            }
        }
        Ok(Next::Read)
    }

    fn echo(&mut self, opcode: Opcode, payload: &[u8]) -> io::Result<()> {
        match &mut self.deflater {
            Some(deflater) => self.stream.write_all(&compressed_frame(opcode, payload, deflater)),
            None => {
                let mut frame = Vec::with_capacity(payload.len() + 10);
                encode_frame(opcode, payload, &mut frame);
                self.stream.write_all(&frame)
            }
        }
    }

    /// Ends the connection, once the peer has read what it was sent.
    fn close(self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)?;
        io::copy(&mut &self.stream, &mut io::sink()).map(drop)
    }
}
