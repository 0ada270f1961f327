//! The nastiest cases of the protocol's section 17 as whole networks, by their numbers. What one machine can show alone
//! is tested beside it; `docs/testing.md` lists where. Each ends with progress and rest, and every rule is checked on the
//! way.

use althing_consensus::{Message as ConsensusMessage, Standing};
use althing_mempool::DataMessage;
use althing_replica::Message;
use althing_types::{Vote, VoteKind};

use crate::byzantine::Strategy;
use crate::options::{Actor, Options};
use crate::world::World;

/// A calm network of four with the fast path, without work of its own, connected and quiet.
fn fast() -> World {
    let calm = Options::calm(1, 4);
    quiet(Options { fast_path: true, submit_every_ms: 0, ..calm })
}

fn quiet(options: Options) -> World {
    let mut world = World::new(options);
    world.pass_ms(2_000);
    world
}

/// A network that takes work, of which the last validator lies.
fn with_liar(strategy: Strategy, fast_path: bool, seed: u64) -> World {
    let actors = vec![Actor { index: 3, strategy, has_twin: false }];
    World::new(Options { fast_path, actors, actors_stay: true, submit_every_ms: 20, ..Options::calm(seed, 4) })
}

/// What went wrong ends, and there must be progress and rest.
pub(crate) fn ends_well(mut world: World) {
    world.lose(None);
    world.heal();
    world.run_progress();
    world.run_silence();
    assert_eq!(world.finish().failure, None);
}

fn vote(message: &Message) -> Option<Vote> {
    let Message::Consensus(envelope) = message else { return None };
    match &envelope.message {
        ConsensusMessage::Vote(vote) => Some(vote.vote),
        _ => None,
    }
}

fn is_notarize(message: &Message) -> bool {
    vote(message).is_some_and(|vote| vote.kind() == VoteKind::Notarize)
}

/// What tells others of certificates, or repeats a vote within one.
fn is_certificate(message: &Message) -> bool {
    let Message::Consensus(envelope) = message else { return false };
    matches!(envelope.message, ConsensusMessage::Certificates(_) | ConsensusMessage::Proposal(_))
}

/// Everybody notarizes a block and only one validator sees it, so that it is final there and nowhere else; then that
/// validator is cut off. The others give the view up and must recover the block.
#[test]
fn case_1_a_fast_commit_that_only_one_has_seen_is_kept_by_the_others() {
    for seer in 0..4 {
        let mut world = fast();
        let loses: crate::world::Loses = match seer {
            0 => |_, to, message| to != 0 && is_notarize(message),
            1 => |_, to, message| to != 1 && is_notarize(message),
            2 => |_, to, message| to != 2 && is_notarize(message),
            _ => |_, to, message| to != 3 && is_notarize(message),
        };
        world.lose(Some(loses));
        world.submit((seer + 1) % 4);
        assert!(world.until(400, |world| world.height_at(seer) == 1), "it is final at {seer}");
        world.isolate(seer);
        world.lose(None);
        let others: Vec<usize> = (0..4).filter(|place| *place != seer).collect();
        assert!(others.iter().all(|place| world.height_at(*place) == 0), "and nowhere else");
        let all = move |world: &World| others.iter().all(|place| world.height_at(*place) >= 1);
        assert!(world.until(20_000, all), "{}", world.describe());
        ends_well(world);
    }
}

#[test]
fn case_2_a_validator_that_crashes_between_any_two_actions_never_votes_twice() {
    for fast_path in [false, true] {
        for place in 0..4 {
            for actions in 0..40 {
                let calm = Options::calm(actions, 4);
                let mut world = quiet(Options { fast_path, submit_every_ms: 0, ..calm });
                world.cut_power(place, actions);
                world.submit((place + 1) % 4);
                world.submit((place + 2) % 4);
                world.pass_ms(300);
                ends_well(world);
            }
        }
    }
}

