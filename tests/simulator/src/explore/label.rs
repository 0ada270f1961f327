//! What can happen to one validator, as small numbers, and sets of them.

use std::fmt;

/// Blocks that one exploration can tell apart.
pub(super) const BLOCKS_MAX: usize = 32;
/// Views that one exploration can tell apart.
pub(super) const VIEWS_MAX: u64 = 8;

/// A block by its place in the stage's list.
pub(super) type BlockId = u8;

/// Things that can happen with one block.
const OF_BLOCK: u8 = 7;
const LEAD: u8 = 0;
const FIRE: u8 = 1;
const CRASH: u8 = 2;
const ENTER: u8 = 3;
const FIRST_SKIP: u8 = 4;
const FIRST_GAVE_UP: u8 = FIRST_SKIP + 9;
const FIRST_OF_BLOCK: u8 = FIRST_GAVE_UP + 9;

/// What can happen to one validator in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    /// The leader's proposal of this block arrives, without certificates.
    Proposal(BlockId),
    /// A Notarization of the block arrives or is formed from votes that arrive.
    Notarization(BlockId),
    /// A slow Finalization of the block arrives or is formed.
    Finalization(BlockId),
    /// A fast Finalization of the block arrives or is formed.
    FastFinalization(BlockId),
    /// A Nullification whose verdict is to recover the block arrives or is formed.
    Recover(BlockId),
    /// The block that was asked for arrives.
    Block(BlockId),
    /// The leader's Nullify of the block's view, which reports the block, arrives.
    LeaderReported(BlockId),
    /// It may propose, and does.
    Lead,
    /// Time passes until every timer of the view has expired.
    Fire,
    /// A Nullification whose verdict is to skip this view arrives or is formed.
    Skip(u8),
    /// The leader's Nullify of this view, which reports nothing, arrives.
    LeaderGaveUp(u8),
    /// It loses its memory and starts again with what its disk holds.
    Crash,
    /// Its ledger commits the boundary block that it handed over, and it enters the next epoch.
    Enter,
}

impl Label {
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Proposal(block) => of_block(block, 0),
            Self::Notarization(block) => of_block(block, 1),
            Self::Finalization(block) => of_block(block, 2),
            Self::FastFinalization(block) => of_block(block, 3),
            Self::Recover(block) => of_block(block, 4),
            Self::Block(block) => of_block(block, 5),
            Self::LeaderReported(block) => of_block(block, 6),
            Self::Lead => LEAD,
            Self::Fire => FIRE,
            Self::Skip(view) => FIRST_SKIP + view,
            Self::LeaderGaveUp(view) => FIRST_GAVE_UP + view,
            Self::Crash => CRASH,
            Self::Enter => ENTER,
        }
    }

    pub(super) const fn of(number: u8) -> Self {
        let block = number.saturating_sub(FIRST_OF_BLOCK) / OF_BLOCK;
        match number {
            LEAD => Self::Lead,
            FIRE => Self::Fire,
            CRASH => Self::Crash,
            ENTER => Self::Enter,
            FIRST_SKIP..FIRST_GAVE_UP => Self::Skip(number - FIRST_SKIP),
            FIRST_GAVE_UP..FIRST_OF_BLOCK => Self::LeaderGaveUp(number - FIRST_GAVE_UP),
            _ => match (number - FIRST_OF_BLOCK) % OF_BLOCK {
                0 => Self::Proposal(block),
                1 => Self::Notarization(block),
                2 => Self::Finalization(block),
                3 => Self::FastFinalization(block),
                4 => Self::Recover(block),
                5 => Self::Block(block),
                _ => Self::LeaderReported(block),
            },
        }
    }
}

const fn of_block(block: BlockId, place: u8) -> u8 {
    FIRST_OF_BLOCK + block * OF_BLOCK + place
}

/// A set of labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Labels([u64; 4]);

impl Labels {
    pub(super) const fn insert(&mut self, label: Label) {
        let number = label.number();
        self.0[number as usize / 64] |= 1 << (number % 64);
    }

    pub(super) const fn contains(&self, label: Label) -> bool {
        self.contains_number(label.number())
    }

    pub(super) fn union(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine |= theirs;
        }
    }

    pub(super) const fn contains_number(&self, number: u8) -> bool {
        self.0[number as usize / 64] >> (number % 64) & 1 == 1
    }

    /// Those of this set that are not in another one.
    pub(super) fn without(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|index| self.0[index] & !other.0[index]))
    }

    /// The numbers of the labels in the set, ascending.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u8> + use<> {
        let words = self.0;
        (0..4u8).flat_map(move |index| {
            let mut word = words[usize::from(index)];
            std::iter::from_fn(move || {
                let bit = u8::try_from(word.trailing_zeros()).expect("64 at most");
                (bit < 64).then(|| {
                    word &= word - 1;
                    index * 64 + bit
                })
            })
        })
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCKS_MAX, Label, Labels, VIEWS_MAX};

    #[test]
    fn every_label_has_a_number_of_its_own() {
        let last = u8::try_from(BLOCKS_MAX - 1).expect("small");
        let views = 0..=u8::try_from(VIEWS_MAX).expect("small");
        let plain = views.flat_map(|view| [Label::Skip(view), Label::LeaderGaveUp(view)]);
        let mut all: Vec<Label> = plain.chain([Label::Lead, Label::Fire, Label::Crash, Label::Enter]).collect();
        all.extend((0..last + 1).flat_map(|it| {
            let (p, n, f) = (Label::Proposal(it), Label::Notarization(it), Label::Finalization(it));
            let (fast, r, b) = (Label::FastFinalization(it), Label::Recover(it), Label::Block(it));
            [p, n, f, fast, r, b, Label::LeaderReported(it)]
        }));
        let mut set = Labels::default();
        for label in &all {
            assert_eq!(Label::of(label.number()), *label);
            set.insert(*label);
        }
        assert_eq!(set.numbers().count(), all.len());
    }
}
