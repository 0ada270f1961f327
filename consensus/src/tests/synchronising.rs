//! Keeping views together: rules R7 and R8.

use althing_types::{Certificate, ValidatorIndex, View, Vote};

use super::rig::{DELTA, Rig, digest, finalize, notarize, nullify, said, votes_sent, votes_timed};
use crate::{Input, Message, Output};

/// Everybody is connected and announces what I have.
fn together() -> Rig {
    let mut rig = Rig::new();
    rig.connect_all();
    for from in 0..3 {
        rig.hear_with(from, 1, 0, Message::Status);
    }
    rig
}

/// Certificates pushed to a peer: when, and of which views.
fn pushes(out: &[(u64, Output)], peer: u16) -> Vec<(u64, Vec<u64>)> {
    let pushed = out.iter().flat_map(|(at, output)| {
        said(std::slice::from_ref(output)).into_iter().map(move |(to, message)| (*at, to, message))
    });
    pushed
        .filter_map(|(at, to, message)| match message {
            Message::Certificates(certificates) if to == peer => {
                Some((at, certificates.iter().map(|it| Certificate::view(it).get()).collect()))
            }
            _ => None,
        })
        .collect()
}

#[test]
fn a_peer_one_view_behind_gets_the_certificate_after_a_quarter_of_delta() {
    let mut rig = together();
    let mut out: Vec<(u64, Output)> = rig.hear_certificates(vec![rig.skip(1)]).into_iter().map(|it| (0, it)).collect();
    out.extend(rig.pass(DELTA));
    assert_eq!(pushes(&out, 1), [(DELTA / 4, vec![1])]);
}

#[test]
fn a_peer_further_behind_gets_the_certificate_at_once_and_again_every_delta() {
    let mut rig = together();
    let mut out: Vec<(u64, Output)> = rig.hear_certificates(vec![rig.skip(7)]).into_iter().map(|it| (0, it)).collect();
    out.extend(rig.pass(2 * DELTA));
    assert_eq!(pushes(&out, 1), [(0, vec![7]), (DELTA, vec![7]), (2 * DELTA, vec![7])]);
}

#[test]
fn pushes_stop_when_the_peer_announces_that_it_caught_up() {
    let mut rig = together();
    rig.hear_certificates(vec![rig.skip(6)]);
    for from in 0..3 {
        rig.hear_with(from, 7, 0, Message::Status);
    }
    assert_eq!(rig.pass(10 * DELTA), []);
    assert_eq!(rig.core.deadline(), None);
}

#[test]
fn a_peer_with_a_lower_floor_gets_the_finalization_and_the_entry_above_it() {
    let mut rig = together();
    rig.hear_certificates(vec![rig.finalization(4, rig.genesis.id())]);
    let mut out: Vec<(u64, Output)> = rig.hear_certificates(vec![rig.skip(9)]).into_iter().map(|it| (0, it)).collect();
    out.extend(rig.pass(DELTA));
    assert_eq!(pushes(&out, 1), [(DELTA, vec![4, 9])]);
    rig.hear_with(1, 10, 0, Message::Status);
    rig.hear_with(2, 1, 4, Message::Status);
    let out = rig.pass(DELTA);
    assert_eq!(pushes(&out, 1), [(2 * DELTA, vec![4])]);
    assert_eq!(pushes(&out, 2), [(2 * DELTA, vec![9])]);
}

#[test]
fn who_is_pushed_certificates_answers_with_a_status() {
    let mut rig = together();
    let out = rig.hear_certificates(vec![rig.skip(3)]);
    assert!(said(&out).contains(&(0, Message::Status)));
}

#[test]
fn a_peer_two_views_ahead_is_told_where_i_am() {
    let mut rig = together();
    assert_eq!(said(&rig.hear_with(1, 2, 0, Message::Status)), []);
    assert_eq!(said(&rig.hear_with(1, 3, 0, Message::Status)), [(1, Message::Status)]);
    assert_eq!(said(&rig.hear_with(1, 3, 0, Message::Status)), [], "not again within a quarter of Δ");
    rig.advance(DELTA / 4);
    assert_eq!(said(&rig.hear_with(1, 3, 0, Message::Status)), [(1, Message::Status)]);
}

