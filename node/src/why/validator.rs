//! What keeps a validator's blocks from becoming final.
//!
//! The causes are tried in an order: what stops this node for good, too few validators, catching up; then, once work
//! has waited for longer than two views can take that end by their timers, what the view waits for. The first that fits is
//! the answer; the last says that none did.

use althing_consensus::{Alarm, Lack, Snapshot, Standing};
use althing_rpc::api::{Decimal, WhyCause, WhyFinding, WhyParty, WhyReason};
use althing_types::{Height, ValidatorIndex, VoteKind};

use super::absent;
use super::facts::{Facts, Validator, has_work};
use super::past;
use super::words::{ago_ms, list, names, party, span, this_node};

/// How long work may wait, in Δ: two views that end by their longest timers (rules T1 and T2) and a little.
const PATIENCE_DELTAS: u64 = 12;
/// Blocks behind what others report from which on a node catches up: reports travel while blocks are executed.
const BEHIND_MAX: u64 = 16;
/// How long a node that lacks blocks may take for the next one.
const STILL_MS: u64 = 10_000;

/// The thread that decides does not answer.
pub(super) fn unresponsive() -> WhyFinding {
    WhyFinding {
        cause: WhyCause::Unresponsive,
        sentence: "the thread of this node that agrees with the others does not answer".to_owned(),
        who: Vec::new(),
        since_ms: None,
        remedy: Some("look at the load of the machine; if it lasts, restart the node and report its log".to_owned()),
    }
}

/// What is to be said of a validator, the gravest first; never nothing.
pub(super) fn findings(facts: &Facts, here: &Validator) -> Vec<WhyFinding> {
    let (consensus, mempool) = (&here.consensus, &here.mempool);
    let has_work = has_work(consensus, mempool);
    let mut findings: Vec<WhyFinding> = halted(facts, consensus).into_iter().collect();
    let (past, absent) = (past::finding(facts, consensus), absent::no_quorum(facts, here));
    let has_quorum = absent.is_none();
    // Who still asks waits for those that are missing.
    let asks = past.as_ref().is_some_and(|finding| finding.cause == WhyCause::AsksPeers);
    let [first, second] = if asks { [absent, past] } else { [past, absent] };
    findings.extend(first.into_iter().chain(second));
    if findings.is_empty() {
        findings.extend(executing(facts, here));
    }
    if findings.is_empty() {
        findings.extend(catching_up(facts, consensus.reported, "the other validators"));
    }
    if findings.is_empty() && has_work {
        findings.extend(stall(facts, here));
    }
    findings.extend(mempool.is_silent.then(|| lane_silent(facts, consensus.standing)));
    if findings.is_empty() {
        let gap = mempool.pool_count > 0 && !has_work;
        findings.push(if gap { sequence_gap(mempool.pool_count) } else { well(facts, has_work) });
    }
    if has_quorum && findings.iter().all(|finding| finding.cause != WhyCause::LeaderUnreachable) {
        findings.extend(absent::peers_away(facts, here));
    }
    findings.extend(mempool.is_window_full.then(|| lane_full(facts, here)));
    findings.extend(skewed(facts));
    findings
}

/// Nothing is wrong.
pub(super) fn well(facts: &Facts, has_work: bool) -> WhyFinding {
    let height = facts.head.height;
    let last_ms = facts.pulse.grew_at().map(|at| ago_ms(facts, at));
    let last = match last_ms {
        Some(ms) => format!("block {height} came {} ago", span(ms)),
        None if height == Height::ZERO => "there is no block but genesis".to_owned(),
        None => format!("the last block is {height}, from before this node started"),
    };
    let (cause, sentence) = if has_work {
        (WhyCause::Progressing, format!("blocks become final: {last}"))
    } else {
        (WhyCause::Idle, format!("there is nothing to do, and nothing waits: {last}"))
    };
    WhyFinding { cause, sentence, who: Vec::new(), since_ms: last_ms.map(Decimal), remedy: None }
}

