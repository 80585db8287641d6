//! What a peer can make us keep.

use super::super::{DecoderConfig, FrameError};
use super::*;

fn small() -> DecoderConfig {
    DecoderConfig { max_message_bytes: 1000, max_fragments: 4, ..accepting() }
}

#[test]
fn an_idle_decoder_is_small_and_keeps_nothing() {
    assert!(size_of::<Decoder>() <= 24);
    let mut decoder = Decoder::new(accepting());
    let mut scratch = Scratch::default();
    let mut seen = Vec::new();
    let stream = [masked(TEXT_PART, b"a"), masked(PING, b"b"), masked(LAST_PART, b"c")].concat();
    for (index, byte) in stream.iter().enumerate() {
        let result = decode_piece(&mut decoder, &mut scratch, &[*byte], &mut seen);
        assert_eq!(result, Ok(()));
        let is_last = index + 1 == stream.len();
        assert_eq!(decoder.partial_bytes().is_some(), !is_last);
        assert_eq!(decoder.heap_bytes() == 0, is_last);
    }
    assert_eq!(seen, [Owned::Ping(b"b".to_vec()), text("ac")]);

    for whole in [masked(TEXT, b"in place"), masked(PING, b"")] {
        let mut buffer = whole.clone();
        let decoded = decoder.decode(&mut buffer, &mut scratch);
        assert!(matches!(decoded, Ok((_, Some(_)))));
        assert_eq!(decoder.heap_bytes(), 0);
    }
}

#[test]
fn a_whole_frame_is_borrowed_from_the_input() {
    let mut decoder = Decoder::new(accepting());
    let mut scratch = Scratch::default();
    let mut buffer = masked(TEXT, b"here");
    let range = buffer.as_ptr_range();
    let Ok((_, Some(Decoded::Text(text)))) = decoder.decode(&mut buffer, &mut scratch) else {
        panic!("a text");
    };
    assert!(range.contains(&text.as_ptr()));
}

#[test]
fn memory_follows_what_arrived_and_not_what_a_header_claims() {
    let config = DecoderConfig { max_message_bytes: 16 << 20, ..accepting() };
    let frame = masked_with_length(TEXT, &[b'x'; 100_000], 16 << 20, 8);
    let mut decoder = Decoder::new(config);
    let mut scratch = Scratch::default();
    let mut arrived = 0;
    for piece in frame.chunks(777) {
        assert_eq!(decode_piece(&mut decoder, &mut scratch, piece, &mut Vec::new()), Ok(()));
        arrived += piece.len();
        assert!(decoder.heap_bytes() <= 2 * arrived + 256, "after {arrived}");
    }
}

#[test]
fn a_kept_message_has_no_room_beyond_its_end() {
    let mut decoder = Decoder::new(accepting());
    let mut scratch = Scratch::default();
    let frame = masked(TEXT, &[b'x'; 1000]);
    let kept = &frame[..frame.len() - 1];
    for piece in kept.chunks(600) {
        assert_eq!(decode_piece(&mut decoder, &mut scratch, piece, &mut Vec::new()), Ok(()));
    }
    assert!(decoder.heap_bytes() <= 1000 + 256);
}

#[test]
fn a_message_at_the_limit_passes_and_one_above_is_refused_at_the_header() {
    let fits = "x".repeat(1000);
    let frame = masked(TEXT, fits.as_bytes());
    assert_eq!(decode(small(), &frame), (vec![text(&fits)], None));

    let mut header = masked_with_length(TEXT, b"", 1001, 0);
    header.truncate(4);
    let refused = (Vec::new(), Some(FrameError::MessageTooLarge));
    assert_eq!(decode(small(), &header), refused);
    let huge = masked_with_length(TEXT, b"", u64::MAX >> 1, 8);
    assert_eq!(decode(small(), &huge), refused);
}

#[test]
fn fragments_count_together() {
    let stream =
        [masked(TEXT_PART, &[b'x'; 600]), masked(PING, b"not counted"), masked(LAST_PART, &[b'x'; 400])].concat();
    assert_eq!(decode(small(), &stream).1, None);
    let stream = [masked(TEXT_PART, &[b'x'; 600]), masked(PART, &[b'x'; 401])].concat();
    assert_eq!(decode(small(), &stream).1, Some(FrameError::MessageTooLarge));
}

#[test]
fn endless_fragments_are_refused() {
    for payload in [&b""[..], b"x"] {
        let mut stream = masked(TEXT_PART, payload);
        for _ in 0..2 {
            stream.extend(masked(PART, payload));
        }
        let fits = [stream.clone(), masked(LAST_PART, payload)].concat();
        assert_eq!(decode(small(), &fits), (vec![text(&"x".repeat(4 * payload.len()))], None));
        stream.extend(masked(PART, payload));
        stream.extend(masked(LAST_PART, payload));
        let error = Some(FrameError::TooManyFragments);
        assert_eq!(decode(small(), &stream), (Vec::new(), error));
    }
    assert_eq!(FrameError::TooManyFragments.close_code(), 4400);
}

#[test]
fn a_failed_decoder_gives_its_memory_back() {
    let mut decoder = Decoder::new(accepting());
    let mut scratch = Scratch::default();
    let mut start = masked(TEXT_PART, &[b'x'; 500]);
    assert!(decoder.decode(&mut start, &mut scratch).is_ok());
    assert!(decoder.heap_bytes() > 500);
    assert!(decoder.decode(&mut masked(TEXT, b""), &mut scratch).is_err());
    assert_eq!(decoder.heap_bytes(), 0);
}

#[test]
fn every_error_has_a_code_and_a_reason_that_may_be_sent() {
    let errors = [
        FrameError::ReservedBits,
        FrameError::ReservedOpcode,
        FrameError::NotMasked,
        FrameError::Masked,
        FrameError::FragmentedControl,
        FrameError::ControlTooLong,
        FrameError::LengthOverflow,
        FrameError::UnexpectedContinuation,
        FrameError::ExpectedContinuation,
        FrameError::ClosePayload,
        FrameError::CloseCode,
        FrameError::Binary,
        FrameError::InvalidUtf8,
        FrameError::InvalidDeflate,
        FrameError::MessageTooLarge,
        FrameError::TooManyFragments,
    ];
    for error in errors {
        assert!(matches!(error.close_code(), 1002 | 1003 | 1007 | 1009 | 4400));
        assert!((1..=123).contains(&error.reason().len()));
        assert_eq!(error.to_string(), error.reason());
    }
}
