//! A second ledger, written from the rules alone: balances, numbers and ids, without trees, stores or batches of
//! writes. What the real one includes, skips and holds must be the same.

use std::collections::{BTreeMap, BTreeSet};

use althing_genesis::Genesis;
use althing_ledger::{Committed, Reader};
use althing_mempool::CheckedBatch;
use althing_storage::FaultyStore;
use althing_types::{
    Action, Address, AssetId, Block, DEPLOY_BYTES_MAX, Epoch, Hash, Height, Replay, SignedBatch, SignedTransaction,
    Status, TimeMs, decode,
};

/// What the execution of a height must come to.
#[derive(Clone, Debug, Default)]
struct Outcome {
    included: Vec<(Hash, Status)>,
    skipped: Vec<Hash>,
    balances: BTreeMap<Address, u128>,
}

/// The second ledger.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    genesis: Hash,
    asset: AssetId,
    window_ms: u64,
    /// By height, from 0.
    heights: Vec<Outcome>,
    numbers: BTreeMap<(Address, u32), u64>,
    executed: BTreeSet<Hash>,
    decided: BTreeSet<Hash>,
    /// The height that ordered each batch.
    ordered: BTreeMap<Hash, Height>,
    /// The tip of each lane.
    cut: BTreeMap<u32, (u64, Hash)>,
    epoch: Epoch,
}

impl Model {
    pub(super) fn new(genesis: &Genesis) -> Self {
        let asset = AssetId::of_genesis(&genesis.first_asset().expect("there is one").symbol);
        let holding = |account: &althing_genesis::Account| account.balances.iter().map(|(_, amount)| *amount).sum();
        let balances = genesis.accounts().iter().map(|account| (account.address, holding(account))).collect();
        Self {
            genesis: genesis.header().id(),
            asset,
            window_ms: u64::from(genesis.params().transactions.max_window_ms),
            heights: vec![Outcome { balances, ..Outcome::default() }],
            numbers: BTreeMap::new(),
            executed: BTreeSet::new(),
            decided: BTreeSet::new(),
            ordered: BTreeMap::new(),
            cut: BTreeMap::new(),
            epoch: Epoch::ZERO,
        }
    }

    pub(super) const fn genesis(&self) -> Hash {
        self.genesis
    }

    /// How many transactions were executed.
    pub(crate) fn executed_count(&self) -> usize {
        self.executed.len()
    }

    /// The highest height with a transaction.
    pub(crate) fn last_work(&self) -> u64 {
        self.heights.iter().rposition(|height| !height.included.is_empty()).unwrap_or_default() as u64
    }

    pub(super) fn ordered_at(&self, digest: &Hash) -> Option<Height> {
        self.ordered.get(digest).copied()
    }

    /// Whether a block held the transaction, executed or skipped.
    pub(super) fn is_decided(&self, id: &Hash) -> bool {
        self.decided.contains(id)
    }

    /// Executes a block with the batches that were handed over with it, unless its height was executed before.
    pub(super) fn execute(&mut self, block: &Block, batches: &[CheckedBatch]) -> Result<(), String> {
        let height = block.header.height.get();
        if height != self.heights.len() as u64 {
            return if height < self.heights.len() as u64 {
                Ok(())
            } else {
                Err("heights are missing below".to_owned())
            };
        }
        let ordered = self.order(block, batches)?;
        let below = self.heights.last().expect("there is height 0");
        let mut outcome = Outcome { balances: below.balances.clone(), ..Outcome::default() };
        for batch in ordered {
            for bytes in &batch.batch.transactions {
                let transaction: SignedTransaction =
                    decode(bytes, DEPLOY_BYTES_MAX).map_err(|error| format!("a final batch holds junk: {error}"))?;
                self.run(&transaction, block.header.time, &mut outcome);
            }
        }
        outcome.skipped.sort_unstable();
        self.heights.push(outcome);
        Ok(())
    }

