//! What WebAssembly exports. All `unsafe` of the crate is here.
//!
//! A call that passes a record goes like this: ask [`input`] for room, write the record there, make the call
//! with the record's length. A call that gives a record returns its length, or one of the negative codes
//! below, and [`output`] says where it is. Both places are valid until the next call of any function.
//!
//! The names are exported in WebAssembly alone: natively a symbol `free` would take the place of the C
//! library's.

#![cfg_attr(
    target_arch = "wasm32",
    expect(unsafe_code, reason = "exporting a name is unsafe, because names are global; so is making the allocator")
)]

use std::cell::RefCell;

use crate::host::Host;

/// The engine of that number does not exist, or not any more.
pub const NO_SUCH_ENGINE: i32 = -1;
/// The record is none, or holds what cannot be; nothing has happened.
pub const MALFORMED: i32 = -2;
/// There is no room: for so many engines, or for such a long record.
pub const NO_ROOM: i32 = -3;

#[cfg(target_arch = "wasm32")]
#[global_allocator]
// SAFETY: without the `atomics` feature an instance of WebAssembly has one thread.
static ALLOCATOR: lol_alloc::AssumeSingleThreaded<lol_alloc::FreeListAllocator> =
    unsafe { lol_alloc::AssumeSingleThreaded::new(lol_alloc::FreeListAllocator::new()) };

thread_local! {
    /// An instance of WebAssembly has one thread, and so one host; natively each thread has its own.
    static HOST: RefCell<Host> = const { RefCell::new(Host::new()) };
}

fn with_host<T>(call: impl FnOnce(&mut Host) -> T) -> T {
    HOST.with_borrow_mut(call)
}

/// Gives room for a record of that many bytes; null when it is too long.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn input(length: u32) -> *mut u8 {
    with_host(|host| host.input(length))
}

/// Where the record is that the last call gave.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn output() -> *const u8 {
    with_host(|host| host.output())
}

/// Makes an engine: `seed, configuration`. Returns its number, or an error code.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn create(length: u32) -> i32 {
    with_host(|host| host.create(length))
}

/// Ends an engine. Its number is never given again; ending it twice does nothing.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn free(engine: i32) {
    with_host(|host| host.free(engine));
}

/// Hands in one input at that time, and gives `next wake-up (or -1), queued messages, outputs…`.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn handle(engine: i32, length: u32, now: f64) -> i32 {
    with_host(|host| host.handle(engine, length, now))
}

/// Gives the counters.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn stats(engine: i32) -> i32 {
    with_host(|host| host.stats(engine))
}
