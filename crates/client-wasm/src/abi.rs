//! What WebAssembly exports. All `unsafe` of the crate is here.
//!
//! An instance of the module has one engine and one [record](crate::record), which lies at a fixed place. A call
//! that takes something takes it from the record, and one that gives something leaves it there. A call returns 1
//! when it did what was asked, and 0 when it refused: then nothing has happened.
//!
//! The names are exported in WebAssembly alone: natively they would be in the way of other libraries'.

#![cfg_attr(
    target_arch = "wasm32",
    expect(unsafe_code, reason = "exporting a name is unsafe, because names are global; so is making the allocator")
)]

use std::cell::RefCell;

use crate::host::Host;

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

/// Where the record is: [`SLOTS`](crate::record::SLOTS) numbers of eight bytes.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn record() -> *mut f64 {
    with_host(|host| host.record.as_mut_ptr())
}

/// Makes the engine: `seed, configuration`. Refuses what is malformed, and to make a second one.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn create() -> u32 {
    with_host(|host| host.create().into())
}

/// Hands in one input at that time. Refuses what is malformed.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn handle(now: f64) -> u32 {
    with_host(|host| host.handle(now).into())
}

/// Gives the next output; behind the last one `idle`, with the next wake-up, the number of queued messages and the
/// counters.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn poll() -> u32 {
    with_host(|host| host.poll().into())
}

/// Gives the texts that the engine holds, in as many calls as it takes: those from `first` on that the record has
/// room for. Returns how many they are: 0 behind the last one.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn held(first: u32) -> u32 {
    with_host(|host| host.held(first))
}
