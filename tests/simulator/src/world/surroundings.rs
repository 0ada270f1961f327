//! What surrounds a replica: its logs, its ledger, the thread that checks batches, and the clients at its door.

use std::sync::Arc;

use althing_consensus::Envelope;
use althing_mempool::{Candidate, LANE_BATCHES_MAX, POOL_TRANSACTIONS_MAX, Range, SharedBatch, check_batch};
use althing_replica::{Action, Contact, Event as ReplicaEvent, Message, Note, Outcome, archive};
use althing_types::{Account, Committee, Epoch, Hash, Height, Replay, encode};

use super::{Event, Phase, Submission, World, fold};
use crate::writer::Command;

/// How often clients send something while everything works, in milliseconds.
const CALM_EVERY_MS: u64 = 50;
/// What a log of votes may be compacted to: as much as is appended before a compaction where nothing smaller is drawn.
const COMPACTED_BYTES_MAX: usize = 8 << 20;
/// Steps between two looks at what a replica holds.
const LOOK_EVERY: u64 = 64;

impl World {
    /// Gives a replica an event and carries out what it asks for.
    pub(crate) fn step(&mut self, place: usize, event: ReplicaEvent) {
        let now = self.now(place);
        let submitted = if let ReplicaEvent::Submit(candidate) = &event { Some(candidate.id()) } else { None };
        let node = &mut self.nodes[place];
        let Some(running) = node.running.as_mut() else { return };
        let mut actions = Vec::new();
        running.replica.step(&node.keys, now, event, &mut actions);
        self.steps += 1;
        self.outcome.trace = fold(self.outcome.trace, &[self.time, place as u64, actions.len() as u64]);
        if let Some(id) = submitted {
            self.answers(&id, &actions);
        }
        for action in actions {
            if !self.has_power(place) {
                self.crash_and_return(place);
                return;
            }
            self.carry_out(place, action);
        }
        self.begin_syncs(place);
        self.schedule_wake(place);
        if self.steps.is_multiple_of(LOOK_EVERY) {
            self.look(place);
        }
    }

    /// A submission is answered in the same step, once.
    fn answers(&mut self, id: &Hash, actions: &[Action]) {
        let answers = actions.iter().filter(|action| match action {
            Action::Note(Note::Admitted(of) | Note::Known(of, _) | Note::Refused(of, _)) => of == id,
            _ => false,
        });
        if answers.count() != 1 {
            self.checker.fail(format!("the submission of {id} was not answered once"));
        }
    }

    /// Counts down to a crash that was drawn to come between two actions.
    fn has_power(&mut self, place: usize) -> bool {
        match &mut self.nodes[place].power {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None => true,
        }
    }

    /// What a replica holds is bounded.
    fn look(&mut self, place: usize) {
        let Some(running) = &self.nodes[place].running else { return };
        let (mempool, queued) = (running.replica.mempool(), running.votes.len() + running.batches.len());
        self.outcome.queue_max = self.outcome.queue_max.max(running.blocks.len() as u64);
        // Who lost its log gets its own lane back from others, within what a receiver takes: twice the owner's window (L3).
        let window = if mempool.is_silent { 2 * LANE_BATCHES_MAX } else { LANE_BATCHES_MAX };
        // Who starts again knows the tips that its ledger has executed, and has its batches beyond those that were final
        // when it ended. Then it adds nothing until there is room.
        let adds_nothing = running.began_with == (running.replica.epoch(), mempool.own_seq);
        let is_bounded = mempool.own_batches <= window || adds_nothing;
        if !is_bounded || mempool.pool_count > POOL_TRANSACTIONS_MAX || queued > 20_000 {
            let told = self.describe();
            self.checker.fail(format!("place {place} holds too much: {told}"));
        }
    }

