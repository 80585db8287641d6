//! Numbers that stand for texts.
//!
//! The texts themselves stay in JavaScript, which gives each one a number, equal texts equal ones. So a text is
//! cloned, compared and dropped like a number, and the code for that, which would be a third of the module, is none.
//!
//! The first numbers stand for what both sides know, in the order of `known` in `packages/client/src/engine/symbols.ts`.
//! Those from [`REQUESTS`] on are the ids of the engine's requests, of which no table is needed.

use cossistant_engine::{ErrorClass, RequestKind, Text, Word};

/// A text, by its number. The default is the empty one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Symbol(pub(crate) u32);

/// No text, and neither are the two after it.
pub(crate) const NOTHING: Symbol = Symbol(1);
pub(crate) const FALSE: Symbol = Symbol(2);
pub(crate) const TRUE: Symbol = Symbol(3);

const UNAVAILABLE: u32 = 4;
const INTERNAL: u32 = 6;
const UNAUTHORIZED: u32 = 7;
const TOKEN_EXPIRED: u32 = 8;
pub(crate) const READY: Symbol = Symbol(9);
pub(crate) const FAILED: Symbol = Symbol(10);
pub(crate) const DENIED: Symbol = Symbol(11);
pub(crate) const CONVERSATION: Symbol = Symbol(12);
pub(crate) const WEBSITE: Symbol = Symbol(13);
/// The engine's own words, in their order.
const WORDS: u32 = 14;
/// Why a connection failed, in the order of the engine's own type from `Dial` on.
pub(crate) const TROUBLES: u32 = 22;

/// The ids of requests: a kind in two bits and a number in the rest, which begins anew after half a billion.
const REQUESTS: u32 = 1 << 31;
const NUMBER_BITS: u32 = 29;

impl Text for Symbol {
    fn of_request(kind: RequestKind, number: u32) -> Self {
        Self(REQUESTS | (kind as u32) << NUMBER_BITS | number & ((1 << NUMBER_BITS) - 1))
    }

    fn of_word(word: Word) -> Self {
        Self(WORDS + word as u32)
    }

    fn error_class(&self) -> ErrorClass {
        match self.0 {
            UNAVAILABLE..=INTERNAL => ErrorClass::Transient,
            UNAUTHORIZED | TOKEN_EXPIRED => ErrorClass::NeedsToken,
            _ => ErrorClass::Permanent,
        }
    }
}