/// This node catches up, or should.
pub(super) fn catching_up(facts: &Facts, known: Height, whom: &str) -> Option<WhyFinding> {
    let missing = known.above(facts.head.height);
    let still_ms = facts.pulse.lacking_since().map_or(0, |since| ago_ms(facts, since));
    let stands_still = still_ms >= STILL_MS;
    if missing == 0 || (missing <= BEHIND_MAX && !stands_still) {
        return None;
    }
    let height = facts.head.height;
    let pace = facts.pulse.pace().filter(|_| !stands_still);
    let eta = pace.map(|(blocks, micros)| {
        let ms = missing.saturating_mul(micros / 1_000).checked_div(blocks).unwrap_or_default();
        format!(", and needs about {} at the pace of the last seconds", span(ms))
    });
    let who = vec![this_node(facts, format!("is at block {height} of {known}"))];
    Some(if stands_still {
        WhyFinding {
            cause: WhyCause::SyncStalled,
            sentence: format!(
                "this node is at block {height} of {known}, and no block has come from {whom} for {}",
                span(still_ms)
            ),
            who,
            since_ms: Some(Decimal(still_ms)),
            remedy: Some(
                "look at its log for peers that cannot help, at its disk and its processor; a restart goes on from \
                 what it has"
                    .to_owned(),
            ),
        }
    } else {
        WhyFinding {
            cause: WhyCause::Syncing,
            sentence: format!(
                "this node catches up: it is at block {height} of {known} and gets the rest from {whom}{}",
                eta.unwrap_or_default()
            ),
            who,
            since_ms: None,
            remedy: Some("wait until it has caught up; ask another node meanwhile".to_owned()),
        }
    })
}

/// Final blocks are here, and the ledger does not keep up with them.
fn executing(facts: &Facts, here: &Validator) -> Option<WhyFinding> {
    let (known, executed) = (here.consensus.height, facts.head.height);
    let text = format!("has executed block {executed} of {known}");
    (known.above(executed) > BEHIND_MAX).then(|| WhyFinding {
        cause: WhyCause::ExecutionBehind,
        sentence: format!("this node {text}, all of which are final and here"),
        who: vec![this_node(facts, text)],
        since_ms: facts.pulse.lacking_since().map(|since| Decimal(ago_ms(facts, since))),
        remedy: Some(
            "look at the disk and the processor of this node: it executes too slowly, or not at all".to_owned(),
        ),
    })
}

/// This validator stopped voting for good.
fn halted(facts: &Facts, consensus: &Snapshot) -> Option<WhyFinding> {
    let (cause, sentence, remedy) = match consensus.halted.as_ref()? {
        Alarm::Diverged { ours, .. } => (
            WhyCause::Diverged,
            format!(
                "this node computed another result of block {} than the validators certified, and votes no more",
                ours.height
            ),
            "keep the data folder as evidence, compare with other validators and versions, and start this one again \
             from a copy of the data that agrees with them",
        ),
        Alarm::OtherValidators { .. } => (
            WhyCause::Diverged,
            "this node computed other validators for the next epoch than were certified, and takes no part in it"
                .to_owned(),
            "keep the data folder as evidence, compare with other validators and versions, and start this one again \
             from a copy of the data that agrees with them",
        ),
        Alarm::Fork { theirs, .. } => (
            WhyCause::Forked,
            format!(
                "block {theirs} is final and contradicts what this node holds, so more than {} validators lie, and \
                 this node votes no more",
                facts.chain.quorums.f()
            ),
            "keep the data folder as evidence, and agree with the other operators which branch goes on, and without \
             whom; a proof names who lied (docs/operations.md)",
        ),
        Alarm::ResultsDiffer { .. } | Alarm::Misbehaved { .. } => return None,
    };
    Some(WhyFinding {
        cause,
        sentence,
        who: vec![this_node(facts, "votes no more")],
        since_ms: None,
        remedy: Some(remedy.to_owned()),
    })
}

