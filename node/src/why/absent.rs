//! Who is away, why, and what brings each back.

use althing_network::{PeerState, PeerStatus, Trouble};
use althing_rpc::api::{Decimal, WhyCause, WhyFinding, WhyParty, WhyReason};
use althing_types::ValidatorIndex;

use super::facts::{Facts, Validator};
use super::words::{list, names, party, short, span};

/// Fewer validators are connected than a quorum.
pub(super) fn no_quorum(facts: &Facts, here: &Validator) -> Option<WhyFinding> {
    let quorums = facts.chain.quorums;
    let missing = &here.consensus.missing;
    let have = connected(facts, here);
    if have >= usize::from(quorums.notarize()) {
        return None;
    }
    let who = parties(facts, missing);
    // The quorum was lost when the first was gone that was one too many.
    let mut ages: Vec<u64> = who.iter().map(|party| party.since_ms.map_or(uptime_ms(facts), |ms| ms.0)).collect();
    ages.sort_unstable_by(|a, b| b.cmp(a));
    let spare = usize::from(quorums.n().saturating_sub(quorums.notarize()));
    let since_ms = ages.get(spare).copied();
    let no_spare = if spare == 0 { format!(" ({} validators can spare none)", quorums.n()) } else { String::new() };
    Some(WhyFinding {
        cause: WhyCause::NoQuorum,
        sentence: format!(
            "nothing can become final: need {} of {} validators, have {have}{no_spare}: {}",
            quorums.notarize(),
            quorums.n(),
            described(&who)
        ),
        remedy: Some(remedy(facts, &who)),
        who,
        since_ms: since_ms.map(Decimal),
    })
}

/// Validators are away, and the rest is a quorum.
pub(super) fn peers_away(facts: &Facts, here: &Validator) -> Option<WhyFinding> {
    let quorums = facts.chain.quorums;
    let who = parties(facts, &here.consensus.missing);
    let since_ms = who.iter().filter_map(|party| party.since_ms).map(|ms| ms.0).max();
    let have = connected(facts, here);
    let spare = have.saturating_sub(usize::from(quorums.notarize()));
    let more = if spare == 0 { "no other may fail".to_owned() } else { format!("{spare} more may fail") };
    (!who.is_empty()).then(|| WhyFinding {
        cause: WhyCause::PeersAway,
        sentence: format!(
            "{have} of {} validators are connected and {} suffice, {more}: {}",
            quorums.n(),
            quorums.notarize(),
            described(&who)
        ),
        remedy: Some(remedy(facts, &who)),
        who,
        since_ms: since_ms.map(Decimal),
    })
}

/// The leader of the view is away, and too few are here to give the view up.
pub(super) fn leader(facts: &Facts, here: &Validator) -> Option<WhyFinding> {
    let consensus = &here.consensus;
    let needed = facts.chain.quorums.nullify();
    let have = connected(facts, here);
    if !consensus.missing.contains(&consensus.leader) || have >= usize::from(needed) {
        return None;
    }
    let who = parties(facts, &[consensus.leader]);
    Some(WhyFinding {
        cause: WhyCause::LeaderUnreachable,
        sentence: format!(
            "view {} is led by {}, and to pass it over takes {needed} of {} validators, {have} are here: {}",
            consensus.view,
            facts.name_of(consensus.leader),
            facts.chain.quorums.n(),
            described(&parties(facts, &consensus.missing))
        ),
        remedy: Some(remedy(facts, &parties(facts, &consensus.missing))),
        since_ms: who.first().and_then(|party| party.since_ms),
        who,
    })
}

/// Validators that take part as far as this one knows, itself included.
pub(super) fn connected(facts: &Facts, here: &Validator) -> usize {
    usize::from(facts.chain.quorums.n()).saturating_sub(here.consensus.missing.len())
}

/// What is known of validators that are away.
pub(super) fn parties(facts: &Facts, missing: &[ValidatorIndex]) -> Vec<WhyParty> {
    let one = |index: &ValidatorIndex| {
        let name = facts.name_of(*index);
        match facts.peer(*index) {
            Some(peer) => of_peer(facts, name, peer),
            None => party(name, WhyReason::NoAddress, "is not known to the network", None),
        }
    };
    missing.iter().map(one).collect()
}

