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
#[derive(Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn number(&mut self) -> Result<f64, Malformed> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(f64::from_le_bytes(*bytes))
    }

    /// An integer that is exact.
    pub(crate) fn integer(&mut self) -> Result<u64, Malformed> {
        let number = self.number()?;
        let integer = number as u64;
        if number <= MAX_INTEGER && integer as f64 == number { Ok(integer) } else { Err(Malformed) }
    }

    pub(crate) fn small<T: TryFrom<u64>>(&mut self) -> Result<T, Malformed> {
        T::try_from(self.integer()?).map_err(|_| Malformed)
    }

    /// A length of time or a count, rounded down; infinity is as much as there is.
    pub(crate) fn amount(&mut self) -> Result<u64, Malformed> {
        amount(self.number()?)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Malformed> {
        match self.integer()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }

    pub(crate) fn text(&mut self) -> Result<String, Malformed> {
        let (length, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or(Malformed)?;
        let text = core::str::from_utf8(text).map_err(|_| Malformed)?;
        self.0 = rest;
        Ok(String::from(text))
    }

    pub(crate) fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    /// Nothing may be left over.
    pub(crate) fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

/// A length or a point of time, rounded down; infinity is as much as there is.
pub(crate) fn amount(number: f64) -> Result<u64, Malformed> {
    // A NaN fails this too.
    if number >= 0.0 { Ok(number as u64) } else { Err(Malformed) }
}

/// Puts a record together.
#[derive(Debug)]
pub(crate) struct Writer<'a>(pub(crate) &'a mut Vec<u8>);

impl Writer<'_> {
    pub(crate) fn number(&mut self, number: f64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub(crate) fn integer(&mut self, integer: u64) {
        self.number(integer as f64);
    }

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
    pub(crate) fn text_of_two(&mut self, head: &str, tail: &str) {
        // All texts came in by a record or are short, so the length fits.
        self.0.extend_from_slice(&((head.len() + tail.len()) as u32).to_le_bytes());
        self.0.extend_from_slice(head.as_bytes());
        self.0.extend_from_slice(tail.as_bytes());
    }

    pub(crate) fn optional_integer(&mut self, integer: Option<u64>) {
        self.flag(integer.is_some());
        if let Some(integer) = integer {
            self.integer(integer);
        }
    }

    pub(crate) fn optional_text(&mut self, text: Option<&str>) {
        self.flag(text.is_some());
        if let Some(text) = text {
            self.text(text);
        }
    }
}
