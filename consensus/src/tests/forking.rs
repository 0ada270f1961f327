//! More than f colluders: two honest groups make different blocks final, and once they meet every honest validator
//! proves who did it and stops (R10). Fewer than that prove nothing, and junk stops nobody.

use std::collections::{BTreeMap, BTreeSet};

use althing_types::{Certificate, ForkProof, List, ValidatorIndex, View, Vote};

use super::rig::{
    DELTA, Made, Rig, alarms, blamed, digest, finalize, heights, notarize, nullify, proposal, signed, votes_sent,
};
use crate::{Alarm, Envelope, Input, Message, Output, Recipient};

fn proof(out: &[Output]) -> Option<ForkProof> {
    alarms(out).into_iter().find_map(|alarm| match alarm {
        Alarm::Fork { proof, .. } => proof.map(|proof| *proof),
        _ => None,
    })
}

fn numbers(culprits: &[ValidatorIndex]) -> Vec<u16> {
    culprits.iter().map(|culprit| culprit.get()).collect()
}

#[test]
fn a_skip_of_a_view_in_which_a_block_is_final_stops_me_with_proof() {
    let mut rig = Rig::new();
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    rig.others_finalize(1, 0, &made);
    let out = rig.hear_certificates(vec![rig.skip(1)]);
    let proof = proof(&out).expect("a fork");
    assert_eq!(numbers(&proof.verify(rig.scheme(), &rig.config.committee).expect("it verifies")), [0, 1, 2]);
    let told = |output: &Output| {
        matches!(output, Output::Send { to: Recipient::All, envelope: Envelope { message: Message::Fork(_), .. } })
    };
    assert_eq!(out.iter().filter(|output| told(output)).count(), 1);
    let alarm = out.iter().position(|output| matches!(output, Output::Alarm(_)));
    assert!(alarm < out.iter().position(told), "the surroundings make it durable before it leaves");
    // It votes no more and takes no final block any more.
    let next = rig.block(&made, 1, &[(0, 2)]);
    let mut out = rig.others_finalize(2, 1, &next);
    out.extend(rig.pass(20 * DELTA).into_iter().map(|(_, output)| output));
    assert_eq!((votes_sent(&out), heights(&out)), (vec![], vec![]));
    // Whoever connects is told.
    let out = rig.step(Input::Peer { index: ValidatorIndex::ZERO, connected: true });
    assert!(super::rig::said(&out).iter().any(|(to, message)| *to == 0 && matches!(message, Message::Fork(_))));
}

#[test]
fn every_order_of_what_contradicts_itself_is_a_fork() {
    let rig = Rig::new();
    let (a, b) = (digest(1), digest(2));
    let table = [
        vec![rig.finalization(1, a), rig.finalization(1, b)],
        vec![rig.skip(1), rig.finalization(1, a)],
        vec![rig.notarization(1, 0, a), rig.finalization(1, a), rig.notarization(1, 0, b)],
        vec![rig.notarization(1, 0, b), rig.notarization(1, 0, a), rig.finalization(1, a)],
        vec![rig.notarization(1, 0, b), rig.finalization(1, a), rig.notarization(1, 0, a)],
        vec![rig.finalization(1, a), rig.notarization(1, 0, b), rig.notarization(1, 0, a)],
        vec![rig.finalization(1, a), rig.finalization(9, b), rig.skip(1)],
    ];
    for certificates in table {
        let mut rig = rig.clone();
        let out: Vec<Output> =
            certificates.iter().flat_map(|certificate| rig.hear_certificates(vec![certificate.clone()])).collect();
        let proof = proof(&out).unwrap_or_else(|| panic!("no proof in {certificates:?}"));
        assert_eq!(numbers(&proof.verify(rig.scheme(), &rig.config.committee).expect("it verifies")), [0, 1, 2]);
    }
}

