//! A page of the state tree: four levels of the binary tree, with up to sixteen children below.
//!
//! A subtree with a single leaf is that leaf, wherever it stands. So a leaf hangs in the highest page in which it is alone
//! in its place, and every page but the topmost holds two leaves or more, itself or below.
//!
//! # As it is stored
//!
//! ```text
//! u16 LE  which of the sixteen places are taken, the lowest bit for place 0
//! u16 LE  which of those are leaves
//! then each child, in the order of places:
//!   a leaf: 32 bytes tree key, 32 bytes hash of the value
//!   a page: 32 bytes hash, and by how many versions it is older than this page (LEB128)
//! ```
//!
//! The hashes in between are not stored: they follow, and computing them shows that what was stored is whole.

use std::sync::Arc;

use althing_types::{EMPTY_SUBTREE, Hash, LeafReference, state_node_hash};

/// Places of a page.
pub(super) const PLACES: usize = 16;
/// Pages with more children than this remember the hashes in between; those of others are quickly computed.
const REMEMBER_ABOVE: usize = 4;
/// What sharing a page takes beside it.
const COUNTS_BYTES: usize = 16;
/// Which places each node of a page covers. Node 1 is the page itself, nodes 2i and 2i + 1 are below node i, and
/// nodes 16 to 31 are the places.
const COVERED: [u16; 2 * PLACES] = [
    0, 0xffff, 0x00ff, 0xff00, 0x000f, 0x00f0, 0x0f00, 0xf000, 0x0003, 0x000c, 0x0030, 0x00c0, 0x0300, 0x0c00, 0x3000,
    0xc000, 0x0001, 0x0002, 0x0004, 0x0008, 0x0010, 0x0020, 0x0040, 0x0080, 0x0100, 0x0200, 0x0400, 0x0800, 0x1000,
    0x2000, 0x4000, 0x8000,
];

/// Hashes of the nodes 1 to 15 of a page, each at its number.
type Between = [Hash; PLACES];

/// A leaf and its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) reference: LeafReference,
    pub(super) hash: Hash,
}

impl Leaf {
    pub(super) fn new(reference: LeafReference) -> Self {
        Self { reference, hash: reference.hash() }
    }
}

/// What stands in a place of a page.
#[derive(Clone, Debug)]
pub(super) enum Child {
    /// A leaf, alone in its subtree.
    Leaf(Leaf),
    /// A page with all that is below it.
    Page(Below),
}

/// A page below another.
#[derive(Clone, Debug)]
pub(super) struct Below {
    pub(super) hash: Hash,
    /// The version of the tree that made it.
    pub(super) version: u64,
    /// The page itself, if it is in memory.
    pub(super) page: Option<Arc<Page>>,
}

impl Child {
    pub(super) const fn hash(&self) -> Hash {
        match self {
            Self::Leaf(leaf) => leaf.hash,
            Self::Page(below) => below.hash,
        }
    }
}

/// The sixteen places of a page, each with its child.
pub(super) type Places = [Option<Child>; PLACES];

/// A page.
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    taken: u16,
    leaves: u16,
    /// Those of the places that are taken, in their order.
    children: Vec<Child>,
    between: Option<Box<Between>>,
    /// The version of the tree in which it was last used: no page below was used later.
    pub(super) used: u64,
}

