//! Why a connection must be failed.

use std::fmt;

/// What the peer did wrong; the connection cannot go on.
///
/// [`close_code`](Self::close_code) and [`reason`](Self::reason) are what the close frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// A reserved bit is set that no negotiated extension gives a meaning here.
    ReservedBits,
    /// An opcode that RFC 6455 reserves.
    ReservedOpcode,
    /// A client sent a frame without a mask.
    NotMasked,
    /// A server sent a frame with a mask.
    Masked,
    /// A control frame without the FIN bit.
    FragmentedControl,
    /// A control frame with more than 125 bytes.
    ControlTooLong,
    /// A 64-bit length with its highest bit set.
    LengthOverflow,
    /// A continuation frame where no message is open.
    UnexpectedContinuation,
    /// A new message before the open one has ended.
    ExpectedContinuation,
    /// A close payload of a single byte.
    ClosePayload,
    /// A close code that may not be sent.
    CloseCode,
    /// A binary message where text alone is spoken.
    Binary,
    /// Text or a close reason that is not UTF-8.
    InvalidUtf8,
    /// A compressed message that is not a DEFLATE stream.
    InvalidDeflate,
    /// More bytes in a message than allowed, after inflation.
    MessageTooLarge,
    /// More frames in a message than allowed.
    TooManyFragments,
}

impl FrameError {
    /// The code for the close frame.
    pub fn close_code(self) -> u16 {
        match self {
            Self::ReservedBits
            | Self::ReservedOpcode
            | Self::NotMasked
            | Self::Masked
            | Self::FragmentedControl
            | Self::ControlTooLong
            | Self::LengthOverflow
            | Self::UnexpectedContinuation
            | Self::ExpectedContinuation
            | Self::ClosePayload
            | Self::CloseCode => 1002,
            Self::Binary => 1003,
            Self::InvalidUtf8 | Self::InvalidDeflate => 1007,
            Self::MessageTooLarge => 1009,
            Self::TooManyFragments => 4400,
        }
    }

    /// The text for the close frame, at most 123 bytes.
    pub fn reason(self) -> &'static str {
        match self {
            Self::ReservedBits => "reserved bit set",
            Self::ReservedOpcode => "reserved opcode",
            Self::NotMasked => "client frame without a mask",
            Self::Masked => "server frame with a mask",
            Self::FragmentedControl => "fragmented control frame",
            Self::ControlTooLong => "control frame above 125 bytes",
            Self::LengthOverflow => "frame length above 2^63",
            Self::UnexpectedContinuation => "continuation without a message",
            Self::ExpectedContinuation => "new message inside a message",
            Self::ClosePayload => "close payload of one byte",
            Self::CloseCode => "close code not allowed",
            Self::Binary => "binary messages are not supported",
            Self::InvalidUtf8 => "invalid UTF-8",
            Self::InvalidDeflate => "invalid compressed data",
            Self::MessageTooLarge => "message too large",
            Self::TooManyFragments => "too many fragments",
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for FrameError {}
