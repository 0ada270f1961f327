//! Fuzzes places in lists, and what they prove: `tests/fuzzing` says which properties hold.
#![no_main]

use althing_tests_fuzzing::Target;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    (Target::of("inclusion_proof").expect("the list of targets has it").run)(bytes);
});
