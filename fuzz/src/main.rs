//! The program of `cargo xtask fuzz`: a target in libFuzzer, and its inputs from lines to files and back.
//!
//! - `fuzz list` prints the names of the targets.
//! - `fuzz unpack TARGET FOLDER` writes every input that is kept into a file of its own, and the target's words, as
//!   libFuzzer wants them, into `FOLDER.words`.
//! - `fuzz pack TARGET FOLDER` makes the files of a folder the target's corpus.
//! - `fuzz show FILE` prints a file as the line that may be kept.
//!
//! With `COSSISTANT_FUZZ_TARGET` in the environment it is libFuzzer with that target, and all words are libFuzzer's.
#![expect(unsafe_code, reason = "libFuzzer is C++")]

use std::ffi::{CString, c_char, c_int};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::OnceLock;

use cossistant_fuzz::{Dice, TARGETS, Target, corpus};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

/// What this process fuzzes.
static TARGET: OnceLock<&Target> = OnceLock::new();

fuzz_target!(|input: &[u8]| {
    if let Some(target) = TARGET.get() {
        (target.run)(input);
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut dice = Dice::new(seed.into());
    let change = TARGET.get().and_then(|target| target.change).filter(|_| dice.below(2) == 0);
    let Some(change) = change else { return fuzzer_mutate(data, size, max_size) };
    let changed = change(&data[..size], &mut dice);
    if changed.len() > max_size {
        return fuzzer_mutate(data, size, max_size);
    }
    data[..changed.len()].copy_from_slice(&changed);
    changed.len()
});

unsafe extern "C" {
    fn LLVMFuzzerRunDriver(
        argc: *mut c_int,
        argv: *mut *mut *mut c_char,
        callback: unsafe extern "C" fn(*const u8, usize) -> c_int,
    ) -> c_int;
}

unsafe extern "C" fn run_one(data: *const u8, size: usize) -> c_int {
    // SAFETY: libFuzzer gives a place and its length.
    unsafe { libfuzzer_sys::test_input_wrap(data, size) }
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is a command-line program")]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // By the environment, since libFuzzer starts itself anew, to merge and to shrink, with its own words alone.
    let done = match (std::env::var("COSSISTANT_FUZZ_TARGET"), &*words) {
        (Ok(name), options) => find(&name).and_then(|target| fuzz(target, options)),
        (Err(_), ["list"]) => {
            TARGETS.iter().for_each(|target| println!("{}", target.name));
            Ok(())
        }
        (Err(_), ["unpack", name, folder]) => find(name).and_then(|target| unpack(target, Path::new(folder))),
        (Err(_), ["pack", name, folder]) => find(name).and_then(|target| pack(target, Path::new(folder))),
        (Err(_), ["show", file]) => fs::read(file).map(|input| println!("{}", corpus::to_line(&input))),
        _ => Err(io::Error::other("list, unpack, pack or show")),
    };
    if let Err(error) = done {
        eprintln!("{error}");
        std::process::exit(2);
    }
}

fn find(name: &str) -> io::Result<&'static Target> {
    Target::named(name).ok_or_else(|| io::Error::other(format!("there is no target {name}; `list` prints them")))
}

fn unpack(target: &Target, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (at, input) in corpus::all(target)?.into_iter().enumerate() {
        fs::write(folder.join(format!("kept-{at:05}")), input)?;
    }
    let quoted = |word: &&str| {
        let bytes: String = word.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
        format!("\"{bytes}\"\n")
    };
    fs::write(folder.with_extension("words"), target.words.iter().map(quoted).collect::<String>())
}

fn pack(target: &Target, folder: &Path) -> io::Result<()> {
    let mut inputs = Vec::new();
    for entry in fs::read_dir(folder)? {
        inputs.push(fs::read(entry?.path())?);
    }
    corpus::write(target, inputs)
}

/// Runs libFuzzer to its end; its exit code becomes that of the process.
#[expect(clippy::exit, reason = "libFuzzer says how it ended")]
fn fuzz(target: &'static Target, options: &[&str]) -> io::Result<()> {
    TARGET.get_or_init(|| target);
    let program = std::env::args().next().unwrap_or_default();
    let max = format!("-max_len={}", target.max_bytes);
    let words = [&[program.as_str(), &max][..], options].concat();
    let words = words.into_iter().map(CString::new).collect::<Result<Vec<_>, _>>().map_err(io::Error::other)?;
    let mut pointers: Vec<*mut c_char> = words.iter().map(|word| word.as_ptr().cast_mut()).collect();
    let mut count = c_int::try_from(pointers.len()).map_err(io::Error::other)?;
    pointers.push(std::ptr::null_mut());
    let mut arguments = pointers.as_mut_ptr();
    // SAFETY: the words and the list of them live until the call returns, and the list ends with null.
    let code = unsafe { LLVMFuzzerRunDriver(&raw mut count, &raw mut arguments, run_one) };
    std::process::exit(code);
}
