//! Fuzzes certificates, and what verifies as one: `tests/fuzzing` says which properties hold.
#![no_main]

use althing_tests_fuzzing::Target;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    (Target::of("certificate").expect("the list of targets has it").run)(bytes);
});
