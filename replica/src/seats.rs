//! Who is who in an epoch: the nodes that a node knows keep one name for good, and have another place in each epoch.

use std::fmt;

use althing_types::{PublicKey, ValidatorIndex, ValidatorSet};

/// A node that is known as a validator of some epoch: its place in the directory that [`crate::Config`] holds. It stays
/// the same while a process runs, whatever epoch it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contact(u16);

impl Contact {
    /// The contact at a place of the directory.
    pub const fn new(place: u16) -> Self {
        Self(place)
    }

    /// The place.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The place, to index with.
    pub fn to_usize(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The places of all contacts in one epoch: its validators by their indices, then the others as guests, in the order of
/// the directory.
#[derive(Clone, Debug)]
pub(crate) struct Seats {
    /// By index. None is a validator that the directory does not name.
    contacts: Vec<Option<Contact>>,
    /// By contact.
    indices: Vec<ValidatorIndex>,
    validators: usize,
}

impl Seats {
    /// The places of the nodes with these validator keys.
    pub(crate) fn new(directory: &[PublicKey], set: &ValidatorSet) -> Self {
        let mut contacts = vec![None; usize::from(set.count())];
        let mut indices = Vec::with_capacity(directory.len());
        for (contact, key) in (0..u16::MAX).map(Contact).zip(directory) {
            let index = set.index_of(key);
            match index.and_then(|index| contacts.get_mut(index.to_usize())) {
                Some(seat) => *seat = Some(contact),
                None => contacts.push(Some(contact)),
            }
            let guest = u16::try_from(contacts.len().saturating_sub(1)).unwrap_or(u16::MAX);
            indices.push(index.unwrap_or(ValidatorIndex::new(guest)));
        }
        Self { contacts, indices, validators: usize::from(set.count()) }
    }

    /// How many are no validators of the epoch.
    pub(crate) fn guests(&self) -> u16 {
        u16::try_from(self.contacts.len().saturating_sub(self.validators)).unwrap_or(u16::MAX)
    }

    /// The place of a contact in this epoch; none if the directory does not name it.
    pub(crate) fn index_of(&self, contact: Contact) -> Option<ValidatorIndex> {
        self.indices.get(contact.to_usize()).copied()
    }

    /// Who has a place in this epoch.
    pub(crate) fn contact_at(&self, index: ValidatorIndex) -> Option<Contact> {
        self.contacts.get(index.to_usize()).copied().flatten()
    }

    /// The validators of the epoch, as far as the directory names them, ascending by index.
    pub(crate) fn validators(&self) -> impl Iterator<Item = Contact> + '_ {
        self.contacts.iter().take(self.validators).flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use althing_types::{SecretKey, Validator};

    fn key(seed: u8) -> PublicKey {
        SecretKey::from_seed(&[seed; 32]).public_key()
    }

    fn set(seeds: &[u8]) -> ValidatorSet {
        let validator = |seed: &u8| Validator { key: key(*seed), node_key: key(100 + *seed) };
        ValidatorSet::new(seeds.iter().map(validator).collect(), 0, false).expect("a set")
    }

    #[test]
    fn every_contact_has_one_place_and_validators_come_first() {
        let directory: Vec<PublicKey> = (1..=6).map(key).collect();
        let set = set(&[5, 2, 6]);
        let seats = Seats::new(&directory, &set);
        assert_eq!(seats.guests(), 3);
        for (place, known) in directory.iter().enumerate() {
            let contact = Contact::new(u16::try_from(place).expect("few"));
            let index = seats.index_of(contact).expect("it is in the directory");
            assert_eq!(seats.contact_at(index), Some(contact));
            assert_eq!(set.get(index).map(|validator| validator.key), set.index_of(known).map(|_| *known));
        }
        assert_eq!(seats.validators().count(), 3);
        assert_eq!(seats.index_of(Contact::new(6)), None);
    }

    #[test]
    fn a_validator_that_the_directory_does_not_name_has_no_contact() {
        let seats = Seats::new(&[key(1), key(2)], &set(&[1, 2, 3]));
        assert_eq!(seats.validators().count(), 2);
        assert_eq!(seats.guests(), 0);
    }
}
