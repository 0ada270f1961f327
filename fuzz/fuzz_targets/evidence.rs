//! Fuzzes evidence, and what verifies as such: `tests/fuzzing` says which properties hold.
#![no_main]

use althing_tests_fuzzing::Target;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    (Target::of("evidence").expect("the list of targets has it").run)(bytes);
});
