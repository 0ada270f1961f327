//! How much memory something takes, counted by the allocator of the whole process: a test that asks runs alone in one.

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Bytes that decoding may take at once for each byte of input.
const BYTES_FOR_EACH: usize = 16;
/// Bytes that decoding may take at once whatever the input: reserved places of short lists, and sentences of errors.
const BYTES_FOR_ANY: usize = 64 * 1024;

/// Runs something, and says how many bytes it had allocated at once at most.
pub(crate) fn measured<T>(run: impl FnOnce() -> T) -> (T, usize) {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let value = run();
    (value, ALLOCATOR.peak_usage().saturating_sub(before))
}

/// Decodes an input of so many bytes, and asserts that this takes memory in proportion to them.
pub(crate) fn frugal<T>(input_bytes: usize, decode: impl FnOnce() -> T) -> T {
    let (value, taken) = measured(decode);
    let allowed = input_bytes * BYTES_FOR_EACH + BYTES_FOR_ANY;
    assert!(taken <= allowed, "decoding {input_bytes} bytes took {taken} bytes at once, {allowed} are allowed");
    value
}
