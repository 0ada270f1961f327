//! Lies in proposals: another block for some, another parent, a wrong field, a wrong time, too late.

use althing_consensus::{Envelope, Message as ConsensusMessage, Proposal};
use althing_types::{
    Block, Body, Epoch, Hash, Header, Height, LaneTip, List, Notarize, TimeMs, ValidatorIndex, View, Vote, lanes_root,
};

use super::{Scene, Strategy, Utterance, enveloped, votes};

/// The leader timer of a network with the default Δ, in microseconds (T1).
const LEADER_TIMER_US: u64 = 625_000;

/// What a receiver gets instead of a proposal.
pub(super) fn respond(
    strategy: Strategy,
    scene: &mut Scene<'_>,
    said: &Envelope,
    proposal: &Proposal,
) -> Vec<Utterance> {
    let quorum = scene.committee.set.quorums().notarize();
    let same = || vec![enveloped(said, said.message.clone())];
    let other = |scene: &Scene<'_>, block: Block| {
        vec![enveloped(said, ConsensusMessage::Proposal(Box::new(signed(scene, proposal, block))))]
    };
    match strategy {
        Strategy::EquivocatingProposerHalves | Strategy::Colluder if scene.is_other_half() => {
            other(scene, another_block(proposal))
        }
        Strategy::EquivocatingProposerVictim => {
            let victim = proposal.vote.vote.view().get() % u64::from(scene.committee.set.count());
            if u64::from(scene.receiver.get()) == victim { other(scene, another_block(proposal)) } else { same() }
        }
        Strategy::NullifySpammer => Vec::new(),
        Strategy::LockIgnorer => elsewhere(scene, said, proposal).map_or_else(same, |it| vec![it]),
        Strategy::SelectiveSender if scene.receiver.get() + 1 >= quorum => {
            // The vote without the block.
            vec![enveloped(said, ConsensusMessage::Vote(proposal.vote))]
        }
        Strategy::LateProposer => {
            let after = LEADER_TIMER_US + scene.random.below(3_000) - 1_500;
            let mut late = same();
            late.iter_mut().for_each(|it| it.after_us = after);
            late
        }
        Strategy::TimeSkewer => {
            let block = proposal.block.clone();
            let time = skewed(proposal.vote.vote.view(), block.header.time);
            other(scene, Block { header: Header { time, ..block.header }, ..block })
        }
        Strategy::InvalidProposer => {
            let block = with_wrong_field(proposal);
            other(scene, block)
        }
        Strategy::Censor => without_others(scene, proposal).map_or_else(same, |block| other(scene, block)),
        _ => same(),
    }
}

/// The same proposal with another block, signed.
fn signed(scene: &Scene<'_>, proposal: &Proposal, block: Block) -> Proposal {
    let Vote::Notarize(vote) = proposal.vote.vote else { return proposal.clone() };
    let vote = scene.sign(Vote::Notarize(Notarize { digest: block.header.id(), ..vote }));
    Proposal { vote, block, justification: proposal.justification.clone() }
}

/// A block that is as good as the one of a proposal: a millisecond later.
pub(super) fn another_block(proposal: &Proposal) -> Block {
    let block = proposal.block.clone();
    Block { header: Header { time: block.header.time.next(), ..block.header }, ..block }
}

/// A proposal in the same view on the parent of its parent, passing over a block that may be final: the attack that
/// the certificates of a justification are there to stop.
pub(super) fn elsewhere(scene: &Scene<'_>, said: &Envelope, proposal: &Proposal) -> Option<Utterance> {
    let Vote::Notarize(vote) = proposal.vote.vote else { return None };
    let passed_over = scene.node.heard.get(&proposal.block.header.parent)?;
    let below = scene.node.heard.get(&passed_over.block.header.parent)?;
    let body = Body::default();
    let header = Header {
        height: below.block.header.height.next(),
        time: below.block.header.time.next().max(proposal.block.header.time),
        parent: below.block.header.id(),
        lanes_root: below.block.header.lanes_root,
        executed_height: below.block.header.executed_height,
        results_root: body.results_root(),
        evidence_root: body.evidence_root(),
        ..proposal.block.header.clone()
    };
    let vote = Notarize { parent_view: below.vote.vote.view(), digest: header.id(), ..vote };
    let vote = scene.sign(Vote::Notarize(vote));
    let proposal = Proposal { vote, block: Block { header, body }, justification: List::empty() };
    Some(enveloped(said, ConsensusMessage::Proposal(Box::new(proposal))))
}

