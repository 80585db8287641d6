//! The bytes of one connection on their way to the system: as they are, or by TLS.
//!
//! Neither form waits: what cannot be done now is `WouldBlock`. A plain socket is the system's alone and costs a
//! branch; a TLS session keeps what it has encrypted until the system takes it, and never more than
//! [`UNSENT_MAX`] bytes of that.

use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};

use mio::net::TcpStream;
use rustls::ServerConnection;

/// The most bytes that a session has encrypted ahead of the system, beside what a frame of TLS adds to them.
const UNSENT_MAX: usize = 16 * 1024;

/// An upgraded socket that the driver is to take over.
pub(crate) enum Upgraded {
    /// A socket that is read and written as it is.
    Plain(std::net::TcpStream),
    /// A socket, and the TLS session on it.
    Tls(std::net::TcpStream, Box<ServerConnection>),
}

/// A socket in use.
pub(super) enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsWire>),
}

pub(super) struct TlsWire {
    stream: TcpStream,
    session: ServerConnection,
    /// Reading has ended behind bytes that were still handed out: by an error, or by the peer's end.
    end: Option<io::Result<()>>,
}

impl Wire {
    /// Takes over a non-blocking socket.
    pub(super) fn new(upgraded: Upgraded) -> Self {
        match upgraded {
            Upgraded::Plain(stream) => Self::Plain(TcpStream::from_std(stream)),
            Upgraded::Tls(stream, mut session) => {
                session.set_buffer_limit(Some(UNSENT_MAX));
                Self::Tls(Box::new(TlsWire { stream: TcpStream::from_std(stream), session: *session, end: None }))
            }
        }
    }

    /// What the system watches.
    pub(super) const fn stream(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(wire) => &mut wire.stream,
        }
    }

    /// Whether there is something to read of which the system does not tell.
    pub(super) const fn has_unread(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(wire) => wire.end.is_some(),
        }
    }

    /// Whether something is to be sent that [`Wire::write`] has taken already.
    pub(super) fn has_unsent(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(wire) => wire.session.wants_write(),
        }
    }

    /// Reads what has come. Less than there is room for means that there is no more for now, unless
    /// [`Wire::has_unread`] says so; 0 is the end.
    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(into),
            Self::Tls(wire) => wire.read(into),
        }
    }

    /// Writes as much as there is room for.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(wire) => wire.write(&[IoSlice::new(bytes)]),
        }
    }

    /// Writes several pieces, as much as there is room for.
    pub(super) fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write_vectored(slices),
            Self::Tls(wire) => wire.write(slices),
        }
    }

    /// Sends what was taken before; `WouldBlock` when some of it is left.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(wire) => wire.flush(),
        }
    }

    /// Tells the peer that nothing follows, as far as the system takes it now.
    pub(super) fn end(&mut self) {
        if let Self::Tls(wire) = self {
            wire.session.send_close_notify();
            // Whoever does not take it has gone, or will know by the end of the socket.
            let _courtesy = wire.flush();
        }
    }
}

impl TlsWire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        if let Some(end) = self.end.take() {
            return end.map(|()| 0);
        }
        while filled < into.len() {
            let more = match self.session.reader().read(&mut into[filled..]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => match self.decrypt() {
                    Ok(true) => continue,
                    Ok(false) => Ok(0),
                    Err(error) => Err(error),
                },
                read => read,
            };
            match more {
                Ok(count) if count > 0 => filled += count,
                // What came before is handed out first.
                Ok(_) if filled > 0 => {
                    self.end = Some(Ok(()));
                    break;
                }
                Err(error) if filled > 0 && error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if filled > 0 && error.kind() != ErrorKind::Interrupted => {
                    self.end = Some(Err(error));
                    break;
                }
                Err(error) if filled > 0 && error.kind() == ErrorKind::Interrupted => {}
                end => return end,
            }
        }
        Ok(filled)
    }

    /// Takes what has come from the system; `false` at its end.
    fn decrypt(&mut self) -> io::Result<bool> {
        if self.session.read_tls(&mut self.stream)? == 0 {
            return Ok(false);
        }
        let judged = self.session.process_new_packets();
        if self.session.wants_write() {
            // An alert, or an answer of the protocol's own. What does not go now goes with the next write.
            let _later = self.flush();
        }
        judged.map(|_| true).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        // Nothing is encrypted ahead while the system takes nothing: what waits belongs into the outbox.
        self.flush()?;
        let taken = self.session.writer().write_vectored(slices)?;
        match self.flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            Ok(()) | Err(_) => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.stream) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
