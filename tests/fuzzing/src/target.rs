//! The list of all targets: what each is called, what it does with an input, and which inputs it begins with.

use std::collections::{BTreeMap, BTreeSet};

use althing_consensus::{Message as ConsensusMessage, Record};
use althing_mempool::DataMessage;
use althing_replica::{Message, wire};
use althing_types::{Block, Certificate, Class, Evidence, ForkProof, Frame, List, SignedBatch, SignedVote, encode};
use borsh::BorshSerialize;

use crate::decoders::{certificates, folder, messages, proofs, texts, window};
use crate::machines;
use crate::network::{Traffic, committees, traffic, transfer};

/// A target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: that of its file in `fuzz/fuzz_targets` and of its folder in `fuzz/corpus`.
    pub name: &'static str,
    /// Runs it on an input.
    ///
    /// # Panics
    ///
    /// If a property does not hold. That is a finding.
    pub run: fn(&[u8]),
    /// Inputs to begin with, made of real values; each leads deep into the target.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Seeds of one target at most.
const SEEDS_MAX: usize = 24;
/// Bytes of a seed that is a single value at most.
const SEED_BYTES_MAX: usize = 8 * 1024;

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "frame", run: messages::frame, seeds: frames },
    Target { name: "transaction", run: messages::transaction, seeds: transactions },
    Target { name: "batch", run: messages::batch, seeds: batches },
    Target { name: "block", run: messages::block, seeds: blocks },
    Target { name: "record", run: messages::record, seeds: records },
    Target { name: "certificate", run: certificates::certificate, seeds: all_certificates },
    Target { name: "evidence", run: certificates::evidence, seeds: all_evidence },
    Target { name: "fork_proof", run: certificates::fork_proof, seeds: fork_proofs },
    Target { name: "state_proof", run: proofs::state_proof, seeds: proofs::state_proof_seeds },
    Target { name: "inclusion_proof", run: proofs::inclusion_proof, seeds: proofs::inclusion_proof_seeds },
    Target { name: "summary_proof", run: proofs::summary_proof, seeds: summary_proofs },
    Target { name: "genesis", run: texts::genesis, seeds: texts::genesis_seeds },
    Target { name: "text_forms", run: texts::text_forms, seeds: texts::text_form_seeds },
    Target { name: "rpc_request", run: window::rpc_request, seeds: requests },
    Target { name: "rpc_answer", run: window::rpc_answer, seeds: window::answer_seeds },
    Target { name: "log_folder", run: folder::log_folder, seeds: folder::seeds },
    Target { name: "core", run: machines::core::events, seeds: machines::core::seeds },
    Target { name: "mempool", run: machines::mempool::events, seeds: machines::mempool::seeds },
    Target { name: "replica", run: machines::replica::events, seeds: machines::replica::seeds },
];

impl Target {
    /// The target of this name.
    pub fn of(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }
}

/// What a network with losses says, so that its members ask each other for what they lack.
fn said() -> Traffic {
    traffic(200, 20, 5)
}

/// Distinct inputs, the shortest first.
fn chosen(inputs: impl IntoIterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    let distinct: BTreeSet<(usize, Vec<u8>)> = inputs.into_iter().map(|input| (input.len(), input)).collect();
    let short = distinct.into_iter().map(|(_, input)| input).filter(|input| input.len() <= SEED_BYTES_MAX);
    let short: Vec<Vec<u8>> = short.collect();
    let step = short.len().div_ceil(SEEDS_MAX).max(1);
    short.into_iter().step_by(step).collect()
}

fn encoded<T: BorshSerialize>(values: impl IntoIterator<Item = T>) -> Vec<Vec<u8>> {
    chosen(values.into_iter().map(|value| encode(&value)))
}

/// A few frames of each kind of message.
fn frames() -> Vec<Vec<u8>> {
    let traffic = said();
    let mut kinds: BTreeMap<(usize, u8, u8), Vec<Vec<u8>>> = BTreeMap::new();
    for (class, frame) in &traffic.frames {
        // The tag of the message stands behind those of the room and of the envelope's three numbers.
        let tag = |place: usize| frame.get(place).copied().unwrap_or_default();
        let kind = kinds.entry((class.index(), tag(0), if tag(0) == 0 { tag(25) } else { tag(1) })).or_default();
        let input = [&[u8::try_from(class.index()).unwrap_or_default()], &frame[..]].concat();
        if kind.len() < 2 && !kind.contains(&input) && input.len() <= SEED_BYTES_MAX {
            kind.push(input);
        }
    }
    kinds.into_values().flatten().collect()
}

