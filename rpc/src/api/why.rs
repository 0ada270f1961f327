//! Why nothing becomes final, as callers see it: cause, who, since when, and what to do.

use althing_types::{Height, View};
use serde::{Deserialize, Serialize};

use super::form::Decimal;
use super::node::Role;

/// The answer of `node_why`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WhyAnswer {
    /// The name of the node that judges, by the genesis document. Everything is as it looks from there.
    pub node: String,
    /// What that node is.
    pub role: Role,
    /// How things are.
    pub state: WhyState,
    /// What decides that.
    #[serde(flatten)]
    pub first: WhyFinding,
    /// What else was found, the gravest first.
    pub also: Vec<WhyFinding>,
    /// The height of the last block that the node executed.
    pub height: Decimal<Height>,
    /// The view that it is in; none of an observer.
    pub view: Option<Decimal<View>>,
}

/// How things are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WhyState {
    /// Blocks become final, or there is nothing to do.
    Ok,
    /// So they do, and something needs an operator before it gets worse.
    Degraded,
    /// This node catches up; others may be well.
    Behind,
    /// Nothing becomes final, or nothing that is submitted here.
    Stalled,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WhyFinding {
    /// What it is, for programs.
    pub cause: WhyCause,
    /// The same in a sentence, with who and since when.
    pub sentence: String,
    /// Whom it is about.
    pub who: Vec<WhyParty>,
    /// For how long it has been so, in milliseconds, as far as this node can know.
    pub since_ms: Option<Decimal<u64>>,
    /// What an operator can do; none where there is nothing to do.
    pub remedy: Option<String>,
}

/// Somebody whom a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WhyParty {
    /// Its name in the genesis document.
    pub name: String,
    /// Why it is named.
    pub reason: WhyReason,
    /// What is known of it, in a few words.
    pub text: String,
    /// Where it is reached, if it is a peer with an address.
    pub address: Option<String>,
    /// For how long it has been so, in milliseconds.
    pub since_ms: Option<Decimal<u64>>,
}

/// What a finding is. Names are never used for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WhyCause {
    /// There is nothing to do. This is no fault.
    Idle,
    /// Blocks become final.
    Progressing,
    /// All that waits, waits for a sequence number before its own.
    SequenceGap,
    /// This node catches up.
    Syncing,
    /// This node should catch up and does not.
    SyncStalled,
    /// Fewer validators are connected than a quorum.
    NoQuorum,
    /// The leader is away, and too few are here to give its view up.
    LeaderUnreachable,
    /// The leader is connected and proposes nothing, and too few give its view up.
    LeaderSilent,
    /// Validators are connected and do not vote.
    VotesMissing,
    /// The others do not acknowledge batches of this node.
    AcksMissing,
    /// Results are too far behind for blocks with transactions (rule X2).
    ExecutionBehind,
    /// This node lacks something that it needs before it votes or proposes.
    DataMissing,
    /// Clocks of two nodes are further apart than the chain allows.
    ClockApart,
    /// What this node signed, or its batches, wait for its disk.
    DiskSlow,
    /// Nothing becomes final, and none of the other causes fits.
    NoAgreement,
    /// This node computed another result than a quorum, and votes no more (rule X4).
    Diverged,
    /// Two final blocks contradict each other, and this node votes no more (rule R6).
    Forked,
    /// This node lost what it voted, and votes again once enough others have proven where they are (rule D10).
    VotesLost,
    /// A vote of this node's key was seen that it did not cast; it votes no more (rule D10).
    KeyDoubled,
    /// This node has just started, and asks the others for its own votes before it votes (rule D10).
    AsksPeers,
    /// Batches of this node were lost; it takes no transactions in until the next epoch (rule D6).
    LaneSilent,
    /// The thread that decides does not answer.
    Unresponsive,
    /// The observer is connected to nobody.
    ObserverAlone,
    /// What the observer handed to the validators waits there.
    ValidatorsStalled,
    /// Validators are away, and the rest is a quorum.
    PeersAway,
    /// The lane of this node holds as much as it may (rule L3).
    LaneFull,
    /// The clock of this node is behind the chain's time by more than the chain allows.
    ClockSkewed,
    /// A log of this node is about to reach the size at which the node ends.
    LogNearlyFull,
    /// The disk of this node is about to be full.
    DiskNearlyFull,
}

/// Why somebody is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WhyReason {
    /// It is the node that was asked.
    ThisNode,
    /// It was connected, and is not any more.
    Unreachable,
    /// It was never reached since this node started.
    NeverReached,
    /// It never came, and nobody said where it is.
    NoAddress,
    /// It runs another genesis document.
    OtherGenesis,
    /// Another node answers at its address.
    WrongKey,
    /// It hangs up, as a node does whose genesis document does not have this one.
    Refuses,
    /// It runs a program that does not go with this one.
    OtherProgram,
    /// This node keeps it out for a while, because of what it sent.
    KeptOut,
    /// A connection is being made.
    Connecting,
    /// It is connected and says nothing that is needed.
    Silent,
    /// It is connected and behind.
    Behind,
    /// It lost what it voted, and recovers.
    Recovers,
    /// Its clock, or that of the node that was asked, is wrong.
    Clock,
}
