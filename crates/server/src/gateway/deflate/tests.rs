//! Offers, and messages that are whole, cut off, hostile or not DEFLATE at all.

use super::*;

const LIMIT: usize = 64 * 1024;

fn answer(headers: &[&str]) -> Option<String> {
    negotiate(headers.iter().copied()).map(|params| params.to_string())
}

const PLAIN: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

#[test]
fn acceptable_offers() {
    for offer in [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=8",
        "permessage-deflate;client_max_window_bits=\"15\"",
        "permessage-deflate; server_no_context_takeover",
        "permessage-deflate ; client_no_context_takeover ; server_no_context_takeover",
        "x-other, permessage-deflate",
        "x-other; a=\"b, permessage-deflate; \\\" c\", permessage-deflate",
        ", ,permessage-deflate,",
        "permessage-deflate; unknown, permessage-deflate",
        "permessage-deflate; server_max_window_bits=7, permessage-deflate; client_max_window_bits",
        "Permessage-Deflate",
    ] {
        assert_eq!(answer(&[offer]).as_deref(), Some(PLAIN), "{offer}");
    }
    assert_eq!(answer(&["x-other", "permessage-deflate"]).as_deref(), Some(PLAIN));
}

#[test]
fn offered_server_windows_are_answered() {
    for bits in 8..=15 {
        for offer in [
            format!("permessage-deflate; server_max_window_bits={bits}"),
            format!("permessage-deflate; server_max_window_bits=\"{bits}\"; client_max_window_bits=9"),
        ] {
            let expected = format!("{PLAIN}; server_max_window_bits={bits}");
            assert_eq!(answer(&[&offer]), Some(expected));
            let params = negotiate([offer.as_str()]).expect("an acceptable offer");
            assert_eq!(params.server_window_bits(), bits);
            assert_eq!(params.takes_shared(), bits == 15);
        }
    }
    let fallback = "permessage-deflate; server_max_window_bits=9; bad, permessage-deflate; \
                    server_max_window_bits=10, permessage-deflate";
    let params = negotiate([fallback]).expect("the second offer");
    assert_eq!(params.server_window_bits(), 10);
}

#[test]
fn offers_that_are_declined() {
    for offer in [
        "",
        ",",
        "x-webkit-deflate-frame",
        "permessage-deflate2",
        "permessage-deflate; unknown",
        "permessage-deflate; unknown=1",
        "permessage-deflate; server_no_context_takeover=true",
        "permessage-deflate; client_no_context_takeover=\"\"",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=010",
        "permessage-deflate; server_max_window_bits=+9",
        "permessage-deflate; server_max_window_bits=\"1\\0\"",
        "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=9",
        "permessage-deflate; Server_No_Context_Takeover",
        "permessage-deflate; server_max_window_bits=\"9",
        "permessage-deflate; =9",
        "permessage-deflate;",
        "permessage-deflate server_no_context_takeover",
        "\"permessage-deflate\"",
        "é, permessage-deflate",
    ] {
        assert_eq!(answer(&[offer]), None, "{offer}");
    }
}

#[test]
fn offers_from_random_characters_never_panic() {
    let pieces = [
        "permessage-deflate",
        ";",
        ",",
        "=",
        "\"",
        " ",
        "\\",
        "9",
        "server_max_window_bits",
        "client_max_window_bits",
        "é",
        "\t",
    ];
    let mut state = 1_usize;
    for _ in 0..20_000 {
        let mut offer = String::new();
        for _ in 0..12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            offer.push_str(pieces[(state >> 33) % pieces.len()]);
        }
        negotiate([offer.as_str()]);
    }
}

#[test]
fn the_examples_of_the_standard_inflate() {
    let mut inflater = Inflater::default();
    let examples: [&[u8]; 5] = [
        // One block; one stored block; a final block with the padding that the standard asks for;
        // two blocks; a final block without that padding.
        &[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00],
        &[0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00],
        &[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00],
        &[0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00],
        &[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00],
    ];
    for example in examples {
        assert_eq!(inflater.inflate(example, LIMIT), Ok(&b"Hello"[..]), "{example:x?}");
    }
    assert_eq!(inflater.inflate(&[0x00], LIMIT), Ok(&b""[..]));
    assert_eq!(inflater.inflate(&[], LIMIT), Ok(&b""[..]));
    assert_eq!(Deflater::new().deflate(b""), [0x00]);
}

