//! The border of the engine in browsers: records of any numbers are taken or refused, and nothing worse.

use cossistant_client_wasm::abi;
use cossistant_client_wasm::record::SLOTS;

use crate::Target;

/// An input is calls: a byte for which, one for each number that is put into the record.
pub(crate) const TARGET: Target = Target { name: "records", run, seeds, words: &[], max_bytes: 400, change: None };

fn run(input: &[u8]) {
    // An instance has one engine; natively a thread is one.
    let played = std::thread::scope(|scope| scope.spawn(|| play(input)).join());
    if let Err(panic) = played {
        std::panic::resume_unwind(panic);
    }
}

fn play(input: &[u8]) {
    let mut rest = input.iter().copied();
    while let Some(call) = rest.next() {
        // The high bits say how many numbers follow.
        let numbers: Vec<f64> = rest.by_ref().take(usize::from(call >> 3).min(SLOTS)).map(number).collect();
        write(&numbers);
        let done = match call & 7 {
            0 => abi::create(),
            1..=4 => abi::handle(rest.next().map_or(f64::NAN, number)),
            5 => abi::held(rest.next().map_or(0, |byte| u32::from(byte) * 7)),
            _ => abi::poll(),
        };
        assert!(done <= SLOTS as u32, "an answer is yes, no, or a count of a record");
        if call & 7 < 5 && done == 1 {
            drain();
        }
    }
}

/// Takes all outputs; they must end.
fn drain() {
    for _ in 0..10_000 {
        if abi::poll() == 0 || first() == 0.0 {
            return;
        }
    }
    panic!("outputs without an end");
}

/// A number of a byte: small ones, symbols, and those at which something could break.
fn number(byte: u8) -> f64 {
    const ODD: [f64; 16] = [
        1e3,
        3e4,
        0.5,
        -0.5,
        -1.5,
        4_294_967_295.0,
        4_294_967_296.0,
        -4_294_967_297.0,
        9_007_199_254_740_991.0,
        9_007_199_254_740_992.0,
        1e15,
        1e300,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        -0.0,
    ];
    match byte {
        0..120 => byte.into(),
        120..240 => -1.0 - f64::from(byte - 120),
        240.. => ODD[usize::from(byte - 240)],
    }
}

#[expect(unsafe_code, reason = "the border is a place in memory")]
fn write(numbers: &[f64]) {
    let record = abi::record();
    for (at, number) in numbers.iter().enumerate().take(SLOTS) {
        // SAFETY: the record is this thread's, has `SLOTS` numbers, and nobody else holds it between two calls.
        unsafe { record.add(at).write(*number) };
    }
}

#[expect(unsafe_code, reason = "the border is a place in memory")]
fn first() -> f64 {
    // SAFETY: the record is this thread's, and nobody else holds it between two calls.
    unsafe { abi::record().read() }
}

fn seeds() -> Vec<Vec<u8>> {
    const NOTHING: u8 = 121;
    const FALSE: u8 = 122;
    const TRUE: u8 = 123;
    let call =
        |call: u8, numbers: &[u8], behind: &[u8]| [&[call | (numbers.len() as u8) << 3][..], numbers, behind].concat();
    let config = [TRUE, 100, 119, 2, 252, 1, 240, TRUE, 100, 252, 241, 240, 100, FALSE];
    let create = call(0, &[&[5][..], &config].concat(), &[]);
    let connect = call(1, &[0], &[1]);
    let opened = call(1, &[12, 1], &[2]);
    let established = call(1, &[16, 1, 0, NOTHING, NOTHING], &[3]);
    let subscribe = call(1, &[17, 132, 150, 1], &[3]);
    let send = call(1, &[19, 151, 150, 0], &[4]);
    vec![
        vec![],
        create.clone(),
        [&create[..], &connect, &opened, &established].concat(),
        [&create[..], &subscribe, &connect, &opened, &established, &send, &call(5, &[], &[0])].concat(),
        [&create[..], &send, &connect, &call(1, &[15, 1, 119, 150], &[5]), &call(1, &[2], &[241])].concat(),
        [&connect[..], &create, &create, &call(1, &[10], &[1])].concat(),
        [&create[..], &call(1, &[99], &[1]), &call(1, &[0], &[254])].concat(),
        call(6, &[], &[]),
    ]
}
