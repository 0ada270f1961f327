//! The inputs that fuzzing begins with are good ones: every property holds of them, and those of machines get far, which
//! their makers assert. Kept inputs may come to say something else as the code changes; these are made of it.

use althing_tests_fuzzing::TARGETS;

#[test]
fn the_first_inputs_of_every_target_hold() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(seeds.len() >= 3, "{} begins with {} inputs", target.name, seeds.len());
        for seed in seeds {
            (target.run)(&seed);
        }
    }
}
