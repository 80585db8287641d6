//! Streams from a seed: nothing panics, and how a stream is cut never matters.

use super::super::super::deflate::Deflater;
use super::super::{DecoderConfig, Role};
use super::*;

fn config(random: &mut Random) -> DecoderConfig {
    DecoderConfig {
        max_message_bytes: 300,
        max_fragments: 5,
        role: if random.below(8) == 0 { Role::Client } else { Role::Server },
        binary: if random.below(4) == 0 { BinaryMessages::Refuse } else { BinaryMessages::Accept },
        deflate: random.below(2) == 0,
    }
}

fn random_cuts(random: &mut Random) -> Vec<usize> {
    (0..400).map(|_| 1 + random.below(40)).collect()
}

fn agree_however_cut(config: DecoderConfig, stream: &[u8], random: &mut Random, seed: u64) {
    let whole = decode_in(config, stream, []);
    assert_eq!(decode_in(config, stream, [1]), whole, "seed {seed}");
    let cuts = random_cuts(random);
    assert_eq!(decode_in(config, stream, cuts), whole, "seed {seed}");
}

#[test]
fn random_bytes_never_panic() {
    for seed in 0..20_000 {
        let mut random = Random::new(seed);
        let config = config(&mut random);
        let length = random.below(60);
        let stream = random.bytes(length);
        agree_however_cut(config, &stream, &mut random, seed);
    }
}

/// Frames that are mostly right, so that faults lie deep in a stream.
fn likely_stream(random: &mut Random, deflater: &mut Deflater) -> Vec<u8> {
    let firsts = [
        TEXT,
        TEXT,
        BINARY,
        TEXT_PART,
        TEXT_PART,
        BINARY_PART,
        PART,
        PART,
        LAST_PART,
        LAST_PART,
        PING,
        PONG,
        TEXT | RSV1,
        TEXT_PART | RSV1,
    ];
    let mut stream = Vec::new();
    for _ in 0..1 + random.below(12) {
        let first = firsts[random.below(firsts.len())];
        let longest = if random.below(4) == 0 { 200 } else { 20 };
        let length = random.below(longest);
        let payload = if random.below(3) == 0 {
            "é€😀x".as_bytes().repeat(20)[..length].to_vec()
        } else {
            vec![b'a'; length]
        };
        if first & RSV1 != 0 {
            stream.extend(masked(first, deflater.deflate(&payload)));
        } else {
            stream.extend(masked(first, &payload));
        }
    }
    if random.below(3) == 0 {
        let place = random.below(stream.len());
        stream[place] ^= 1 << random.below(8);
    }
    stream
}

#[test]
fn likely_streams_decode_the_same_however_cut() {
    let mut deflater = Deflater::new();
    for seed in 0..5_000 {
        let mut random = Random::new(seed);
        let config = config(&mut random);
        let stream = likely_stream(&mut random, &mut deflater);
        agree_however_cut(config, &stream, &mut random, seed);
    }
}

/// Messages with control frames between their fragments, and what must come out.
fn valid_stream(random: &mut Random) -> (Vec<u8>, Vec<Owned>) {
    let mut stream = Vec::new();
    let mut expected = Vec::new();
    for _ in 0..1 + random.below(8) {
        let length = random.below(120);
        let is_text = random.below(2) == 0;
        let payload = if is_text {
            "aé€😀".chars().cycle().take(length / 3).collect::<String>().into_bytes()
        } else {
            random.bytes(length)
        };
        let parts = 1 + random.below(4);
        let mut rest = payload.as_slice();
        for part in 0..parts {
            let is_last = part + 1 == parts;
            let take = if is_last { rest.len() } else { random.below(rest.len() + 1) };
            let (piece, after) = rest.split_at(take);
            rest = after;
            let opcode = match (part, is_text) {
                (0, true) => 1,
                (0, false) => 2,
                _ => 0,
            };
            stream.extend(masked(u8::from(is_last) << 7 | opcode, piece));
            if !is_last && random.below(3) == 0 {
                let ping = random.bytes(5);
                stream.extend(masked(PING, &ping));
                expected.push(Owned::Ping(ping));
            }
        }
        expected.push(match String::from_utf8(payload) {
            Ok(valid) if is_text => Owned::Text(valid),
            Ok(bytes) => Owned::Binary(bytes.into_bytes()),
            Err(error) => Owned::Binary(error.into_bytes()),
        });
    }
    (stream, expected)
}

#[test]
fn valid_streams_come_out_as_the_naive_reader_sees_them() {
    for seed in 0..3_000 {
        let mut random = Random::new(seed);
        let (stream, expected) = valid_stream(&mut random);
        let frames = read_frames(&stream);
        let data: Vec<u8> =
            frames.iter().filter(|frame| frame.first != PING).flat_map(|frame| frame.payload.clone()).collect();
        let decoded = decode_in(accepting(), &stream, random_cuts(&mut random));
        assert_eq!(decoded, (expected.clone(), None), "seed {seed}");
        agree_however_cut(accepting(), &stream, &mut random, seed);
        let seen: Vec<u8> = expected
            .iter()
            .flat_map(|message| match message {
                Owned::Text(text) => text.clone().into_bytes(),
                Owned::Binary(bytes) => bytes.clone(),
                Owned::Ping(_) | Owned::Pong(_) | Owned::Close(..) => Vec::new(),
            })
            .collect();
        assert_eq!(seen, data, "seed {seed}");
    }
}
