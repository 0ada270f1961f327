//! Case 11 of the protocol's section 17: what can go wrong where one epoch ends and the next begins, as whole networks.

use althing_consensus::Message as ConsensusMessage;
use althing_replica::Message;
use althing_types::VoteKind;

use crate::cases::ends_well;
use crate::node::Loss;
use crate::options::{EpochScript, Options};
use crate::world::World;

/// A calm network whose validators change as the script says.
fn changing(known: u16, members: &[&[u16]], changes: &[u64]) -> Options {
    let members = members.iter().map(|members| members.to_vec()).collect();
    let script = EpochScript { members, changes: changes.to_vec() };
    Options { epochs: Some(script), submit_every_ms: 0, ..Options::calm(11, known) }
}

fn quiet(options: Options) -> World {
    let mut world = World::new(options);
    world.pass_ms(500);
    world
}

/// Lets clients send until everybody who is up is in an epoch.
fn reach(world: &mut World, epoch: u64) {
    for place in (0..world.nodes.len()).cycle().take(60) {
        let all_there =
            |world: &World| world.honest().all(|node| node.running.is_none() || node.epoch().get() >= epoch);
        if all_there(world) {
            return;
        }
        world.submit(place);
        world.until(1_000, all_there);
    }
    panic!("epoch {epoch} does not begin: {}", world.describe());
}

/// Whether a message is a vote of this kind above view 1. A leader's Notarize is its proposal.
fn is_late_vote(message: &Message, kind: VoteKind) -> bool {
    let Message::Consensus(envelope) = message else { return false };
    let vote = match &envelope.message {
        ConsensusMessage::Vote(vote) => vote.vote,
        ConsensusMessage::Proposal(proposal) => proposal.vote.vote,
        _ => return false,
    };
    vote.kind() == kind && vote.view().get() > 1
}

const FOUR: &[u16] = &[0, 1, 2, 3];

#[test]
fn case_11_a_boundary_block_that_is_only_notarized_is_proposed_again_and_final_in_a_later_view() {
    for fast_path in [false, true] {
        let options = changing(4, &[FOUR, FOUR], &[1]);
        let mut world = quiet(Options { fast_path, ..options });
        // From view 2 on nobody hears that anybody finalizes, and nobody sees all Notarize for the fast path.
        world.lose(Some(|from, to, message| {
            let fourth = from == 3 || to == 3;
            is_late_vote(message, VoteKind::Finalize) || (fourth && is_late_vote(message, VoteKind::Notarize))
        }));
        world.submit(1);
        assert!(world.until_all_reach(1, 5_000).is_some(), "{}", world.describe());
        world.pass_ms(8_000);
        let (view, height) = (world.view_at(0), world.height());
        world.lose(None);
        reach(&mut world, 1);
        assert!(view > 4, "it was proposed again: view {view}, fast path {fast_path}: {}", world.describe());
        assert!(height <= 2, "nothing stands above the boundary block: {height}");
        ends_well(world);
    }
}

#[test]
fn case_11_a_crash_between_any_two_actions_at_the_boundary_loses_nothing() {
    for place in 0..4 {
        for actions in (0..120).step_by(3) {
            let options = changing(5, &[FOUR, &[0, 1, 2, 3, 4], &[1, 2, 3, 4]], &[1, 3]);
            let mut world = quiet(Options { seed: actions, ..options });
            world.cut_power(place, actions);
            world.submit((place + 1) % 4);
            world.submit(place);
            world.pass_ms(600);
            reach(&mut world, 2);
            ends_well(world);
        }
    }
}

#[test]
fn case_11_a_validator_that_slept_through_epochs_learns_how_each_of_them_ended() {
    for sleeper in 0..4 {
        let mut world = quiet(changing(5, &[FOUR, &[0, 1, 2, 3, 4], &[0, 1, 2, 3], FOUR], &[1, 3, 5]));
        world.isolate(sleeper);
        for others in 1..4 {
            for place in (0..4).filter(|place| *place != sleeper) {
                world.submit(place);
            }
            let done = move |world: &World| {
                world.nodes.iter().enumerate().all(|(place, node)| place == sleeper || node.epoch().get() >= others)
            };
            assert!(world.until(20_000, done), "epoch {others}: {}", world.describe());
        }
        assert_eq!(world.nodes[sleeper].epoch().get(), 0);
        world.heal();
        reach(&mut world, 3);
        ends_well(world);
    }
}

