//! Sequences of calls that no driver would make: what comes back is an answer or an error code, and never worse.
//!
//! The functions are the very ones that WebAssembly exports. Natively every access is the standard library's
//! own, so whatever went wrong would be a panic.

use cossistant_client_wasm::abi::{self, MALFORMED, NO_ROOM, NO_SUCH_ENGINE};

/// The codes of inputs, with the fields of each: `n` is a number, `g` that of a socket or request, `t` a text, `c` a channel, `?` optional.
const INPUTS: &[&str] = &[
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "", // inputs without fields
    "nnnnnnnnnnnnnn",
    "gn",
    "g",
    "g",
    "g",
    "gnt",
    "ge",
    "cn",
    "cn",
    "ttn",
    "t",
    "t",
    "tt",
    "t",
];
/// The codes of server messages, behind the optional id.
const ENVELOPES: &[&str] = &["?n?n", "", "", "ctnn", "ct?n", "c?t", "", "t?n", "?n", "", "ttn?n", "", ""];
const TEXTS: &[&str] = &["", "c-1", "m-1", "m-2", "sub-1", "ping-1", "unavailable", "e", "\u{feff}naïve 漢字 👋🏽"];
const CHANNELS: &[&str] = &["conversation:c-1", "conversation:c-2", "website:w-1", "website:", "neither"];
const NUMBERS: &[f64] =
    &[0.0, 1.0, 1.0, 2.0, 3.0, 5.0, 1_000.0, 30_000.0, 1e15, 9e15, 0.5, -1.0, f64::NAN, f64::INFINITY, f64::MAX, 1e20];

/// `SplitMix64`.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())]
    }

    /// Mostly small whole numbers, so that records are often right.
    fn number(&mut self) -> f64 {
        if self.roll(12) == 0 { self.pick(NUMBERS) } else { self.roll(2) as f64 }
    }

    fn fields(&mut self, fields: &str, record: &mut Vec<u8>) {
        for field in fields.bytes() {
            match field {
                b'n' => number(self.number(), record),
                b'g' => number(self.roll(5) as f64, record),
                b't' => text(self.pick(TEXTS), record),
                b'c' => text(self.pick(CHANNELS), record),
                b'?' => {
                    // The field behind the flag comes even where the flag denies it: then the record is malformed.
                    let has_field = self.roll(10) > 0;
                    number(f64::from(u8::from(has_field)), record);
                }
                _ => {
                    number(0.0, record);
                    let code = self.roll(ENVELOPES.len());
                    number(code as f64, record);
                    self.fields(ENVELOPES[code], record);
                }
            }
        }
    }

    /// An input, more often right than not.
    fn record(&mut self) -> Vec<u8> {
        let mut record = Vec::new();
        if self.roll(20) == 0 {
            (0..self.roll(60)).for_each(|_| record.push(self.roll(256) as u8));
            return record;
        }
        let code = self.roll(INPUTS.len() + 1);
        number(code as f64, &mut record);
        self.fields(INPUTS.get(code).copied().unwrap_or(""), &mut record);
        match self.roll(20) {
            0 => record.truncate(self.roll(record.len() + 1)),
            1 => record.push(0),
            2 => {
                let index = self.roll(record.len());
                record[index] ^= 1 << self.roll(8);
            }
            _ => {}
        }
        record
    }
}

fn number(number: f64, record: &mut Vec<u8>) {
    record.extend_from_slice(&number.to_le_bytes());
}

fn text(text: &str, record: &mut Vec<u8>) {
    record.extend_from_slice(&(text.len() as u32).to_le_bytes());
    record.extend_from_slice(text.as_bytes());
}

/// Writes a record where the module asks for it, as JavaScript does; its length.
#[expect(unsafe_code, reason = "the memory of a module is written from outside")]
fn put(record: &[u8]) -> u32 {
    let room = abi::input(record.len() as u32);
    assert!(!room.is_null());
    // SAFETY: `input` gave room for as many bytes, which is valid until the next call.
    unsafe { core::ptr::copy_nonoverlapping(record.as_ptr(), room, record.len()) };
    record.len() as u32
}

/// The record that the last call gave.
#[expect(unsafe_code, reason = "the memory of a module is read from outside")]
fn take(length: i32) -> Vec<u8> {
    let length = usize::try_from(length).expect("a length, not an error");
    // SAFETY: the last call returned this length for what is there, which is valid until the next call.
    unsafe { core::slice::from_raw_parts(abi::output(), length) }.to_vec()
}