#[test]
fn certificates_that_go_together_stop_nobody() {
    let mut rig = Rig::new();
    let a = digest(1);
    let mut out = Vec::new();
    for certificate in [
        rig.skip(1),
        rig.notarization(1, 0, a),
        rig.notarization(2, 1, a),
        rig.finalization(2, a),
        rig.skip(1),
        rig.notarization(2, 1, a),
        rig.finalization(2, a),
        rig.skip(3),
    ] {
        out.extend(rig.hear_certificates(vec![certificate]));
    }
    assert_eq!(alarms(&out), []);
}

#[test]
fn a_forged_contradiction_blames_its_sender_and_stops_nobody() {
    let mut rig = Rig::new();
    rig.hear_certificates(vec![rig.finalization(1, digest(1))]);
    let Certificate::Nullification(mut skip) = rig.skip(2) else { unreachable!("as made") };
    skip.view = View::new(1);
    let moved = Certificate::Nullification(skip);
    let out = rig.hear_certificates(vec![moved.clone()]);
    assert!(blamed(&out) && proof(&out).is_none());
    let Certificate::Finalization(finalization) = rig.finalization(1, digest(1)) else { unreachable!("as made") };
    let junk = ForkProof::V1 { finalization, beside: List::truncated(vec![moved]) };
    let out = rig.hear(0, Message::Fork(Box::new(junk)));
    assert!(blamed(&out) && proof(&out).is_none());
    assert!(rig.core.snapshot().halted.is_none());
}

#[test]
fn a_proof_from_a_peer_stops_a_validator_that_saw_neither_side() {
    let mut rig = Rig::new();
    rig.hear_certificates(vec![rig.finalization(1, digest(1))]);
    let out = rig.hear_certificates(vec![rig.skip(1)]);
    let told = proof(&out).expect("a fork");
    let mut other = Rig::of(4, 2);
    let out = other.hear(3, Message::Fork(Box::new(told.clone())));
    assert_eq!(proof(&out), Some(told.clone()));
    assert!(other.core.snapshot().halted.is_some());
    let again = other.hear(0, Message::Fork(Box::new(told)));
    assert_eq!(alarms(&again), [], "once");
}

#[test]
fn what_is_kept_of_past_views_is_bounded() {
    let mut rig = Rig::new();
    for view in 1..=1_500 {
        rig.hear_certificates(vec![
            rig.notarization(view, view - 1, digest(view)),
            rig.finalization(view, digest(view)),
        ]);
    }
    let out = rig.hear_certificates(vec![rig.skip(400)]);
    assert_eq!(alarms(&out), [], "it is forgotten, and not even verified");
    assert!(proof(&rig.hear_certificates(vec![rig.skip(500)])).is_some());
}

// ---- whole networks ----

/// Small numbers that follow from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }
}

/// Honest validators among colluders who sign whatever is asked of them.
struct World {
    colluders: BTreeSet<u16>,
    honest: BTreeMap<u16, Rig>,
    proven: BTreeMap<u16, ForkProof>,
    /// What was said and did not arrive yet: from whom, to whom.
    air: Vec<(u16, u16, Envelope)>,
    dice: Dice,
}

impl World {
    /// `count` colluders of `n`, the leaders of views 1 and 2 among them.
    fn new(n: u16, count: usize, seed: u64) -> Self {
        let mut dice = Dice(seed);
        let mut colluders = BTreeSet::from([0, 1]);
        while colluders.len() < count {
            colluders.insert(dice.below(usize::from(n)) as u16);
        }
        let honest = (0..n).filter(|it| !colluders.contains(it)).map(|it| (it, Rig::of(n, it))).collect();
        Self { colluders, honest, proven: BTreeMap::new(), air: Vec::new(), dice }
    }

