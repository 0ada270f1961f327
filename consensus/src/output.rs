//! What a core asks its surroundings to do.

use althing_types::{Block, Evidence, Finalization, ForkProof, Hash, Height, LaneTip, Summary, ValidatorIndex, View};

use crate::message::Envelope;
use crate::record::{Lsn, Record, Standing};

/// Who should get a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Recipient {
    /// Every other validator.
    All,
    /// This one.
    One(ValidatorIndex),
}

/// Something that an operator must know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Alarm {
    /// A leader carries a summary that differs from ours; its view is given up (rule X3).
    ResultsDiffer {
        /// What we computed.
        ours: Summary,
        /// What the block carries.
        theirs: Summary,
    },
    /// A certified block carries a summary that differs from ours: we diverged and stop voting (rule X4).
    Diverged {
        /// What we computed.
        ours: Summary,
        /// What a quorum certified.
        theirs: Summary,
    },
    /// A block is final that breaks the rules or conflicts with another final block: more than f validators are
    /// faulty. We stop voting.
    Fork {
        /// The last final block that we hold.
        ours: Hash,
        /// The one that is final as well, or that cannot be.
        theirs: Hash,
        /// Who did it, by certificates of one view; none while nobody showed the other side's (rule R10). The alarm comes
        /// again once there is one.
        proof: Option<Box<ForkProof>>,
    },
    /// The epoch ended with a block that names other validators than the executed state does. We take no part in the next
    /// one (rule E1).
    OtherValidators {
        /// Hash of the set that a quorum certified.
        theirs: Hash,
    },
    /// A validator sent something that no honest one sends.
    Misbehaved {
        /// Who.
        peer: ValidatorIndex,
        /// What.
        what: &'static str,
    },
}

/// What a core asks for. Outputs are carried out in their order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Append a record to the log; answer with [`crate::Input::Durable`] once it is synced. One sync may cover many.
    Append {
        /// Its place.
        lsn: Lsn,
        /// The record.
        record: Record,
    },
    /// Replace the whole log by these records, durably; then answer with [`crate::Input::Durable`].
    Compact {
        /// The place that stands for the replacement.
        lsn: Lsn,
        /// Everything that a restart needs.
        records: Vec<Record>,
    },
    /// Send a message. All that it depends on is durable.
    Send {
        /// To whom.
        to: Recipient,
        /// The message.
        envelope: Envelope,
    },
    /// Choose lanes for a block of ours; answer with [`crate::Input::Built`].
    Build {
        /// The view that we lead.
        view: View,
        /// The parent.
        parent: Hash,
        /// The tips of all lanes after the parent.
        cut: Vec<LaneTip>,
    },
    /// Say whether the batches that this block orders are here; answer with [`crate::Input::Checked`], and fetch what
    /// is missing. Given once per block and run of the core.
    Check {
        /// The block's id.
        digest: Hash,
        /// The block.
        block: Box<Block>,
        /// The tips of all lanes after its parent.
        cut: Vec<LaneTip>,
    },
    /// This block is final; blocks come in the order of their heights, without a gap, and again after a restart
    /// where the ledger had not committed them.
    Finalized {
        /// The block.
        block: Box<Block>,
        /// The certificate of the block or of a descendant.
        finalization: Box<Finalization>,
    },
    /// The peer asks for final blocks above this height: answer from the archive.
    Serve {
        /// Who asks.
        to: ValidatorIndex,
        /// The height of the last final block that it has.
        above: Height,
    },
    /// The leader should know of work that it ignores: send it the batches that its acknowledgements lack (rule I4).
    Hint {
        /// The leader.
        leader: ValidatorIndex,
    },
    /// A view that this validator led was nullified with its proposal in it (L8).
    TurnDied {
        /// The view.
        view: View,
    },
    /// A validator provably misbehaved; this is durable, and given once for each culprit and kind (rule R9).
    Evidence(Evidence),
    /// What this validator knows of its own past changed (rule D10); the record is on its way to the log.
    Standing(Standing),
    /// Something that an operator must know.
    Alarm(Alarm),
}
