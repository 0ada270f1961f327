//! What a validator knows of its own past, and how far it is with making up for what it lost (rule D10).

use althing_consensus::{Memory, Snapshot, Standing};
use althing_rpc::api::{WhyCause, WhyFinding, WhyParty, WhyReason};
use althing_types::{ValidatorIndex, View};

use super::facts::Facts;
use super::words::{names, party, this_node};

/// What keeps this validator from voting, if it is its past.
pub(super) fn finding(facts: &Facts, consensus: &Snapshot) -> Option<WhyFinding> {
    match consensus.standing {
        Some(Standing::Doubled { vote }) => Some(doubled(facts, vote.map(|vote| vote.vote.view()))),
        Some(Standing::Recovering { .. }) => Some(recovering(facts, consensus)),
        _ if consensus.is_asking => Some(asking(facts, consensus)),
        Some(Standing::Abstaining { to, .. }) if consensus.view <= to => Some(abstaining(facts, consensus, to)),
        Some(Standing::Abstaining { .. } | Standing::Whole { .. }) | None => None,
    }
}

/// Another process votes with its key, or its votes are lost and nobody said so.
fn doubled(facts: &Facts, view: Option<View>) -> WhyFinding {
    let what = match view {
        Some(view) => format!("a vote of its key in view {view}"),
        None => "two batches of its key for one place".to_owned(),
    };
    finding_of(
        WhyCause::KeyDoubled,
        format!(
            "{} votes no more: it saw {what} that it did not sign; another process has its key, or its votes were lost \
             and it was begun anew or from an older copy",
            facts.name
        ),
        vec![this_node(facts, "votes no more")],
        "make sure that no other process has this key; then stop this node, give it `althing node recover-vote-log`, and \
         start it again",
    )
}

/// It waits for the others' proofs.
fn recovering(facts: &Facts, consensus: &Snapshot) -> WhyFinding {
    let (needed, others) = (consensus.answers_needed, others(facts));
    let proven = counted(consensus, |memory| memory == Memory::Whole);
    let lost = parties(facts, consensus, |memory| memory == Some(Memory::Lost), WhyReason::Recovers);
    let waits_for = parties(facts, consensus, |memory| memory != Some(Memory::Whole), WhyReason::Silent);
    let begins =
        format!("{} recovers its vote log: {proven} of {needed} other validators have proven their views", facts.name);
    let (rest, remedy) = if needed > others {
        (
            format!("; there are only {others}, so it cannot end"),
            "this chain tolerates no fault, and the others cannot prove enough; a log that was saved after this node had \
             stopped helps, or a new chain",
        )
    } else if others.saturating_sub(lost.len()) < needed {
        (
            format!("; it cannot end while {} recover as well", names(&lost)),
            "more logs are lost than this chain tolerates; one that was saved after its node had stopped helps",
        )
    } else {
        (
            format!("; it waits for {}", names(&waits_for)),
            "let the others run and reach this node; it votes again by itself",
        )
    };
    let who = if waits_for.is_empty() { vec![this_node(facts, "recovers")] } else { waits_for };
    finding_of(WhyCause::VotesLost, format!("{begins}{rest}"), who, remedy)
}

/// It has recovered, and passes over the views in which it may have voted.
fn abstaining(facts: &Facts, consensus: &Snapshot, to: View) -> WhyFinding {
    finding_of(
        WhyCause::VotesLost,
        format!(
            "{} has recovered its vote log and votes above view {to}; the chain is in view {}",
            facts.name, consensus.view
        ),
        vec![this_node(facts, "abstains")],
        "wait: each block ends a view, so a few transactions bring the chain there",
    )
}

/// It has just started.
fn asking(facts: &Facts, consensus: &Snapshot) -> WhyFinding {
    let answered = counted(consensus, |memory| memory != Memory::Lost);
    let silent = parties(facts, consensus, |memory| memory.is_none_or(|it| it == Memory::Lost), WhyReason::Silent);
    finding_of(
        WhyCause::AsksPeers,
        format!(
            "{} asks the others for votes of its own before it votes: {answered} of {} have answered; it waits for {}",
            facts.name,
            consensus.answers_needed,
            names(&silent)
        ),
        silent,
        "let the others run and reach this node; it takes one message to and fro",
    )
}

fn finding_of(cause: WhyCause, sentence: String, who: Vec<WhyParty>, remedy: &str) -> WhyFinding {
    WhyFinding { cause, sentence, who, since_ms: None, remedy: Some(remedy.to_owned()) }
}

fn others(facts: &Facts) -> usize {
    facts.chain.validators.len().saturating_sub(1)
}

fn counted(consensus: &Snapshot, counts: impl Fn(Memory) -> bool) -> usize {
    consensus.answers.iter().filter(|(_, memory)| counts(*memory)).count()
}

/// The other validators whose answer, or its absence, is of a kind.
fn parties(
    facts: &Facts,
    consensus: &Snapshot,
    is_of: impl Fn(Option<Memory>) -> bool,
    reason: WhyReason,
) -> Vec<WhyParty> {
    let answer =
        |index: ValidatorIndex| consensus.answers.iter().find(|(of, _)| *of == index).map(|(_, memory)| *memory);
    let others = consensus.peers.iter().map(|peer| peer.index).filter(|index| is_of(answer(*index)));
    let text = |index: ValidatorIndex| match answer(index) {
        Some(Memory::Lost) => "recovers its own vote log",
        Some(Memory::Asking) => "has just started, and asks the others itself",
        Some(Memory::Whole) => "has answered",
        None if consensus.missing.contains(&index) => "is not connected",
        None => "has not answered",
    };
    others.map(|index| party(facts.name_of(index), reason, text(index), None)).collect()
}
