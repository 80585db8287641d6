//! Inputs as they are kept: one a line, readable where they are text.
//!
//! A file for each target instead of one for each input, so that a change of a corpus is one that can be looked at.
//! Lines that begin with `#` and empty ones say nothing.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use crate::Target;

/// What stands for an input without a byte.
const EMPTY: &str = "\\";

/// An input as a line. Printable characters of ASCII stand for themselves, but for the backslash and a `#` or space at
/// the edge of the line.
#[must_use]
pub fn to_line(input: &[u8]) -> String {
    if input.is_empty() {
        return EMPTY.to_owned();
    }
    let mut line = String::with_capacity(input.len());
    for (at, byte) in input.iter().enumerate() {
        let is_edge = at == 0 || at + 1 == input.len();
        match byte {
            b'\\' => line.push_str("\\\\"),
            b'\n' => line.push_str("\\n"),
            b'#' | b' ' if is_edge => line.push_str(&format!("\\x{byte:02x}")),
            b' '..=b'~' => line.push(char::from(*byte)),
            // Writing to a string cannot fail.
            _ => write!(line, "\\x{byte:02x}").unwrap_or_default(),
        }
    }
    line
}

/// The input of a line; `None` when it is not written as [`to_line`] writes.
#[must_use]
pub fn from_line(line: &str) -> Option<Vec<u8>> {
    if line == EMPTY {
        return Some(Vec::new());
    }
    let mut input = Vec::with_capacity(line.len());
    let mut rest = line.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            input.push(*byte);
            continue;
        }
        let (escape, after) = rest.split_first()?;
        rest = after;
        match escape {
            b'\\' => input.push(b'\\'),
            b'n' => input.push(b'\n'),
            b'x' => {
                let (digits, after) = rest.split_at_checked(2)?;
                input.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
                rest = after;
            }
            _ => return None,
        }
    }
    Some(input)
}

/// The file of a target in one of the folders `corpus` and `regressions`.
#[must_use]
pub fn path(folder: &str, target: &Target) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder).join(target.name).with_extension("txt")
}

/// The inputs that a file keeps; none where there is no file.
///
/// # Errors
/// The file cannot be read, or a line is none.
pub fn read(folder: &str, target: &Target) -> io::Result<Vec<Vec<u8>>> {
    let path = path(folder, target);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(at, line)| {
            let wrong = || io::Error::other(format!("{}, line {}: no input", path.display(), at + 1));
            from_line(line).ok_or_else(wrong)
        })
        .collect()
}

/// All inputs of a target: seeds, corpus, regressions.
///
/// # Errors
/// Those of [`read`].
pub fn all(target: &Target) -> io::Result<Vec<Vec<u8>>> {
    let mut inputs = (target.seeds)();
    inputs.extend(read("corpus", target)?);
    inputs.extend(read("regressions", target)?);
    Ok(inputs)
}

/// Replaces a target's corpus.
///
/// # Errors
/// The file cannot be written.
pub fn write(target: &Target, mut inputs: Vec<Vec<u8>>) -> io::Result<()> {
    // Short ones first, and else by what they are, so that equal corpora are equal files.
    inputs.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    inputs.dedup();
    let lines: String = inputs.iter().map(|input| to_line(input) + "\n").collect();
    std::fs::write(path("corpus", target), lines)
}
