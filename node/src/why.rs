//! Why nothing becomes final: one sentence of cause, who, since when, and what to do about it.
//!
//! [`judge`] is a pure function of [`Facts`]: what agreement, mempool, network, ledger and disks look like at one
//! moment, and the time. It asks nobody and changes nothing, so the same facts give the same answer. What it says is how
//! things look from this one node; another node may see more. It does not guess: where no cause fits it says so.

mod absent;
mod facts;
mod observer;
mod past;
mod pulse;
mod validator;
mod words;

#[cfg(test)]
mod tests;

pub use facts::{Chain, Disks, Facts, Head, Member, Place, Validator, has_work};
pub use pulse::Pulse;

use althing_rpc::api::{Decimal, Role, WhyAnswer, WhyCause, WhyFinding, WhyState};

/// Room on a disk below which it counts as nearly full: what both logs may still come to need at once, in bytes.
const FREE_BYTES_MIN: u64 = 512 << 20;

/// Says what keeps blocks from becoming final, or that nothing does.
pub fn judge(facts: &Facts) -> WhyAnswer {
    let (role, view, mut findings) = match &facts.place {
        Place::Validator(None) => (Role::Validator, None, vec![validator::unresponsive()]),
        Place::Validator(Some(here)) => {
            (Role::Validator, Some(Decimal(here.consensus.view)), validator::findings(facts, here))
        }
        Place::Observer { .. } => (Role::Observer, None, observer::findings(facts)),
    };
    findings.extend(disks(facts));
    let gravest = findings.iter().map(|finding| state(finding.cause)).max();
    let first = findings.remove(0);
    WhyAnswer {
        node: facts.name.clone(),
        role,
        state: gravest.unwrap_or(WhyState::Ok),
        first,
        also: findings,
        height: Decimal(facts.head.height),
        view,
    }
}

/// How grave a cause is.
const fn state(cause: WhyCause) -> WhyState {
    match cause {
        WhyCause::Idle | WhyCause::Progressing | WhyCause::SequenceGap => WhyState::Ok,
        WhyCause::PeersAway
        | WhyCause::LaneFull
        | WhyCause::VotesLost
        | WhyCause::AsksPeers
        | WhyCause::ClockSkewed
        | WhyCause::LogNearlyFull
        | WhyCause::DiskNearlyFull => WhyState::Degraded,
        WhyCause::Syncing => WhyState::Behind,
        _ => WhyState::Stalled,
    }
}

/// What the disks say: a log that is about to reach its end, or a disk without room.
fn disks(facts: &Facts) -> Vec<WhyFinding> {
    let Disks { votes_bytes, batches_bytes, log_bytes_max, free_bytes } = facts.disks;
    let mut findings = Vec::new();
    for (name, bytes) in [("votes", votes_bytes), ("batches", batches_bytes)] {
        // Three quarters: a log is replaced by a shorter one long before, so something keeps it from that.
        if bytes > log_bytes_max / 4 * 3 {
            let (mib, max) = (bytes >> 20, log_bytes_max >> 20);
            findings.push(WhyFinding {
                cause: WhyCause::LogNearlyFull,
                sentence: format!("the log of {name} holds {mib} MiB; at {max} MiB this node ends"),
                who: vec![words::this_node(facts, format!("{mib} MiB of {name}"))],
                since_ms: None,
                remedy: Some(
                    "make blocks become final again, which lets logs be shortened; mend what is named beside this first"
                        .to_owned(),
                ),
            });
        }
    }
    if let Some(free) = free_bytes.filter(|free| *free < FREE_BYTES_MIN) {
        let mib = free >> 20;
        findings.push(WhyFinding {
            cause: WhyCause::DiskNearlyFull,
            sentence: format!("the disk of the data folder has {mib} MiB left; without room this node ends"),
            who: vec![words::this_node(facts, format!("{mib} MiB are left"))],
            since_ms: None,
            remedy: Some("make room on that disk, never by deleting files of the data folder".to_owned()),
        });
    }
    findings
}
