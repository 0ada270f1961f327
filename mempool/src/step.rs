//! The one table of inputs, and the order in which the rules are tried after each.

use althing_types::{LaneSeq, Monotonic, TimeMs, ValidatorIndex, Work};

use crate::candidate::{AdmitError, Candidate, DropReason, Known};
use crate::config::Signer;
use crate::input::Input;
use crate::journal::Lsn;
use crate::output::Output;
use crate::pool::Terms;
use crate::state::{Context, Mempool};

/// How often expiring transactions are looked at while no batch is cut, in milliseconds.
const SWEEP_MS: u64 = 1_000;

impl Mempool {
    /// Takes one input and says what to do. Outputs are carried out in their order, before the next step.
    pub fn step(&mut self, signer: &dyn Signer, now: Monotonic, wall: TimeMs, input: Input, out: &mut Vec<Output>) {
        let cx = &mut Context { signer, now, wall, out };
        match input {
            Input::Admit(candidate) => self.on_admit(cx, candidate),
            Input::Batch { from, batch } => self.on_batch(cx, from, batch),
            Input::Repeated { from, lane } => self.on_repeated(cx.now, from, lane),
            Input::Rejected { from, rejected } => self.on_rejected(cx, from, &rejected),
            Input::Acks { from, acks } => self.on_acks(cx, from, &acks),
            Input::GetBatches { from, range } => self.on_get_batches(cx, from, range),
            Input::Durable(lsn) => self.on_durable(lsn),
            Input::Check(check) => self.on_check(cx, check),
            Input::Build { view, parent, parent_cut } => {
                let lanes = self.build(view, &parent_cut);
                cx.out.push(Output::Built { view, parent, lanes });
            }
            Input::ViewDied { view } => self.on_view_died(view),
            Input::Accused(culprits) => self.on_accused(cx, &culprits),
            Input::Hold(holds) => self.is_held = holds,
            Input::Silence => self.fall_silent(cx),
            Input::Finalized { digest, height, cut } => self.on_finalized(cx, digest, height, &cut),
            Input::Committed { height, cut, decided, sequences } => {
                self.on_committed(cx, height, &cut);
                self.on_decided(cx, &decided, &sequences);
            }
            Input::Peer { index, connected } => self.on_peer(cx, index, connected),
            Input::Hint { leader } => self.on_hint(cx, leader),
            Input::Tick => {}
        }
        self.progress(cx);
    }

    /// Tries every rule until none has anything to do at this moment.
    fn progress(&mut self, cx: &mut Context<'_>) {
        self.expire(cx);
        self.settle(cx);
        self.cut(cx);
        self.send_own(cx);
        self.judge(cx);
        self.fetch(cx);
        self.acknowledge(cx);
        self.announce_work(cx);
        self.compact(cx);
        self.wake = self.next_wake(cx);
    }

    fn on_admit(&mut self, cx: &mut Context<'_>, candidate: Candidate) {
        let id = candidate.id();
        if let Some(at) = self.known(&id) {
            return cx.out.push(Output::Known { id, at });
        }
        match self.admit(cx, candidate) {
            Ok(useless) => {
                cx.out.push(Output::Admitted { id });
                Self::drop_each(cx, useless);
            }
            Err(error) => cx.out.push(Output::Refused { id, error }),
        }
    }

    /// Where a transaction is that no block decided yet, if it is here.
    pub fn known(&self, id: &althing_types::Hash) -> Option<Known> {
        let batched = self.in_flight.get(id).map(|seq| Known::Batched { seq: *seq });
        batched.or_else(|| self.pool.contains(id).then_some(Known::Pooled))
    }

    /// While the lane's window is full transactions wait in the pool; only when that is full as well the refusal
    /// names the lane (L3).
    fn admit(
        &mut self,
        cx: &Context<'_>,
        candidate: Candidate,
    ) -> Result<Vec<(althing_types::Hash, DropReason)>, AdmitError> {
        if self.is_silent {
            return Err(AdmitError::Silent);
        }
        let terms = Terms {
            now: cx.now,
            wall: cx.wall,
            window_ms: u64::from(self.config.params.transactions.max_window_ms),
            batch: self.config.share().of_batch(),
            gas_max: self.config.params.limits.transaction_gas_max,
            retry_after_ms: u64::from(self.config.params.consensus.delta_ms),
        };
        self.pool.admit(candidate, &terms).map_err(|error| match error {
            AdmitError::Full { retry_after_ms } if self.own_window_is_full() => {
                AdmitError::LaneBusy { retry_after_ms: retry_after_ms.saturating_mul(4) }
            }
            error => error,
        })
    }

