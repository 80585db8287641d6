//! Sequences of calls that no driver would make: what comes back is an answer or an error code, and never worse.
//!
//! The functions are the very ones that WebAssembly exports. Natively every access is the standard library's
//! own, so whatever went wrong would be a panic. An instance has one engine; natively a thread is one.

use cossistant_client_wasm::abi;
use cossistant_client_wasm::record::SLOTS;

/// The codes of inputs, with the fields of each: `n` is a number, `g` that of a socket or request, `f` a flag, `o` an
/// outcome, `t` a text, `c` a channel, `e` a server message, `?` that the next one is optional.
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
    "fnnnnnnfnnnnnf",
    "go",
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
/// The codes of server messages.
const MESSAGES: &[&str] = &[
    "?n?n", "?t", "", "?tctnf", "?tct?n", "?tc?t", "?t", "?tt?n", "?n", "?t", "ttn?n", "ttn?n", "ttn?n", "ttn?n",
    "ttn?n", "",
];
/// Symbols: of what is known, of texts that JavaScript keeps, and of requests.
const TEXTS: &[f64] = &[0.0, 4.0, 7.0, 14.0, 27.0, 28.0, 29.0, 1e3, 2_147_483_649.0, 2_684_354_561.0, 3_221_225_473.0];
const NOTHING: f64 = 1.0;
const FALSE: f64 = 2.0;
const OUTCOMES: f64 = 9.0;
const CHANNELS: f64 = 12.0;
const NUMBERS: &[f64] =
    &[0.0, 1.0, 1.0, 2.0, 3.0, 5.0, 1_000.0, 30_000.0, 1e15, 9e15, 0.5, -1.0, f64::NAN, f64::INFINITY, f64::MAX, 1e20];

/// `SplitMix64`.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn roll(&mut self, sides: usize) -> usize {
        (self.next() % sides as u64) as usize
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())]
    }

    /// Mostly small whole numbers, so that records are often right.
    fn number(&mut self) -> f64 {
        if self.roll(12) == 0 { self.pick(NUMBERS) } else { self.roll(2) as f64 }
    }

    fn fields(&mut self, fields: &str, record: &mut Vec<f64>) {
        let mut fields = fields.bytes();
        while let Some(field) = fields.next() {
            match field {
                b'n' => record.push(self.number()),
                b'g' => record.push(self.roll(5) as f64),
                b'f' => record.push(symbol(FALSE + self.roll(2) as f64)),
                b'o' => record.push(symbol(OUTCOMES + self.roll(3) as f64)),
                b't' => record.push(symbol(self.pick(TEXTS))),
                b'c' => record.extend([symbol(CHANNELS + self.roll(2) as f64), symbol(self.pick(TEXTS))]),
                b'?' if self.roll(3) == 0 => {
                    record.push(symbol(NOTHING));
                    fields.next();
                }
                b'?' => {}
                _ => {
                    let code = self.roll(MESSAGES.len());
                    record.push(code as f64);
                    self.fields(MESSAGES[code], record);
                }
            }
        }
    }

    /// An input, more often right than not.
    fn record(&mut self) -> Vec<f64> {
        if self.roll(20) == 0 {
            return (0..self.roll(SLOTS + 1)).map(|_| f64::from_bits(self.next())).collect();
        }
        let code = self.roll(INPUTS.len() + 1);
        let mut record = vec![code as f64];
        self.fields(INPUTS.get(code).copied().unwrap_or(""), &mut record);
        let index = self.roll(record.len());
        match self.roll(12) {
            0 => record[index] = f64::from_bits(record[index].to_bits() ^ (1 << self.roll(64))),
            1 => record[index] = symbol(self.pick(NUMBERS)),
            _ => {}
        }
        record
    }
}

fn symbol(number: f64) -> f64 {
    -1.0 - number
}

/// Writes a record where the module says, as JavaScript does.
#[expect(unsafe_code, reason = "the memory of a module is written from outside")]
fn put(record: &[f64]) {
    assert!(record.len() <= SLOTS);
    // SAFETY: at the place of the record are so many numbers, which nobody else uses in this thread.
    unsafe { core::ptr::copy_nonoverlapping(record.as_ptr(), abi::record(), record.len()) };
}

/// The record that the last call gave.
#[expect(unsafe_code, reason = "the memory of a module is read from outside")]
fn take() -> [f64; SLOTS] {
    // SAFETY: at the place of the record are so many numbers, which nobody else uses in this thread.
    unsafe { abi::record().cast::<[f64; SLOTS]>().read() }
}

/// Polls until there is nothing left; the next wake-up and the number of queued messages. Behind them are the counters.
fn drain() -> (f64, f64) {
    loop {
        assert_eq!(abi::poll(), 1);
        let [code, timeout, queued, counts @ ..] = take();
        assert!((0.0..27.0).contains(&code), "{code}");
        if code == 0.0 {
            assert!(counts[..5].iter().all(|count| *count >= 0.0), "{counts:?}");
            return (timeout, queued);
        }
    }
}

/// The symbols that the engine holds.
fn held() -> Vec<f64> {
    let mut held = Vec::new();
    loop {
        let count = abi::held(held.len() as u32) as usize;
        assert!(count <= SLOTS);
        if count == 0 {
            return held;
        }
        held.extend_from_slice(&take()[..count]);
    }
}

fn config(seed: f64) -> [f64; 15] {
    let (no, yes) = (symbol(FALSE), symbol(FALSE + 1.0));
    let unlimited = f64::INFINITY;
    [
        seed,
        yes,
        1_000.0,
        30_000.0,
        1.5,
        unlimited,
        1.0,
        10_000.0,
        yes,
        100.0,
        86_400_000.0,
        30_000.0,
        10_000.0,
        100.0,
        no,
    ]
}

