//! Records: numbers and texts, one behind the other.
//!
//! A number is eight bytes, a little-endian `f64`, because that is what JavaScript has. A text is its length as
//! four bytes, little-endian, and that many bytes of UTF-8. A flag is the number 0 or 1. What may be missing
//! has a flag before it. Nothing tells the two kinds apart: both sides know what comes next.

/// The largest integer that a `f64` and its neighbours can tell apart.
const MAX_INTEGER: f64 = 9_007_199_254_740_991.0;

/// What is wrong with a record; there is nothing that a caller could do with more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Takes a record apart.
///
/// What is not there or cannot be reads as nothing (zero, no text), and is held against the record: at the
/// [end](Self::end) it is refused. A check at every field would be a fifth of the whole module.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    is_malformed: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, is_malformed: false }
    }

    #[inline(never)]
    pub(crate) fn number(&mut self) -> f64 {
        let Some((bytes, rest)) = self.rest.split_first_chunk() else {
            self.refuse();
            return 0.0;
        };
        self.rest = rest;
        f64::from_le_bytes(*bytes)
    }

    /// An integer that is exact.
    #[inline(never)]
    pub(crate) fn integer(&mut self) -> u64 {
        let number = self.number();
        let integer = number as u64;
        // A NaN fails this too.
        if !(number <= MAX_INTEGER && integer as f64 == number) {
            self.refuse();
        }
        integer
    }

    #[inline(never)]
    pub(crate) fn small(&mut self) -> u32 {
        u32::try_from(self.integer()).unwrap_or_else(|_| {
            self.refuse();
            0
        })
    }

    /// A close code.
    pub(crate) fn close_code(&mut self) -> u16 {
        u16::try_from(self.small()).unwrap_or_else(|_| {
            self.refuse();
            0
        })
    }

    /// A length of time or a count, rounded down; infinity is as much as there is.
    #[inline(never)]
    pub(crate) fn amount(&mut self) -> u64 {
        amount(self.number()).unwrap_or_else(|Malformed| {
            self.refuse();
            0
        })
    }

    #[inline(never)]
    pub(crate) fn flag(&mut self) -> bool {
        let flag = self.small();
        if flag > 1 {
            self.refuse();
        }
        flag == 1
    }

    /// A number that is one.
    pub(crate) fn real(&mut self) -> f64 {
        let number = self.number();
        if number.is_nan() {
            self.refuse();
        }
        number
    }

    #[inline(never)]
    pub(crate) fn text(&mut self) -> String {
        let text = self.rest.split_first_chunk().and_then(|(length, rest)| {
            let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            self.rest = rest;
            core::str::from_utf8(text).ok()
        });
        match text {
            Some(text) => String::from(text),
            None => {
                self.refuse();
                String::new()
            }
        }
    }

    #[inline(never)]
    pub(crate) fn optional_integer(&mut self) -> Option<u64> {
        if self.flag() { Some(self.integer()) } else { None }
    }

    #[inline(never)]
    pub(crate) fn optional_text(&mut self) -> Option<String> {
        if self.flag() { Some(self.text()) } else { None }
    }

    /// Holds against the record that it says what cannot be.
    pub(crate) fn refuse(&mut self) {
        self.is_malformed = true;
    }

    /// All was well, and nothing is left over.
    pub(crate) fn end(self) -> Result<(), Malformed> {
        if self.is_malformed || !self.rest.is_empty() { Err(Malformed) } else { Ok(()) }
    }
}

/// A length or a point of time, rounded down; infinity is as much as there is.
///
/// The limit is drawn before the conversion, because in plain JavaScript one beyond the range of the integer
/// does not stop at its end.
pub(crate) fn amount(number: f64) -> Result<u64, Malformed> {
    // A NaN fails this too.
    if number >= 0.0 { Ok(number.min(MAX_INTEGER) as u64) } else { Err(Malformed) }
}

/// Puts a record together.
#[derive(Debug)]
pub(crate) struct Writer<'a>(pub(crate) &'a mut Vec<u8>);

impl Writer<'_> {
    #[inline(never)]
    pub(crate) fn number(&mut self, number: f64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    #[inline(never)]
    pub(crate) fn integer(&mut self, integer: u64) {
        self.number(integer as f64);
    }

    #[inline(never)]
    pub(crate) fn code(&mut self, code: u32) {
        self.number(f64::from(code));
    }

    pub(crate) fn flag(&mut self, flag: bool) {
        self.number(if flag { 1.0 } else { 0.0 });
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.text_of_two(text, "");
    }

    /// One text, given in two parts.
    #[inline(never)]
    pub(crate) fn text_of_two(&mut self, head: &str, tail: &str) {
        // All texts came in by a record or are short, so the length fits.
        self.0.extend_from_slice(&((head.len() + tail.len()) as u32).to_le_bytes());
        self.0.extend_from_slice(head.as_bytes());
        self.0.extend_from_slice(tail.as_bytes());
    }

    #[inline(never)]
    pub(crate) fn optional_integer(&mut self, integer: Option<u64>) {
        self.flag(integer.is_some());
        if let Some(integer) = integer {
            self.integer(integer);
        }
    }

    #[inline(never)]
    pub(crate) fn optional_text(&mut self, text: Option<&str>) {
        self.flag(text.is_some());
        if let Some(text) = text {
            self.text(text);
        }
    }
}