/// Own votes are durable everywhere, no certificate exists anywhere, and the power goes.
#[test]
fn case_3_everybody_crashes_with_votes_and_without_a_certificate() {
    for fast_path in [false, true] {
        let mut world = quiet(Options { fast_path, submit_every_ms: 0, ..Options::calm(3, 4) });
        world.lose(Some(|_, _, message| is_notarize(message)));
        world.submit(2);
        world.pass_ms(200);
        assert_eq!((world.height(), world.view_at(0)), (0, 1), "nothing is certified");
        for _ in 0..3 {
            (0..4).for_each(|place| world.crash(place));
            world.lose(None);
            (0..4).for_each(|place| world.restart(place));
            world.pass_ms(5);
        }
        assert!(world.until_all_reach(1, 10_000).is_some(), "{}", world.describe());
        ends_well(world);
    }
}

#[test]
fn case_4_a_leader_that_proposes_twice_costs_its_own_views_only() {
    let strategies = [
        Strategy::EquivocatingProposerHalves,
        Strategy::EquivocatingProposerVictim,
        Strategy::EquivocatingVoter,
        Strategy::Colluder,
    ];
    for strategy in strategies {
        for fast_path in [false, true] {
            let mut world = with_liar(strategy, fast_path, 4);
            world.pass_ms(5_000);
            let height = world.height();
            assert!(height > 15, "{strategy:?}, fast path {fast_path}: {height}");
            ends_well(world);
        }
    }
}

/// Some form a Notarization, others a Nullification that says Skip or Recover, and leaders alternate.
#[test]
fn case_5_certificates_of_one_view_that_disagree_make_nobody_refuse_the_other() {
    for seed in 0..12 {
        let mut world = with_liar(Strategy::FalseReporter, true, seed);
        for round in 0..12 {
            // Votes of every third validator reach every other one only.
            let loses: crate::world::Loses = match round % 3 {
                0 => |from, to, message| (from + to).is_multiple_of(3) && vote(message).is_some(),
                1 => |from, to, message| from < to && vote(message).is_some(),
                _ => |from, to, message| (from * to) % 3 == 2 && (vote(message).is_some() || is_certificate(message)),
            };
            world.lose(Some(loses));
            world.pass_ms(700);
            world.lose(None);
            world.pass_ms(100);
        }
        ends_well(world);
    }
}

/// One validator is cut off while hundreds of views are given up, and comes back over a lossy network, also as leader.
#[test]
fn case_6_a_validator_returns_after_hundreds_of_skipped_views() {
    for fast_path in [false, true] {
        let calm = Options::calm(6, 4);
        let mut world = quiet(Options { fast_path, streams: false, loss: 150, submit_every_ms: 0, ..calm });
        (0..4).for_each(|place| world.submit(place));
        world.pass_ms(1_000);
        (0..4).for_each(|place| world.submit(place));
        world.isolate(2);
        // Nobody sees a proposal.
        world.lose(Some(|_, _, message| is_certificate(message) && !is_pushed(message)));
        let began = world.view_at(0);
        assert!(world.until(4_000_000, move |world| world.view_at(0) > began + 250), "{}", world.describe());
        assert!(world.view_at(2) < world.view_at(0) - 200, "it was left behind");
        world.lose(None);
        world.heal();
        let height = world.height();
        assert!(world.until_all_reach(height + 1, 60_000).is_some(), "{}", world.describe());
        ends_well(world);
    }
}

fn is_pushed(message: &Message) -> bool {
    matches!(message, Message::Consensus(envelope) if matches!(envelope.message, ConsensusMessage::Certificates(_)))
}

