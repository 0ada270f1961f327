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

use althing_types::{EMPTY_SUBTREE, Hash, LeafReference, state_node_hash};

/// Places of a page.
pub(super) const PLACES: usize = 16;
/// Pages with more children than this remember the hashes in between; those of others are quickly computed.
const REMEMBER_ABOVE: u32 = 4;
/// What the allocator takes beside a page and its lists, about.
const ALLOCATED_BESIDE: usize = 48;
/// Which places each node of a page covers. Node 1 is the page itself, nodes 2i and 2i + 1 are below node i, and
/// nodes 16 to 31 are the places.
const COVERED: [u16; 2 * PLACES] = [
    0, 0xffff, 0x00ff, 0xff00, 0x000f, 0x00f0, 0x0f00, 0xf000, 0x0003, 0x000c, 0x0030, 0x00c0, 0x0300, 0x0c00, 0x3000,
    0xc000, 0x0001, 0x0002, 0x0004, 0x0008, 0x0010, 0x0020, 0x0040, 0x0080, 0x0100, 0x0200, 0x0400, 0x0800, 0x1000,
    0x2000, 0x4000, 0x8000,
];

/// Hashes of the nodes 1 to 15 of a page, each at its number.
type Between = [Hash; PLACES];

/// What stands in a place of a page.
#[derive(Debug)]
pub(super) enum Child {
    /// A leaf, alone in its subtree.
    Leaf(LeafReference),
    /// A page with all that is below it.
    Page(Below),
}

/// A page below another.
#[derive(Debug)]
pub(super) struct Below {
    pub(super) hash: Hash,
    /// The version of the tree that made it.
    pub(super) version: u64,
    /// The page itself, if it is in memory.
    pub(super) page: Option<Box<Page>>,
}

/// What stands in a place, to be changed there.
pub(super) enum At<'a> {
    Nothing,
    Leaf(LeafReference),
    Page(&'a mut Below),
}

