//! Answering others who lack batches (L5): only what is on disk here is given out.

use althing_types::{List, ValidatorIndex};

use crate::message::{ANSWER_BYTES_MAX, BATCHES_MAX, DataMessage, Range, SharedBatch};
use crate::output::Output;
use crate::state::{Context, Mempool};

impl Mempool {
    /// Answers with batches from the highest down, as many as fit one message, so that the asker can verify each by
    /// the one above it. What the ledger committed is answered from its archive.
    pub(crate) fn on_get_batches(&mut self, cx: &mut Context<'_>, from: ValidatorIndex, range: Range) {
        let window = self.config.delta_quarters(4);
        let peer = self.peers.get_mut(from.to_usize());
        if from == self.config.me || !peer.is_some_and(|peer| peer.may_answer(cx.now, window)) {
            return;
        }
        self.note_fetched(from, &range);
        let batches = self.run_down(&range);
        if !batches.is_empty() {
            return Self::send(cx, vec![from], DataMessage::Batches(List::truncated(batches)));
        }
        if self.lane(range.lane).is_some_and(|lane| range.last <= lane.committed()) {
            cx.out.push(Output::Serve { to: from, range });
        }
    }

    fn run_down(&self, range: &Range) -> Vec<SharedBatch> {
        let (mut next, mut bytes, mut batches) = (Some((range.last, range.tip)), 0usize, Vec::new());
        let Some(lane) = self.lane(range.lane) else { return batches };
        let durable = self.journal.durable_to();
        while let Some((seq, digest)) = next.filter(|(seq, _)| *seq >= range.first && batches.len() < BATCHES_MAX) {
            let Some(held) = lane.held(seq, digest).filter(|held| held.lsn <= durable) else { break };
            bytes = bytes.saturating_add(held.batch.bytes());
            if bytes > ANSWER_BYTES_MAX {
                break;
            }
            batches.push(SharedBatch(held.batch.signed().clone()));
            next = seq.checked_sub(1).map(|seq| (seq, held.batch.batch().previous));
        }
        batches
    }
}