/// What work waits for that has waited for long.
fn stall(facts: &Facts, here: &Validator) -> Option<WhyFinding> {
    let waited_ms = facts.pulse.work_since().map_or(0, |since| ago_ms(facts, since));
    if waited_ms < patience_ms(facts) {
        return None;
    }
    let found = held_back(facts, here)
        .or_else(|| disk(facts, here))
        .or_else(|| clock(facts, &here.consensus))
        .or_else(|| lacking(facts, here))
        .or_else(|| absent::leader(facts, here))
        .or_else(|| unheard(facts, here))
        .or_else(|| silent(facts, here))
        .or_else(|| unacknowledged(facts, here))
        .unwrap_or_else(|| unexplained(&here.consensus));
    let since_ms = Some(found.since_ms.unwrap_or(Decimal(waited_ms)));
    Some(WhyFinding { since_ms, ..found })
}

fn patience_ms(facts: &Facts) -> u64 {
    u64::from(facts.chain.delta_ms).saturating_mul(PATIENCE_DELTAS)
}

/// Rule X2: results are too far behind for blocks with transactions.
fn held_back(facts: &Facts, here: &Validator) -> Option<WhyFinding> {
    let consensus = &here.consensus;
    if !consensus.is_held_back {
        return None;
    }
    let mut executed: Vec<(ValidatorIndex, Height)> =
        consensus.peers.iter().map(|peer| (peer.index, peer.executed)).collect();
    executed.push((here.me, consensus.executed));
    executed.sort_by_key(|(_, height)| std::cmp::Reverse(*height));
    let place = usize::from(facts.chain.quorums.notarize()).saturating_sub(1);
    let by_quorum = executed.get(place).map_or(Height::ZERO, |(_, height)| *height);
    // Where a quorum executed more than this node, this node alone is what it waits for.
    let alone = consensus.executed < by_quorum;
    executed.retain(|(index, height)| if alone { *index == here.me } else { *height <= by_quorum });
    executed.sort();
    let who: Vec<WhyParty> = executed.into_iter().map(|(index, height)| slow(facts, here, index, height)).collect();
    let texts: Vec<String> = who.iter().map(|party| format!("{} {}", party.name, party.text)).collect();
    Some(WhyFinding {
        cause: WhyCause::ExecutionBehind,
        sentence: format!(
            "results are certified up to block {} only, and {} blocks at most may wait for theirs, so no block takes \
             transactions in: {}",
            consensus.carried,
            facts.chain.k,
            list(&texts)
        ),
        remedy: Some(format!(
            "look at the disk and the processor of {}: they execute too slowly, or not at all",
            names(&who)
        )),
        who,
        since_ms: None,
    })
}

fn slow(facts: &Facts, here: &Validator, index: ValidatorIndex, executed: Height) -> WhyParty {
    let reason = if index == here.me { WhyReason::ThisNode } else { WhyReason::Behind };
    party(facts.name_of(index), reason, format!("has executed block {executed}"), None)
}

/// What this validator signed, or its batches, wait for its disk.
fn disk(facts: &Facts, here: &Validator) -> Option<WhyFinding> {
    let (consensus, mempool) = (&here.consensus, &here.mempool);
    let has_voted = consensus.voted.iter().any(|(_, by)| *by == here.me);
    let batches =
        mempool.is_unsynced && mempool.own_acks.get(here.me.to_usize()).is_some_and(|own| *own < mempool.own_seq);
    let log = match (consensus.is_unsynced && !has_voted, batches) {
        (true, _) => "votes",
        (false, true) => "batches",
        (false, false) => return None,
    };
    Some(WhyFinding {
        cause: WhyCause::DiskSlow,
        sentence: format!(
            "this node waits for its disk: its log of {log} is not synced, and nothing is sent before it is"
        ),
        who: vec![this_node(facts, format!("waits for its log of {log}"))],
        since_ms: None,
        remedy: Some(
            "look at the disk of the data folder: its health, its load, and what else writes to it".to_owned(),
        ),
    })
}