/// What is found where a key leads in a page.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found<'a> {
    /// Nothing.
    Nothing,
    /// The only leaf of the subtree in which the key would stand.
    Leaf(&'a Leaf),
    /// Go on in this page.
    Page(&'a Below),
}

impl Page {
    /// A page of these children. `before` is the page that it follows, if any, and `changed` says in which places
    /// the two differ.
    pub(super) fn of(places: Places, before: Option<&Self>, changed: u16, used: u64) -> Self {
        let mut page = Self { used, ..Self::default() };
        for (child, bit) in places.into_iter().zip(place_bits()) {
            let Some(child) = child else { continue };
            page.taken |= bit;
            if matches!(child, Child::Leaf(_)) {
                page.leaves |= bit;
            }
            page.children.push(child);
        }
        if page.children.len() > REMEMBER_ABOVE {
            let known = before.and_then(|before| before.between.as_deref());
            page.between = Some(Box::new(page.hash_between(known, changed)));
        }
        page
    }

    /// Each place with its child.
    pub(super) fn places(&self) -> Places {
        let mut children = self.children.iter().cloned();
        let mut places = [const { None }; PLACES];
        for (place, bit) in places.iter_mut().zip(place_bits()) {
            if self.taken & bit != 0 {
                *place = children.next();
            }
        }
        places
    }

    /// The only child, if it is a leaf.
    pub(super) fn lone_leaf(&self) -> Option<Leaf> {
        match self.children.as_slice() {
            [Child::Leaf(leaf)] => Some(*leaf),
            _ => None,
        }
    }

    /// Whether there is no child.
    pub(super) const fn is_empty(&self) -> bool {
        self.taken == 0
    }

    /// The children.
    pub(super) fn children(&self) -> &[Child] {
        &self.children
    }

    /// The children, to forget which pages are in memory.
    pub(super) fn children_mut(&mut self) -> impl Iterator<Item = &mut Child> {
        self.children.iter_mut()
    }

    /// The hash of the subtree that begins with this page.
    pub(super) fn hash(&self) -> Hash {
        self.node_hashes().first().copied().unwrap_or(EMPTY_SUBTREE)
    }

    /// Goes down the four levels of the page towards `nibble`, noting the siblings from the top; none stands for an empty
    /// subtree.
    pub(super) fn descend(&self, nibble: u8, siblings: &mut Vec<Option<Hash>>) -> Found<'_> {
        let hashes = self.node_hashes();
        let hash_of = |node: usize| {
            let covered = self.taken & COVERED.get(node).copied().unwrap_or(0);
            let known = || hashes.get(node.wrapping_sub(1)).copied();
            (covered != 0).then(known).flatten()
        };
        let mut node = 1;
        for level in (0..4u8).rev() {
            let side = usize::from(nibble >> level & 1);
            siblings.push(hash_of(node << 1 | (side ^ 1)));
            node = node << 1 | side;
            let covered = self.taken & COVERED.get(node).copied().unwrap_or(0);
            if covered == 0 {
                return Found::Nothing;
            }
            if let Some(Child::Leaf(leaf)) = self.only_child(covered).filter(|_| self.leaves & covered != 0) {
                return Found::Leaf(leaf);
            }
        }
        match self.only_child(self.taken & COVERED.get(node).copied().unwrap_or(0)) {
            Some(Child::Page(below)) => Found::Page(below),
            Some(Child::Leaf(leaf)) => Found::Leaf(leaf),
            None => Found::Nothing,
        }
    }

    /// About how many bytes it takes in memory, without the pages below.
    pub(super) fn cost(&self) -> usize {
        let children = self.children.capacity().saturating_mul(size_of::<Child>());
        let between = if self.between.is_some() { size_of::<Between>() } else { 0 };
        children.saturating_add(between).saturating_add(size_of::<Self>()).saturating_add(COUNTS_BYTES)
    }

    /// The child in the only place of these that is taken; none if several are.
    fn only_child(&self, places: u16) -> Option<&Child> {
        if places.count_ones() != 1 {
            return None;
        }
        let below = self.taken & places.wrapping_sub(1);
        usize::try_from(below.count_ones()).ok().and_then(|at| self.children.get(at))
    }

    /// The hashes of nodes 1 to 31.
    fn node_hashes(&self) -> [Hash; 2 * PLACES - 1] {
        let between = match self.between.as_deref() {
            Some(between) => *between,
            None => self.hash_between(None, u16::MAX),
        };
        let mut hashes = [EMPTY_SUBTREE; 2 * PLACES - 1];
        let all = between.into_iter().skip(1).chain(self.place_hashes());
        hashes.iter_mut().zip(all).for_each(|(place, hash)| *place = hash);
        hashes
    }

    fn place_hashes(&self) -> Between {
        let mut children = self.children.iter();
        let mut hashes = [EMPTY_SUBTREE; PLACES];
        for (hash, bit) in hashes.iter_mut().zip(place_bits()) {
            if self.taken & bit != 0 {
                *hash = children.next().map_or(EMPTY_SUBTREE, Child::hash);
            }
        }
        hashes
    }

    /// The hashes of nodes 1 to 15, from the lowest up. With those of the page before, only nodes above changed places
    /// are computed.
    fn hash_between(&self, known: Option<&Between>, changed: u16) -> Between {
        let changed = if known.is_some() { changed } else { u16::MAX };
        let places = self.place_hashes();
        let mut hashes = known.copied().unwrap_or([EMPTY_SUBTREE; PLACES]);
        for node in (1..PLACES).rev() {
            let covers = COVERED.get(node).copied().unwrap_or(0);
            if covers & changed == 0 {
                continue;
            }
            let taken = self.taken & covers;
            let lone = self.only_child(taken).filter(|_| self.leaves & taken != 0);
            let hash = match lone {
                _ if taken == 0 => EMPTY_SUBTREE,
                Some(leaf) => leaf.hash(),
                None => {
                    let of = |node: usize| {
                        let below = node.checked_sub(PLACES).map_or(hashes.get(node), |place| places.get(place));
                        below.copied().unwrap_or(EMPTY_SUBTREE)
                    };
                    state_node_hash(&of(node << 1), &of(node << 1 | 1))
                }
            };
            if let Some(place) = hashes.get_mut(node) {
                *place = hash;
            }
        }
        hashes
    }

    /// As it is stored, by the version that makes it.
    pub(super) fn encode(&self, version: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.children.len().saturating_mul(size_of::<LeafReference>()));
        bytes.extend(self.taken.to_le_bytes());
        bytes.extend(self.leaves.to_le_bytes());
        for child in &self.children {
            match child {
                Child::Leaf(Leaf { reference, .. }) => {
                    bytes.extend(reference.key.as_bytes());
                    bytes.extend(reference.value.as_bytes());
                }
                Child::Page(below) => {
                    bytes.extend(below.hash.as_bytes());
                    write_leb128(&mut bytes, version.saturating_sub(below.version));
                }
            }
        }
        bytes
    }

    /// A stored page that this version made; none if the bytes are no page. Whoever knows its hash compares it.
    pub(super) fn decode(bytes: &[u8], version: u64, used: u64) -> Option<Self> {
        let mut rest = bytes;
        let taken = u16::from_le_bytes(*take(&mut rest)?);
        let leaves = u16::from_le_bytes(*take(&mut rest)?);
        if leaves & !taken != 0 {
            return None;
        }
        let mut places = [const { None }; PLACES];
        for (place, bit) in places.iter_mut().zip(place_bits()).filter(|(_, bit)| taken & bit != 0) {
            *place = Some(if leaves & bit != 0 {
                let (key, value) = (Hash::new(*take(&mut rest)?), Hash::new(*take(&mut rest)?));
                Child::Leaf(Leaf::new(LeafReference { key, value }))
            } else {
                let hash = Hash::new(*take(&mut rest)?);
                let version = version.checked_sub(read_leb128(&mut rest)?)?;
                Child::Page(Below { hash, version, page: None })
            });
        }
        rest.is_empty().then(|| Self::of(places, None, u16::MAX, used))
    }
}