    /// The batches of a block in the order of rule L6; each must be linked to the one before.
    fn order<'a>(&mut self, block: &Block, batches: &'a [CheckedBatch]) -> Result<Vec<&'a SignedBatch>, String> {
        let by_digest: BTreeMap<Hash, &SignedBatch> =
            batches.iter().map(|batch| (batch.signed().batch.digest(), &**batch.signed())).collect();
        if by_digest.len() != batches.len() {
            return Err("a batch was handed over twice".to_owned());
        }
        let mut lanes: Vec<Vec<&SignedBatch>> = Vec::new();
        if block.header.epoch != self.epoch {
            // Lanes begin anew with an epoch.
            self.cut.clear();
            self.epoch = block.header.epoch;
        }
        for tip in &block.body.lanes {
            let below = self.cut.insert(tip.lane, (tip.seq, tip.tip)).unwrap_or((0, Hash::ZERO));
            let mut lane = Vec::new();
            let (mut seq, mut digest) = (tip.seq, tip.tip);
            while seq > below.0 {
                let batch = *by_digest.get(&digest).ok_or_else(|| format!("batch {seq} of lane {} lacks", tip.lane))?;
                if (batch.batch.lane, batch.batch.seq) != (tip.lane, seq) {
                    return Err(format!("batch {seq} of lane {} is another one", tip.lane));
                }
                if self.ordered.insert(digest, block.header.height).is_some() {
                    return Err(format!("batch {seq} of lane {} is ordered twice", tip.lane));
                }
                lane.push(batch);
                (seq, digest) = (seq - 1, batch.batch.previous);
            }
            if digest != below.1 {
                return Err(format!("lane {} does not stand on its tip below", tip.lane));
            }
            lane.reverse();
            lanes.push(lane);
        }
        if lanes.iter().map(Vec::len).sum::<usize>() != batches.len() {
            return Err("more batches were handed over than the block orders".to_owned());
        }
        let first = if lanes.is_empty() { 0 } else { block.header.height.get() as usize % lanes.len() };
        lanes.rotate_left(first);
        let rounds = lanes.iter().map(Vec::len).max().unwrap_or_default();
        Ok((0..rounds).flat_map(|round| lanes.iter().filter_map(move |lane| lane.get(round).copied())).collect())
    }

    fn run(&mut self, transaction: &SignedTransaction, time: TimeMs, outcome: &mut Outcome) {
        let (id, body) = (transaction.id(), transaction.body());
        self.decided.insert(id);
        let in_time = match body.replay {
            Replay::Expiring { valid_until, .. } => {
                valid_until >= time && valid_until.get() <= time.get() + self.window_ms
            }
            Replay::Sequence { lane, seq } => {
                self.numbers.get(&(body.sender, lane)).copied().unwrap_or_default() == seq
            }
        };
        if !in_time || !self.executed.insert(id) {
            outcome.skipped.push(id);
            return;
        }
        if let Replay::Sequence { lane, seq } = body.replay {
            self.numbers.insert((body.sender, lane), seq + 1);
        }
        let Action::Transfer { to, amount, .. } = &body.action else { unreachable!("clients only transfer") };
        let held = outcome.balances.get(&body.sender).copied().unwrap_or_default();
        let status = match held.checked_sub(*amount) {
            Some(left) => {
                outcome.balances.insert(body.sender, left);
                *outcome.balances.entry(*to).or_default() += amount;
                Status::Ok
            }
            None => Status::Insufficient,
        };
        outcome.included.push((id, status));
    }

    /// What a ledger says of a height must be what came out here.
    pub(super) fn compare(&self, committed: &Committed) -> Result<(), String> {
        let Some(expected) = self.heights.get(committed.summary.height.get() as usize) else {
            return Err("was executed before it was handed over".to_owned());
        };
        let included: Vec<(Hash, Status)> = committed.included.iter().map(|it| (it.id, it.status)).collect();
        let mut skipped: Vec<Hash> = committed.skipped.iter().map(|it| it.id).collect();
        skipped.sort_unstable();
        if included != expected.included || committed.summary.tx_count as usize != included.len() {
            return Err(format!("included {included:?}, expected {:?}", expected.included));
        }
        if skipped != expected.skipped {
            return Err(format!("skipped {skipped:?}, expected {:?}", expected.skipped));
        }
        Ok(())
    }

    /// The balances at the head of a ledger must be those here, and add up to what genesis gave out.
    pub(super) fn compare_state(&self, reader: &Reader<FaultyStore>) -> Result<(), String> {
        let height = reader.head().header.height;
        let Some(expected) = self.heights.get(height.get() as usize) else { return Err("ahead".to_owned()) };
        let first = self.heights.first().expect("there is height 0");
        let mut sum = 0;
        for (address, amount) in &expected.balances {
            let held = reader.balances(address, height).map_err(|error| error.to_string())?;
            let held = held.iter().find(|(asset, _)| *asset == self.asset).map_or(0, |(_, amount)| *amount);
            sum += held;
            if held != *amount {
                return Err(format!("{address:?} holds {held} at height {height}, expected {amount}"));
            }
        }
        let supply: u128 = first.balances.values().sum();
        if sum == supply { Ok(()) } else { Err(format!("{sum} in all at height {height}, {supply} were given out")) }
    }
}
