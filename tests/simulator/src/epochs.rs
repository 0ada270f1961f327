//! Which validators each epoch of a run has: the script that stands for governance, which comes later.
//!
//! The genesis document of a run names every validator that will ever be one, and the script says which of them begin.
//! After a scripted height the state counts as holding a change; everything else is the protocol's.

use althing_genesis::Genesis;
use althing_ledger::Reader;
use althing_replica::Contact;
use althing_storage::OrderedStore;
use althing_types::{Committee, Epoch, Hash, Header, Height, PublicKey, Validator, ValidatorIndex, ValidatorSet};

use crate::options::EpochScript;

/// The validators of every epoch of a run.
#[derive(Debug)]
pub(crate) struct Epochs {
    committees: Vec<Committee>,
    /// By epoch, the height from which on states of that epoch hold the change that ends it.
    changes: Vec<u64>,
    directory: Vec<PublicKey>,
}

impl Epochs {
    /// Everybody in one epoch without end, or what a script says.
    pub(crate) fn new(genesis: &Genesis, script: Option<&EpochScript>) -> Self {
        let all = genesis.committee();
        let directory = all.set.validators().iter().map(|validator| validator.key).collect();
        let Some(script) = script else { return Self { committees: vec![all], changes: Vec::new(), directory } };
        let fast_path = all.set.quorums().fast().is_some();
        let set = |members: &Vec<u16>| {
            let of = |contact: &u16| *all.set.get(ValidatorIndex::new(*contact)).expect("a contact is one of all");
            let validators: Vec<Validator> = members.iter().map(of).collect();
            let faulty = (validators.len().saturating_sub(1) / 3) as u16;
            ValidatorSet::new(validators, faulty, fast_path).expect("a set of known validators")
        };
        let committee =
            |(number, members)| Committee { chain: all.chain, epoch: Epoch::new(number), set: set(members) };
        let committees = (0..).zip(&script.members).map(committee).collect();
        Self { committees, changes: script.changes.clone(), directory }
    }

    /// The validator keys of everybody, by contact.
    pub(crate) fn directory(&self) -> &[PublicKey] {
        &self.directory
    }

    /// The validators of an epoch.
    pub(crate) fn committee(&self, epoch: Epoch) -> &Committee {
        let place = usize::try_from(epoch.get()).expect("few epochs");
        self.committees.get(place).expect("no epoch follows the last one of the script")
    }

    /// Whether there is such an epoch.
    pub(crate) fn has(&self, epoch: Epoch) -> bool {
        usize::try_from(epoch.get()).is_ok_and(|place| place < self.committees.len())
    }

    /// The place of a contact among the validators of an epoch; none if it is a guest.
    pub(crate) fn index_of(&self, epoch: Epoch, contact: Contact) -> Option<ValidatorIndex> {
        self.committee(epoch).set.index_of(&self.directory[contact.to_usize()])
    }

    /// Who has a place among the validators of an epoch.
    pub(crate) fn contact(&self, epoch: Epoch, index: ValidatorIndex) -> Option<Contact> {
        let key = self.has(epoch).then(|| self.committee(epoch).set.get(index)).flatten()?.key;
        let place = self.directory.iter().position(|known| *known == key)?;
        Some(Contact::new(place as u16))
    }

    /// The set that the state after this block holds as a pending change.
    pub(crate) fn pending_after(&self, header: &Header) -> Option<&ValidatorSet> {
        let due = usize::try_from(header.epoch.get()).ok().and_then(|place| self.changes.get(place));
        let is_due = due.is_some_and(|from| header.height.get() >= *from) && !header.ends_epoch();
        is_due.then(|| &self.committee(header.epoch.next()).set)
    }

    /// What a block must say of the next set, given the header whose state it carries up to (E1).
    pub(crate) fn next_validators(&self, header: &Header, carried: &Header) -> Hash {
        let pending = self.pending_after(carried).filter(|_| carried.epoch == header.epoch);
        pending.map_or(Hash::ZERO, ValidatorSet::hash)
    }

    /// The pending change that a ledger's last state holds, with the lowest height whose state does.
    pub(crate) fn pending_at<S: OrderedStore>(&self, reader: &Reader<S>) -> Option<(Height, ValidatorSet)> {
        let head = reader.head();
        let set = self.pending_after(&head.header)?.clone();
        let mut height = head.header.height;
        while let Some(below) = height.get().checked_sub(1).map(Height::new)
            && let Ok(Some(header)) = reader.header(below)
            && header.epoch == head.header.epoch
            && self.pending_after(&header).is_some()
        {
            height = below;
        }
        Some((height, set))
    }

    /// The height of the block that an epoch begins above; 0 for the first.
    pub(crate) fn start<S: OrderedStore>(&self, reader: &Reader<S>, epoch: Epoch) -> Height {
        let mut height = reader.head().header.height;
        while height > Height::ZERO {
            let header = reader.header(height).expect("the model's disk can be read").expect("it is committed");
            if header.epoch < epoch {
                break;
            }
            height = height.previous();
        }
        height
    }
}