    fn step(&mut self, who: u16, act: impl FnOnce(&mut Rig) -> Vec<Output>) {
        let rig = self.honest.get_mut(&who).expect("an honest one");
        let out = act(rig);
        if let Some(proof) = proof(&out) {
            self.proven.insert(who, proof);
        }
        for output in out {
            let Output::Send { to, envelope } = output else { continue };
            let others = self.honest.keys().filter(|it| **it != who);
            let hears = |it: u16| to == Recipient::All || to == Recipient::One(ValidatorIndex::new(it));
            let heard = others.filter(|it| hears(**it)).map(|it| (who, *it, envelope.clone()));
            self.air.extend(heard.collect::<Vec<_>>());
        }
    }

    /// Everything that was said within a group arrives, in some order; what was said to others is lost.
    fn deliver(&mut self, group: &BTreeSet<u16>) {
        while !self.air.is_empty() {
            let place = self.dice.below(self.air.len());
            let (from, to, envelope) = self.air.swap_remove(place);
            if group.contains(&from) && group.contains(&to) {
                let from = ValidatorIndex::new(from);
                self.step(to, |rig| rig.step(Input::Message { from, envelope }));
            }
        }
    }

    /// The colluders sign a vote, and show it to a group.
    fn collude(&mut self, vote: Vote, group: &BTreeSet<u16>) {
        let mut shown: Vec<(u16, u16)> =
            self.colluders.iter().flat_map(|by| group.iter().map(|to| (*by, *to))).collect();
        while !shown.is_empty() {
            let place = self.dice.below(shown.len());
            let (by, to) = shown.swap_remove(place);
            self.step(to, |rig| rig.hear_vote(by, vote));
        }
        self.deliver(group);
    }

    /// A group makes a block final in a view that a colluder leads.
    fn finalize(&mut self, view: u64, made: &Made, group: &BTreeSet<u16>) {
        let leader = (view - 1) as u16;
        for to in group {
            let offered = proposal(leader, view, 0, &made.block, Vec::new());
            self.step(*to, |rig| rig.hear(leader, Message::Proposal(Box::new(offered))));
        }
        self.collude(notarize(view, 0, made.id()), group);
        self.collude(finalize(view, made.id()), group);
        assert!(group.iter().all(|it| self.honest[it].core.snapshot().final_block == made.id()));
    }

    /// All honest ones reach each other.
    fn heal(&mut self) {
        let all: BTreeSet<u16> = self.honest.keys().copied().collect();
        for one in &all {
            for other in all.iter().filter(|other| *other != one) {
                let index = ValidatorIndex::new(*other);
                self.step(*one, |rig| rig.step(Input::Peer { index, connected: true }));
            }
        }
        for _ in 0..40 {
            self.deliver(&all);
            let mut waiting: Vec<u16> = all.iter().copied().collect();
            while !waiting.is_empty() {
                let place = self.dice.below(waiting.len());
                let who = waiting.swap_remove(place);
                self.step(who, |rig| rig.pass(DELTA / 2).into_iter().map(|(_, output)| output).collect());
            }
        }
    }

    /// Every honest validator stopped, and proves at least f + 1 culprits, none of them honest.
    fn check(&self, told: &str) {
        for (who, rig) in &self.honest {
            let proof = self.proven.get(who).unwrap_or_else(|| panic!("{told}: {who} has no proof"));
            let culprits = proof.verify(rig.scheme(), &rig.config.committee).expect("it verifies");
            assert!(culprits.len() > usize::from(rig.config.quorums().f()), "{told}");
            assert!(numbers(&culprits).iter().all(|it| self.colluders.contains(it)), "{told}: {culprits:?}");
            let accused = rig.core.snapshot().evidence;
            assert!(accused.iter().all(|it| self.colluders.contains(&it.culprit().get())), "{told}");
            assert!(matches!(rig.core.snapshot().halted, Some(Alarm::Fork { .. })), "{told}");
        }
    }
}

/// How the second branch comes about.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Two blocks in one view.
    OneView,
    /// The view is passed over, and the next one holds the other block.
    NextView,
}

