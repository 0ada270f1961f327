//! Judging the batches that a block orders: Valid, Wait or Invalid (V6, L4, L7).
//!
//! For each lane a walk goes from the tip that the block names down to the tip of its parent's cut, along the links.
//! What is missing stops the walk and is fetched; it goes on when the batch arrives. *Invalid* follows from bytes
//! alone: from the block, from batches with the digests that it names, and from the parent's cut.
//!
//! **Caps.** A batch fits a lane's share of a block, or it is no batch. What one lane leaves of its share another may
//! take, so a block as a whole is held against the sum of the shares, and no voter needs to know what the leader had.

use althing_types::{DataJudgement, Hash, LaneTip, ValidatorIndex};

use crate::batch::CheckedBatch;
use crate::config::{CHECKS_MAX, Share};
use crate::fetch::Fetch;
use crate::input::Check;
use crate::journal::Lsn;
use crate::lane::Lane;
use crate::output::Output;
use crate::state::{Context, Mempool};

/// A block on its way to a judgement, or final and not committed.
#[derive(Clone, Debug)]
pub(crate) struct Checking {
    pub(crate) proposer: ValidatorIndex,
    pub(crate) walks: Vec<Walk>,
    pub(crate) is_final: bool,
    /// The last word that was given.
    said: Option<DataJudgement>,
}

/// The batches of one lane that a block orders.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    pub(crate) top: LaneTip,
    /// The tip of the lane after the block's parent.
    below: LaneTip,
    /// Number and digest of the highest batch that was not found; none when all were.
    pub(crate) next: Option<(u64, Hash)>,
    /// What the batches that were found take.
    size: Share,
    /// Up to where the log must be durable for them.
    pub(crate) lsn: Lsn,
    pub(crate) fetch: Fetch,
}

/// The batches cannot stand in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsound;

impl Walk {
    /// A walk that has found nothing yet.
    pub(crate) fn new(top: LaneTip, parent_cut: &[LaneTip]) -> Self {
        let nothing = LaneTip { lane: top.lane, seq: 0, tip: Hash::ZERO };
        let below = parent_cut.iter().find(|tip| tip.lane == top.lane).copied().unwrap_or(nothing);
        let next = Some((top.seq, top.tip));
        Self { top, below, next, size: Share::default(), lsn: Lsn::ZERO, fetch: Fetch::default() }
    }

    /// The lowest number that the block orders.
    pub(crate) const fn first(&self) -> u64 {
        self.below.seq.saturating_add(1)
    }

    /// Goes down along what is held, and shows each batch to `see`.
    pub(crate) fn descend<'a>(&mut self, lane: &'a Lane, mut see: impl FnMut(&'a CheckedBatch)) -> Result<(), Unsound> {
        if self.top.seq <= self.below.seq {
            return Err(Unsound);
        }
        while let Some((seq, digest)) = self.next {
            let Some(held) = lane.held(seq, digest) else { return Ok(()) };
            let previous = held.batch.batch().previous;
            if seq == self.first() && previous != self.below.tip {
                return Err(Unsound);
            }
            see(&held.batch);
            self.size = self.size.plus(&held.batch.size());
            self.lsn = self.lsn.max(held.lsn);
            self.next = (seq > self.first()).then(|| (seq.saturating_sub(1), previous));
        }
        Ok(())
    }
}

impl Checking {
    /// Whether the block waits for batches.
    pub(crate) fn is_waiting(&self) -> bool {
        !matches!(self.said, Some(DataJudgement::Valid | DataJudgement::Invalid))
    }

    /// The places for which the block waits for the batch with this digest.
    pub(crate) fn places_of(&self, digest: Hash) -> impl Iterator<Item = LaneTip> {
        let waiting = self.walks.iter().filter(|_| self.is_waiting());
        let wanted = waiting.filter_map(|walk| Some((walk.top.lane, walk.next?)));
        wanted.filter(move |(_, (_, wanted))| *wanted == digest).map(|(lane, (seq, tip))| LaneTip { lane, seq, tip })
    }

    /// Gives a word if it is a new one.
    pub(crate) fn say(&mut self, digest: Hash, judgement: DataJudgement, out: &mut Vec<Output>) {
        if self.said != Some(judgement) {
            self.said = Some(judgement);
            out.push(Output::Checked { digest, judgement });
        }
    }

    /// Goes on with every walk and judges what was found.
    fn judge(&mut self, lanes: &[Lane], durable: Lsn, max: &Share) -> DataJudgement {
        let mut size = Share::default();
        for walk in &mut self.walks {
            let lane = usize::try_from(walk.top.lane).ok().and_then(|number| lanes.get(number));
            // Every batch holds a transaction, so a longer range exceeds the cap whatever is in it.
            let short = walk.top.seq.saturating_sub(walk.below.seq) <= max.transactions;
            if !short || lane.is_none_or(|lane| walk.descend(lane, |_| {}).is_err()) {
                return DataJudgement::Invalid;
            }
            size = size.plus(&walk.size);
        }
        if !size.fits(max) {
            return DataJudgement::Invalid;
        }
        let whole = self.walks.iter().all(|walk| walk.next.is_none() && walk.lsn <= durable);
        if whole { DataJudgement::Valid } else { DataJudgement::Wait }
    }
}

impl Mempool {
    /// A block's batches are to be judged. The core asks once; asked again, the last word is given again.
    pub(crate) fn on_check(&mut self, cx: &mut Context<'_>, check: Check) {
        let key = (check.height, check.digest);
        if let Some(known) = self.checks.get_mut(&key) {
            known.said = None;
        } else if check.lanes.is_empty() {
            cx.out.push(Output::Checked { digest: check.digest, judgement: DataJudgement::Valid });
            return;
        } else {
            let grace = cx.now.plus(self.config.delta_quarters(1) / 2);
            let patient_until = cx.now.plus(self.config.delta_quarters(4));
            let walks = check.lanes.iter().map(|top| {
                let mut walk = Walk::new(*top, &check.parent_cut);
                walk.fetch = Fetch::beginning(grace, patient_until, top.tip);
                walk
            });
            let walks = walks.collect();
            let proposer = check.proposer;
            self.checks.insert(key, Checking { proposer, walks, is_final: false, said: None });
            self.bound_checks();
        }
        self.must_judge = true;
    }

    /// Forgets the highest block that is not final where there are too many: those below must be judged before it.
    fn bound_checks(&mut self) {
        if self.checks.len() > CHECKS_MAX {
            let highest = self.checks.iter().rev().find(|(_, check)| !check.is_final).map(|(key, _)| *key);
            highest.map(|key| self.checks.remove(&key));
        }
    }

    /// Judges every block that waits, if anything arrived that it may need.
    pub(crate) fn judge(&mut self, cx: &mut Context<'_>) {
        if !std::mem::take(&mut self.must_judge) {
            return;
        }
        let max = self.config.share().times(self.config.committee.set.count());
        let durable = self.journal.durable_to();
        for ((_, digest), check) in self.checks.iter_mut().filter(|(_, check)| check.is_waiting()) {
            let judgement = check.judge(&self.lanes, durable, &max);
            check.say(*digest, judgement, cx.out);
            if judgement == DataJudgement::Valid {
                for walk in &check.walks {
                    let lane = usize::try_from(walk.top.lane).ok().and_then(|number| self.lanes.get_mut(number));
                    lane.into_iter().for_each(|lane| lane.reach(walk.top.seq));
                }
            }
        }
    }
}