/// A page. Its children are in two lists, because most pages of a large tree have many of one kind, and short entries are quickly
/// copied and found.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Which places are taken.
    taken: u16,
    /// Which of them by leaves.
    leafy: u16,
    /// Those, in the order of places.
    leaves: Vec<LeafReference>,
    /// The pages below, in the order of places.
    pages: Vec<Below>,
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
    Leaf(&'a LeafReference),
    /// Go on in this page.
    Page(&'a Below),
}

/// What a node of a page is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Node<'a> {
    /// Nothing stands below.
    Nothing,
    /// Nothing but this leaf stands below.
    Leaf(&'a LeafReference),
    /// More stands below, within the page; the hash of the node.
    Between(Hash),
    /// The page below.
    Page(&'a Below),
}

impl Page {
    /// What stands in a place.
    pub(super) fn at(&mut self, place: u8) -> At<'_> {
        let bit = place_bit(place);
        if self.leafy & bit != 0 {
            return self.leaves.get(before(self.leafy, bit)).map_or(At::Nothing, |leaf| At::Leaf(*leaf));
        }
        if self.taken & bit == 0 {
            return At::Nothing;
        }
        let at = before(self.taken & !self.leafy, bit);
        self.pages.get_mut(at).map_or(At::Nothing, At::Page)
    }

    /// Takes out what stands in a place. The hashes in between are wrong until [`Page::rehash`].
    pub(super) fn take(&mut self, place: u8) -> Option<Child> {
        let bit = place_bit(place);
        if self.taken & bit == 0 {
            return None;
        }
        let child = if self.leafy & bit != 0 {
            Child::Leaf(self.leaves.remove(before(self.leafy, bit)))
        } else {
            Child::Page(self.pages.remove(before(self.taken & !self.leafy, bit)))
        };
        self.taken &= !bit;
        self.leafy &= !bit;
        Some(child)
    }

    /// Puts something into a place, or nothing. The hashes in between are wrong until [`Page::rehash`].
    pub(super) fn set(&mut self, place: u8, child: Option<Child>) {
        let bit = place_bit(place);
        if let Some(Child::Leaf(leaf)) = &child
            && self.leafy & bit != 0
            && let Some(known) = self.leaves.get_mut(before(self.leafy, bit))
        {
            *known = *leaf;
            return;
        }
        drop(self.take(place));
        let Some(child) = child else { return };
        self.taken |= bit;
        match child {
            Child::Leaf(leaf) => {
                self.leafy |= bit;
                self.leaves.insert(before(self.leafy, bit), leaf);
            }
            Child::Page(below) => self.pages.insert(before(self.taken & !self.leafy, bit), below),
        }
    }

    /// Computes the hashes above the places that changed.
    pub(super) fn rehash(&mut self, changed: u16) {
        if self.taken.count_ones() <= REMEMBER_ABOVE {
            self.between = None;
            return;
        }
        match self.between.take() {
            Some(mut between) => {
                self.hash_between(&mut between, changed);
                self.between = Some(between);
            }
            None => self.between = Some(Box::new(self.all_between())),
        }
    }

    /// The only child, if it is a leaf.
    pub(super) fn lone_leaf(&self) -> Option<LeafReference> {
        self.leaves.first().copied().filter(|_| self.taken.count_ones() == 1)
    }

    /// Whether there is no child.
    pub(super) const fn is_empty(&self) -> bool {
        self.taken == 0
    }

    /// The leaves, each with its place.
    pub(super) fn leaves(&self) -> impl Iterator<Item = (u8, &LeafReference)> {
        let places = (0u8..).zip(place_bits()).filter(|(_, bit)| self.leafy & bit != 0);
        places.map(|(place, _)| place).zip(&self.leaves)
    }

    /// The pages below.
    pub(super) fn pages(&self) -> &[Below] {
        &self.pages
    }

    /// The pages below, to forget which of them are in memory.
    pub(super) fn pages_mut(&mut self) -> &mut [Below] {
        &mut self.pages
    }

    /// The hash of the subtree that begins with this page.
    pub(super) fn hash(&self) -> Hash {
        let root = |between: &Between| between.get(1).copied().unwrap_or(EMPTY_SUBTREE);
        self.between.as_deref().map_or_else(|| root(&self.all_between()), root)
    }

    /// Goes down the four levels of the page towards `nibble`, noting the siblings from the top; none stands for an empty
    /// subtree.
    pub(super) fn descend(&self, nibble: u8, siblings: &mut Vec<Option<Hash>>) -> Found<'_> {
        let between = self.between.as_deref().copied().unwrap_or_else(|| self.all_between());
        let mut node = 1;
        for level in (0..4u8).rev() {
            let side = usize::from(nibble >> level & 1);
            let sibling = node << 1 | (side ^ 1);
            siblings.push((self.taken & covered(sibling) != 0).then(|| self.node_hash(&between, sibling)));
            node = node << 1 | side;
            let taken = self.taken & covered(node);
            if taken == 0 {
                return Found::Nothing;
            }
            if taken.count_ones() == 1 && self.leafy & taken != 0 {
                return self.leaves.get(before(self.leafy, taken)).map_or(Found::Nothing, Found::Leaf);
            }
        }
        let at = before(self.taken & !self.leafy, covered(node));
        self.pages.get(at).map_or(Found::Nothing, Found::Page)
    }

    /// What a node of the page is: number 1 is the page itself, and those below node `i` are `2i` and `2i + 1`.
    pub(super) fn node(&self, number: usize) -> Node<'_> {
        let taken = self.taken & covered(number);
        if taken == 0 {
            return Node::Nothing;
        }
        if taken.count_ones() == 1 && self.leafy & taken != 0 {
            return self.leaves.get(before(self.leafy, taken)).map_or(Node::Nothing, Node::Leaf);
        }
        if number >= PLACES {
            let at = before(self.taken & !self.leafy, taken);
            return self.pages.get(at).map_or(Node::Nothing, Node::Page);
        }
        let between = self.between.as_deref().copied().unwrap_or_else(|| self.all_between());
        Node::Between(self.node_hash(&between, number))
    }

    /// About how many bytes it takes in memory, without the pages below.
    pub(super) fn cost(&self) -> usize {
        let leaves = self.leaves.capacity().saturating_mul(size_of::<LeafReference>());
        let pages = self.pages.capacity().saturating_mul(size_of::<Below>());
        let between = if self.between.is_some() { size_of::<Between>() } else { 0 };
        [leaves, pages, between, ALLOCATED_BESIDE].into_iter().fold(size_of::<Self>(), usize::saturating_add)
    }

    /// The hashes of nodes 1 to 15.
    fn all_between(&self) -> Between {
        let mut between = [EMPTY_SUBTREE; PLACES];
        self.hash_between(&mut between, u16::MAX);
        between
    }

    /// Computes the hashes of the nodes above changed places, from the lowest up.
    fn hash_between(&self, between: &mut Between, changed: u16) {
        for node in (1..PLACES).rev().filter(|node| covered(*node) & changed != 0) {
            let taken = self.taken & covered(node);
            let (left, right) = (node << 1, node << 1 | 1);
            let hash = if taken == 0 {
                EMPTY_SUBTREE
            } else if taken.count_ones() == 1 && self.leafy & taken != 0 {
                let side = if taken & covered(left) != 0 { left } else { right };
                self.node_hash(between, side)
            } else {
                state_node_hash(&self.node_hash(between, left), &self.node_hash(between, right))
            };
            if let Some(place) = between.get_mut(node) {
                *place = hash;
            }
        }
    }

    /// The hash of a node; of a place, what its child has.
    fn node_hash(&self, between: &Between, node: usize) -> Hash {
        let Some(known) = between.get(node) else {
            let bit = covered(node);
            return if self.leafy & bit != 0 {
                self.leaves.get(before(self.leafy, bit)).map_or(EMPTY_SUBTREE, LeafReference::hash)
            } else if self.taken & bit != 0 {
                self.pages.get(before(self.taken & !self.leafy, bit)).map_or(EMPTY_SUBTREE, |below| below.hash)
            } else {
                EMPTY_SUBTREE
            };
        };
        *known
    }

    /// Adds what is stored of it, by the version that makes it.
    pub(super) fn encode(&self, version: u64, bytes: &mut Vec<u8>) {
        bytes.extend(self.taken.to_le_bytes());
        bytes.extend(self.leafy.to_le_bytes());
        let (mut leaves, mut pages) = (self.leaves.iter(), self.pages.iter());
        for bit in place_bits().filter(|bit| self.taken & bit != 0) {
            if self.leafy & bit != 0
                && let Some(leaf) = leaves.next()
            {
                bytes.extend(leaf.key.as_bytes());
                bytes.extend(leaf.value.as_bytes());
            } else if let Some(below) = pages.next() {
                bytes.extend(below.hash.as_bytes());
                write_leb128(bytes, version.saturating_sub(below.version));
            }
        }
    }

    /// A stored page that this version made; none if the bytes are no page. Whoever knows its hash compares it.
    pub(super) fn decode(bytes: &[u8], version: u64) -> Option<Self> {
        let mut rest = bytes;
        let taken = u16::from_le_bytes(*take(&mut rest)?);
        let leafy = u16::from_le_bytes(*take(&mut rest)?);
        if leafy & !taken != 0 {
            return None;
        }
        let mut page = Self { taken, leafy, ..Self::default() };
        for bit in place_bits().filter(|bit| taken & bit != 0) {
            let hash = Hash::new(*take(&mut rest)?);
            if leafy & bit != 0 {
                page.leaves.push(LeafReference { key: hash, value: Hash::new(*take(&mut rest)?) });
            } else {
                let version = version.checked_sub(read_leb128(&mut rest)?)?;
                page.pages.push(Below { hash, version, page: None });
            }
        }
        page.rehash(u16::MAX);
        rest.is_empty().then_some(page)
    }
}

