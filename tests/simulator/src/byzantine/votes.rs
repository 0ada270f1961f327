//! Lies in votes: two of a kind, both kinds, false reports, numbers that are off by one.

use althing_consensus::{Envelope, Message as ConsensusMessage, Proposal};
use althing_mempool::{Acks, DataMessage};
use althing_replica::Message;
use althing_types::{Epoch, Finalize, Hash, Height, LaneTip, List, Notarize, Nullify, SignedVote, View, Vote};

use super::{Scene, Strategy, Utterance, as_before, enveloped, proposals};

/// What a receiver gets instead of a vote.
pub(super) fn respond(strategy: Strategy, scene: &mut Scene<'_>, said: &Envelope, vote: &SignedVote) -> Vec<Utterance> {
    let (epoch, view) = (vote.vote.epoch(), vote.vote.view());
    let same = || enveloped(said, said.message.clone());
    let cast = |scene: &Scene<'_>, other: Vote| enveloped(said, ConsensusMessage::Vote(scene.sign(other)));
    match (strategy, vote.vote) {
        (Strategy::EquivocatingVoter, _) if scene.is_other_half() => {
            let other = contradict(scene, &vote.vote);
            vec![cast(scene, other)]
        }
        (Strategy::VotesBoth, Vote::Notarize(it)) => {
            let report = scene.random.chance(500).then_some(it.digest);
            vec![same(), cast(scene, Vote::Nullify(Nullify { epoch, view, report }))]
        }
        (Strategy::VotesBoth, Vote::Finalize(it)) => {
            vec![same(), cast(scene, Vote::Nullify(Nullify { epoch, view, report: Some(it.digest) }))]
        }
        (Strategy::VotesBoth, Vote::Nullify(Nullify { report: Some(digest), .. })) => {
            vec![same(), cast(scene, Vote::Finalize(Finalize { epoch, view, digest }))]
        }
        (Strategy::NullifySpammer, _) => vec![cast(scene, Vote::Nullify(Nullify { epoch, view, report: None }))],
        (Strategy::FalseReporter, Vote::Notarize(_)) => {
            vec![same(), cast(scene, Vote::Nullify(Nullify { epoch, view, report: None }))]
        }
        (Strategy::FalseReporter, Vote::Nullify(_)) => {
            vec![cast(scene, Vote::Nullify(Nullify { epoch, view, report: None }))]
        }
        (Strategy::Colluder, _) if scene.is_other_half() => collude(scene, said, &vote.vote),
        _ => vec![same()],
    }
}

/// A vote that an honest validator does not cast beside this one.
pub(super) fn contradict(scene: &mut Scene<'_>, vote: &Vote) -> Vote {
    let (epoch, view) = (vote.epoch(), vote.view());
    match (*vote, scene.random.below(3)) {
        (Vote::Notarize(it), 0) => Vote::Notarize(Notarize { parent_view: it.parent_view.previous(), ..it }),
        (Vote::Notarize(it), 1) => Vote::Finalize(Finalize { epoch, view, digest: it.digest }),
        (Vote::Finalize(it), 0) => Vote::Nullify(Nullify { epoch, view, report: Some(it.digest) }),
        (Vote::Nullify(_), 0) => Vote::Nullify(Nullify { epoch, view, report: Some(Hash::new([0xee; 32])) }),
        (Vote::Nullify(Nullify { report: Some(digest), .. }), 1) => Vote::Finalize(Finalize { epoch, view, digest }),
        _ => Vote::Nullify(Nullify { epoch, view, report: None }),
    }
}

