//! The one table of inputs, and the order in which the rules are tried after each.

use althing_types::{DataJudgement, Finalize, Notarize, Summary, ValidatorIndex, View};

use crate::chain::Data;
use crate::config::{Keys, Now};
use crate::core::{Context, Core};
use crate::input::Input;
use crate::message::{Envelope, Message};
use crate::output::{Output, Recipient};

/// Rounds of the rules in one step at most. Each round must append to the log, enter a view or hand a block over, so
/// the bound is never met; it makes that plain.
const ROUNDS_MAX: usize = 10_000;

impl Core {
    /// Takes one input and says what to do. Outputs are carried out in their order, before the next step.
    pub fn step(&mut self, keys: &impl Keys, now: Now, input: Input, out: &mut Vec<Output>) {
        let cx = &mut Context { keys, now, out };
        match input {
            Input::Message { from, envelope } => self.on_message(cx, from, envelope),
            Input::Tick => {}
            Input::Built { view, parent, lanes } => self.on_built(cx, view, parent, lanes),
            Input::Checked { digest, judgement } => self.on_checked(digest, judgement),
            Input::Durable(lsn) => self.on_durable(cx, lsn),
            Input::Work(work) => self.work = work,
            Input::Executed(summary) => self.on_executed(cx, summary),
            Input::SetChange { height, set } => self.on_set_change(height, set),
            Input::Reported { from, executed } if from != self.me() => self.results.reported(from, executed),
            Input::Reported { .. } => {}
            Input::Evidence(evidence) => self.on_found(cx, evidence),
            Input::Peer { index, connected } => self.on_peer(cx, index, connected),
        }
        self.progress(cx);
    }

    /// Tries every rule until none has anything to do at this moment.
    fn progress<K: Keys>(&mut self, cx: &mut Context<'_, K>) {
        if !self.started {
            self.start(cx);
        }
        self.reconsider(cx);
        for _ in 0..ROUNDS_MAX {
            let before = (self.journal.last(), self.view, self.chain.base_id(), self.building);
            self.attach_blocks(cx);
            self.justify_offers();
            self.hand_over(cx);
            self.notarize_valid(cx);
            self.note_work(cx);
            self.propose(cx);
            self.nullify(cx);
            if before == (self.journal.last(), self.view, self.chain.base_id(), self.building) {
                break;
            }
        }
        self.ask(cx);
        self.fetch(cx);
        self.synchronise(cx);
        self.repeat(cx);
        self.compact(cx);
        self.wake = self.next_wake(cx.monotonic());
    }

    /// The first step after a start. Votes that the log held may suffice for a certificate that it did not, and it may
    /// hold a Notarization without the Finalize that follows from it (R3).
    fn start<K: Keys>(&mut self, cx: &mut Context<'_, K>) {
        self.started = true;
        self.log_opening(cx);
        self.timers.enter(cx.monotonic());
        self.timers.tip_since = cx.monotonic();
        self.peers.begin(cx.monotonic());
        self.revive(cx);
    }

    /// Does what the votes and certificates demand that are here already: after a start, and when I may sign again.
    pub(crate) fn revive<K: Keys>(&mut self, cx: &mut Context<'_, K>) {
        let views: Vec<View> = self.rounds.keys().copied().collect();
        for view in views {
            self.certify(cx, view);
        }
        let notarizations = self.rounds.values().filter_map(|round| round.notarization.as_ref());
        let notarized: Vec<Notarize> = notarizations.map(|notarization| notarization.vote).collect();
        for Notarize { epoch, view, digest, .. } in notarized {
            self.finalize(cx, Finalize { epoch, view, digest });
        }
    }

    /// A message of another epoch is not for this core, but for what shows how this one ended (E4).
    fn on_message<K: Keys>(&mut self, cx: &mut Context<'_, K>, from: ValidatorIndex, envelope: Envelope) {
        if from == self.me() {
            return;
        }
        if envelope.epoch < self.committee().epoch {
            if let Message::Fork(proof) = envelope.message {
                self.on_fork(cx, from, *proof);
            }
            return;
        }
        if envelope.epoch > self.committee().epoch {
            return self.on_later_epoch(cx, from, envelope.message);
        }
        let Some(peer) = self.peers.get_mut(from) else { return };
        peer.view = peer.view.max(envelope.view);
        peer.floor = peer.floor.max(envelope.floor);
        match envelope.message {
            Message::Vote(vote) => self.on_vote(cx, from, vote),
            Message::Proposal(proposal) => self.on_proposal(cx, from, *proposal),
            Message::Certificates(certificates) => self.on_certificates(cx, from, certificates.into_inner()),
            Message::Status => {}
            Message::GetCertificates { from: first, to } => self.on_get_certificates(cx, from, first, to),
            Message::GetBlock { digest } => self.on_get_block(cx, from, digest),
            Message::Block(block) => self.on_block(*block),
            Message::GetRun { above } => self.on_get_run(cx, from, above),
            Message::Run(run) => self.on_run(cx, from, *run),
            Message::Fork(proof) => self.on_fork(cx, from, *proof),
            Message::Evidence(pieces) => self.on_evidence(cx, from, pieces.into_inner()),
            Message::GetView { question } => self.on_get_view(cx, from, question),
            Message::View(proof) => self.on_view(cx, from, *proof),
        }
        self.nudge(cx, from);
    }

    fn on_checked(&mut self, digest: althing_types::Hash, judgement: DataJudgement) {
        if let Some(entry) = self.chain.get_mut(&digest) {
            entry.data = match (entry.data, judgement) {
                // Bytes that were once found complete and valid stay so.
                (Data::Held, _) | (_, DataJudgement::Valid) => Data::Held,
                (_, DataJudgement::Wait) => Data::Missing,
                (_, DataJudgement::Invalid) => Data::Invalid,
            };
        }
    }

    fn on_executed<K: Keys>(&mut self, cx: &mut Context<'_, K>, summary: Summary) {
        if summary.height > self.chain.base().header.height {
            return;
        }
        self.uncommitted = self.uncommitted.split_off(&summary.height.next());
        if let Some(alarm) = self.results.executed(self.me(), summary) {
            self.halt(cx, alarm);
        }
    }

    /// A connection begins or ends: what the peer had proven on an earlier one is forgotten (R7).
    fn on_peer<K: Keys>(&mut self, cx: &mut Context<'_, K>, index: ValidatorIndex, connected: bool) {
        if index == self.me() {
            return;
        }
        let since = cx.monotonic();
        if let Some(peer) = self.peers.get_mut(index) {
            *peer = peer.anew(connected, since);
        }
        if connected {
            self.send(cx, Recipient::One(index), Message::Status);
            self.ask_anew(cx, index);
            self.tell_all_evidence(cx, index);
            self.show_branch(cx, index);
        }
    }
}
