//! The record: a row of numbers, in which a call takes and gives.
//!
//! A number that is not negative is one. A text is a negative number: that of its symbol, `s`, is
//! `-1 - s`. Flags and what is missing have symbols too. Nothing else tells what comes next: both sides know.

use crate::symbol::{FALSE, NOTHING, Symbol, TRUE};

/// How many numbers a record has; no input and no output needs more.
pub const SLOTS: usize = 16;

/// The largest integer that a `f64` and its neighbours can tell apart.
const MAX_INTEGER: f64 = 9_007_199_254_740_991.0;

/// Takes a record apart.
///
/// What cannot be reads as nothing (zero, the empty text), and is held against the record: in the end it is not
/// [sound](Self::is_sound). A check at every field would be a fifth of the whole module.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: core::slice::Iter<'a, f64>,
    is_malformed: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(record: &'a [f64; SLOTS]) -> Self {
        Self { rest: record.iter(), is_malformed: false }
    }

    pub(crate) fn number(&mut self) -> f64 {
        self.rest.next().copied().unwrap_or(f64::NAN)
    }

    /// An integer that is exact.
    #[inline(never)]
    pub(crate) fn integer(&mut self) -> u64 {
        let number = self.number();
        self.exact(number)
    }

    /// The limits are drawn before the conversion, because in plain JavaScript one beyond the range of the integer
    /// does not stop at its end.
    fn exact(&mut self, number: f64) -> u64 {
        // A NaN fails this too.
        if (0.0..=MAX_INTEGER).contains(&number) && number as u64 as f64 == number {
            return number as u64;
        }
        self.refuse();
        0
    }

    #[inline(never)]
    pub(crate) fn small(&mut self) -> u32 {
        let integer = self.integer();
        if integer > u32::MAX.into() {
            self.refuse();
        }
        integer as u32
    }

    /// A close code.
    pub(crate) fn close_code(&mut self) -> u16 {
        let code = self.small();
        if code > u16::MAX.into() {
            self.refuse();
        }
        code as u16
    }

    /// A length of time or a count, rounded down; infinity is as much as there is.
    #[inline(never)]
    pub(crate) fn amount(&mut self) -> u64 {
        amount(self.number()).unwrap_or_else(|| {
            self.refuse();
            0
        })
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
    pub(crate) fn symbol(&mut self) -> Symbol {
        let number = -1.0 - self.number();
        let integer = self.exact(number);
        if integer > u32::MAX.into() {
            self.refuse();
        }
        Symbol(integer as u32)
    }

    #[inline(never)]
    pub(crate) fn text(&mut self) -> Symbol {
        let symbol = self.symbol();
        if matches!(symbol, NOTHING | FALSE | TRUE) {
            self.refuse();
        }
        symbol
    }

    #[inline(never)]
    pub(crate) fn flag(&mut self) -> bool {
        let symbol = self.symbol();
        if !matches!(symbol, FALSE | TRUE) {
            self.refuse();
        }
        symbol == TRUE
    }

    #[inline(never)]
    pub(crate) fn optional_integer(&mut self) -> Option<u64> {
        if self.has_nothing() { None } else { Some(self.integer()) }
    }

    #[inline(never)]
    pub(crate) fn optional_text(&mut self) -> Option<Symbol> {
        if self.has_nothing() { None } else { Some(self.text()) }
    }

    /// Whether nothing comes next; then it is taken.
    fn has_nothing(&mut self) -> bool {
        let mut ahead = self.rest.clone();
        let has_nothing = ahead.next() == Some(&to_number(NOTHING));
        if has_nothing {
            self.rest = ahead;
        }
        has_nothing
    }

    /// Holds against the record that it says what cannot be.
    pub(crate) fn refuse(&mut self) {
        self.is_malformed = true;
    }

    pub(crate) fn is_sound(&self) -> bool {
        !self.is_malformed
    }
}

/// A length or a point of time, rounded down; infinity is as much as there is.
pub(crate) fn amount(number: f64) -> Option<u64> {
    // A NaN fails this too.
    if number >= 0.0 { Some(number.min(MAX_INTEGER) as u64) } else { None }
}

fn to_number(symbol: Symbol) -> f64 {
    -1.0 - f64::from(symbol.0)
}

/// Fills a record. What it has no room for is left out.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    record: &'a mut [f64; SLOTS],
    at: usize,
    /// How many numbers are still to be left out.
    skipped: u32,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(record: &'a mut [f64; SLOTS]) -> Self {
        Self { record, at: 0, skipped: 0 }
    }

    /// Leaves out so many numbers that come next.
    pub(crate) fn skip(&mut self, count: u32) {
        self.skipped = count;
    }

    /// How many numbers there are.
    pub(crate) fn written(&self) -> u32 {
        self.at as u32
    }

    #[inline(never)]
    pub(crate) fn number(&mut self, number: f64) {
        if self.skipped > 0 {
            self.skipped -= 1;
        } else if let Some(slot) = self.record.get_mut(self.at) {
            *slot = number;
            self.at += 1;
        }
    }

    #[inline(never)]
    pub(crate) fn integer(&mut self, integer: u64) {
        self.number(integer as f64);
    }

    #[inline(never)]
    pub(crate) fn code(&mut self, code: u32) {
        self.number(f64::from(code));
    }

    #[inline(never)]
    pub(crate) fn text(&mut self, symbol: Symbol) {
        self.number(to_number(symbol));
    }

    pub(crate) fn flag(&mut self, flag: bool) {
        self.text(if flag { TRUE } else { FALSE });
    }

    #[inline(never)]
    pub(crate) fn optional_integer(&mut self, integer: Option<u64>) {
        match integer {
            Some(integer) => self.integer(integer),
            None => self.text(NOTHING),
        }
    }

    pub(crate) fn optional_text(&mut self, text: Option<Symbol>) {
        self.text(text.unwrap_or(NOTHING));
    }
}
