//! The two to fourteen bytes before a payload.

use super::decode::DecoderConfig;
use super::{BinaryMessages, FrameError, MAX_CONTROL_BYTES, Opcode, Role};

/// The longest header: two bytes, a 64-bit length and a mask.
pub(super) const MAX_HEADER_BYTES: usize = 14;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2_AND_3: u8 = 0x30;
const MASKED: u8 = 0x80;

/// A header that the rules of the connection allow at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) opcode: Opcode,
    pub(super) is_final: bool,
    pub(super) is_compressed: bool,
    pub(super) mask: Option<[u8; 4]>,
    pub(super) payload_bytes: u64,
}

/// The open message that a frame meets, as far as a header's rules ask.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenMessage {
    pub(super) bytes: usize,
    pub(super) is_compressed: bool,
}

impl Header {
    /// Reads the header at the start of `bytes` and says how long it is.
    ///
    /// `None` means that more bytes are needed. What is wrong is found with the first byte that
    /// shows it, so an error may come before the header is complete.
    pub(super) fn parse(
        bytes: &[u8],
        config: &DecoderConfig,
        open: Option<OpenMessage>,
    ) -> Result<Option<(Self, usize)>, FrameError> {
        let Some(&first) = bytes.first() else {
            return Ok(None);
        };
        let opcode = check_first(first, config, open.is_some())?;
        let Some(&second) = bytes.get(1) else {
            return Ok(None);
        };
        check_second(second, opcode, config.role)?;

        let Some((payload_bytes, length_end)) = read_length(second, bytes)? else {
            return Ok(None);
        };
        let is_compressed = first & RSV1 != 0;
        if !opcode.is_control() {
            let (before, compressed) = match open {
                Some(open) => (open.bytes, open.is_compressed),
                None => (0, is_compressed),
            };
            check_size(before, payload_bytes, compressed, config)?;
        }

        let mut end = length_end;
        let mask = if second & MASKED != 0 {
            let Some(mask) = bytes.get(end..).and_then(<[u8]>::first_chunk) else {
                return Ok(None);
            };
            end += mask.len();
            Some(*mask)
        } else {
            None
        };
        let header = Self { opcode, is_final: first & FIN != 0, is_compressed, mask, payload_bytes };
        Ok(Some((header, end)))
    }
}

fn check_first(first: u8, config: &DecoderConfig, is_open: bool) -> Result<Opcode, FrameError> {
    if first & RSV2_AND_3 != 0 {
        return Err(FrameError::ReservedBits);
    }
    let opcode = Opcode::from_bits(first & 0x0F).ok_or(FrameError::ReservedOpcode)?;
    let begins_message = matches!(opcode, Opcode::Text | Opcode::Binary);
    if first & RSV1 != 0 && !(config.deflate && begins_message) {
        return Err(FrameError::ReservedBits);
    }
    if opcode.is_control() {
        if first & FIN == 0 {
            return Err(FrameError::FragmentedControl);
        }
    } else if begins_message {
        if is_open {
            return Err(FrameError::ExpectedContinuation);
        }
        if opcode == Opcode::Binary && config.binary == BinaryMessages::Refuse {
            return Err(FrameError::Binary);
        }
    } else if !is_open {
        return Err(FrameError::UnexpectedContinuation);
    }
    Ok(opcode)
}

fn check_second(second: u8, opcode: Opcode, role: Role) -> Result<(), FrameError> {
    match (role, second & MASKED != 0) {
        (Role::Server, false) => return Err(FrameError::NotMasked),
        (Role::Client, true) => return Err(FrameError::Masked),
        (Role::Server, true) | (Role::Client, false) => {}
    }
    if opcode.is_control() && usize::from(second & 0x7F) > MAX_CONTROL_BYTES {
        return Err(FrameError::ControlTooLong);
    }
    Ok(())
}

/// The payload's length and the place in the header behind it.
///
/// A length in a longer form than needed is taken: it is a fault of its sender, but it is clear
/// what it means.
fn read_length(second: u8, bytes: &[u8]) -> Result<Option<(u64, usize)>, FrameError> {
    let rest = bytes.get(2..).unwrap_or_default();
    match second & 0x7F {
        126 => Ok(rest.first_chunk().map(|length| (u64::from(u16::from_be_bytes(*length)), 4))),
        127 => {
            if rest.first().is_some_and(|high| high & 0x80 != 0) {
                return Err(FrameError::LengthOverflow);
            }
            Ok(rest.first_chunk().map(|length| (u64::from_be_bytes(*length), 10)))
        }
        short => Ok(Some((u64::from(short), 2))),
    }
}

/// Refuses what could not fit, before anything is kept for it.
///
/// The limit counts inflated bytes, and DEFLATE makes bytes that do not compress a little longer;
/// so a compressed message has an eighth more room here, and its real check is in the inflater.
fn check_size(
    before: usize,
    payload_bytes: u64,
    is_compressed: bool,
    config: &DecoderConfig,
) -> Result<(), FrameError> {
    let mut limit = u64::from(config.max_message_bytes);
    if is_compressed {
        limit += limit / 8 + 64;
    }
    let left = limit.saturating_sub(before as u64);
    if payload_bytes > left {
        return Err(FrameError::MessageTooLarge);
    }
    Ok(())
}