/// Towards the other half colluders stand by the other block that a colluding leader showed there.
fn collude(scene: &Scene<'_>, said: &Envelope, vote: &Vote) -> Vec<Utterance> {
    let (epoch, view) = (vote.epoch(), vote.view());
    let Some(proposal) = scene.node.proposed_in(view) else { return vec![enveloped(said, said.message.clone())] };
    let Vote::Notarize(notarize) = proposal.vote.vote else { return Vec::new() };
    let digest = proposals::another_block(proposal).header.id();
    let votes = [
        Vote::Notarize(Notarize { digest, ..notarize }),
        Vote::Finalize(Finalize { epoch, view, digest }),
        Vote::Nullify(Nullify { epoch, view, report: None }),
    ];
    // One of them finalizes what only half of the others saw notarized.
    let told = if vote.kind() == althing_types::VoteKind::Notarize { &votes[..2] } else { &votes[1..] };
    told.iter().map(|vote| enveloped(said, ConsensusMessage::Vote(scene.sign(*vote)))).collect()
}

/// What is said when a proposal of another arrives.
pub(super) fn hear(strategy: Strategy, scene: &mut Scene<'_>, proposal: &Proposal) -> Vec<Utterance> {
    let Vote::Notarize(vote) = proposal.vote.vote else { return Vec::new() };
    match strategy {
        Strategy::LockIgnorer => vec![scene.say_vote(Vote::Notarize(vote))],
        Strategy::Colluder => {
            let digest =
                if scene.is_other_half() { proposals::another_block(proposal).header.id() } else { vote.digest };
            vec![scene.say_vote(Vote::Notarize(Notarize { digest, ..vote }))]
        }
        _ => Vec::new(),
    }
}

/// The same message with one number changed by one, or one hash by another, and signed anew.
pub(super) fn off_by_one(scene: &mut Scene<'_>, said: &Message) -> Vec<Utterance> {
    match said {
        Message::Consensus(envelope) => match &envelope.message {
            ConsensusMessage::Vote(vote) => {
                let other = shifted(scene, &vote.vote);
                vec![enveloped(envelope, ConsensusMessage::Vote(scene.sign(other)))]
            }
            ConsensusMessage::Proposal(proposal) => vec![proposals::shifted(scene, envelope, proposal)],
            ConsensusMessage::GetRun { above } => {
                let above = Height::new(near(scene, above.get()));
                vec![enveloped(envelope, ConsensusMessage::GetRun { above })]
            }
            other => {
                let view = View::new(near(scene, envelope.view.get()));
                let floor = View::new(near(scene, envelope.floor.get()));
                let shifted = Envelope { view, floor, message: other.clone(), ..(**envelope).clone() };
                vec![Utterance::now(Message::Consensus(Box::new(shifted)))]
            }
        },
        Message::Data(DataMessage::Acks(acks)) => {
            let tips: Vec<LaneTip> =
                acks.tips.iter().map(|tip| LaneTip { seq: near(scene, tip.seq), ..*tip }).collect();
            let executed = Height::new(near(scene, acks.executed.get()));
            let acks = Acks { epoch: acks.epoch, tips: List::truncated(tips), executed };
            vec![Utterance::now(Message::Data(DataMessage::Acks(acks)))]
        }
        Message::Data(_) => as_before(said),
    }
}

fn shifted(scene: &mut Scene<'_>, vote: &Vote) -> Vote {
    let epoch = Epoch::new(if scene.random.chance(100) { near(scene, vote.epoch().get()) } else { vote.epoch().get() });
    let view = View::new(near(scene, vote.view().get()));
    match *vote {
        Vote::Notarize(it) => {
            let parent_view = View::new(near(scene, it.parent_view.get()));
            Vote::Notarize(Notarize { epoch, view, parent_view, ..it })
        }
        Vote::Nullify(it) => Vote::Nullify(Nullify { epoch, view, ..it }),
        Vote::Finalize(it) => Vote::Finalize(Finalize { epoch, view, ..it }),
    }
}

/// A number, the one below or the one above.
pub(super) fn near(scene: &mut Scene<'_>, number: u64) -> u64 {
    number.saturating_add(scene.random.below(3)).saturating_sub(1)
}