fn check_fork(n: u16, count: usize, way: Way, seed: u64) {
    let told = format!("{count} of {n} collude, {way:?}, seed {seed}");
    let mut world = World::new(n, count, seed);
    let honest: Vec<u16> = world.honest.keys().copied().collect();
    let (one, two) = honest.split_at(honest.len().div_ceil(2));
    let (one, two): (BTreeSet<u16>, BTreeSet<u16>) = (one.iter().copied().collect(), two.iter().copied().collect());
    let rig = Rig::of(n, honest[0]);
    let (a, b) = (rig.block(&rig.genesis, 0, &[(0, 1)]), rig.block(&rig.genesis, 0, &[(0, 2)]));
    world.finalize(1, &a, &one);
    match way {
        Way::OneView if !two.is_empty() => world.finalize(1, &b, &two),
        Way::NextView if !two.is_empty() => {
            world.collude(nullify(1, None), &two);
            let b = rig.block(&rig.genesis, 1, &[(0, 2)]);
            world.finalize(2, &b, &two);
        }
        // They are a quorum by themselves, and show the one honest validator the other side.
        Way::OneView => {
            let votes: Vec<_> = world.colluders.iter().map(|by| signed(*by, finalize(1, b.id()))).collect();
            let Vote::Finalize(vote) = finalize(1, b.id()) else { unreachable!("as made") };
            let other = althing_types::Finalization::slow(vote, &rig.config.committee, &votes).expect("a quorum");
            world.step(honest[0], |rig| rig.hear_certificates(vec![Certificate::Finalization(other)]));
        }
        Way::NextView => {
            let votes: Vec<_> = world.colluders.iter().map(|by| signed(*by, nullify(1, None))).collect();
            let (epoch, view) = (althing_types::Epoch::ZERO, althing_types::View::new(1));
            let skip = althing_types::Nullification::of(epoch, view, &rig.config.committee, &votes).expect("a quorum");
            world.step(honest[0], |rig| rig.hear_certificates(vec![Certificate::Nullification(skip)]));
        }
    }
    let apart = world.proven.is_empty() || two.is_empty();
    assert!(apart, "{told}: nobody knows of the other side yet");
    world.heal();
    world.check(&told);
}

#[test]
fn every_honest_validator_that_meets_the_other_side_of_a_fork_stops_and_names_the_colluders() {
    for n in [4u16, 7] {
        let f = usize::from((n - 1) / 3);
        for count in [f + 1, 2 * f + 1] {
            for way in [Way::OneView, Way::NextView] {
                for seed in 0..20 {
                    check_fork(n, count, way, seed);
                }
            }
        }
    }
}

#[test]
fn f_colluders_cannot_fork_and_are_told_apart_from_the_honest() {
    for seed in 0..20 {
        let mut world = World::new(7, 2, seed);
        let all: BTreeSet<u16> = world.honest.keys().copied().collect();
        let (one, two): (Vec<u16>, Vec<u16>) = all.iter().partition(|it| **it % 2 == 0);
        let rig = Rig::of(7, one[0]);
        for (made, group) in
            [(rig.block(&rig.genesis, 0, &[(0, 1)]), one), (rig.block(&rig.genesis, 0, &[(0, 2)]), two)]
        {
            let group: BTreeSet<u16> = group.into_iter().collect();
            for to in &group {
                let offered = proposal(0, 1, 0, &made.block, Vec::new());
                world.step(*to, |rig| rig.hear(0, Message::Proposal(Box::new(offered))));
            }
            world.collude(notarize(1, 0, made.id()), &group);
            world.collude(finalize(1, made.id()), &group);
        }
        world.heal();
        assert!(world.proven.is_empty() && world.honest.values().all(|rig| rig.core.snapshot().halted.is_none()));
        let accused = world.honest.values().flat_map(|rig| rig.core.snapshot().evidence);
        let accused: BTreeSet<u16> = accused.map(|it| it.culprit().get()).collect();
        assert!(accused.is_subset(&world.colluders), "seed {seed}: {accused:?}");
    }
}
