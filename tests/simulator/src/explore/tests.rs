//! Complete explorations that are small, and samples that each check must complain about.

use super::properties::Rules;
use super::stage::{Stage, Votes};
use super::validator::may_sign;
use super::world::Exploration;
use super::{Bounds, Report, count, count_foreign, run};

fn check(bounds: &Bounds) -> Report {
    let report = run(bounds);
    assert!(report.complete && report.violations.is_empty(), "{bounds:?}: {report}");
    report
}

#[test]
fn two_views_of_four_are_safe_and_live_without_the_fast_path() {
    for faulty in [None, Some(0), Some(1), Some(3)] {
        let liveness = faulty != Some(1);
        let report = check(&Bounds { liveness, ..Bounds::new(2, faulty, false) });
        assert!(report.worlds > 10_000, "{report}");
    }
}

#[test]
fn two_views_of_four_are_safe_with_the_fast_path_and_one_is_live() {
    for faulty in [None, Some(0), Some(3)] {
        check(&Bounds { liveness: false, ..Bounds::new(2, faulty, true) });
        check(&Bounds::new(1, faulty, true));
    }
}

#[test]
fn one_view_survives_a_crash_at_any_moment() {
    for faulty in [None, Some(0), Some(3)] {
        for fast_path in [false, true] {
            check(&Bounds { crashes: 1, ..Bounds::new(1, faulty, fast_path) });
        }
    }
}

#[test]
fn the_steps_that_are_left_out_lead_to_no_other_votes() {
    let faulty = [None, Some(0), Some(3)];
    for bounds in faulty.iter().flat_map(|it| [false, true].map(|fast_path| Bounds::new(1, *it, fast_path))) {
        let thorough = check(&Bounds { thorough: true, ..bounds.clone() });
        assert_eq!(check(&bounds).pools, thorough.pools, "{bounds:?}");
    }
}

/// The last two views of an epoch: its boundary block, and that block proposed again.
#[test]
fn one_block_ends_an_epoch_however_it_is_proposed_again() {
    for faulty in [None, Some(0), Some(1), Some(3)] {
        let report = check(&Bounds { next_views: Some(0), ..Bounds::new(2, faulty, false) });
        assert!(report.worlds > 5_000, "{report}");
    }
}

/// The last view of an epoch and the first of the next, which some enter and others do not.
#[test]
fn an_epoch_ends_and_the_next_one_begins_in_every_order_of_steps() {
    for faulty in [None, Some(0), Some(1), Some(3)] {
        for fast_path in [false, true] {
            let report = check(&Bounds { next_views: Some(1), ..Bounds::new(1, faulty, fast_path) });
            assert!(report.worlds > 2_000, "{report}");
        }
    }
    for faulty in [None, Some(3)] {
        check(&Bounds { next_views: Some(1), crashes: 1, ..Bounds::new(1, faulty, false) });
    }
}

#[test]
fn what_is_of_another_epoch_changes_nothing() {
    for faulty in [None, Some(0), Some(3)] {
        for fast_path in [false, true] {
            let counting = count_foreign(&Bounds { next_views: Some(1), ..Bounds::new(1, faulty, fast_path) });
            assert!(
                counting.wrong.is_empty() && counting.votes > 10_000,
                "{faulty:?} {fast_path}: {:?}",
                counting.wrong
            );
        }
    }
}

#[test]
fn votes_one_by_one_form_the_certificates_of_the_specification() {
    for faulty in [None, Some(0), Some(3)] {
        for fast_path in [false, true] {
            let counting = count(&Bounds::new(1, faulty, fast_path));
            assert!(
                counting.wrong.is_empty() && counting.votes > 1_000,
                "{faulty:?} {fast_path}: {:?}",
                counting.wrong
            );
        }
    }
}

/// An exploration that keeps hardly any whole validator finds what one finds that keeps all of them.
#[test]
fn validators_that_are_not_kept_are_made_again_and_are_the_same() {
    for bounds in [Bounds::new(1, Some(0), true), Bounds { crashes: 1, ..Bounds::new(1, None, true) }] {
        let mut exploration = Exploration::new(&bounds);
        exploration.automata.iter_mut().for_each(|automaton| automaton.keep_at_most(3));
        let report = exploration.run(&bounds, &mut || true);
        assert!(report.complete && report.validators > 100, "{report}");
        assert_eq!(report, check(&bounds));
    }
}

#[test]
fn a_limit_is_said_to_be_one() {
    let report = run(&Bounds { worlds_max: 100, ..Bounds::new(2, Some(0), false) });
    assert!(!report.complete && report.worlds >= 100 && report.visited < report.worlds, "{report}");
}

// ---- checks that must be able to fail ----

/// Validator 0 leads view 1 and is faulty: blocks 0 and 1 are its proposals there.
fn stage(fast_path: bool) -> Stage {
    Stage::new(&Bounds::new(2, Some(0), fast_path))
}

fn votes(numbers: &[u8]) -> Votes {
    numbers.iter().fold(0, |all, number| all | 1 << number)
}

fn complaint(fast_path: bool, sent: &[&[u8]]) -> String {
    let sent: Vec<Votes> = sent.iter().map(|numbers| votes(numbers)).collect();
    Rules::new(4, fast_path, true).examine(&stage(fast_path), &sent).broken.unwrap_or_default()
}

