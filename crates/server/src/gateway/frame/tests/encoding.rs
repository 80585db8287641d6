//! What we send is what an independent reader sees.

use bytes::BytesMut;

use super::super::{
    Opcode, close_frame, close_reply, encode_frame, encode_masked_frame, ping_frame, pong_frame, text_frame,
};
use super::*;

fn plain(first: u8, payload: &[u8]) -> PlainFrame {
    PlainFrame { first, is_masked: false, payload: payload.to_vec() }
}

#[test]
fn lengths_take_the_shortest_form() {
    for (length, header) in [
        (0, &[0x81, 0][..]),
        (125, &[0x81, 125]),
        (126, &[0x81, 126, 0, 126]),
        (0xFFFF, &[0x81, 126, 0xFF, 0xFF]),
        (0x1_0000, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let payload = "x".repeat(length);
        let frame = text_frame(&payload);
        assert_eq!(&frame[..header.len()], header);
        assert_eq!(read_frames(&frame), [plain(TEXT, payload.as_bytes())]);
    }
}

#[test]
fn frames_of_all_kinds_follow_each_other_in_one_buffer() {
    let mut vec = Vec::new();
    let mut bytes = BytesMut::new();
    let kinds = [
        (Opcode::Text, TEXT),
        (Opcode::Binary, BINARY),
        (Opcode::Ping, PING),
        (Opcode::Pong, PONG),
        (Opcode::Close, CLOSE),
    ];
    for (opcode, _) in kinds {
        encode_frame(opcode, b"pp", &mut vec);
        encode_frame(opcode, b"pp", &mut bytes);
        assert_eq!(Opcode::from_bits(opcode.bits()), Some(opcode));
    }
    assert_eq!(vec, bytes);
    assert_eq!(read_frames(&vec), kinds.map(|(_, first)| plain(first, b"pp")));
}

#[test]
fn control_payloads_are_cut_to_what_may_be_sent() {
    let long = [b'x'; 130];
    assert_eq!(read_frames(&ping_frame(&long)), [plain(PING, &long[..125])]);
    assert_eq!(read_frames(&pong_frame(&long)), [plain(PONG, &long[..125])]);
    assert_eq!(read_frames(&pong_frame(b"")), [plain(PONG, b"")]);
}

#[test]
fn close_reasons_are_cut_between_characters() {
    let reason = format!("{}€uro", "x".repeat(121));
    let expected = [&4401_u16.to_be_bytes()[..], &[b'x'; 121]].concat();
    assert_eq!(read_frames(&close_frame(4401, &reason)), [plain(CLOSE, &expected)]);
    assert_eq!(read_frames(&close_frame(1000, "done")), [plain(CLOSE, b"\x03\xE8done")]);
    assert_eq!(read_frames(&close_reply(None)), [plain(CLOSE, b"")]);
    assert_eq!(read_frames(&close_reply(Some(1001))), [plain(CLOSE, b"\x03\xE9")]);
}

#[test]
fn masked_frames_decode_to_what_was_encoded() {
    let mut random = Random::new(7);
    let mut stream = Vec::new();
    let mut expected = Vec::new();
    for length in [0, 1, 7, 8, 9, 125, 126, 300] {
        let payload = random.bytes(length);
        let mask = [1, 2, 3, length as u8];
        encode_masked_frame(Opcode::Binary, &payload, mask, &mut stream);
        expected.push(Owned::Binary(payload));
    }
    assert!(read_frames(&stream).iter().all(|frame| frame.is_masked));
    expect_messages(&stream, &expected);
}
