//! Any bytes, as a FAT file system that may hold a receipt.
//!
//! `cargo +nightly fuzz run esp -- -max_total_time=600` in agent. It begins with a small file system
//! that has one.

#![no_main]

use std::io::Cursor;
use std::sync::Once;

use libfuzzer_sys::fuzz_target;
use nixvm_agent::disk::receipt;

static QUIET: Once = Once::new();

fuzz_target!(|bytes: &[u8]| {
    // A panic of fatfs that `read` catches is an answer; one that it does not still ends this.
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    let _unreadable = receipt::read(Cursor::new(bytes));
});