/// Runs in an instance of its own, which natively is a thread.
fn in_instance<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::spawn(run).join().expect("the instance is sound")
}

#[test]
fn random_calls_are_answered_or_refused() {
    let base: u64 = std::env::var("FUZZ_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mut taken = 0_u64;
    let mut refused = 0_u64;
    for seed in base..base + 300 {
        println!("FUZZ_SEED={seed}");
        let (more_taken, more_refused) = in_instance(move || random_calls(seed));
        taken += more_taken;
        refused += more_refused;
    }
    // It is of no use if hardly anything is taken, or hardly anything refused.
    assert!(taken > refused && refused > 1_000, "{taken} taken, {refused} refused");
}

/// How many inputs were taken, and how many refused.
fn random_calls(seed: u64) -> (u64, u64) {
    let mut dice = Dice(seed);
    put(&config(seed as f64));
    assert_eq!(abi::create(), 1);
    let mut clock = 0.0;
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..400 {
        clock += dice.roll(3_000) as f64;
        let now = if dice.roll(40) == 0 { dice.pick(NUMBERS) } else { clock };
        match dice.roll(30) {
            0 => {
                put(&dice.record());
                assert_eq!(abi::create(), 0, "a second engine");
            }
            1 => assert_eq!(abi::poll(), 1),
            2 => assert!(held().iter().all(|text| *text < 0.0)),
            3 => assert_eq!(abi::held(dice.next() as u32 | 1 << 31), 0),
            _ => {
                put(&dice.record());
                if abi::handle(now) == 0 {
                    refused += 1;
                    continue;
                }
                taken += 1;
                // Whoever does not poll at once gets it with what comes next.
                if dice.roll(8) > 0 {
                    let (timeout, queued) = drain();
                    assert!(timeout == symbol(NOTHING) || timeout >= 0.0, "{timeout}");
                    assert!(queued >= 0.0, "{queued}");
                }
            }
        }
    }
    (taken, refused)
}

#[test]
fn without_an_engine_there_is_nothing() {
    put(&[0.0]);
    assert_eq!((abi::handle(0.0), abi::poll(), abi::held(0)), (0, 0, 0));
    put(&config(f64::from(7)).map(|field| if field == 1.5 { f64::NAN } else { field }));
    assert_eq!(abi::create(), 0);
    put(&config(7.0));
    assert_eq!((abi::create(), abi::create()), (1, 0));
}

#[test]
fn what_cannot_be_is_refused_whole() {
    put(&config(7.0));
    assert_eq!(abi::create(), 1);
    let refused = |record: &[f64], now: f64| {
        put(record);
        assert_eq!(abi::handle(now), 0, "{record:?}");
    };
    refused(&[1.5], 0.0);
    refused(&[24.0], 0.0);
    refused(&[-1.0], 0.0);
    refused(&[f64::NAN], 0.0);
    refused(&[0.0], f64::NAN);
    refused(&[0.0], -1.0);
    // A ping under a number, under no text at all, and under what no symbol can be.
    for text in [5.0, symbol(NOTHING), symbol(FALSE), symbol(0.5), symbol(4_294_967_296.0), f64::NEG_INFINITY] {
        refused(&[23.0, text], 0.0);
    }
    // A channel of another kind, a holder beyond 32 bits, a flag that is a number, an outcome that is none.
    refused(&[17.0, symbol(0.0), symbol(27.0), 1.0], 0.0);
    refused(&[17.0, symbol(CHANNELS), symbol(27.0), 4_294_967_296.0], 0.0);
    refused(&[16.0, 1.0, 3.0, symbol(NOTHING), symbol(CHANNELS), symbol(27.0), symbol(28.0), 1.0, 1.0], 0.0);
    refused(&[11.0, 1.0, symbol(OUTCOMES + 3.0)], 0.0);
    // None of this has happened: the engine still has to connect.
    put(&[0.0]);
    assert_eq!(abi::handle(5.0), 1);
    assert_eq!(drain(), (10_005.0, 0.0));
}

/// What JavaScript may forget: the table of texts is as long as this list, and no hostile server makes it longer.
#[test]
fn the_texts_that_it_holds_have_a_bound() {
    put(&config(7.0));
    assert_eq!(abi::create(), 1);
    let input = |record: &[f64]| {
        put(record);
        assert_eq!(abi::handle(1.0), 1, "{record:?}");
        drain();
    };
    let nothing = symbol(NOTHING);
    input(&[0.0]);
    input(&[12.0, 1.0]);
    input(&[16.0, 1.0, 0.0, 30_000.0, nothing]);
    assert_eq!(held(), []);
    input(&[17.0, symbol(CHANNELS + 1.0), symbol(50.0), 0.0]);
    input(&[16.0, 1.0, 3.0, nothing, symbol(CHANNELS + 1.0), symbol(50.0), symbol(51.0), 0.0, symbol(FALSE)]);
    for place in 1..=5_000 {
        let conversation = symbol(f64::from(100 + place));
        input(&[16.0, 1.0, 10.0, conversation, symbol(50.0), f64::from(place), f64::from(place)]);
    }
    let held = held();
    assert!(held.contains(&symbol(50.0)) && held.contains(&symbol(51.0)) && held.contains(&symbol(5_100.0)));
    assert!((1_024..1_100).contains(&held.len()), "{}", held.len());
}