/// A batch reaches the first leader only, or one validator fewer than a quorum. It is fetched, and its lane waits; the
/// others go on.
#[test]
fn case_8_a_batch_that_is_shown_to_few_is_fetched() {
    let only_leader: crate::world::Loses = |from, to, message| from == 3 && to != 0 && is_batch(message);
    let fewer: crate::world::Loses = |from, to, message| from == 3 && to > 0 && is_batch(message);
    for (loses, fast_path) in [(only_leader, false), (fewer, false), (only_leader, true), (fewer, true)] {
        let mut world = quiet(Options { fast_path, submit_every_ms: 0, ..Options::calm(8, 4) });
        world.lose(Some(loses));
        world.submit(3);
        assert!(world.until_all_reach(1, 10_000).is_some(), "{}", world.describe());
        (0..3).for_each(|place| world.submit(place));
        assert!(world.until_all_reach(2, 10_000).is_some(), "{}", world.describe());
        ends_well(world);
    }
}

fn is_batch(message: &Message) -> bool {
    matches!(message, Message::Data(DataMessage::Batch(_)))
}

/// Power goes everywhere as soon as something is final: what is final must be on f + 1 disks.
#[test]
fn case_9_what_is_final_survives_the_loss_of_all_power_at_once() {
    for wait in 0..24 {
        let calm = Options::calm(wait, 4);
        let slow = Options { sync_us: (1_000, 4_000), submit_every_ms: 10, fast_path: wait % 2 == 0, ..calm };
        let mut world = World::new(slow);
        world.pass_ms(400 + wait);
        for place in 0..4 {
            world.crash(place);
        }
        for place in 0..4 {
            world.restart(place);
        }
        ends_well(world);
    }
}

/// f liars that claim work without end do not keep an idle chain awake: no block is made without work.
#[test]
fn case_10_liars_do_not_make_an_idle_chain_grow() {
    for strategy in [Strategy::Mixed, Strategy::FutureFlooder, Strategy::SmallScopeMutator, Strategy::OutdatedReplayer]
    {
        let actors = vec![Actor { index: 3, strategy, has_twin: false }];
        let calm = Options::calm(10, 4);
        let mut world = World::new(Options { actors, actors_stay: true, submit_every_ms: 0, ..calm });
        world.pass_ms(20_000);
        let height = world.height();
        assert!(height <= 1, "{strategy:?}: {height}");
        ends_well(world);
    }
}

#[test]
fn case_12_and_13_forgers_floods_and_junk_cost_nothing_but_their_own_turns() {
    let strategies = [
        Strategy::CertificateForger,
        Strategy::Impersonator,
        Strategy::WrongDomain,
        Strategy::FutureFlooder,
        Strategy::RandomBytes,
        Strategy::SyncLiar,
        Strategy::InvalidProposer,
    ];
    for strategy in strategies {
        let mut world = with_liar(strategy, true, 12);
        world.pass_ms(5_000);
        let height = world.height();
        assert!(height > 15, "{strategy:?}: {height}");
        ends_well(world);
    }
}

/// Δ is far too small, clocks are apart, disks stall for seconds: views die, and soon after it ends blocks are final.
#[test]
fn case_14_slow_networks_and_disks_hurt_only_while_they_last() {
    for seed in 0..6 {
        let slow = Options {
            delay_us: (200_000, 900_000),
            sync_us: (1_000, 100_000),
            stall: 50,
            skew_ms: 900,
            submit_every_ms: 100,
            fast_path: seed % 2 == 1,
            actors: vec![Actor { index: 1, strategy: Strategy::NullifySpammer, has_twin: false }],
            actors_stay: true,
            ..Options::calm(seed, 4)
        };
        let mut world = World::new(slow);
        world.pass_ms(20_000);
        world.mend_all();
        let height = world.height();
        let took = world.until_all_reach(height + 3, 30_000);
        assert!(took.is_some_and(|took| took <= 15_000_000), "{took:?}: {}", world.describe());
        ends_well(world);
    }
}

/// At n = 1 a restart needs no peer, and with the fast path the validator's own vote is final at once.
#[test]
fn case_15_a_validator_alone_goes_on_after_every_restart() {
    for fast_path in [false, true] {
        let mut world = World::new(Options { fast_path, submit_every_ms: 10, ..Options::calm(15, 1) });
        for _ in 0..20 {
            world.pass_ms(60);
            world.crash(0);
            world.restart(0);
        }
        let height = world.height();
        assert!(height > 5, "{height}");
        ends_well(world);
    }
}