/// The proposal's time is further ahead of this node's clock than the chain allows (rule V4).
fn clock(facts: &Facts, consensus: &Snapshot) -> Option<WhyFinding> {
    let time = consensus.offer.flatten()?;
    let ahead_ms = time.above(facts.now.wall);
    if ahead_ms <= u64::from(facts.chain.clock_skew_ms) {
        return None;
    }
    let leader = facts.name_of(consensus.leader);
    let span = span(ahead_ms);
    Some(WhyFinding {
        cause: WhyCause::ClockApart,
        sentence: format!(
            "the block of {leader} is dated {span} ahead of this node's clock, {} ms are allowed, so this node does \
             not vote for it",
            facts.chain.clock_skew_ms
        ),
        who: vec![
            party(leader, WhyReason::Clock, format!("its clock is {span} ahead of this node's"), None),
            this_node(facts, format!("its clock is {span} behind that of {leader}")),
        ],
        since_ms: None,
        remedy: Some(format!(
            "compare the clocks of this machine and of {leader} with the right time, and let NTP keep them"
        )),
    })
}

/// The chain's time is further ahead of this node's clock than the chain allows.
fn skewed(facts: &Facts) -> Option<WhyFinding> {
    let ahead_ms = facts.head.time.above(facts.now.wall);
    let text = format!("its clock is {} behind the last block", span(ahead_ms));
    (ahead_ms > u64::from(facts.chain.clock_skew_ms)).then(|| WhyFinding {
        cause: WhyCause::ClockSkewed,
        sentence: format!(
            "the last block is dated {} ahead of this node's clock, so this node votes late or not at all",
            span(ahead_ms)
        ),
        who: vec![this_node(facts, text)],
        since_ms: None,
        remedy: Some("compare the clock of this machine with the right time, and let NTP keep it".to_owned()),
    })
}

/// Something that this node needs before it votes or proposes is not here.
fn lacking(facts: &Facts, here: &Validator) -> Option<WhyFinding> {
    let consensus = &here.consensus;
    let what = match consensus.lack? {
        Lack::Certificate(view) => format!("the certificate of view {view}"),
        Lack::Block => "a block below it".to_owned(),
        Lack::Batches => "batches that it or a block below it orders".to_owned(),
        Lack::Result(height) => {
            let text = format!("has executed block {}, and is asked about block {height}", consensus.executed);
            return Some(WhyFinding {
                cause: WhyCause::ExecutionBehind,
                sentence: format!(
                    "this node does not vote for the block of {} yet: it {text}",
                    facts.name_of(consensus.leader)
                ),
                who: vec![this_node(facts, text)],
                since_ms: None,
                remedy: Some("look at the disk and the processor of this node: it executes too slowly".to_owned()),
            });
        }
    };
    let leader = facts.name_of(consensus.leader);
    let (does, who) = if consensus.leader == here.me {
        ("cannot propose", this_node(facts, format!("lacks {what}")))
    } else {
        ("cannot vote for the block of the leader", party(leader, WhyReason::Silent, format!("named {what}"), None))
    };
    let away = if consensus.missing.is_empty() {
        "look at the log of this node for what peers do not answer".to_owned()
    } else {
        let away = absent::parties(facts, &consensus.missing);
        format!("bring back those who may have it: {}", absent::remedy(facts, &away))
    };
    Some(WhyFinding {
        cause: WhyCause::DataMissing,
        sentence: format!(
            "this node {does} in view {} (leader {leader}): it lacks {what}, and nobody who is connected gives it",
            consensus.view
        ),
        who: vec![who],
        since_ms: None,
        remedy: Some(away),
    })
}

