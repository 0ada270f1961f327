//! Named scenarios: situations that must come out in one way, and seeds that once failed.

use super::byzantine::Strategy;
use super::options::{Actor, Options};
use super::world::World;

/// A calm network without work of its own, warmed up until everybody is connected and quiet.
fn idle(validators: u16) -> World {
    let mut world = World::new(Options { submit_every_ms: 0, ..Options::calm(u64::from(validators), validators) });
    world.pass_ms(2_000);
    world
}

/// Ends a scenario: everybody makes progress, comes to rest, and no checker complains.
fn ends_well(mut world: World) {
    world.run_progress();
    world.run_silence();
    assert_eq!(world.finish().failure, None);
}

#[test]
fn a_calm_network_of_each_size_finalizes_and_rests() {
    for validators in [1, 2, 3, 4, 5, 7, 10] {
        let outcome = World::new(Options::calm(u64::from(validators), validators)).run();
        assert_eq!(outcome.failure, None, "n = {validators}");
        assert!(outcome.blocks >= 10, "n = {validators}: {outcome:?}");
    }
}

#[test]
fn idle_validators_neither_send_nor_write() {
    for validators in [1, 4, 7] {
        let mut world = idle(validators);
        let before = world.activity;
        world.pass_ms(60_000);
        assert_eq!(world.activity, before, "n = {validators}");
        ends_well(world);
    }
}

/// A client's way to a validator and through its door, at most.
const CLIENT_US: u64 = 5_000;

/// The bound: the client's way, the batch and the hint to the leader, three votes' delays, each with one sync, and the wake-ups between.
#[test]
fn a_lone_batch_is_final_everywhere_in_a_few_message_delays() {
    for validators in [4, 7] {
        for place in 0..usize::from(validators) {
            let mut world = idle(validators);
            let (delay, sync, execute) =
                (world.options.delay_us.1, world.options.sync_us.1, world.options.execute_us.1);
            world.submit(place);
            let took = world.until_all_reach(1, 10_000).expect("it becomes final");
            let bound = 5 * delay + 4 * sync + execute + CLIENT_US + 1_000;
            assert!(took <= bound, "n = {validators}, at {place}: {took} µs of at most {bound} µs");
            world.pass_ms(5_000);
            // The results of the batch are certified by one more block, and that is all.
            assert_eq!(world.height(), 2, "n = {validators}, at {place}");
            ends_well(world);
        }
    }
}

/// The time until a lone transaction is final at all of seven validators that are 25 ms apart, in microseconds.
fn lone_finality(fast_path: bool, place: usize) -> u64 {
    let delay = (25_000, 25_000);
    let calm = Options { fast_path, delay_us: delay, submit_every_ms: 0, ..Options::calm(7, 7) };
    let mut world = World::new(calm);
    world.pass_ms(2_000);
    world.submit(place);
    let took = world.until_all_reach(1, 10_000).expect("it becomes final");
    ends_well(world);
    took
}

/// Batch or hint, proposal, notarize votes; and finalize votes without the fast path.
#[test]
fn the_fast_path_saves_one_message_delay() {
    for place in 0..7 {
        let (slow, fast) = (lone_finality(false, place), lone_finality(true, place));
        println!("from validator {place}: {slow} us, with the fast path {fast} us");
        assert!((22_000..=28_000).contains(&(slow - fast)), "from {place}: {slow} and {fast}");
    }
}

#[test]
fn a_batch_is_final_within_two_seconds_though_the_leader_is_dead() {
    for dead in 0..4 {
        let mut world = idle(4);
        world.crash(dead);
        world.submit((dead + 1) % 4);
        let took = world.until_all_reach(1, 10_000).expect("it becomes final");
        assert!(took <= 2_000_000, "{took} µs");
        world.restart(dead);
        ends_well(world);
    }
}

#[test]
fn two_of_four_down_halts_without_a_fork_and_one_returning_goes_on() {
    let mut world = World::new(Options { submit_every_ms: 20, ..Options::calm(11, 4) });
    world.pass_ms(1_000);
    world.crash(1);
    world.crash(3);
    world.pass_ms(100);
    let height = world.height();
    world.pass_ms(60_000);
    assert_eq!(world.height(), height, "two of four finalize nothing");
    world.restart(3);
    let took = world.until_all_reach(height + 1, 10_000).expect("three of four go on");
    assert!(took <= 5_000_000, "{took} µs");
    world.restart(1);
    ends_well(world);
}

#[test]
fn everybody_loses_power_again_and_again() {
    for validators in [1, 4, 7] {
        let mut world = World::new(Options { submit_every_ms: 10, ..Options::calm(23, validators) });
        for cycle in 0..40u64 {
            world.pass_ms(20 + 17 * (cycle % 7));
            for place in 0..usize::from(validators) {
                world.crash(place);
            }
            world.pass_ms(cycle % 3);
            for place in 0..usize::from(validators) {
                world.restart(place);
            }
        }
        ends_well(world);
    }
}

#[test]
fn an_isolated_validator_catches_up_with_hundreds_of_blocks() {
    let mut world = World::new(Options { submit_every_ms: 20, ..Options::calm(31, 4) });
    world.pass_ms(500);
    world.isolate(2);
    world.pass_ms(15_000);
    let height = world.height();
    assert!(height > 300, "{height}");
    world.heal();
    let took = world.until_all_reach(height, 60_000);
    let took = took.unwrap_or_else(|| panic!("{height}: {}", world.describe()));
    assert!(took <= 10_000_000, "{took} µs");
    ends_well(world);
}

/// A machine that cannot find a fault proves nothing: with more twins than f, its checkers must see forks.
#[test]
fn more_twins_than_tolerated_fork_and_the_checkers_see_it() {
    let forks = (0..8).filter(|seed| {
        let twin = |index| Actor { index, strategy: Strategy::Twin, has_twin: true };
        let actors = vec![twin(2), twin(3)];
        let calm = Options::calm(*seed, 4);
        let mut world = World::new(Options { actors, submit_every_ms: 20, partition_noticed: false, ..calm });
        world.pass_ms(500);
        world.tear();
        world.pass_ms(10_000);
        let failure = world.finish().failure.unwrap_or_default();
        // A checker sees it, or a validator says so first.
        ["fork at height", "has a final block", "Fork {"].iter().any(|told| failure.contains(told))
    });
    assert!(forks.count() >= 4, "most of these networks fork");
}
