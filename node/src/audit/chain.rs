//! What of a height can be checked only beside the one below: links, times, lanes, and which results a block carries.
//!
//! These are the rules by which a validator judges a proposal (V1), as far as they are a function of the chain: what a
//! clock, a view or another validator decides leaves no trace in it.

use std::collections::BTreeSet;

use althing_ledger::Head;
use althing_types::{Block, ChainParams, Committee, Hash, Height, Summary};

use super::check::count;
use super::fault::Fault;
use super::source::{BatchPlace, ordered};

/// The rules of a chain.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) committee: Committee,
    pub(super) set_hash: Hash,
    pub(super) params: ChainParams,
    pub(super) params_hash: Hash,
}

impl Rules {
    /// Checks a block, and where its batches stand, above the last one.
    pub(super) fn check(&self, head: &Head, block: &Block, places: &[BatchPlace]) -> Result<(), Fault> {
        self.check_link(head, block)?;
        self.check_header(head, block)?;
        self.check_body(head, block)?;
        self.check_results(head, block)?;
        self.check_places(head, block, places)
    }

    fn check_link(&self, head: &Head, block: &Block) -> Result<(), Fault> {
        let header = &block.header;
        let expected = head.header.height.next();
        if header.height != expected {
            return Err(Fault::Height { expected, found: header.height });
        }
        if header.parent != head.id {
            return Err(Fault::Parent { height: header.height, named: header.parent, below: head.id });
        }
        Ok(())
    }

    fn check_header(&self, head: &Head, block: &Block) -> Result<(), Fault> {
        let header = &block.header;
        let fields = [
            (header.chain == self.committee.chain, "chain"),
            // No state of this version holds a change of the validators, so no block ends its epoch (E1).
            (header.epoch == self.committee.epoch, "epoch"),
            (!header.ends_epoch(), "next validator set"),
            (header.validators == self.set_hash, "validator set"),
            (header.params == self.params_hash, "chain parameters"),
            (header.proposer.get() < self.committee.set.count(), "proposer"),
            (header.time > head.header.time, "time"),
            (header.ext.is_empty(), "extension"),
        ];
        match fields.into_iter().find(|(is_good, _)| !is_good) {
            Some((_, field)) => Err(Fault::Header { height: header.height, field }),
            None => Ok(()),
        }
    }

    fn check_body(&self, head: &Head, block: &Block) -> Result<(), Fault> {
        let (header, body) = (&block.header, &block.body);
        let validators = u32::from(self.committee.set.count());
        let culprits: BTreeSet<_> = body.evidence.iter().map(|piece| (piece.epoch(), piece.culprit())).collect();
        let is_canonical = body.evidence.is_sorted_by(|a, b| a < b) && culprits.len() == body.evidence.len();
        let parts = [
            (body.results_root() == header.results_root, "results"),
            (body.evidence_root() == header.evidence_root, "pieces of evidence"),
            (block.cut_above(&head.cut).is_some(), "lane tips"),
        ];
        if let Some((_, part)) = parts.into_iter().find(|(is_good, _)| !is_good) {
            return Err(Fault::Body { height: header.height, part });
        }
        if !is_canonical {
            return Err(Fault::Rule { height: header.height, rule: "that evidence ascends and accuses each once" });
        }
        if body.lanes.iter().any(|tip| tip.lane >= validators) {
            return Err(Fault::Rule { height: header.height, rule: "that every lane belongs to a validator" });
        }
        Ok(())
    }

    /// The results are contiguous, and leave room for what the block orders (X1, X2).
    fn check_results(&self, head: &Head, block: &Block) -> Result<(), Fault> {
        let (header, results) = (&block.header, &block.body.results);
        let broken = |rule| Err(Fault::Rule { height: header.height, rule });
        let mut expected = head.header.executed_height;
        let is_contiguous = results.iter().all(|summary| {
            expected = expected.next();
            summary.height == expected
        });
        let k = u64::from(self.params.consensus.k);
        let is_in_reach = header.executed_height <= head.header.height && count(results.len()) <= k;
        if !is_contiguous || expected != header.executed_height || !is_in_reach {
            return broken("that results are carried once, in order, and up to the executed height");
        }
        let is_lagging = header.height.above(header.executed_height) > k;
        if is_lagging && (!block.body.lanes.is_empty() || !block.body.evidence.is_empty()) {
            return broken("that a block beyond the outstanding results is empty");
        }
        Ok(())
    }

    /// The batches are exactly those that the block orders (L7).
    fn check_places(&self, head: &Head, block: &Block, places: &[BatchPlace]) -> Result<(), Fault> {
        let height = block.header.height;
        let most = u64::from(self.params.limits.block_transactions_max);
        let due = ordered(block, &head.cut, most).ok_or(Fault::Caps { height })?;
        let mut found = places.iter();
        for BatchPlace { epoch, lane, seq } in due {
            let there = found.next();
            if there != Some(&BatchPlace { epoch, lane, seq }) {
                let found = there.map_or_else(|| "nothing".to_owned(), |it| it.text(epoch));
                return Err(Fault::BatchPlace { height, lane, seq, found });
            }
        }
        match found.next() {
            Some(surplus) => Err(Fault::BatchSurplus { height, lane: surplus.lane, seq: surplus.seq }),
            None => Ok(()),
        }
    }
}

impl BatchPlace {
    fn text(&self, epoch: althing_types::Epoch) -> String {
        let Self { epoch: own, lane, seq } = self;
        if *own == epoch {
            format!("batch {seq} of lane {lane}")
        } else {
            format!("batch {seq} of lane {lane} of epoch {own}")
        }
    }
}

/// Compares what somebody says of an execution with what came of it.
pub(super) fn compare(height: Height, by: &'static str, said: &Summary, executed: &Summary) -> Result<(), Fault> {
    let fields = [
        ("block", said.block.to_string(), executed.block.to_string()),
        ("state root", said.state_root.to_string(), executed.state_root.to_string()),
        ("transaction root", said.tx_root.to_string(), executed.tx_root.to_string()),
        ("receipts root", said.receipts_root.to_string(), executed.receipts_root.to_string()),
        ("number of transactions", said.tx_count.to_string(), executed.tx_count.to_string()),
        ("gas", said.gas_used.to_string(), executed.gas_used.to_string()),
        ("version of the rules", said.vm.to_string(), executed.vm.to_string()),
        ("height", said.height.to_string(), executed.height.to_string()),
    ];
    let differs = fields.into_iter().find(|(_, said, executed)| said != executed);
    differs.map_or(Ok(()), |(field, said, executed_as)| {
        Err(Fault::Result { height, by, of: executed.height, field, said, executed: executed_as })
    })
}