fn messages_in(frames: &[(Class, Frame)]) -> impl Iterator<Item = Message> {
    frames.iter().filter_map(|(class, frame)| wire::from_frame(*class, frame).ok())
}

fn consensus_in(frames: &[(Class, Frame)]) -> impl Iterator<Item = ConsensusMessage> {
    messages_in(frames).filter_map(|message| match message {
        Message::Consensus(envelope) => Some(envelope.message),
        Message::Data(_) => None,
    })
}

fn transactions() -> Vec<Vec<u8>> {
    (0..6).map(|number| transfer(number).to_bytes()).collect()
}

fn requests() -> Vec<Vec<u8>> {
    window::request_seeds(&transfer(1).to_bytes())
}

fn batches() -> Vec<Vec<u8>> {
    let traffic = said();
    let sent = messages_in(&traffic.frames).filter_map(|message| match message {
        Message::Data(DataMessage::Batch(batch)) => Some(encode(&batch)),
        _ => None,
    });
    let kept = traffic.batches.iter().map(|batch: &std::sync::Arc<SignedBatch>| encode(&**batch));
    chosen(sent.chain(kept))
}

fn blocks() -> Vec<Vec<u8>> {
    let traffic = said();
    let proposed = consensus_in(&traffic.frames).filter_map(|message| match message {
        ConsensusMessage::Proposal(proposal) => Some(proposal.block),
        _ => None,
    });
    encoded(proposed.collect::<Vec<Block>>())
}

fn records() -> Vec<Vec<u8>> {
    let mut records = said().votes;
    records.extend(accusations().into_iter().map(Record::Evidence));
    encoded(records)
}

fn certificates_said() -> Vec<Certificate> {
    let of = |message: ConsensusMessage| match message {
        ConsensusMessage::Certificates(certificates) => certificates.into_inner(),
        ConsensusMessage::Proposal(proposal) => proposal.justification.into_inner(),
        _ => Vec::new(),
    };
    let traffic = said();
    let logged = traffic.votes.iter().filter_map(|record| match record {
        Record::Certificate(certificate) => Some(certificate.clone()),
        _ => None,
    });
    consensus_in(&traffic.frames).flat_map(of).chain(logged).chain(forged()).collect()
}

fn all_certificates() -> Vec<Vec<u8>> {
    let twice = committees().iter().filter_map(machines::core::counted_twice);
    [encoded(certificates_said()), encoded(twice)].concat()
}

/// Certificates of every kind for every committee, by validators who sign anything.
fn forged() -> Vec<Certificate> {
    committees().iter().flat_map(|committee| machines::core::signed_by_anybody(committee, 5)).collect()
}

/// Pairs of votes that contradict each other.
fn accusations() -> Vec<Evidence> {
    let votes: Vec<SignedVote> = forged().iter().flat_map(|it| it.votes(&committees()[0])).collect();
    let pairs = votes.iter().flat_map(|a| votes.iter().filter_map(|b| Evidence::of_votes(*a, *b)));
    let mut found: Vec<Evidence> = pairs.take(200).collect();
    found.extend(machines::core::two_batches(1));
    found.sort();
    found.dedup();
    found
}

fn all_evidence() -> Vec<Vec<u8>> {
    encoded(accusations())
}

fn fork_proofs() -> Vec<Vec<u8>> {
    let proofs = committees().iter().filter_map(|committee| {
        let known: Vec<Certificate> =
            [5, 6].iter().flat_map(|digest| machines::core::signed_by_anybody(committee, *digest)).collect();
        ForkProof::among(&known, committee)
    });
    let forged: Vec<ForkProof> = proofs.collect();
    let more = forged.iter().map(|ForkProof::V1 { finalization, .. }| ForkProof::V1 {
        finalization: finalization.clone(),
        beside: List::truncated(forged.iter().flat_map(|it| it.beside().to_vec()).collect()),
    });
    encoded(forged.iter().cloned().chain(more))
}

fn summary_proofs() -> Vec<Vec<u8>> {
    let ledger = traffic(200, 10, 0).ledger;
    let heights = 1..=ledger.head().header.executed_height.get();
    let proofs = heights.filter_map(|height| ledger.reader().prove_summary(althing_types::Height::new(height)).ok());
    encoded(proofs.collect::<Vec<_>>())
}