    fn schedule_wake(&mut self, place: usize) {
        let node = &mut self.nodes[place];
        let Some(running) = node.running.as_mut() else { return };
        let Some(deadline) = running.replica.deadline().map(althing_types::Monotonic::get) else { return };
        if running.wake.is_some_and(|wake| wake <= deadline) {
            return;
        }
        if deadline <= self.time {
            self.checker.fail(format!("place {place} wants to be woken in the past"));
            return;
        }
        running.wake = Some(deadline);
        let life = node.life;
        self.schedule_at(deadline, Event::Wake { place, life });
    }

    pub(super) fn wake(&mut self, place: usize) {
        if let Some(running) = self.nodes[place].running.as_mut() {
            running.wake = None;
        }
        self.step(place, ReplicaEvent::Tick);
    }

    fn carry_out(&mut self, place: usize, action: Action) {
        let life = self.nodes[place].life;
        let Some(running) = self.nodes[place].running.as_mut() else { return };
        match action {
            Action::AppendVote { lsn, record } => running.votes.post(Command::Append(lsn, encode(&*record))),
            Action::CompactVotes { lsn, records } => {
                let records: Vec<Vec<u8>> = records.iter().map(encode).collect();
                let bytes = records.iter().map(Vec::len).sum();
                running.votes.post(Command::Replace(lsn, records));
                self.needs_disk(place, bytes);
            }
            Action::AppendBatch { lsn, batch } => running.batches.post(Command::Append(lsn, encode(&*batch))),
            Action::CompactBatches { lsn, batches } => {
                let records = batches.iter().map(|batch| encode(&**batch)).collect();
                running.batches.post(Command::Replace(lsn, records));
            }
            Action::Send { to, message } => self.send(place, &to, &message),
            Action::CheckBatch { from, batch, committee } => self.check_later(place, from, batch, committee),
            Action::Execute { block, finalization, batches } => {
                self.checker.finalized(place, &block, &finalization, &batches);
                running.blocks.push_back(archive::final_block(*block, *finalization, batches));
                self.schedule_commit(place);
            }
            Action::ServeBlocks { to, above, hints } => {
                let after = self.random.between(20, 2_000);
                self.schedule(after, Event::ServeBlocks { place, life, to, above, hints });
            }
            Action::ServeEnd { to, epoch, hints } => {
                let after = self.random.between(20, 2_000);
                self.schedule(after, Event::ServeEnd { place, life, to, epoch, hints });
            }
            Action::ServeBatches { to, epoch, range } => {
                let after = self.random.between(20, 2_000);
                self.schedule(after, Event::ServeBatches { place, life, to, epoch, range });
            }
            Action::Note(note) => self.note(place, &note),
        }
    }

    /// What a log of votes is compacted to fits on a disk. Of a validator that lies the disk is full: the power goes.
    fn needs_disk(&mut self, place: usize, bytes: usize) {
        if bytes <= COMPACTED_BYTES_MAX {
            return;
        }
        if self.checker.is_honest(self.nodes[place].index) {
            let told = self.describe();
            self.checker.fail(format!("place {place} needs {bytes} bytes for a compacted log of votes: {told}"));
        }
        self.nodes[place].power = Some(0);
    }

    fn note(&mut self, place: usize, note: &Note) {
        if matches!(note, Note::Evidence(_)) {
            self.outcome.evidence += 1;
        }
        self.checker.noted(place, note);
    }

    pub(super) fn note_activity(&mut self, place: usize) {
        if self.checker.is_honest(self.nodes[place].index) {
            self.activity += 1;
            self.last_activity = self.time;
        }
    }

    // ---- logs ----

    fn begin_syncs(&mut self, place: usize) {
        let life = self.nodes[place].life;
        let Some(running) = self.nodes[place].running.as_mut() else { return };
        let (votes, batches) = (running.votes.begin(), running.batches.begin());
        if votes {
            let after = self.sync_time();
            self.schedule(after, Event::VotesSynced { place, life });
        }
        if batches {
            let after = self.sync_time();
            self.schedule(after, Event::BatchesSynced { place, life });
        }
        if votes || batches {
            self.note_activity(place);
        }
    }

