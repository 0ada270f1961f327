//! Four validators that work: what they say to each other, and everything that happens to the last of them. Seeds are
//! made of it, so that a fuzzer begins with real values.

use std::sync::Arc;

use althing_consensus::Record;
use althing_replica::{Contact, Message, wire};
use althing_storage::FaultyStore;
use althing_types::{Class, Frame, SignedBatch, ValidatorIndex};

use super::{ME, VALIDATORS, Validator, chain, submissions};
use crate::machines::replica::Step;

/// What was said and done.
pub(crate) struct Traffic {
    /// Every frame that was sent.
    pub(crate) frames: Vec<(Class, Frame)>,
    /// What happened to the last validator, in order.
    pub(crate) steps: Vec<Step>,
    /// The logs of the last validator at its end.
    pub(crate) votes: Vec<Record>,
    /// The same.
    pub(crate) batches: Vec<Arc<SignedBatch>>,
    /// Its ledger.
    pub(crate) ledger: althing_ledger::Ledger<FaultyStore>,
}

struct Room {
    validators: Vec<Validator>,
    /// Frames under way: from, to, and what.
    frames: Vec<(ValidatorIndex, ValidatorIndex, Class, Frame)>,
    said: Vec<(Class, Frame)>,
    steps: Vec<Step>,
}

/// Runs a network for so many rounds of five milliseconds, with a transaction in every so many. One in `lost_in`
/// frames is lost on its way; none if it is zero.
pub(crate) fn traffic(rounds: u64, submit_every: u64, lost_in: u64) -> Traffic {
    let validators = (0..VALIDATORS).map(|index| Validator::new(chain(), ValidatorIndex::new(index))).collect();
    let mut room = Room { validators, frames: Vec::new(), said: Vec::new(), steps: Vec::new() };
    for place in 0..VALIDATORS {
        for other in (0..VALIDATORS).filter(|other| *other != place) {
            let index = ValidatorIndex::new(other);
            room.happens(place, Step::Peer { index, connected: true });
        }
    }
    let mut number = 0u64;
    for round in 0..rounds {
        for (from, to, class, frame) in std::mem::take(&mut room.frames) {
            number += 1;
            if lost_in == 0 || !number.is_multiple_of(lost_in) {
                room.happens(to.get(), Step::Frame { from, class, bytes: frame.to_vec() });
            }
        }
        if round.is_multiple_of(submit_every) {
            let which = usize::try_from(round / submit_every).unwrap_or_default() % submissions().len();
            let place = u16::try_from(round / submit_every % 4).unwrap_or_default();
            room.happens(place, Step::Submit(u8::try_from(which).unwrap_or_default()));
        }
        for place in 0..VALIDATORS {
            let settled = [
                Step::CheckAll,
                Step::SyncVotes(u8::MAX),
                Step::SyncBatches(u8::MAX),
                Step::CommitAll,
                Step::Pass(5_000),
            ];
            settled.into_iter().for_each(|step| room.happens(place, step));
        }
    }
    let last = room.validators.pop().expect("four validators");
    assert!(last.height() > 2, "the network of the seeds finalizes nothing");
    Traffic {
        frames: room.said,
        steps: room.steps,
        votes: last.votes.records().to_vec(),
        batches: last.batches.records().to_vec(),
        ledger: last.into_ledger(),
    }
}

impl Room {
    fn happens(&mut self, place: u16, step: Step) {
        let validator = &mut self.validators[usize::from(place)];
        let from = ValidatorIndex::new(place);
        let said = step.carry_out(validator);
        if from == ME {
            self.steps.push(step);
        }
        for (to, message) in said {
            self.say(from, &to, &message);
        }
    }

    fn say(&mut self, from: ValidatorIndex, to: &[Contact], message: &Message) {
        let (class, frame) = wire::to_frame(message);
        self.said.push((class, frame.clone()));
        for index in (0..VALIDATORS).map(ValidatorIndex::new).filter(|index| *index != from) {
            if to.contains(&Contact::new(index.get())) {
                self.frames.push((from, index, class, frame.clone()));
            }
        }
    }
}