#[test]
fn case_11_sets_grow_shrink_and_are_replaced_as_a_whole() {
    let scripts: [(u16, &[&[u16]]); 5] = [
        (4, &[&[0], &[0, 1], FOUR]),
        (4, &[FOUR, &[1, 2, 3], &[2]]),
        (8, &[FOUR, &[4, 5, 6, 7], FOUR]),
        (7, &[FOUR, &[0, 1, 2, 3, 4, 5, 6], &[3, 4, 5, 6]]),
        (2, &[&[0], &[1], &[0]]),
    ];
    for (known, members) in scripts {
        let mut world = quiet(changing(known, members, &[2, 5]));
        reach(&mut world, 2);
        ends_well(world);
    }
}

/// Whatever is lost of a validator's disks, and whenever, it comes back, and votes in the epoch that follows.
#[test]
fn case_11_and_15_disks_that_are_lost_around_the_boundary_are_made_up_for() {
    let losses = [Loss::Folder, Loss::Logs, Loss::VoteLog, Loss::Newer];
    for (loss, fast_path) in losses.into_iter().zip([false, true, true, false]) {
        for wait in (0..80).step_by(8) {
            let options = changing(5, &[FOUR, &[0, 1, 2, 3, 4], &[1, 2, 3, 4]], &[1, 3]);
            let mut world = quiet(Options { seed: wait, fast_path, forgetful: vec![2], ..options });
            world.stop_and_copy(2);
            world.submit(0);
            world.pass_ms(wait);
            world.lose_and_recover_from(2, loss);
            world.submit(1);
            world.pass_ms(600);
            reach(&mut world, 2);
            world.lose_and_recover_from(2, loss);
            ends_well(world);
        }
    }
}

/// A known node that is no validator yet signed nothing: its operator may begin it anew as often as need be.
#[test]
fn case_11_and_15_a_guest_that_is_begun_anew_votes_once_its_epoch_begins() {
    for wait in (0..60).step_by(6) {
        let mut world = quiet(Options { seed: wait, ..changing(5, &[FOUR, &[0, 1, 2, 4]], &[2]) });
        for _ in 0..3 {
            world.submit(0);
            world.pass_ms(wait);
            world.lose_and_recover_from(4, Loss::Unused);
        }
        reach(&mut world, 1);
        // Now its votes are needed.
        world.crash(1);
        let height = world.height();
        world.submit(2);
        assert!(world.until_all_reach(height + 1, 60_000).is_some(), "{}", world.describe());
        world.restart(1);
        ends_well(world);
    }
}

#[test]
fn case_11_what_was_accepted_before_the_boundary_is_ordered_after_it() {
    // A validator whose batches nobody else hears of accepts transactions, and then the epoch ends without them.
    let mut world = quiet(changing(4, &[FOUR, FOUR], &[1]));
    world.lose(Some(|from, _, message| from == 3 && matches!(message, Message::Data(_))));
    for _ in 0..5 {
        world.submit(3);
    }
    world.pass_ms(200);
    assert_eq!(world.height(), 0, "nobody knows of them");
    world.submit(0);
    world.submit(1);
    let done = |world: &World| world.honest().all(|node| node.epoch().get() == 1);
    assert!(world.until(20_000, done), "{}", world.describe());
    world.lose(None);
    // Every transaction that was accepted is in a block at rest: the checker asks for it.
    ends_well(world);
}

/// What the machine found while epochs were built. 596 and 1111: what was said first in an epoch was lost on peers that
/// entered later, so that a result was carried by nobody. 1047: a restart took a transaction over twice. 15818 and 15947:
/// epochs ended faster than the batch log was written, and a restart knew its old batches no more. 1380: the checker
/// itself, of a validator that left. With disks that are lost, 50302: a validator whose log was lost and whose ledger was
/// not announced a floor of which it held no certificate.
#[test]
fn seeds_that_once_failed_where_epochs_end() {
    for seed in [596, 1047, 1111, 1380, 15_818, 15_947] {
        let outcome = World::new(Options::with_changes(seed)).run();
        assert_eq!(outcome.failure, None, "seed {seed}");
    }
    let outcome = World::new(Options::with_epochs(50_302)).run();
    assert_eq!(outcome.failure, None, "with lost disks");
}