    fn sync_time(&mut self) -> u64 {
        let (low, high) = self.options.sync_us;
        if self.random.chance(self.options.stall) {
            self.random.between(0, 2_000_000)
        } else {
            self.random.between(low, high)
        }
    }

    /// Whether a sync fails. Then the process stops, and comes back.
    fn sync_fails(&mut self, place: usize) -> bool {
        let fails = self.random.chance(self.options.failed_sync);
        if fails {
            self.crash_and_return(place);
        }
        fails
    }

    pub(super) fn votes_synced(&mut self, place: usize) {
        if self.sync_fails(place) {
            return;
        }
        let node = &mut self.nodes[place];
        let Some(running) = node.running.as_mut() else { return };
        let Some(synced) = running.votes.end(&mut node.disk.votes) else { return };
        self.checker.synced(place, &node.disk, synced.replaced);
        self.step(place, ReplicaEvent::VotesDurable(synced.last));
    }

    pub(super) fn batches_synced(&mut self, place: usize) {
        if self.sync_fails(place) {
            return;
        }
        let node = &mut self.nodes[place];
        let Some(running) = node.running.as_mut() else { return };
        let Some(synced) = running.batches.end(&mut node.disk.batches) else { return };
        self.checker.synced(place, &node.disk, synced.replaced);
        self.step(place, ReplicaEvent::BatchesDurable(synced.last));
    }

    // ---- the ledger ----

    fn schedule_commit(&mut self, place: usize) {
        let life = self.nodes[place].life;
        let Some(running) = self.nodes[place].running.as_mut() else { return };
        if !running.executing && !running.blocks.is_empty() {
            running.executing = true;
            let (low, high) = self.options.execute_us;
            let after = self.random.between(low, high);
            self.schedule(after, Event::Commit { place, life });
        }
    }

    pub(super) fn commit(&mut self, place: usize) {
        let epochs = self.epochs.clone();
        let Some(result) = self.nodes[place].commit(&epochs) else { return };
        match result {
            Err(error) => self.checker.fail(format!("the ledger at place {place}: {error}")),
            Ok((committed, outcome)) => {
                let node = &self.nodes[place];
                let reader = node.running.as_ref().expect("it has just committed").ledger.reader();
                self.checker.executed(place, &committed, &reader);
                let (life, after) = (node.life, self.random.between(1, 500));
                self.schedule(after, Event::Told { place, life, outcome: Box::new(outcome) });
            }
        }
    }

    pub(super) fn told(&mut self, place: usize, outcome: Box<Outcome>) {
        if let Some(running) = self.nodes[place].running.as_mut() {
            running.executing = false;
        }
        self.schedule_commit(place);
        self.step(place, ReplicaEvent::Committed(outcome));
    }

    pub(super) fn serve_blocks(&mut self, place: usize, to: Contact, above: Height, hints: Envelope) {
        let Some(running) = &self.nodes[place].running else { return };
        match archive::blocks_above(&running.ledger.reader(), hints, above) {
            Err(error) => self.checker.fail(format!("the ledger at place {place}: {error}")),
            Ok(answer) => self.answer(place, to, answer),
        }
    }

    pub(super) fn serve_end(&mut self, place: usize, to: Contact, epoch: Epoch, hints: Envelope) {
        let Some(running) = &self.nodes[place].running else { return };
        match archive::end_of_epoch(&running.ledger.reader(), hints, epoch) {
            Err(error) => self.checker.fail(format!("the ledger at place {place}: {error}")),
            Ok(answer) => self.answer(place, to, answer),
        }
    }

    pub(super) fn serve_batches(&mut self, place: usize, to: Contact, epoch: Epoch, range: &Range) {
        let Some(running) = &self.nodes[place].running else { return };
        match archive::batches_down(&running.ledger.reader(), epoch, range) {
            Err(error) => self.checker.fail(format!("the ledger at place {place}: {error}")),
            Ok(answer) => self.answer(place, to, answer),
        }
    }

