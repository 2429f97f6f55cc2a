//! How much freed memory glibc may keep for each thread.
//!
//! It makes up to eight arenas a processor, and what is freed in one of them serves only the threads of that one: with
//! two dozen threads, most of which wait, a third of the memory was free and yet not given back (G9). With as many arenas
//! as processors the threads that run still find one each.

#![allow(unsafe_code, reason = "one call into the C library, before there are other threads")]

use std::ffi::c_int;

/// Of `malloc.h`.
const M_ARENA_MAX: c_int = -8;

/// Asks for as many arenas as there are processors, two at least, unless the environment says how many. To be called
/// before any thread is started.
pub fn bound() {
    let said = |name, what| std::env::var(name).is_ok_and(|said| said.contains(what));
    if said("MALLOC_ARENA_MAX", "") || said("GLIBC_TUNABLES", "arena_max") {
        return;
    }
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let arenas = c_int::try_from(processors.max(2)).unwrap_or(c_int::MAX);
    unsafe extern "C" {
        fn mallopt(option: c_int, value: c_int) -> c_int;
    }
    // SAFETY: it takes two numbers and keeps no pointer; where it refuses, everything stays as it was.
    unsafe { mallopt(M_ARENA_MAX, arenas) };
}
