//! Tables that give every distinct value a small number, so that a world is a few numbers and equality is comparing
//! them. Numbers are given in the order of arrival; nothing iterates in the order of hashes.

use std::hash::{Hash, Hasher};

/// A number given by an [`Interner`].
pub(super) type Id = u32;

/// No number.
const EMPTY: Id = Id::MAX;

/// A fast hash that is the same on every machine; values that collide are told apart by comparing them.
#[derive(Default)]
struct Mixer(u64);

impl Mixer {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        (self.0 ^ (self.0 >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93) ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, word: u8) {
        self.mix(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.mix(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.mix(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.mix(word as u64);
    }
}

fn mixed(value: &impl Hash) -> usize {
    let mut mixer = Mixer::default();
    value.hash(&mut mixer);
    mixer.finish() as usize
}

/// Distinct values by number, and numbers by value. Beside each value it takes at most 11 bytes.
pub(super) struct Interner<T> {
    values: Vec<T>,
    /// Open addressing: the number of the value that belongs near this place.
    places: Vec<Id>,
}

impl<T: Hash + Eq> Interner<T> {
    pub(super) fn new() -> Self {
        Self { values: Vec::new(), places: vec![EMPTY; 64] }
    }

    /// How many distinct values there are.
    pub(super) const fn len(&self) -> usize {
        self.values.len()
    }

    /// The value with this number.
    pub(super) fn get(&self, id: Id) -> &T {
        &self.values[id as usize]
    }

    /// The value's number, and whether it is new.
    pub(super) fn add(&mut self, value: T) -> (Id, bool) {
        if self.values.len() * 4 >= self.places.len() * 3 {
            self.grow();
        }
        let mask = self.places.len() - 1;
        let mut place = mixed(&value) & mask;
        loop {
            let id = self.places[place];
            if id == EMPTY {
                let id = Id::try_from(self.values.len()).expect("fewer values than numbers: memory ends before");
                self.places[place] = id;
                self.values.push(value);
                return (id, true);
            }
            if self.values[id as usize] == value {
                return (id, false);
            }
            place = (place + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let mask = self.places.len() * 2 - 1;
        let mut places = vec![EMPTY; mask + 1];
        for (id, value) in self.values.iter().enumerate() {
            let mut place = mixed(value) & mask;
            while places[place] != EMPTY {
                place = (place + 1) & mask;
            }
            places[place] = Id::try_from(id).expect("given as a number before");
        }
        self.places = places;
    }
}

#[cfg(test)]
mod tests {
    use super::Interner;

    #[test]
    fn equal_values_share_a_number_and_others_do_not() {
        let mut table = Interner::new();
        for round in 0..2 {
            for value in 0..10_000u32 {
                assert_eq!(table.add(value.wrapping_mul(65_537)), (value, round == 0));
            }
        }
        assert_eq!((table.len(), *table.get(3)), (10_000, 3 * 65_537));
    }
}