    /// Lets go of what has no time left.
    fn expire(&mut self, cx: &mut Context<'_>) {
        let expired = self.pool.expire(cx.wall);
        Self::dropped(cx, expired, DropReason::Expired);
        let waited = self.pool.give_up_waiting(cx.now);
        Self::dropped(cx, waited, DropReason::Waited);
    }

    pub(crate) fn dropped(cx: &mut Context<'_>, ids: Vec<althing_types::Hash>, reason: DropReason) {
        if !ids.is_empty() {
            cx.out.push(Output::Dropped { ids, reason });
        }
    }

    pub(crate) fn drop_each(cx: &mut Context<'_>, gone: Vec<(althing_types::Hash, DropReason)>) {
        for reason in [DropReason::Decided, DropReason::SequenceUsed] {
            let ids = gone.iter().filter(|(_, why)| *why == reason).map(|(id, _)| *id).collect();
            Self::dropped(cx, ids, reason);
        }
    }

    fn on_durable(&mut self, lsn: Lsn) {
        self.journal.durable(lsn);
        let behind = self.lanes.iter().filter(|lane| lane.durable() < lane.tip().seq);
        self.touched.extend(behind.map(|lane| lane.final_tip().lane));
        self.must_judge = true;
    }

    /// Brings every lane that changed up to date: what can be linked is linked and handed to the log, what became
    /// durable is counted, and so are the acknowledgements.
    fn settle(&mut self, cx: &mut Context<'_>) {
        let (me, quorum) = (self.config.me.to_usize(), self.config.quorums().notarize());
        for number in std::mem::take(&mut self.touched) {
            while let Some(batch) = self.lane_mut(number).and_then(crate::lane::Lane::next_pending) {
                self.append(cx, batch);
            }
            let to = self.journal.durable_to();
            let Some(lane) = self.lane_mut(number) else { continue };
            let newly = lane.sync(to);
            lane.recount(me, quorum);
            if !newly.is_empty() {
                self.note_unsaid(cx.now, number);
                if number == self.config.own_lane() {
                    self.accept(cx, newly);
                }
            }
        }
        self.touched.clear();
    }

    /// Tells how far the lanes reach whenever that changes (I1, I2).
    fn announce_work(&mut self, cx: &mut Context<'_>) {
        let own = self.config.own_lane();
        let mut work = Work::default();
        for lane in self.lanes.iter().filter(|lane| !lane.is_tainted) {
            let number = lane.final_tip().lane;
            let timer = if number == own { lane.durable() } else { lane.quorum() };
            work.lead.extend(reached(number, self.includable(lane)));
            work.timer.extend(reached(number, timer));
        }
        if work != self.work {
            self.work = work.clone();
            cx.out.push(Output::Work(work));
        }
    }

    fn on_peer(&mut self, cx: &mut Context<'_>, index: ValidatorIndex, connected: bool) {
        if index == self.config.me {
            return;
        }
        let Some(peer) = self.peers.get_mut(index.to_usize()) else { return };
        *peer = peer.anew(connected);
        let both = self.config.is_validator() && index.get() < self.config.committee.set.count();
        if connected && both {
            self.acknowledge_all(cx, vec![index]);
        }
    }

    /// When something happens by itself: the earliest of all waits.
    fn next_wake(&self, cx: &Context<'_>) -> Option<Monotonic> {
        let resends = self.peers.iter().filter(|peer| peer.connected).filter_map(|peer| peer.resend_at);
        // Wall time may jump, so the end of a transaction's time is looked for at intervals of the steady clock.
        let sweep = self.pool.expires().map(|at| cx.now.plus_ms(at.next().above(cx.wall).min(SWEEP_MS)));
        let single = [self.ack_at, self.repeat_at, self.pool.wait_ends(), sweep, self.next_question()];
        single.into_iter().flatten().chain(resends).min()
    }
}

fn reached(lane: u32, seq: u64) -> Option<LaneSeq> {
    (seq > 0).then_some(LaneSeq { lane, seq })
}
