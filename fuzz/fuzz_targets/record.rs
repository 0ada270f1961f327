//! Fuzzes records of the log of votes: `tests/fuzzing` says which properties hold.
#![no_main]

use althing_tests_fuzzing::Target;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    (Target::of("record").expect("the list of targets has it").run)(bytes);
});