fn config(seed: f64) -> Vec<u8> {
    let mut record = Vec::new();
    for field in [
        seed,
        1.0,
        1_000.0,
        30_000.0,
        1.5,
        f64::INFINITY,
        1.0,
        10_000.0,
        1.0,
        100.0,
        86_400_000.0,
        30_000.0,
        10_000.0,
        100.0,
        0.0,
    ] {
        number(field, &mut record);
    }
    record
}

#[test]
fn random_calls_are_answered_or_refused() {
    let base: u64 = std::env::var("FUZZ_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mut taken = 0_u64;
    let mut refused = 0_u64;
    for seed in base..base + 300 {
        println!("FUZZ_SEED={seed}");
        let mut dice = Dice(seed);
        let mut engines = vec![abi::create(put(&config(seed as f64)))];
        assert!(engines[0] > 0);
        let mut clock = 0.0;
        for _ in 0..400 {
            clock += dice.roll(3_000) as f64;
            let now = if dice.roll(40) == 0 { dice.pick(NUMBERS) } else { clock };
            let engine = if dice.roll(10) == 0 { dice.roll(2_000) as i32 - 3 } else { dice.pick(&engines) };
            match dice.roll(30) {
                0 => {
                    let record = if dice.roll(2) == 0 { config(f64::NAN) } else { dice.record() };
                    let created = abi::create(put(&record));
                    if created > 0 {
                        engines.push(created);
                    }
                }
                1 => abi::free(engine),
                2 => {
                    let length = abi::stats(engine);
                    assert!(length == NO_SUCH_ENGINE || take(length).len() >= 9 * 8);
                }
                3 => {
                    // A length that was never asked for.
                    let length = put(&dice.record());
                    assert_eq!(abi::handle(engine, length + 1 + dice.roll(1 << 30) as u32, now), MALFORMED);
                }
                _ => {
                    let length = put(&dice.record());
                    match abi::handle(engine, length, now) {
                        NO_SUCH_ENGINE => {}
                        MALFORMED => refused += 1,
                        length => {
                            taken += 1;
                            let record = take(length);
                            let wake_at = f64::from_le_bytes(record[..8].try_into().expect("eight bytes"));
                            assert!(wake_at == -1.0 || wake_at >= 0.0, "{wake_at}");
                        }
                    }
                }
            }
        }
        engines.into_iter().for_each(|engine| abi::free(engine));
    }
    // It is of no use if hardly anything is taken, or hardly anything refused.
    assert!(taken > refused && refused > 1_000, "{taken} taken, {refused} refused");
}

#[test]
fn a_freed_engine_is_gone_and_its_number_with_it() {
    let first = abi::create(put(&config(7.0)));
    assert!(first > 0);
    abi::free(first);
    abi::free(first);
    let second = abi::create(put(&config(7.0)));
    assert_ne!(first, second);
    assert_eq!(abi::stats(first), NO_SUCH_ENGINE);
    assert_eq!(abi::handle(first, put(&0.0_f64.to_le_bytes()), 0.0), NO_SUCH_ENGINE);
    assert!(abi::handle(second, put(&0.0_f64.to_le_bytes()), 0.0) > 16);
}

#[test]
fn what_cannot_be_is_refused_whole() {
    let engine = abi::create(put(&config(7.0)));
    let refused = |record: &[u8], now: f64| assert_eq!(abi::handle(engine, put(record), now), MALFORMED, "{record:?}");
    refused(&[], 0.0);
    refused(&1.5_f64.to_le_bytes(), 0.0);
    refused(&24.0_f64.to_le_bytes(), 0.0);
    let connect = 0.0_f64.to_le_bytes();
    refused(&connect, f64::NAN);
    refused(&connect, -1.0);
    let mut behind = connect.to_vec();
    behind.push(0);
    refused(&behind, 0.0);
    let mut broken = Vec::new();
    number(23.0, &mut broken);
    broken.extend_from_slice(&[1, 0, 0, 0, 0xff]);
    refused(&broken, 0.0);
    let mut short = Vec::new();
    number(23.0, &mut short);
    short.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, b'x']);
    refused(&short, 0.0);
    // None of this has happened: the engine still has to connect.
    let length = abi::handle(engine, put(&connect), 5.0);
    assert_eq!(take(length)[..8], 10_005.0_f64.to_le_bytes());
}

#[test]
fn there_is_an_end_to_room() {
    assert!(abi::input(u32::MAX).is_null());
    let mut count = 0;
    let last = loop {
        let engine = abi::create(put(&config(1.0)));
        if engine < 0 {
            break engine;
        }
        count += 1;
    };
    assert_eq!((last, count), (NO_ROOM, 1_024));
}