/// Which places a node covers.
fn covered(node: usize) -> u16 {
    COVERED.get(node).copied().unwrap_or(0)
}

fn place_bit(place: u8) -> u16 {
    covered(usize::from(place) | PLACES)
}

/// How many places of a set are below this one.
fn before(places: u16, bit: u16) -> usize {
    usize::try_from((places & bit.wrapping_sub(1)).count_ones()).unwrap_or(0)
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

    fn leaf(byte: u8) -> Child {
        Child::Leaf(LeafReference { key: Hash::new([byte; 32]), value: Hash::new([byte ^ 0xff; 32]) })
    }

    fn page(of: &[(u8, u64)]) -> Page {
        let mut page = Page::default();
        for (place, age) in of.iter().rev() {
            let below = |age| Child::Page(Below { hash: Hash::new([*place; 32]), version: u64::MAX - age, page: None });
            page.set(*place, Some(if *age == 0 { leaf(*place) } else { below(age) }));
        }
        page.rehash(u16::MAX);
        page
    }

    fn encoded(page: &Page) -> Vec<u8> {
        let mut bytes = Vec::new();
        page.encode(u64::MAX, &mut bytes);
        bytes
    }

    #[test]
    fn stored_pages_come_back_and_have_one_form() {
        for of in [&[][..], &[(3u8, 0u64)], &[(0, 1), (15, 127)], &[(1, 128), (2, 0), (7, u64::MAX), (8, 1 << 40)]] {
            let page = page(of);
            let bytes = encoded(&page);
            let back = Page::decode(&bytes, u64::MAX).expect("a page");
            assert_eq!((back.hash(), encoded(&back)), (page.hash(), bytes.clone()));
            assert!(Page::decode(&bytes[..bytes.len() - 1], u64::MAX).is_none());
            assert!(Page::decode(&[&bytes[..], &[0]].concat(), u64::MAX).is_none());
        }
        // A leaf in a place that is not taken, an age before version 0, and a number in a long form.
        assert!(Page::decode(&[1, 0, 2, 0], 9).is_none());
        let aged = |age: &[u8]| Page::decode(&[&[1, 0, 0, 0][..], &[7; 32], age].concat(), 9).is_some();
        assert!(aged(&[9]) && !aged(&[10]) && !aged(&[0x89, 0]) && !aged(&[0xff; 10]));
    }

    #[test]
    fn remembered_hashes_are_those_that_follow() {
        let full: Vec<(u8, u64)> = (0..16).map(|place| (place, u64::from(place) % 3)).collect();
        for emptied in [0, 5, 11, 12, 14] {
            let mut known = page(&full);
            (0..emptied).for_each(|place| known.set(place, None));
            known.rehash(u16::MAX);
            for place in 0..16 {
                let before = known.hash();
                known.set(place, (place % 2 == 0).then(|| leaf(0xe0 | place)));
                known.rehash(1 << place);
                let bytes = encoded(&known);
                let anew = Page::decode(&bytes, u64::MAX).expect("a page");
                assert_eq!(known.hash(), anew.hash(), "{emptied}, {place}");
                assert_eq!(known.hash() == before, place % 2 == 1 && place < emptied, "{emptied}, {place}");
            }
        }
    }
}
