//! Named scenarios: situations that must come out in one way, and seeds that once failed.

use super::options::Options;
use super::world::World;

#[test]
fn a_calm_network_of_each_size_finalizes_and_rests() {
    for validators in [1, 2, 3, 4, 5, 7, 10] {
        let outcome = World::new(Options::calm(u64::from(validators), validators)).run();
        assert_eq!(outcome.failure, None, "n = {validators}");
        assert!(outcome.blocks >= 10, "n = {validators}: {outcome:?}");
    }
}