/// A time that is too early, just above the bound, or far ahead.
fn skewed(view: View, time: TimeMs) -> TimeMs {
    match view.get() % 5 {
        0 => TimeMs::new(0),
        1 => TimeMs::new(time.get().saturating_sub(86_400_000)),
        2 => TimeMs::new(time.get().saturating_add(2_010)),
        3 => TimeMs::new(time.get().saturating_add(86_400_000)),
        _ => TimeMs::new(u64::MAX),
    }
}

/// The block of a proposal with one field that is wrong; which one changes with the view.
fn with_wrong_field(proposal: &Proposal) -> Block {
    let mut block = proposal.block.clone();
    let wrong = Hash::new([0xba; 32]);
    let header = &mut block.header;
    match proposal.vote.vote.view().get() % 16 {
        0 => header.chain = wrong,
        1 => header.epoch = Epoch::new(1),
        2 => header.height = header.height.next(),
        3 => header.height = Height::ZERO,
        4 => header.time = TimeMs::new(0),
        5 => header.parent = wrong,
        6 => header.proposer = ValidatorIndex::new(header.proposer.get() + 1),
        7 => header.validators = wrong,
        8 => header.params = wrong,
        9 => header.next_validators = wrong,
        10 => header.lanes_root = lanes_root(&[]),
        11 => header.executed_height = header.executed_height.next(),
        12 => header.results_root = wrong,
        13 => header.evidence_root = wrong,
        14 => {
            let mut results = std::mem::take(&mut block.body.results).into_inner();
            if let Some(last) = results.last_mut() {
                // A result that nobody computed.
                last.gas_used += 1;
            }
            block.body.results = List::truncated(results);
            block.header.results_root = block.body.results_root();
        }
        _ => {
            // A lane of nobody. The root that the header commits to cannot be known here, so that no body fits it.
            let lanes = vec![LaneTip { lane: 999, seq: 1, tip: wrong }];
            block.header.lanes_root = lanes_root(&lanes);
            block.body.lanes = List::truncated(lanes);
        }
    }
    block
}

/// The block without the lanes of others, if the parent is known.
fn without_others(scene: &Scene<'_>, proposal: &Proposal) -> Option<Block> {
    let parent = scene.node.heard.get(&proposal.block.header.parent)?;
    let body = Body { lanes: List::empty(), ..proposal.block.body.clone() };
    let header = Header { lanes_root: parent.block.header.lanes_root, ..proposal.block.header.clone() };
    Some(Block { header, body })
}

/// A proposal with one number changed by one.
pub(super) fn shifted(scene: &mut Scene<'_>, said: &Envelope, proposal: &Proposal) -> Utterance {
    let Vote::Notarize(vote) = proposal.vote.vote else { return enveloped(said, said.message.clone()) };
    let mut block = proposal.block.clone();
    let header = &mut block.header;
    let (mut view, mut parent_view) = (vote.view, vote.parent_view);
    match scene.random.below(6) {
        0 => header.height = Height::new(votes::near(scene, header.height.get())),
        1 => header.time = TimeMs::new(votes::near(scene, header.time.get())),
        2 => header.executed_height = Height::new(votes::near(scene, header.executed_height.get())),
        3 => header.proposer = ValidatorIndex::new((header.proposer.get() + 1) % scene.committee.set.count()),
        4 => view = View::new(votes::near(scene, view.get())),
        _ => parent_view = View::new(votes::near(scene, parent_view.get())),
    }
    let vote = Notarize { view, parent_view, digest: block.header.id(), ..vote };
    let vote = scene.sign(Vote::Notarize(vote));
    let proposal = Proposal { vote, block, justification: proposal.justification.clone() };
    enveloped(said, ConsensusMessage::Proposal(Box::new(proposal)))
}