    fn answer(&mut self, place: usize, to: Contact, answer: Option<Message>) {
        if let Some(message) = answer {
            self.send(place, &[to], &message);
        }
    }

    // ---- batches ----

    /// The batches of one sender are checked in the order in which they came.
    fn check_later(&mut self, place: usize, from: Contact, batch: SharedBatch, committee: Arc<Committee>) {
        let (low, high) = self.options.check_us;
        let at = self.time + self.random.between(low, high);
        let life = self.nodes[place].life;
        let Some(running) = self.nodes[place].running.as_mut() else { return };
        let last = running.checked_at.entry(from).or_default();
        *last = at.max(*last);
        let at = *last;
        self.schedule_at(at, Event::Checked { place, life, from, batch, committee });
    }

    pub(super) fn checked(&mut self, place: usize, from: Contact, batch: SharedBatch, committee: &Committee) {
        let key = (batch.batch.digest(), batch.signature);
        let checked = match self.verdicts.get(&key) {
            Some(known) => known.clone(),
            None => {
                let limits = self.genesis.params().limits;
                let verdict = check_batch(batch.0, committee, &limits, &self.nodes[place].keys);
                self.verdicts.insert(key, verdict.clone());
                verdict
            }
        };
        self.step(place, ReplicaEvent::Batch { from, checked });
    }

    // ---- clients ----

    /// Clients send transactions, most of them to one validator, some to several.
    pub(super) fn clients_send(&mut self) {
        let faults = self.phase == Phase::Faults;
        let every = if faults { self.options.submit_every_ms } else { CALM_EVERY_MS };
        if self.phase == Phase::Silence || every == 0 {
            return;
        }
        let count = if faults { self.random.between(1, self.options.burst_max) } else { 1 };
        for _ in 0..count {
            let place = self.random.below(self.nodes.len() as u64) as usize;
            self.submit(place);
        }
        let after = self.random.between(every * 200, every * 1800);
        self.schedule(after, Event::Clients);
    }

    /// A client sends its next transaction to a validator, and now and then to others as well.
    pub(crate) fn submit(&mut self, place: usize) {
        let careful = self.options.careful_clients || self.phase != Phase::Faults;
        let wall = althing_types::TimeMs::new(super::START_MS + self.time / 1000);
        let submission = self.clients.next(&mut self.random, wall, careful);
        self.arrive_later(place, submission.clone());
        while !careful && self.random.chance(150) {
            let other = self.random.below(self.nodes.len() as u64) as usize;
            self.arrive_later(other, submission.clone());
        }
    }

    fn arrive_later(&mut self, place: usize, submission: Submission) {
        let after = self.random.between(50, 3_000);
        self.schedule(after, Event::Arrive { place, submission: Box::new(submission) });
    }

    /// What a node's intake does with a verified transaction, but for the dry run: execution decides anyway.
    pub(super) fn arrive(&mut self, place: usize, submission: Submission) {
        let life = self.nodes[place].life;
        let Some(running) = &self.nodes[place].running else { return };
        let reader = running.ledger.reader();
        let (sender, replay) = (submission.body().sender, submission.body().replay);
        if reader.is_included(&submission.id()).expect("the model's disk can be read") {
            return;
        }
        let next = match replay {
            Replay::Expiring { .. } => 0,
            Replay::Sequence { lane, .. } => {
                let account = reader.account(&sender, reader.head().header.height).expect("the disk can be read");
                let entries = account.map(|Account::V1 { lanes, .. }| lanes.into_inner()).unwrap_or_default();
                entries.into_iter().find(|entry| entry.lane == lane).map_or(0, |entry| entry.next)
            }
        };
        let event = Box::new(ReplicaEvent::Submit(Candidate::new(submission, next)));
        let after = self.random.between(10, 2_000);
        self.schedule(after, Event::Replica { place, life, event });
    }
}
