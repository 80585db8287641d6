//! The families of cases that a conformance suite asks, each cut at every byte.

use super::super::{BinaryMessages, DecoderConfig, FrameError, Role};
use super::*;

#[test]
fn lengths_of_every_form() {
    for length in [0, 1, 125, 126, 127, 128, 0xFFFF, 0x1_0000] {
        let payload = "*".repeat(length);
        let config = DecoderConfig { max_message_bytes: 0x1_0000, ..accepting() };
        let expected = (vec![text(&payload)], None);
        let frame = masked(TEXT, payload.as_bytes());
        assert_eq!(decode_in(config, &frame, []), expected);
        assert_eq!(decode_in(config, &frame, [1]), expected);
        assert_eq!(decode_in(config, &frame, [997]), expected);
        let frame = masked(BINARY, payload.as_bytes());
        let expected = (vec![Owned::Binary(payload.into_bytes())], None);
        assert_eq!(decode_in(config, &frame, []), expected);
    }
}

#[test]
fn a_length_in_a_longer_form_is_taken() {
    for form in [2, 8] {
        let frame = masked_with_length(TEXT, b"hi", 2, form);
        expect_messages(&frame, &[text("hi")]);
    }
}

#[test]
fn the_highest_bit_of_a_length_is_refused() {
    for length in [1 << 63, u64::MAX] {
        let frame = masked_with_length(TEXT, b"", length, 8);
        expect_error(&frame, FrameError::LengthOverflow);
    }
}

#[test]
fn pings_and_pongs() {
    let long = [0xFE; 125];
    let stream = [masked(PING, b""), masked(PONG, b"unasked"), masked(PING, &long), masked(TEXT, b"x")].concat();
    let expected = [Owned::Ping(Vec::new()), Owned::Pong(b"unasked".to_vec()), Owned::Ping(long.to_vec()), text("x")];
    expect_messages(&stream, &expected);
    for first in [PING, PONG, CLOSE] {
        expect_error(&masked(first, &[b'x'; 126]), FrameError::ControlTooLong);
        let padded = masked_with_length(first, b"hi", 2, 2);
        expect_error(&padded, FrameError::ControlTooLong);
        let part = masked(first & 0x0F, b"hi");
        expect_error(&part, FrameError::FragmentedControl);
    }
}

#[test]
fn reserved_bits_and_opcodes() {
    for rsv in [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70] {
        for first in [TEXT, BINARY, PING, PONG, CLOSE] {
            expect_error(&masked(first | rsv, b""), FrameError::ReservedBits);
        }
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        expect_error(&masked(0x80 | opcode, b"x"), FrameError::ReservedOpcode);
        expect_error(&masked(opcode, b""), FrameError::ReservedOpcode);
    }
}

#[test]
fn a_fault_shows_with_the_byte_that_has_it() {
    assert_eq!(decode_in(accepting(), &[0xF1], []).1, Some(FrameError::ReservedBits));
    assert_eq!(decode_in(accepting(), &[TEXT, 5], []).1, Some(FrameError::NotMasked));
    let mut claim = masked_with_length(TEXT, b"", 1 << 40, 8);
    claim.truncate(10);
    assert_eq!(decode_in(accepting(), &claim, []).1, Some(FrameError::MessageTooLarge));
}

#[test]
fn what_came_before_a_fault_is_decoded() {
    let stream = [masked(TEXT, b"good"), masked(0x83, b"bad"), masked(TEXT, b"x")].concat();
    assert_eq!(decode(accepting(), &stream), (vec![text("good")], Some(FrameError::ReservedOpcode)));
}

#[test]
fn masks_belong_to_clients() {
    let plain = [TEXT, 2, b'h', b'i'];
    expect_error(&plain, FrameError::NotMasked);
    let client = DecoderConfig { role: Role::Client, ..accepting() };
    assert_eq!(decode(client, &plain), (vec![text("hi")], None));
    assert_eq!(decode(client, &masked(TEXT, b"hi")), (Vec::new(), Some(FrameError::Masked)));
}

#[test]
fn binary_is_refused_unless_it_is_wanted() {
    let refusing = DecoderConfig { binary: BinaryMessages::Refuse, ..DecoderConfig::default() };
    for first in [BINARY, BINARY_PART] {
        assert_eq!(decode(refusing, &masked(first, b"x")), (Vec::new(), Some(FrameError::Binary)));
    }
    expect_messages(&masked(BINARY, &[0xFF]), &[Owned::Binary(vec![0xFF])]);
}

#[test]
fn fragments_become_one_message() {
    let stream = [
        masked(TEXT_PART, b"one "),
        masked(PART, b""),
        masked(PING, b"between"),
        masked(PART, b"two "),
        masked(PONG, b""),
        masked(LAST_PART, b"three"),
        masked(BINARY_PART, b""),
        masked(LAST_PART, b""),
        masked(TEXT_PART, b""),
        masked(LAST_PART, b"last"),
    ]
    .concat();
    let expected = [
        Owned::Ping(b"between".to_vec()),
        Owned::Pong(Vec::new()),
        text("one two three"),
        Owned::Binary(Vec::new()),
        text("last"),
    ];
    expect_messages(&stream, &expected);
}

#[test]
fn fragments_out_of_place() {
    for first in [PART, LAST_PART] {
        let stream = [masked(first, b"x"), masked(TEXT, b"y")].concat();
        expect_error(&stream, FrameError::UnexpectedContinuation);
    }
    for first in [TEXT, TEXT_PART, BINARY, BINARY_PART] {
        let stream = [masked(TEXT_PART, b"x"), masked(first, b"y")].concat();
        expect_error(&stream, FrameError::ExpectedContinuation);
    }
    let ended = [masked(TEXT_PART, b"a"), masked(LAST_PART, b"b"), masked(LAST_PART, b"c")].concat();
    assert_eq!(decode(accepting(), &ended), (vec![text("ab")], Some(FrameError::UnexpectedContinuation)));
}