/// The bit of each place.
fn place_bits() -> impl Iterator<Item = u16> {
    COVERED.into_iter().skip(PLACES)
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(taken)
}

/// Seven bits in a byte, the lowest first; the highest bit says that more follow.
fn write_leb128(bytes: &mut Vec<u8>, number: u64) {
    let mut left = number;
    while left > 0x7f {
        let [low, ..] = left.to_le_bytes();
        bytes.push(low | 0x80);
        left >>= 7;
    }
    let [low, ..] = left.to_le_bytes();
    bytes.push(low);
}

/// The number, in the shortest form only.
fn read_leb128(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for place in 0..10u32 {
        let [byte] = *take(rest)?;
        let (bits, shift) = (u64::from(byte & 0x7f), place.saturating_mul(7));
        let shifted = bits.checked_shl(shift)?;
        if shifted.checked_shr(shift) != Some(bits) || (byte == 0 && place > 0) {
            return None;
        }
        number |= shifted;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(byte: u8) -> Leaf {
        Leaf::new(LeafReference { key: Hash::new([byte; 32]), value: Hash::new([byte ^ 0xff; 32]) })
    }

    fn page(of: &[(usize, u64)]) -> Page {
        let mut places = [const { None }; PLACES];
        for (place, age) in of {
            let number = u8::try_from(*place).expect("small");
            places[*place] = Some(match age {
                0 => Child::Leaf(leaf(number)),
                age => Child::Page(Below { hash: Hash::new([number; 32]), version: u64::MAX - age, page: None }),
            });
        }
        Page::of(places, None, u16::MAX, 0)
    }

    #[test]
    fn stored_pages_come_back_and_have_one_form() {
        for of in [&[][..], &[(3, 0)], &[(0, 1), (15, 127)], &[(1, 128), (2, 0), (7, u64::MAX), (8, 1 << 40)]] {
            let page = page(of);
            let bytes = page.encode(u64::MAX);
            let back = Page::decode(&bytes, u64::MAX, 0).expect("a page");
            assert_eq!((back.hash(), back.encode(u64::MAX)), (page.hash(), bytes.clone()));
            assert!(Page::decode(&bytes[..bytes.len() - 1], u64::MAX, 0).is_none());
            assert!(Page::decode(&[&bytes[..], &[0]].concat(), u64::MAX, 0).is_none());
        }
        // A leaf in a place that is not taken, an age before version 0, and a number in a long form.
        assert!(Page::decode(&[1, 0, 2, 0], 9, 0).is_none());
        let aged = |age: &[u8]| Page::decode(&[&[1, 0, 0, 0][..], &[7; 32], age].concat(), 9, 0).is_some();
        assert!(aged(&[9]) && !aged(&[10]) && !aged(&[0x89, 0]) && !aged(&[0xff; 10]));
    }

    #[test]
    fn remembered_hashes_are_those_that_follow() {
        let full: Vec<(usize, u64)> = (0..PLACES).map(|place| (place, place as u64 % 3)).collect();
        let before = page(&full);
        for place in 0..PLACES {
            let mut places = before.places();
            places[place] = (place % 2 == 0).then(|| Child::Leaf(leaf(0xe0)));
            let next = Page::of(places.clone(), Some(&before), 1 << place, 0);
            assert_eq!(next.hash(), Page::of(places, None, u16::MAX, 0).hash(), "{place}");
            assert_ne!(next.hash(), before.hash());
        }
    }
}