fn of_peer(facts: &Facts, name: &str, peer: &PeerStatus) -> WhyParty {
    let address = peer.address.as_ref().map(ToString::to_string);
    let at = address.as_ref().map_or_else(String::new, |address| format!(" at {address}"));
    let (reason, text, since_ms) = match &peer.state {
        PeerState::Connected { .. } => (WhyReason::Connecting, format!("is connecting{at}"), None),
        PeerState::Waiting => (WhyReason::NoAddress, "has not come, and its address is not known".to_owned(), None),
        PeerState::OtherChain { genesis, chain_id, .. } => {
            let (theirs, ours) = (short(genesis), short(&facts.chain.genesis));
            let text = format!("is up{at} but on genesis {theirs} of chain {chain_id}, here it is {ours}");
            (WhyReason::OtherGenesis, text, None)
        }
        PeerState::Unreachable { for_, was_connected, trouble, why, .. } => {
            let ms = u64::try_from(for_.as_millis()).unwrap_or(u64::MAX);
            let reason = reason(*trouble, *was_connected);
            (reason, away(reason, ms, &at, why), Some(ms))
        }
    };
    WhyParty { address, ..party(name, reason, text, since_ms) }
}

const fn reason(trouble: Trouble, was_connected: bool) -> WhyReason {
    match trouble {
        Trouble::Untried => WhyReason::NeverReached,
        Trouble::NoAnswer | Trouble::Lost | Trouble::NoAddress if was_connected => WhyReason::Unreachable,
        Trouble::NoAnswer | Trouble::Lost => WhyReason::NeverReached,
        Trouble::NoAddress => WhyReason::NoAddress,
        Trouble::OtherNode => WhyReason::WrongKey,
        Trouble::HungUp => WhyReason::Refuses,
        Trouble::OtherProgram => WhyReason::OtherProgram,
        Trouble::KeptOut => WhyReason::KeptOut,
    }
}

/// What is known of a validator without a connection, after its name.
fn away(reason: WhyReason, ms: u64, at: &str, why: &str) -> String {
    let span = span(ms);
    match reason {
        WhyReason::Unreachable => format!("is unreachable for {span}{at} ({why})"),
        WhyReason::NeverReached => format!("was never reached in the {span} since this node started{at} ({why})"),
        WhyReason::WrongKey => format!("is not the one that answers{at}, for {span} ({why})"),
        WhyReason::Refuses => format!("hangs up on this node for {span}{at} ({why})"),
        WhyReason::OtherProgram => format!("runs another program{at}, for {span} ({why})"),
        WhyReason::KeptOut => format!("is kept out for {span} ({why})"),
        _ => format!("is away for {span}{at} ({why})"),
    }
}

/// The parties with what is known of each.
pub(super) fn described(who: &[WhyParty]) -> String {
    let each: Vec<String> = who.iter().map(|party| format!("{} {}", party.name, party.text)).collect();
    each.join("; ")
}

/// What brings them back: a sentence for each reason, with the names of those whom it is about.
pub(super) fn remedy(facts: &Facts, who: &[WhyParty]) -> String {
    let mut sentences = Vec::new();
    let mut done = Vec::new();
    for party in who {
        if !done.contains(&party.reason) {
            done.push(party.reason);
            let alike: Vec<WhyParty> = who.iter().filter(|other| other.reason == party.reason).cloned().collect();
            sentences.push(remedy_of(facts, party.reason, &alike));
        }
    }
    sentences.join("; ")
}

fn remedy_of(facts: &Facts, reason: WhyReason, who: &[WhyParty]) -> String {
    let names = names(who);
    let addresses: Vec<&str> = who.iter().filter_map(|party| party.address.as_deref()).collect();
    let addresses = if addresses.is_empty() { "its address".to_owned() } else { list(&addresses) };
    match reason {
        WhyReason::OtherGenesis => format!(
            "run {names} with the genesis document {}, or this node with theirs, whichever of the two is wrong \
             (`althing genesis diff` compares them)",
            short(&facts.chain.genesis)
        ),
        WhyReason::WrongKey => format!(
            "correct the address of {names} under [p2p.peers], or start it with the node key that the genesis document \
             binds to it"
        ),
        WhyReason::Refuses => format!(
            "compare the genesis documents of {names} and of this node: theirs seems not to list this node's key"
        ),
        WhyReason::OtherProgram => format!("run the same version of althing at {names} as here"),
        WhyReason::KeptOut => format!("look at what {names} sends; it is let in again by itself after a pause"),
        WhyReason::NoAddress => format!("say under [p2p.peers] where {names} is reached, and start it"),
        WhyReason::Connecting => format!("wait a moment for {names}"),
        _ => format!(
            "start {names} again if the process has ended (the last line of its log says why), else let this machine \
             reach {addresses}"
        ),
    }
}

fn uptime_ms(facts: &Facts) -> u64 {
    facts.now_us() / 1_000
}