#[test]
fn a_close_inside_a_message_ends_all() {
    let stream = [
        masked(TEXT_PART, b"x"),
        masked(CLOSE, &1000_u16.to_be_bytes()),
        masked(LAST_PART, b"y"),
        masked(0xFF, b"nonsense"),
    ]
    .concat();
    expect_messages(&stream, &[Owned::Close(Some(1000), String::new())]);
}

#[test]
fn close_payloads() {
    expect_messages(&masked(CLOSE, b""), &[Owned::Close(None, String::new())]);
    expect_error(&masked(CLOSE, &[3]), FrameError::ClosePayload);
    let longest = "*".repeat(123);
    let payload = [&1000_u16.to_be_bytes(), longest.as_bytes()].concat();
    expect_messages(&masked(CLOSE, &payload), &[Owned::Close(Some(1000), longest)]);
    let invalid = [&1000_u16.to_be_bytes()[..], &[0xCE, 0xBA, 0xED, 0xA0, 0x80]].concat();
    expect_error(&masked(CLOSE, &invalid), FrameError::InvalidUtf8);
    expect_error(&masked(CLOSE, &[3, 0xE8, 0xC3]), FrameError::InvalidUtf8);
}

#[test]
fn close_codes() {
    for code in 0..=u16::MAX {
        let is_allowed = match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => true,
            0..1000 | 1004..=1006 | 1015..3000 | 5000.. => false,
        };
        let expected = if is_allowed {
            (vec![Owned::Close(Some(code), String::new())], None)
        } else {
            (Vec::new(), Some(FrameError::CloseCode))
        };
        let frame = masked(CLOSE, &code.to_be_bytes());
        assert_eq!(decode_in(accepting(), &frame, []), expected, "{code}");
    }
}

#[test]
fn nothing_is_decoded_after_the_end() {
    let mut decoder = Decoder::new(accepting());
    let mut scratch = Scratch::default();
    assert!(decoder.decode(&mut masked(0x83, b""), &mut scratch).is_err());
    let mut frame = masked(TEXT, b"late");
    let length = frame.len();
    assert_eq!(decoder.decode(&mut frame, &mut scratch), Ok((length, None)));
}

const VALID: [&str; 8] = [
    "",
    "Hello-µ@ßöäüàá-UTF-8!!",
    "κόσμε",
    "\u{0}\u{7F}\u{80}\u{7FF}\u{800}\u{FFFF}",
    "\u{10000}\u{10FFFF}",
    "\u{D7FF}\u{E000}\u{FFFD}\u{FEFF}",
    "e\u{301}👩‍👩‍👧",
    "\u{FDD0}\u{1FFFE}\u{FFFE}",
];

const INVALID: [&[u8]; 16] = [
    b"\x80",
    b"\xBF\xBF",
    b"\xC0\xAF",
    b"\xC1\xBF",
    b"\xE0\x80\xAF",
    b"\xE0\x9F\xBF",
    b"\xF0\x80\x80\xAF",
    b"\xF0\x8F\xBF\xBF",
    b"\xED\xA0\x80",
    b"\xED\xAF\xBF\xED\xBF\xBF",
    b"\xF4\x90\x80\x80",
    b"\xF8\x88\x80\x80\x80",
    b"\xFC\x84\x80\x80\x80\x80",
    b"\xFE",
    b"\xFF",
    b"\xC3\x28",
];

#[test]
fn utf8_in_one_frame_and_in_fragments_of_every_size() {
    for valid in VALID {
        expect_messages(&masked(TEXT, valid.as_bytes()), &[text(valid)]);
        for cut in 0..=valid.len() {
            let (first, last) = valid.as_bytes().split_at(cut);
            let stream = [masked(TEXT_PART, first), masked(LAST_PART, last)].concat();
            expect_messages(&stream, &[text(valid)]);
        }
    }
    for invalid in INVALID {
        let payload = [b"ok \xCE\xBA", invalid, b" tail"].concat();
        expect_error(&masked(TEXT, &payload), FrameError::InvalidUtf8);
        for cut in 0..=payload.len() {
            let (first, last) = payload.split_at(cut);
            let stream = [masked(TEXT_PART, first), masked(LAST_PART, last)].concat();
            expect_error(&stream, FrameError::InvalidUtf8);
        }
    }
}

#[test]
fn text_that_stops_within_a_character() {
    for cut in [&b"\xC3"[..], b"\xE1\xBD", b"\xF0\x9F\x98"] {
        expect_error(&masked(TEXT, cut), FrameError::InvalidUtf8);
        let stream = [masked(TEXT_PART, cut), masked(LAST_PART, b"")].concat();
        expect_error(&stream, FrameError::InvalidUtf8);
    }
}

#[test]
fn invalid_text_is_refused_before_its_frame_or_message_ends() {
    let start = b"\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5\xF4";
    let whole = [&start[..], b"\x90\x80\x80edited"].concat();
    let frame = masked(TEXT, &whole);
    let shown = frame.len() - whole.len() + start.len();
    assert_eq!(decode_in(accepting(), &frame[..shown], []).1, None);
    let error = Some(FrameError::InvalidUtf8);
    assert_eq!(decode_in(accepting(), &frame[..=shown], []).1, error);
    assert_eq!(decode_in(accepting(), &frame[..=shown], [shown, 1]).1, error);

    let parts = [masked(TEXT_PART, start), masked(PART, b"\x90")].concat();
    assert_eq!(decode_in(accepting(), &parts, []).1, error);
}
