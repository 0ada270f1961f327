//! Finality: raising the floor, handing final blocks over in order, comparing results, and keeping the log short.

use althing_types::{Certificate, Finalization, Hash, View};

use althing_types::canary::{Canary, seeded};

use crate::chain::Data;
use crate::config::Keys;
use crate::core::{Context, Core, Floor};
use crate::evidence::culprits;
use crate::output::{Alarm, Output};
use crate::record::{Lsn, Record};
use crate::round::Round;

impl Core {
    /// Makes a verified Finalization the floor (rule R6). Views at or below it are closed for good; what I signed in
    /// them stays in the log until this Finalization is durable there (D8).
    pub(crate) fn raise_floor<K>(&mut self, cx: &Context<'_, K>, finalization: Finalization, lsn: Lsn) {
        let (view, digest) = (finalization.vote.view, finalization.vote.digest);
        let tip_view = self.tip().0;
        self.floor = Floor { view, digest, finalization: Some(finalization), lsn };
        self.retire(view);
        self.rounds = self.rounds.split_off(&view.next());
        self.forget_orphans();
        if tip_view <= view {
            self.timers.tip_since = cx.monotonic();
        }
    }

    /// Hands over final blocks in order, each once it, its data and the Finalization above it are durable (D8).
    pub(crate) fn hand_over<K: Keys>(&mut self, cx: &mut Context<'_, K>) {
        let is_durable = self.journal.is_durable(self.floor.lsn) || seeded(Canary::FinalBeforeSync);
        if !is_durable || self.is_forked() {
            return;
        }
        let Some((path, finalization)) = self.path_to_final() else { return };
        for id in path {
            self.compare_certified(cx, &id);
            let Some(entry) = self.chain.get(&id) else { return };
            if !entry.sound || entry.data == Data::Invalid {
                let ours = self.chain.base_id();
                return self.halt(cx, Alarm::Fork { ours, theirs: id, proof: None });
            }
            if entry.data != Data::Held {
                return;
            }
            self.log_block(cx, &id);
            if !self.is_logged(&id) {
                continue;
            }
            if self.chain.base_id() == self.chain.get(&id).map_or(Hash::ZERO, |entry| entry.block.header.parent) {
                self.hand_over_one(cx, &id, &finalization);
            }
        }
    }

    fn is_logged(&self, id: &Hash) -> bool {
        self.chain.get(id).and_then(|entry| entry.lsn).is_some_and(|lsn| self.journal.is_durable(lsn))
    }

    /// The blocks from the base to the floor, or to the end of a run of catch-up where those in between are missing.
    fn path_to_final(&self) -> Option<(Vec<Hash>, Finalization)> {
        let floor = self.floor.finalization.as_ref().map(|finalization| (self.floor.digest, finalization));
        let run = self.run_target.as_ref().map(|(end, finalization)| (*end, finalization));
        let candidates = [floor, run];
        let known = candidates.into_iter().flatten();
        known
            .filter(|(end, _)| *end != self.chain.base_id())
            .find_map(|(end, finalization)| self.chain.path_to(&end).map(|path| (path, finalization.clone())))
    }

    fn hand_over_one<K>(&mut self, cx: &mut Context<'_, K>, id: &Hash, finalization: &Finalization) {
        let Some(block) = self.chain.advance(id) else { return };
        self.results.forget_up_to(block.header.executed_height);
        self.accusations.finish(culprits(&block));
        if self.run_target.as_ref().is_some_and(|(end, _)| end == id) || finalization.vote.digest == *id {
            self.run_target = None;
        }
        self.uncommitted.insert(block.header.height, block.clone());
        let certified = (finalization.vote.digest == *id).then_some(finalization.vote.view);
        let finalization = Box::new(finalization.clone());
        cx.out.push(Output::Finalized { block: Box::new(block), finalization });
        self.follow_chain(cx, id, certified);
    }

    /// Compares what a certified block carries with what I computed (rule X4).
    pub(crate) fn compare_certified<K>(&mut self, cx: &mut Context<'_, K>, digest: &Hash) {
        let Some(entry) = self.chain.get(digest) else { return };
        let summaries = entry.block.body.results.to_vec();
        if let Some(alarm) = self.results.certified(&summaries) {
            self.halt(cx, alarm);
        }
    }

    /// Replaces a long log by what a restart needs (rule D8): the floor, blocks that the ledger has not committed,
    /// the certificates and blocks above the floor, what I signed there, and evidence.
    pub(crate) fn compact<K>(&mut self, cx: &mut Context<'_, K>) {
        if self.journal.bytes() >= self.config.log_bytes_max {
            let records = self.records();
            self.journal.compact(records, self.floor.view, cx.out);
        }
    }

    /// Everything that a restart needs (D8).
    fn records(&self) -> Vec<Record> {
        let floor = self.floor.finalization.clone().map(Certificate::Finalization).map(Record::Certificate);
        let uncommitted = self.uncommitted.values().map(|block| Record::Block(Box::new(block.clone())));
        let mut logged: Vec<_> =
            self.chain.entries().filter(|(_, entry)| entry.lsn.is_some()).map(|(_, entry)| &entry.block).collect();
        logged.sort_by_key(|block| block.header.height);
        let logged = logged.into_iter().map(|block| Record::Block(Box::new(block.clone())));
        let rounds = self.rounds.values();
        let certificates = rounds.flat_map(|round| round.certificates()).map(Record::Certificate);
        let kept = |_: &&Round| !seeded(Canary::FactsCompacted);
        let own = self.rounds.values().filter(kept).flat_map(|round| round.own.iter().copied()).map(Record::Vote);
        let evidence = self.accusations.pieces().copied().map(Record::Evidence);
        let standing = self.past.standing().map(Record::Standing);
        floor
            .into_iter()
            .chain(standing)
            .chain(uncommitted)
            .chain(logged)
            .chain(certificates)
            .chain(own)
            .chain(evidence)
            .collect()
    }

    /// Whether a view is above the floor.
    pub(crate) fn is_above_floor(&self, view: View) -> bool {
        view > self.floor.view
    }
}