#[test]
fn a_fork_in_the_votes_is_reported() {
    let (a, b) = (Stage::finalize(0), Stage::finalize(1));
    assert_eq!(complaint(false, &[&[a], &[a], &[]]), "");
    assert_eq!(complaint(false, &[&[a, b], &[a, b], &[]]), "view 1: 1a<genesis is final, and 1b<genesis is certified");
}

#[test]
fn a_skip_beside_a_final_block_is_reported() {
    let (finalize, nothing, reported) = (Stage::finalize(0), Stage::nothing(1), Stage::reported(0));
    let beside = "view 1 can be skipped, and 1a<genesis is final in it";
    assert_eq!(complaint(false, &[&[finalize], &[finalize, nothing], &[nothing]]), beside);
    let notarize = Stage::notarize(0);
    let fast = [[notarize, nothing], [notarize, nothing], [notarize, reported]];
    assert_eq!(complaint(true, &fast.each_ref().map(<[u8; 2]>::as_slice)), beside);
    let truthful = [[notarize, reported]; 3];
    assert_eq!(complaint(true, &truthful.each_ref().map(<[u8; 2]>::as_slice)), "");
}

#[test]
fn a_block_beside_a_final_one_is_reported() {
    let mut stage = stage(false);
    let below = stage.genesis.header.clone();
    let mut block = stage.block(0).block.clone();
    block.header.proposer = althing_types::ValidatorIndex::new(1);
    block.header.height = below.height.next();
    let beside = stage.register(&block, 2).expect("a block of view 2 above genesis");
    let finalize = votes(&[Stage::finalize(0)]);
    let sent = [finalize, finalize, votes(&[Stage::notarize(beside)])];
    let broken = Rules::new(4, false, true).examine(&stage, &sent).broken.expect("a complaint");
    assert!(broken.contains("does not stand on 1a<genesis"), "{broken}");
}

/// Validator 0 leads the first view of the first epoch: blocks 0 and 1 end it, 2 and 3 do not. Validator 1 leads the next.
fn ending() -> Stage {
    Stage::new(&Bounds { next_views: Some(1), ..Bounds::new(2, Some(0), false) })
}

fn above(stage: &Stage, parent: u8, view: u64) -> althing_types::Block {
    let mut block = stage.block(2).block.clone();
    let below = &stage.block(parent).block.header;
    (block.header.epoch, block.header.parent) = (stage.at(view).0, below.id());
    (block.header.height, block.header.executed_height) = (below.height.next(), below.executed_height);
    block.header.proposer = althing_types::ValidatorIndex::new(stage.leader(view));
    let lanes = Stage::lanes(view, 0);
    block.header.lanes_root = althing_types::lanes_root(&lanes);
    block.body.lanes = althing_types::List::truncated(lanes);
    block
}

#[test]
fn what_goes_wrong_where_an_epoch_ends_is_reported() {
    let mut stage = ending();
    let child = stage.register(&above(&stage, 0, 2), 2).expect("a child in the epoch that the block ends");
    let next = stage.register(&above(&stage, 0, 3), 3).expect("a block of the next epoch");
    let examine = |stage: &Stage, sent: &[&[u8]]| {
        let sent: Vec<Votes> = sent.iter().map(|numbers| votes(numbers)).collect();
        Rules::new(4, false, true).examine(stage, &sent).broken.unwrap_or_default()
    };
    let (finalize, in_next) = (Stage::finalize(0), Stage::notarize(next));
    assert_eq!(examine(&stage, &[&[finalize], &[finalize], &[in_next]]), "");
    assert!(examine(&stage, &[&[finalize], &[], &[in_next]]).contains("before the epoch below it ended"));
    assert!(examine(&stage, &[&[], &[], &[Stage::nothing(3)]]).contains("before the epoch ended"));
    assert!(examine(&stage, &[&[], &[], &[Stage::notarize(child)]]).contains("stands on the end of its epoch"));
    let again = stage.register_again(0, 2).expect("it may be proposed again");
    let both = [finalize, Stage::finalize(again)];
    assert_eq!(examine(&stage, &[&both, &both, &[Stage::notarize(again)]]), "", "one block is final in two views");
    let other = stage.register_again(1, 2).expect("it may be proposed again");
    let two = [finalize, Stage::finalize(other)];
    assert!(examine(&stage, &[&two, &two, &[]]).contains("two"), "{}", examine(&stage, &[&two, &two, &[]]));
    for wrong in [3, child] {
        assert!(may_sign(&stage, 0, Stage::notarize(wrong)).is_err(), "{}", stage.block(wrong).name);
    }
}

#[test]
fn a_vote_against_an_earlier_one_is_reported() {
    let stage = stage(true);
    let (n, f, r, nothing) = (Stage::notarize, Stage::finalize, Stage::reported, Stage::nothing(1));
    let fine = [(vec![], n(0)), (vec![n(0)], r(0)), (vec![], nothing), (vec![n(1)], f(0)), (vec![f(0)], n(0))];
    for (before, vote) in fine {
        assert_eq!(may_sign(&stage, votes(&before), vote), Ok(()), "{vote} after {before:?}");
    }
    let contradictions = [
        (vec![n(0)], n(1)),
        (vec![nothing], n(0)),
        (vec![n(0), r(0)], f(0)),
        (vec![f(0)], f(1)),
        (vec![f(0)], n(1)),
        (vec![f(0)], nothing),
        (vec![n(0)], nothing),
        (vec![n(0)], r(1)),
        (vec![], r(0)),
    ];
    for (before, vote) in contradictions {
        assert!(may_sign(&stage, votes(&before), vote).is_err(), "{vote} after {before:?}");
    }
}