/// Validators are connected, and no vote of theirs is here though the view has waited for long.
fn silent(facts: &Facts, here: &Validator) -> Option<WhyFinding> {
    let consensus = &here.consensus;
    let entered_ms = ago_ms(facts, consensus.entered);
    if entered_ms < patience_ms(facts) {
        return None;
    }
    let is_silent =
        |index: &ValidatorIndex| *index != here.me && !consensus.missing.contains(index) && !is_heard(here, *index);
    let silent: Vec<ValidatorIndex> = (0..facts.chain.quorums.n()).map(ValidatorIndex::new).filter(is_silent).collect();
    if silent.is_empty() {
        return None;
    }
    let who: Vec<WhyParty> = silent.iter().map(|index| quiet(facts, here, *index)).collect();
    let (view, leader) = (consensus.view, facts.name_of(consensus.leader));
    let away = match consensus.missing.len() {
        0 => String::new(),
        _ => format!(", and {}", absent::described(&absent::parties(facts, &consensus.missing))),
    };
    let alone = silent == [consensus.leader] && consensus.offer.is_none();
    let (cause, sentence) = if alone {
        let needed = facts.chain.quorums.nullify();
        let text = format!(
            "{leader} leads view {view}, is connected and proposes nothing; to pass the view over takes {needed} of {} \
             validators{away}",
            facts.chain.quorums.n()
        );
        (WhyCause::LeaderSilent, text)
    } else {
        let needed = facts.chain.quorums.notarize();
        let text = format!(
            "view {view} (leader {leader}) needs the votes of {needed} of {} validators; {} {} connected and {} not \
             vote{away}",
            facts.chain.quorums.n(),
            names(&who),
            if who.len() == 1 { "is" } else { "are" },
            if who.len() == 1 { "does" } else { "do" },
        );
        (WhyCause::VotesMissing, text)
    };
    Some(WhyFinding {
        cause,
        sentence,
        remedy: Some(format!(
            "look at {}: the process may stand still, its machine or disk may be overloaded, or it stopped voting; \
             `althing why --rpc URL` with its address says more",
            names(&who)
        )),
        who,
        since_ms: Some(Decimal(entered_ms)),
    })
}

/// Whether a validator takes part in what the view waits for: a vote of it is here, of the view or for the tip. Where the
/// leader proposes nothing, one that acknowledged the batch that waits has no vote to give, and waits as well.
fn is_heard(here: &Validator, index: ValidatorIndex) -> bool {
    let (consensus, mempool) = (&here.consensus, &here.mempool);
    let own_final = mempool.lanes.get(here.me.to_usize()).map_or(0, |lane| lane.final_seq);
    let acknowledged = mempool.own_acks.get(index.to_usize()).is_some_and(|seq| *seq >= mempool.own_seq);
    consensus.voted.iter().any(|(_, by)| *by == index)
        || (consensus.work_since.is_none() && consensus.tip_voted.contains(&index))
        || (mempool.own_seq > own_final && acknowledged && consensus.offer.is_none() && index != consensus.leader)
}

fn quiet(facts: &Facts, here: &Validator, index: ValidatorIndex) -> WhyParty {
    let view = here.consensus.peers.iter().find(|peer| peer.index == index).map(|peer| peer.view);
    let address = facts.peer(index).and_then(|peer| peer.address.as_ref()).map(ToString::to_string);
    let (reason, text) = match view.filter(|view| *view < here.consensus.view) {
        Some(view) => (WhyReason::Behind, format!("is connected, was last heard in view {view} and does not vote")),
        None => (WhyReason::Silent, "is connected and does not vote".to_owned()),
    };
    let since_ms = Some(ago_ms(facts, here.consensus.entered));
    WhyParty { address, ..party(facts.name_of(index), reason, text, since_ms) }
}

/// This node alone votes, and nobody who is connected has its batches: then the others do not know of the work.
fn unheard(facts: &Facts, here: &Validator) -> Option<WhyFinding> {
    let consensus = &here.consensus;
    let others = consensus.peers.len().saturating_sub(consensus.missing.len());
    let is_alone = consensus.offer.is_none() && consensus.voted.iter().all(|(_, by)| *by == here.me);
    let nobody_has = others > 1 && lagging(facts, here).len() >= others;
    if is_alone && nobody_has { unacknowledged(facts, here) } else { None }
}

/// Batches of this node that too few acknowledged.
fn unacknowledged(facts: &Facts, here: &Validator) -> Option<WhyFinding> {
    let mempool = &here.mempool;
    let by_quorum = mempool.lanes.get(here.me.to_usize()).map_or(0, |lane| lane.quorum_seq);
    if by_quorum >= mempool.own_seq {
        return None;
    }
    let who = lagging(facts, here);
    Some(WhyFinding {
        cause: WhyCause::AcksMissing,
        sentence: format!(
            "batch {} of this node is acknowledged by too few of {} validators; {} of it {} not acknowledged by {}",
            mempool.own_seq,
            facts.chain.quorums.n(),
            mempool.own_seq.saturating_sub(by_quorum),
            if mempool.own_seq.saturating_sub(by_quorum) == 1 { "is" } else { "are" },
            names(&who)
        ),
        remedy: Some(format!(
            "look at {}: the disk or the processor there does not keep up, or the link to it is slow",
            names(&who)
        )),
        who,
        since_ms: None,
    })
}