#[test]
fn what_is_deflated_inflates_at_every_window() {
    let mut inflater = Inflater::default();
    let text = "{\"type\":\"typing_indicator\",\"n\":123}\n".repeat(2000);
    let mut noise = vec![0_u8; 40_000];
    let mut state = 9_u32;
    for byte in &mut noise {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = (state >> 24) as u8;
    }
    for bits in 9..=15 {
        let mut deflater = Deflater::with_window_bits(bits).expect("a window that exists");
        assert_eq!(deflater.window_bits(), bits);
        for source in [text.as_bytes(), &noise] {
            for length in [0, 1, 2, 255, 256, 4095, 4096, 4097, 8192, 40_000] {
                let message = &source[..length];
                let packed = deflater.deflate(message).to_vec();
                assert_eq!(inflater.inflate(&packed, LIMIT), Ok(message));
                // A message that leaned on another would come out different the second time.
                assert_eq!(deflater.deflate(message), packed);
                let mut narrow = Decompress::new_with_window_bits(false, bits);
                let mut out = Vec::with_capacity(length + 1);
                let whole = [&packed[..], &FLUSH_TAIL].concat();
                narrow.decompress_vec(&whole, &mut out, FlushDecompress::Sync).expect("within the window");
                assert_eq!(out, message);
            }
        }
    }
    assert!(Deflater::with_window_bits(8).is_none());
    assert!(Deflater::with_window_bits(16).is_none());
}

#[test]
fn messages_cut_off_are_invalid() {
    let text = "the quick brown fox jumps over the lazy dog ".repeat(30);
    let packed = Deflater::new().deflate(text.as_bytes()).to_vec();
    let mut inflater = Inflater::default();
    for cut in 1..packed.len() - 1 {
        let result = inflater.inflate(&packed[..cut], LIMIT);
        assert_ne!(result, Ok(text.as_bytes()), "cut at {cut}");
        assert!(result.is_err(), "cut at {cut}");
    }
    // After a failure the next message is whole again.
    assert_eq!(inflater.inflate(&packed, LIMIT), Ok(text.as_bytes()));
}

#[test]
fn the_limit_is_exact() {
    let mut deflater = Deflater::new();
    let mut inflater = Inflater::default();
    for length in [1, 4095, 4096, 4097, LIMIT - 1, LIMIT] {
        let message = vec![b'x'; length];
        let packed = deflater.deflate(&message).to_vec();
        assert_eq!(inflater.inflate(&packed, length), Ok(&message[..]));
        let result = inflater.inflate(&packed, length - 1);
        assert_eq!(result, Err(FrameError::MessageTooLarge));
    }
}

#[test]
fn a_bomb_costs_no_more_than_the_limit() {
    let bomb = Deflater::new().deflate(&vec![0; 100 << 20]).to_vec();
    let mut inflater = Inflater::default();
    assert_eq!(inflater.inflate(&bomb, LIMIT), Err(FrameError::MessageTooLarge));
    assert!(inflater.out.capacity() <= LIMIT + 64);
}

#[test]
fn many_streams_in_one_message_come_to_an_end() {
    // An empty final block, over and over: the most restarts that bytes can ask for.
    let message = [0x03, 0x00].repeat(LIMIT / 2);
    let mut inflater = Inflater::default();
    assert_eq!(inflater.inflate(&message, LIMIT), Ok(&b""[..]));
}

#[test]
fn random_bytes_never_panic() {
    let mut inflater = Inflater::default();
    let mut state = 5_u64;
    for _ in 0..30_000 {
        let mut message = [0; 24];
        for byte in &mut message {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (state >> 56) as u8;
        }
        if let Ok(out) = inflater.inflate(&message, 1000) {
            assert!(out.len() <= 1000);
        }
    }
}

#[test]
fn large_buffers_are_given_back() {
    let big = vec![b'x'; 1 << 20];
    let mut deflater = Deflater::new();
    let packed = deflater.deflate(&big).to_vec();
    let mut inflater = Inflater::default();
    assert_eq!(inflater.inflate(&packed, 2 << 20), Ok(&big[..]));
    assert_eq!(inflater.inflate(&[0], LIMIT), Ok(&b""[..]));
    assert!(inflater.out.capacity() <= KEPT_BYTES);
}
