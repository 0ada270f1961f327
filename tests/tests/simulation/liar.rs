//! Liars: Byzantine validators that run a core like everybody and say something else than it does.
//!
//! A liar's messages are distorted on their way out and signed anew with its key. It cannot forge what others signed,
//! and it keeps the form of messages: what is not well formed is tested where it is decoded.

mod data;

use althing_consensus::{Envelope, Message, Proposal};
use althing_node::replica;
use althing_types::{
    Block, Body, Committee, Finalize, Hash, Header, List, Notarize, Nullify, SignedVote, TimeMs, ValidatorIndex, View,
    Vote, lanes_root,
};

use super::node::Node;
use super::random::Random;

/// What a liar says instead of this, or beside it. The receiver gets every message returned.
pub(crate) fn distort(
    random: &mut Random,
    node: &Node,
    committee: &Committee,
    said: &replica::Message,
) -> Vec<replica::Message> {
    match said {
        replica::Message::Consensus(envelope) => {
            let said = distort_envelope(random, node, committee, envelope);
            said.into_iter().map(|envelope| replica::Message::Consensus(Box::new(envelope))).collect()
        }
        replica::Message::Data(message) => {
            data::distort(random, node, committee, message).into_iter().map(replica::Message::Data).collect()
        }
    }
}

fn distort_envelope(random: &mut Random, node: &Node, committee: &Committee, said: &Envelope) -> Vec<Envelope> {
    let with = |message| Envelope { message, ..said.clone() };
    match (&said.message, random.below(8)) {
        (Message::Proposal(proposal), 0 | 1) => {
            elsewhere(node, committee, proposal).map(|it| with(Message::Proposal(Box::new(it)))).into_iter().collect()
        }
        (Message::Proposal(proposal), 2) => {
            let other = with(Message::Proposal(Box::new(later(node, committee, proposal))));
            if random.chance(500) { vec![other] } else { vec![said.clone(), other] }
        }
        (Message::Proposal(proposal), 3) => {
            let justification = List::empty();
            vec![with(Message::Proposal(Box::new(Proposal { justification, ..(**proposal).clone() })))]
        }
        (Message::Vote(vote), 0 | 1) => {
            let contradiction = sign(node, committee, contradict(random, &vote.vote));
            let other = with(Message::Vote(contradiction));
            if random.chance(500) { vec![other] } else { vec![said.clone(), other] }
        }
        (Message::Certificates(certificates), 0) => {
            let kept = certificates.iter().filter(|_| random.chance(500)).cloned().collect();
            vec![with(Message::Certificates(List::truncated(kept)))]
        }
        (_, 4) => Vec::new(),
        (_, 5) => vec![Envelope { view: View::new(random.next()), floor: View::new(random.next()), ..said.clone() }],
        _ => vec![said.clone()],
    }
}

fn sign(node: &Node, committee: &Committee, vote: Vote) -> SignedVote {
    let signature = node.keys.signature(&vote.sign_hash(&committee.chain));
    SignedVote { vote, signer: node.index, signature }
}

/// A vote that an honest validator does not cast beside this one.
fn contradict(random: &mut Random, vote: &Vote) -> Vote {
    let (epoch, view) = (vote.epoch(), vote.view());
    match (*vote, random.below(3)) {
        (Vote::Notarize(it), 0) => Vote::Notarize(Notarize { parent_view: it.parent_view.previous(), ..it }),
        (Vote::Notarize(it), 1) => Vote::Finalize(Finalize { epoch, view, digest: it.digest }),
        (Vote::Finalize(it), 0) => Vote::Nullify(Nullify { epoch, view, report: Some(it.digest) }),
        (Vote::Nullify(_), 0) => Vote::Nullify(Nullify { epoch, view, report: Some(Hash::new([0xee; 32])) }),
        (Vote::Nullify(Nullify { report: Some(digest), .. }), 1) => Vote::Finalize(Finalize { epoch, view, digest }),
        _ => Vote::Nullify(Nullify { epoch, view, report: None }),
    }
}

/// A proposal in the same view on the parent of its parent, passing over a block that may be final: the attack that
/// the certificates of a justification are there to stop.
fn elsewhere(node: &Node, committee: &Committee, proposal: &Proposal) -> Option<Proposal> {
    let Vote::Notarize(vote) = proposal.vote.vote else { return None };
    let (passed_over, _) = node.seen.get(&proposal.block.header.parent)?;
    let (below, parent_view) = node.seen.get(&passed_over.parent)?;
    let body = Body::default();
    let header = Header {
        height: below.height.next(),
        time: below.time.next().max(proposal.block.header.time),
        parent: below.id(),
        lanes_root: below.lanes_root,
        executed_height: below.executed_height,
        results_root: body.results_root(),
        evidence_root: body.evidence_root(),
        ..proposal.block.header.clone()
    };
    let vote = Notarize { parent_view: *parent_view, digest: header.id(), ..vote };
    let vote = sign(node, committee, Vote::Notarize(vote));
    Some(Proposal { vote, block: Block { header, body }, justification: List::empty() })
}

/// The same proposal with another block: one millisecond later, or with a field or a result that is wrong.
fn later(node: &Node, committee: &Committee, proposal: &Proposal) -> Proposal {
    let Vote::Notarize(vote) = proposal.vote.vote else { return proposal.clone() };
    let (mut header, mut body) = (proposal.block.header.clone(), proposal.block.body.clone());
    let mut results = std::mem::take(&mut body.results).into_inner();
    if let Some(last) = results.last_mut().filter(|_| header.time.get().is_multiple_of(3)) {
        // A result that nobody computed.
        last.gas_used += 1;
    }
    body.results = List::truncated(results);
    header.results_root = body.results_root();
    match header.time.get() % 6 {
        0 => header.height = header.height.next(),
        1 => header.time = TimeMs::new(0),
        2 => header.proposer = ValidatorIndex::new(header.proposer.get() + 1),
        3 => header.executed_height = header.executed_height.next(),
        4 => header.lanes_root = lanes_root(&[]),
        _ => header.time = header.time.next(),
    }
    let vote = sign(node, committee, Vote::Notarize(Notarize { digest: header.id(), ..vote }));
    let block = Block { header, body };
    Proposal { vote, block, justification: proposal.justification.clone() }
}