#[test]
fn a_peer_with_a_higher_floor_is_told_after_a_quarter_of_delta() {
    let mut rig = together();
    assert_eq!(said(&rig.hear_with(1, 1, 1, Message::Status)), []);
    rig.advance(DELTA / 4);
    assert_eq!(said(&rig.hear_with(1, 1, 1, Message::Status)), [(1, Message::Status)]);
}

#[test]
fn a_new_connection_forgets_what_the_peer_announced_and_begins_with_a_status() {
    let mut rig = together();
    rig.hear_certificates(vec![rig.skip(7)]);
    for from in 0..3 {
        rig.hear_with(from, 8, 0, Message::Status);
    }
    rig.advance(10 * DELTA);
    let index = ValidatorIndex::new(1);
    assert_eq!(said(&rig.step(Input::Peer { index, connected: false })), []);
    let out = rig.step(Input::Peer { index, connected: true });
    assert!(said(&out).contains(&(1, Message::Status)));
    assert!(said(&out).iter().any(|(to, it)| *to == 1 && matches!(it, Message::Certificates(_))));
}

// ---- R8 ----

fn times(out: &[(u64, Output)], vote: Vote) -> Vec<u64> {
    votes_timed(out).into_iter().filter(|(_, it)| *it == vote).map(|(at, _)| at).collect()
}

#[test]
fn a_finalize_of_the_tip_is_repeated_every_delta_until_it_is_final() {
    let mut rig = together();
    rig.hear_certificates(vec![rig.notarization(1, 0, digest(1))]);
    let vote = finalize(1, digest(1));
    assert_eq!(times(&rig.pass(3 * DELTA), vote), [DELTA, 2 * DELTA, 3 * DELTA]);
    rig.hear_certificates(vec![rig.finalization(1, digest(1))]);
    assert_eq!(times(&rig.pass(10 * DELTA), vote), [] as [u64; 0]);
}

#[test]
fn a_notarize_and_a_nullify_are_repeated_until_the_view_is_certified() {
    let mut rig = together();
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    rig.hear_proposal(1, 0, &made, Vec::new());
    let out = rig.pass(4 * DELTA);
    assert_eq!(times(&out, notarize(1, 0, made.id())), [DELTA, 2 * DELTA, 3 * DELTA]);
    let out = rig.pass(2 * DELTA);
    assert_eq!(times(&out, nullify(1, Some(made.id()))).len(), 2);
    rig.hear_certificates(vec![rig.skip(1)]);
    rig.work(&[], &[(1, 1)]);
    let views: Vec<u64> = votes_timed(&rig.pass(6 * DELTA)).iter().map(|(_, it)| it.view().get()).collect();
    assert!(!views.is_empty() && views.iter().all(|view| *view == 2), "{views:?}");
}

#[test]
fn a_leader_repeats_its_proposal() {
    let mut rig = Rig::of(4, 0);
    rig.advance(10_000);
    rig.work(&[(0, 1)], &[(0, 1)]);
    let lanes = vec![super::rig::tip(0, 1)];
    rig.step(Input::Built { view: View::new(1), parent: rig.genesis.id(), lanes });
    let out: Vec<Output> = rig.pass(DELTA).into_iter().map(|(_, output)| output).collect();
    assert_eq!((votes_sent(&out).len(), super::rig::proposals_sent(&out).len()), (1, 1));
}

#[test]
fn only_the_newest_views_that_are_not_final_are_repeated() {
    let mut rig = together();
    for view in 1..=40 {
        let leader = rig.core.leader(View::new(view)).get();
        let message = nullify(view, None);
        if leader != 3 {
            rig.hear_vote(leader, message);
        }
        rig.hear_certificates(vec![rig.skip(view + 1)]);
        rig.core.rounds.entry(View::new(view)).or_default().skip = None;
    }
    rig.work(&[], &[(0, 1)]);
    let out = rig.pass(DELTA);
    let views: std::collections::BTreeSet<u64> = votes_timed(&out).iter().map(|(_, it)| it.view().get()).collect();
    assert!(views.len() <= 8 && views.iter().all(|view| *view > 30), "{views:?}");
}