/// A calm network that takes work, in which the disks of some may be lost.
fn forgetful(validators: u16, forgetful: Vec<u16>, fast_path: bool) -> World {
    World::new(Options { fast_path, forgetful, submit_every_ms: 20, ..Options::calm(15, validators) })
}

fn is_recovering(world: &World, place: usize) -> bool {
    matches!(world.standing_at(place).0, Some(Standing::Recovering { .. }))
}

fn is_doubled(world: &World, place: usize) -> bool {
    matches!(world.standing_at(place).0, Some(Standing::Doubled { .. }))
}

#[test]
fn case_15_one_of_four_whose_disks_are_lost_votes_again_and_the_chain_goes_on() {
    for fast_path in [false, true] {
        let mut world = forgetful(4, vec![2], fast_path);
        for _ in 0..3 {
            world.pass_ms(1_000);
            world.lose_and_recover(2);
            assert!(is_recovering(&world, 2));
            assert!(world.until(20_000, |world| !is_recovering(world, 2)), "{}", world.describe());
            let height = world.height();
            assert!(world.until_all_reach(height + 8, 20_000).is_some(), "{}", world.describe());
        }
        // Now its votes are needed.
        world.crash(0);
        let height = world.height();
        assert!(world.until_all_reach(height + 5, 60_000).is_some(), "{}", world.describe());
        world.restart(0);
        ends_well(world);
    }
}

#[test]
fn case_15_disks_that_are_lost_before_anything_happened_hinder_nobody() {
    let mut world = forgetful(4, vec![3], false);
    world.lose_and_recover(3);
    world.pass_ms(2_000);
    assert!(!is_recovering(&world, 3), "{}", world.describe());
    ends_well(world);
}

/// Nothing can be made up for, and nobody pretends: no fork, no vote, and whoever asks learns that it cannot end.
#[test]
fn case_15_of_more_than_f_whose_disks_are_lost_none_votes_again() {
    for (validators, lost) in [(2, vec![1]), (4, vec![1, 2]), (7, vec![0, 3, 6])] {
        let mut world = forgetful(validators, lost.clone(), true);
        world.pass_ms(1_000);
        lost.iter().for_each(|index| world.crash(usize::from(*index)));
        lost.iter().for_each(|index| world.lose_and_recover(usize::from(*index)));
        let height = world.height();
        world.pass_ms(30_000);
        for index in &lost {
            let place = usize::from(*index);
            assert!(is_recovering(&world, place), "{}", world.describe());
        }
        assert!(world.height() <= height + 1, "what was certified may become final");
        assert_eq!(world.finish().failure, None);
    }
}

#[test]
fn case_15_a_validator_that_is_begun_twice_by_mistake_votes_no_more() {
    let mut world = forgetful(4, vec![1], false);
    world.pass_ms(2_000);
    world.lose_and_begin(1);
    assert!(world.until(5_000, |world| is_doubled(world, 1)), "{}", world.describe());
    let height = world.height();
    assert!(world.until_all_reach(height + 5, 20_000).is_some(), "{}", world.describe());
    ends_well(world);
}

#[test]
fn case_15_of_two_processes_with_one_key_one_notices_and_nobody_forks() {
    for seed in 0..6 {
        let actors = vec![Actor { index: 3, strategy: Strategy::Twin, has_twin: true }];
        let mut world = World::new(Options { actors, submit_every_ms: 20, ..Options::calm(seed, 4) });
        world.begin_all_of(3);
        let noticed = |world: &World| is_doubled(world, 3) || is_doubled(world, 4);
        assert!(world.until(30_000, noticed), "seed {seed}: {}", world.describe());
        ends_well(world);
    }
}
