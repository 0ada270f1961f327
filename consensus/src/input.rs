//! What can happen to a core.

use althing_types::{DataJudgement, Evidence, Hash, Height, LaneTip, Summary, ValidatorIndex, View, Work};

use crate::message::Envelope;
use crate::record::Lsn;

/// What can happen to a core. The order of inputs is the order of events.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A message arrived over the connection of this validator.
    Message {
        /// Who sent it.
        from: ValidatorIndex,
        /// What it says.
        envelope: Envelope,
    },
    /// The time of [`crate::Core::deadline`] has come; harmless at any other time.
    Tick,
    /// The answer to [`crate::Output::Build`].
    Built {
        /// The view that was asked for.
        view: View,
        /// The parent that was asked for.
        parent: Hash,
        /// The lanes to advance, ascending; empty if there is nothing to include.
        lanes: Vec<LaneTip>,
    },
    /// An answer to [`crate::Output::Check`]; it may come several times.
    Checked {
        /// The block.
        digest: Hash,
        /// The data plane's word.
        judgement: DataJudgement,
    },
    /// Everything up to this place of the log is durable.
    Durable(Lsn),
    /// The data plane's view of the lanes changed.
    Work(Work),
    /// The ledger executed and durably committed the final block of this height.
    Executed(Summary),
    /// The state after the block of this height, and above it, holds a pending change of the validator set (rule E1).
    /// Given before [`Input::Executed`] of this height, again after a restart, and at most once in an epoch.
    SetChange {
        /// The lowest height whose state holds it.
        height: Height,
        /// Hash of the next set.
        set: Hash,
    },
    /// A validator reports how far it executed.
    Reported {
        /// Who.
        from: ValidatorIndex,
        /// The height.
        executed: Height,
    },
    /// The data plane found two batches of one validator for one place (rules L9, R9).
    Evidence(Evidence),
    /// A validator became reachable or unreachable.
    Peer {
        /// Who.
        index: ValidatorIndex,
        /// Whether messages to it can arrive.
        connected: bool,
    },
}