/// Validators that do not hold this node's newest batch.
fn lagging(facts: &Facts, here: &Validator) -> Vec<WhyParty> {
    let newest = here.mempool.own_seq;
    let acks = (0..).map(ValidatorIndex::new).zip(&here.mempool.own_acks);
    let lagging = acks.filter(|(index, seq)| *index != here.me && **seq < newest);
    lagging
        .map(|(index, seq)| {
            let text = format!("acknowledged batch {seq} of {newest}");
            party(facts.name_of(index), WhyReason::Behind, text, None)
        })
        .collect()
}

/// Nothing that is known here explains it.
fn unexplained(consensus: &Snapshot) -> WhyFinding {
    let count = |of: VoteKind| consensus.voted.iter().filter(|(kind, _)| *kind == of).count();
    WhyFinding {
        cause: WhyCause::NoAgreement,
        sentence: format!(
            "{} views have passed since the last final block, and nothing that this node sees explains it: in view {} \
             there are {} votes for a block, {} to give it up",
            consensus.view.above(consensus.floor),
            consensus.view,
            count(VoteKind::Notarize),
            count(VoteKind::Nullify)
        ),
        who: Vec::new(),
        since_ms: None,
        remedy: Some(
            "ask the other validators as well; if none knows more, report what `althing rpc consensus_state` says at \
             each"
                .to_owned(),
        ),
    }
}

/// Batches of this node were lost (rule D6).
fn lane_silent(facts: &Facts, standing: Option<Standing>) -> WhyFinding {
    if matches!(standing, Some(Standing::Recovering { .. } | Standing::Abstaining { .. } | Standing::Doubled { .. })) {
        return WhyFinding {
            cause: WhyCause::LaneSilent,
            sentence: "this node lost what it had signed, so it takes no transactions in until the next epoch; \
                       transactions at other validators become final"
                .to_owned(),
            who: vec![this_node(facts, "orders no batches of its own")],
            since_ms: None,
            remedy: Some("submit to another validator".to_owned()),
        };
    }
    WhyFinding {
        cause: WhyCause::LaneSilent,
        sentence: "batches of this node were lost, or it is accused because another process signs with its key, so it \
                   takes no transactions in until the next epoch; it votes, and transactions at other validators become \
                   final"
            .to_owned(),
        who: vec![this_node(facts, "orders no batches of its own")],
        since_ms: None,
        remedy: Some(
            "submit to another validator; if `althing evidence list` accuses this node, find and stop the other process \
             that uses its key, and restore no copy"
                .to_owned(),
        ),
    }
}

/// The lane of this node holds as much as it may (rule L3).
fn lane_full(facts: &Facts, here: &Validator) -> WhyFinding {
    let mempool = &here.mempool;
    let who = lagging(facts, here);
    let why = if who.is_empty() {
        "all of it is acknowledged and waits for blocks".to_owned()
    } else {
        format!("{} did not acknowledge all of it", names(&who))
    };
    WhyFinding {
        cause: WhyCause::LaneFull,
        sentence: format!(
            "the lane of this node holds {} batches that are not final, as many as it may: {why}",
            mempool.own_batches
        ),
        who,
        since_ms: None,
        remedy: Some(
            "mend what is named beside this; if blocks go on, send less to this node and more to others".to_owned(),
        ),
    }
}

/// All that waits, waits for a sequence number before its own.
fn sequence_gap(count: usize) -> WhyFinding {
    WhyFinding {
        cause: WhyCause::SequenceGap,
        sentence: format!(
            "{count} transactions wait here for a sequence number before their own, and nothing else waits"
        ),
        who: Vec::new(),
        since_ms: None,
        remedy: Some("submit the transaction with the missing sequence number of that sender".to_owned()),
    }
}
