//! The bytes of one connection on their way to the system: as they are, or by TLS.
//!
//! Neither form waits: what cannot be done now is `WouldBlock`. A plain socket is the system's alone and costs a
//! branch; a TLS session keeps what it has encrypted until the system takes it, and never more than
//! [`UNSENT_MAX`] bytes of that.

use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::net::Shutdown;

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

    /// Says that nothing follows; what the peer still writes can be read.
    pub(super) fn end_writing(&mut self) {
        self.end();
        // It may have gone already.
        let _courtesy = self.stream().shutdown(Shutdown::Write);
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

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream as StdStream};
    use std::sync::Arc;
    use std::thread::JoinHandle;

    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};

    use super::*;

    type Peer = StreamOwned<ClientConnection, StdStream>;

    fn pem(bytes: &[u8]) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(bytes).unwrap()
    }

    /// The server's end of a connection that has shaken hands, and the client's.
    fn pair() -> (Wire, Peer) {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(pem(include_bytes!("../../webhook/send/certificates/authority.pem"))).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let key = include_bytes!("../../webhook/send/certificates/receiver.key");
        let certificate = pem(include_bytes!("../../webhook/send/certificates/receiver.pem"));
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], PrivateKeyDer::from_pem_slice(key).unwrap())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = StdStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        let shaking: JoinHandle<(StdStream, ServerConnection)> = std::thread::spawn(move || {
            let mut session = ServerConnection::new(Arc::new(server)).unwrap();
            while session.is_handshaking() {
                session.complete_io(&mut far).unwrap();
            }
            (far, session)
        });
        let name = ServerName::try_from("localhost").unwrap();
        let mut session = ClientConnection::new(Arc::new(client), name).unwrap();
        while session.is_handshaking() {
            session.complete_io(&mut near).unwrap();
        }
        let (far, server_session) = shaking.join().unwrap();
        far.set_nonblocking(true).unwrap();
        (Wire::new(Upgraded::Tls(far, Box::new(server_session))), StreamOwned::new(session, near))
    }

    /// Reads until something else than bytes comes: the end (`None`), or an error.
    fn read_all(wire: &mut Wire) -> (Vec<u8>, Option<ErrorKind>) {
        let (mut all, mut buffer) = (Vec::new(), [0; 1000]);
        loop {
            match wire.read(&mut buffer) {
                Ok(0) => return (all, None),
                Ok(count) => all.extend_from_slice(&buffer[..count]),
                // The peer goes on writing.
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(error) => return (all, Some(error.kind())),
            }
        }
    }

    #[test]
    fn what_a_session_has_taken_is_kept_until_the_system_takes_it() {
        let (mut wire, mut peer) = pair();
        let piece: Vec<u8> = (0..UNSENT_MAX * 2).map(|at| (at % 251) as u8).collect();
        let mut taken = Vec::new();
        // The peer reads nothing, so there is room no more sooner or later.
        while !wire.has_unsent() {
            let count = wire.write_vectored(&[IoSlice::new(&piece[..100]), IoSlice::new(&piece[100..])]).unwrap();
            assert!((1..=UNSENT_MAX).contains(&count), "{count} bytes are taken at a time");
            taken.extend_from_slice(&piece[..count]);
        }
        assert_eq!(wire.flush().unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(wire.write(&piece).unwrap_err().kind(), ErrorKind::WouldBlock, "nothing more is taken");

        let length = taken.len();
        let reading = std::thread::spawn(move || {
            let mut read = vec![0; length];
            peer.read_exact(&mut read).unwrap();
            let rest = peer.read(&mut [0; 1]).unwrap();
            (read, rest)
        });
        while let Err(error) = wire.flush() {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            std::thread::yield_now();
        }
        assert!(!wire.has_unsent());
        wire.end();
        let (read, rest) = reading.join().unwrap();
        assert!(read == taken && rest == 0, "all of it in order, and the end");
    }

    #[test]
    fn what_came_is_read_before_the_end() {
        let (mut wire, mut peer) = pair();
        assert_eq!(wire.read(&mut [0; 10]).unwrap_err().kind(), ErrorKind::WouldBlock);
        let words: Vec<u8> = (0..100_000_u32).map(|at| (at % 253) as u8).collect();
        let expected = words.clone();
        let writing = std::thread::spawn(move || {
            peer.write_all(&words).unwrap();
            peer.conn.send_close_notify();
            peer.flush().unwrap();
            peer
        });
        assert!(read_all(&mut wire) == (expected, None));
        drop(writing.join().unwrap());
    }

    #[test]
    fn what_is_no_tls_is_an_error_behind_what_was() {
        let (mut wire, mut peer) = pair();
        peer.write_all(b"a word").unwrap();
        peer.flush().unwrap();
        peer.sock.write_all(&[0xff; 64]).unwrap();
        assert_eq!(read_all(&mut wire), (b"a word".to_vec(), Some(ErrorKind::InvalidData)));
    }
}
