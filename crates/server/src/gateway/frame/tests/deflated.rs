//! Compressed messages inside frames.

use super::super::super::deflate::Deflater;
use super::super::{DecoderConfig, FrameError, Opcode, compressed_frame, compressed_text_frame};
use super::*;

fn deflating() -> DecoderConfig {
    DecoderConfig { deflate: true, ..accepting() }
}

#[test]
fn compressed_and_plain_messages_mix() {
    let mut deflater = Deflater::new();
    let long = "{\"type\":\"new_message\"}".repeat(40);
    let packed = deflater.deflate(long.as_bytes()).to_vec();
    assert!(packed.len() < 100);
    let (first, last) = packed.split_at(packed.len() / 2);
    let stream = [
        masked(TEXT | RSV1, &packed),
        masked(TEXT, b"plain"),
        masked(TEXT_PART | RSV1, first),
        masked(PING, b""),
        masked(PART, b""),
        masked(LAST_PART, last),
        masked(BINARY | RSV1, &packed),
        masked(TEXT | RSV1, &[0]),
    ]
    .concat();
    let expected = vec![
        text(&long),
        text("plain"),
        Owned::Ping(Vec::new()),
        text(&long),
        Owned::Binary(long.into_bytes()),
        text(""),
    ];
    assert_eq!(decode(deflating(), &stream), (expected, None));
}

#[test]
fn our_own_compressed_frames_are_understood() {
    let mut deflater = Deflater::new();
    let client = DecoderConfig { role: super::super::Role::Client, ..deflating() };
    for length in [0, 1, 100, 255, 4096, 50_000] {
        let payload = "abc, ".repeat(length / 5 + 1)[..length].to_owned();
        let frame = compressed_text_frame(&payload, &mut deflater);
        assert_eq!(read_frames(&frame).len(), 1);
        assert_eq!(frame[0], TEXT | RSV1);
        assert_eq!(decode(client, &frame), (vec![text(&payload)], None));
        let frame = compressed_frame(Opcode::Binary, payload.as_bytes(), &mut deflater);
        let expected = vec![Owned::Binary(payload.into_bytes())];
        assert_eq!(decode(client, &frame), (expected, None));
    }
}

#[test]
fn the_compression_bit_stands_on_first_frames_alone() {
    for first in [PING, PONG, CLOSE] {
        let frame = masked(first | RSV1, b"");
        let expected = (Vec::new(), Some(FrameError::ReservedBits));
        assert_eq!(decode(deflating(), &frame), expected);
    }
    for start in [TEXT_PART, TEXT_PART | RSV1] {
        let stream = [masked(start, b"x"), masked(LAST_PART | RSV1, b"x")].concat();
        let expected = (Vec::new(), Some(FrameError::ReservedBits));
        assert_eq!(decode(deflating(), &stream), expected);
    }
    for rsv in [0x20, 0x10] {
        let frame = masked(TEXT | rsv, b"");
        let expected = (Vec::new(), Some(FrameError::ReservedBits));
        assert_eq!(decode(deflating(), &frame), expected);
    }
}

#[test]
fn invalid_contents_are_refused() {
    let garbage = masked(TEXT | RSV1, &[0xFF; 20]);
    let expected = (Vec::new(), Some(FrameError::InvalidDeflate));
    assert_eq!(decode(deflating(), &garbage), expected);

    let packed = Deflater::new().deflate(b"caf\xE9").to_vec();
    let frame = masked(TEXT | RSV1, &packed);
    let expected = (Vec::new(), Some(FrameError::InvalidUtf8));
    assert_eq!(decode(deflating(), &frame), expected);
}

#[test]
fn the_limit_counts_inflated_bytes() {
    let mut deflater = Deflater::new();
    let limit = deflating().max_message_bytes as usize;
    let fits = "x".repeat(limit);
    let frame = masked(TEXT | RSV1, deflater.deflate(fits.as_bytes()));
    assert_eq!(decode(deflating(), &frame), (vec![text(&fits)], None));
    let above = "x".repeat(limit + 1);
    let frame = masked(TEXT | RSV1, deflater.deflate(above.as_bytes()));
    let refused = (Vec::new(), Some(FrameError::MessageTooLarge));
    assert_eq!(decode(deflating(), &frame), refused);

    let bomb = deflater.deflate(&vec![0; 50_000_000]).to_vec();
    let frame = masked(BINARY | RSV1, &bomb[..bomb.len().min(limit)]);
    assert_eq!(decode_in(deflating(), &frame, []), refused);

    let noise = Random::new(3).bytes(limit);
    let frame = masked(BINARY | RSV1, deflater.deflate(&noise));
    let expected = (vec![Owned::Binary(noise)], None);
    assert_eq!(decode_in(deflating(), &frame, [4096]), expected);

    let claim = masked_with_length(TEXT | RSV1, b"", 2 * limit as u64, 8);
    assert_eq!(decode(deflating(), &claim), refused);
}
