//! What all validators of an exploration share: the committee, the blocks that exist and who made them, keys that cost
//! nothing, and a small number for every vote.

use std::collections::BTreeMap;

use althing_consensus::{Anchor, Keys};
use althing_types::{
    Block, Body, ChainParams, Committee, Epoch, Finalize, Hash, Header, Height, LaneTip, List, Notarize, Nullify,
    PublicKey, Scheme, Signature, SignedVote, TimeMs, Validator, ValidatorIndex, ValidatorSet, View, Vote,
    genesis_header, lanes_root, leaf_hash,
};

use super::Bounds;
use super::label::{BLOCKS_MAX, BlockId, VIEWS_MAX};
use super::succession::NEXT;

/// Wall time, which stands still: that of genesis.
pub(super) const WALL: TimeMs = TimeMs::new(1_760_000_000_000);
/// Votes by number: three of each block, then the Nullify of each view that reports nothing.
const FIRST_NOTHING: u8 = 3 * 32;

/// A set of votes without their signers, one bit for each number.
pub(super) type Votes = u128;

/// A key whose signature is the key and the hash side by side.
#[derive(Clone, Debug)]
pub(super) struct FreeKeys(PublicKey);

impl Scheme for FreeKeys {
    fn verify(&self, key: &PublicKey, hash: &Hash, signature: &Signature) -> bool {
        free_signature(key, hash) == *signature
    }
}

impl Keys for FreeKeys {
    fn sign(&self, hash: &Hash) -> Signature {
        free_signature(&self.0, hash)
    }
}

fn free_signature(key: &PublicKey, hash: &Hash) -> Signature {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(key.as_bytes());
    bytes[32..].copy_from_slice(hash.as_bytes());
    Signature::new(bytes)
}

fn key_of(number: u16) -> PublicKey {
    let mut seed = [0x5e; 32];
    seed[..2].copy_from_slice(&number.to_be_bytes());
    PublicKey::Ed25519(seed)
}

/// A block that somebody proposed or could propose, in one view above one other. A boundary block can be proposed again
/// (E2), and is another one here then.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) block: Block,
    pub(super) digest: Hash,
    /// The view in which it is proposed, counted through the epochs.
    pub(super) view: u64,
    /// What it stands on: the block below, or itself in an earlier view; none for genesis.
    pub(super) parent: Option<BlockId>,
    /// It was proposed in an earlier view already.
    pub(super) again: bool,
    /// It breaks a rule, so that no honest validator may notarize it.
    pub(super) is_wrong: bool,
    /// Its leader is faulty: everybody may get it at any time.
    pub(super) by_faulty: bool,
    pub(super) name: String,
    cut: Vec<LaneTip>,
}

/// What all validators of an exploration share.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) committee: Committee,
    pub(super) genesis: Anchor,
    pub(super) genesis_id: Hash,
    pub(super) faulty: Option<u16>,
    /// Views are counted through the epochs: those of the second one follow the last explored one of the first. This is
    /// the last view of all in which anything is proposed or given up.
    pub(super) views: u64,
    /// The last such view of the first epoch; the same if none of a second one is explored.
    pub(super) first_views: u64,
    /// Whether there is a second epoch: a change of the set is pending in the first.
    pub(super) has_next: bool,
    pub(super) crashes: u8,
    pub(super) thorough: bool,
    pub(super) blocks: Vec<Made>,
    proposals: u8,
    by_digest: BTreeMap<Hash, BlockId>,
    pub(super) params: ChainParams,
}

/// What a faulty leader makes of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It carries no result, which is legal, and so ends no epoch.
    Plain,
    /// It carries what was executed, and ends the epoch if a change is pending.
    Carrying,
    /// It carries what was executed, and does not end the epoch that this ends.
    Unending,
}

impl Stage {
    pub(super) fn new(bounds: &Bounds) -> Self {
        let views = bounds.views + bounds.next_views.unwrap_or_default();
        assert!(views <= VIEWS_MAX, "so many views cannot be told apart");
        let validator = |i| Validator { key: key_of(i), node_key: key_of(10_000 + i) };
        let validators = (0..bounds.validators).map(validator).collect();
        let faults = (bounds.validators - 1) / 3;
        let set = ValidatorSet::new(validators, faults, bounds.fast_path).expect("distinct keys, few faults");
        let committee = Committee { chain: leaf_hash(b"explore"), epoch: Epoch::ZERO, set };
        let params = ChainParams::DEFAULT;
        let mut header = genesis_header(committee.chain, WALL, committee.set.hash(), params.hash());
        if bounds.next_views.is_some() {
            // The block whose state holds the change stands above genesis, so that its result can be carried.
            header = Header { height: Height::new(1), time: WALL.next(), parent: header.id(), ..header };
        }
        let mut stage = Self {
            genesis_id: header.id(),
            genesis: Anchor { header, cut: Vec::new() },
            faulty: bounds.faulty,
            views,
            first_views: bounds.views,
            has_next: bounds.next_views.is_some(),
            crashes: bounds.crashes,
            thorough: bounds.thorough,
            blocks: Vec::new(),
            proposals: bounds.proposals,
            by_digest: BTreeMap::new(),
            committee,
            params,
        };
        stage.propose_faulty(None);
        stage
    }

    /// How many validators there are.
    pub(super) fn count(&self) -> u16 {
        self.committee.set.count()
    }

    pub(super) fn leader(&self, view: u64) -> u16 {
        let (epoch, view) = self.at(view);
        self.committee.set.leader(epoch, view).get()
    }

    /// Everybody is accused from the start, so that evidence is no work and changes no block: the faulty one lies, and
    /// certificates name the first validators, whoever signed.
    pub(super) fn accused(&self) -> Vec<(Epoch, ValidatorIndex)> {
        let everybody = || (0..self.count()).map(ValidatorIndex::new);
        [Epoch::ZERO, NEXT].into_iter().flat_map(|epoch| everybody().map(move |index| (epoch, index))).collect()
    }

    pub(super) fn is_faulty(&self, index: u16) -> bool {
        self.faulty == Some(index)
    }

    pub(super) fn keys(me: u16) -> FreeKeys {
        FreeKeys(key_of(me))
    }

    /// A vote with its signer's signature.
    pub(super) fn signed(&self, signer: u16, vote: Vote) -> SignedVote {
        let signature = free_signature(&key_of(signer), &vote.sign_hash(&self.committee.chain));
        SignedVote { vote, signer: ValidatorIndex::new(signer), signature }
    }

    // ---- blocks ----

    pub(super) fn block(&self, id: BlockId) -> &Made {
        &self.blocks[usize::from(id)]
    }

    pub(super) fn block_ids(&self) -> impl Iterator<Item = BlockId> + use<> {
        0..u8::try_from(self.blocks.len()).expect("bounded by the number of blocks")
    }

    /// The block with this digest, as it was proposed first.
    pub(super) fn find(&self, digest: &Hash) -> Option<BlockId> {
        self.by_digest.get(digest).copied()
    }

    /// The block with this digest as it was proposed in a view, above the first parent view if there are several.
    pub(super) fn find_in(&self, digest: &Hash, view: u64) -> Option<BlockId> {
        self.block_ids().find(|id| self.block(*id).digest == *digest && self.block(*id).view == view)
    }

    /// The block that a Notarize names, as it was proposed in that view above that parent view.
    pub(super) fn find_notarized(&self, vote: &Notarize) -> Option<BlockId> {
        let view = self.counted(vote.epoch, vote.view)?;
        let is_it = |id: &BlockId| {
            let made = self.block(*id);
            made.digest == vote.digest && made.view == view && self.parent_view(*id) == vote.parent_view
        };
        self.block_ids().find(is_it)
    }

    /// The same block as it was proposed first.
    pub(super) fn origin(&self, id: BlockId) -> BlockId {
        self.find(&self.block(id).digest).expect("every block that was made is found")
    }

    /// The view above which a block stands, in its epoch.
    pub(super) fn parent_view(&self, id: BlockId) -> View {
        let epoch = self.at(self.block(id).view).0;
        let below = self.block(id).parent.map(|parent| self.at(self.block(parent).view));
        below.filter(|(of, _)| *of == epoch).map_or(View::ZERO, |(_, view)| view)
    }

    /// A block and all below it, as a set of one bit each, as they were proposed first.
    pub(super) fn path(&self, id: BlockId) -> u32 {
        let below = self.block(id).parent.map_or(0, |parent| self.path(parent));
        below | 1 << self.origin(id)
    }

    /// Whether one of two blocks stands on the other, or is the other.
    pub(super) fn on_one_chain(&self, a: BlockId, b: BlockId) -> bool {
        self.stands_on(a, b) || self.stands_on(b, a)
    }

    /// Whether a block stands on another one, or is it.
    pub(super) fn stands_on(&self, block: BlockId, below: BlockId) -> bool {
        self.path(block) >> self.origin(below) & 1 == 1
    }

    /// The lanes that a block of this view advances.
    pub(super) fn lanes(view: u64, variant: u8) -> Vec<LaneTip> {
        let seq = view * 10 + u64::from(variant);
        vec![LaneTip { lane: 0, seq, tip: leaf_hash(&seq.to_le_bytes()) }]
    }

    /// Takes a proposed block in, and with it every block that the faulty validator may propose above it.
    pub(super) fn register(&mut self, block: &Block, view: u64) -> Result<BlockId, String> {
        let digest = block.header.id();
        if let Some(known) = self.find(&digest) {
            return Ok(known);
        }
        let parent = self.find(&block.header.parent);
        if parent.is_none() && block.header.parent != self.genesis_id {
            return Err(format!("view {view}: a proposal above a block that nobody proposed"));
        }
        let cut = self.cut(parent, self.at(view).0).to_vec();
        let cut = block.cut_above(&cut).ok_or_else(|| format!("view {view}: a proposal whose lanes do not fit"))?;
        let same = self.blocks.iter().filter(|made| (made.view, made.parent) == (view, parent)).count();
        let letter = char::from(b'a' + u8::try_from(same).expect("few"));
        let below = parent.map_or("genesis", |parent| &self.block(parent).name);
        let end = if block.header.ends_epoch() { "!" } else { "" };
        let name = format!("{view}{letter}{end}<{below}");
        let by_faulty = self.is_faulty(self.leader(view));
        let block = block.clone();
        let is_wrong = self.is_wrong(&block, parent);
        self.add(Made { block, digest, view, parent, again: false, is_wrong, by_faulty, name, cut })
    }

    /// Takes in that a boundary block is proposed again, above a view in which it stands (E2).
    pub(super) fn register_again(&mut self, before: BlockId, view: u64) -> Result<BlockId, String> {
        let made = self.block(before).clone();
        let name = format!("{view} again {}", made.name);
        let by_faulty = self.is_faulty(self.leader(view));
        self.add(Made { view, parent: Some(before), again: true, by_faulty, name, ..made })
    }

    fn add(&mut self, made: Made) -> Result<BlockId, String> {
        if self.blocks.len() >= BLOCKS_MAX {
            return Err("more blocks than can be told apart".to_owned());
        }
        let id = u8::try_from(self.blocks.len()).expect("bounded above");
        self.by_digest.entry(made.digest).or_insert(id);
        self.blocks.push(made);
        self.propose_faulty(Some(id));
        Ok(id)
    }

    /// The tips of all lanes after a block, as a block of this epoch above it finds them.
    fn cut(&self, parent: Option<BlockId>, epoch: Epoch) -> &[LaneTip] {
        match parent.map(|parent| self.block(parent)) {
            None => &self.genesis.cut,
            Some(below) if below.block.header.epoch == epoch => &below.cut,
            Some(_) => &[],
        }
    }

    /// Makes the blocks that the faulty validator may propose above this one in later views.
    fn propose_faulty(&mut self, parent: Option<BlockId>) {
        let is_again = parent.is_some_and(|parent| self.block(parent).again);
        let epoch = parent.map_or(Epoch::ZERO, |parent| self.at(self.block(parent).view).0);
        for view in self.views_above(parent).filter(|view| self.is_faulty(self.leader(*view))).collect::<Vec<_>>() {
            let ends = parent.filter(|parent| self.block(*parent).block.header.ends_epoch());
            let again = ends.filter(|_| self.at(view).0 == epoch);
            if let Some(before) = again {
                self.register_again(before, view).expect("few views, few proposals");
            }
            let kinds: &[Kind] = match (again, self.has_change(view)) {
                // What stands on a boundary block, but for itself, is the same wherever that was proposed.
                _ if is_again => &[],
                (Some(_), _) => &[Kind::Plain],
                (None, true) => &[Kind::Carrying, Kind::Carrying, Kind::Plain, Kind::Unending],
                (None, false) => &[Kind::Plain; 8][..usize::from(self.proposals)],
            };
            for (variant, kind) in (0..).zip(kinds) {
                let block = self.compose(parent, view, variant, *kind);
                self.register(&block, view).expect("few views, few proposals");
            }
        }
    }

    fn compose(&self, parent: Option<BlockId>, view: u64, variant: u8, kind: Kind) -> Block {
        let (below, below_id) = match parent {
            Some(parent) => (&self.block(parent).block.header, self.block(parent).digest),
            None => (&self.genesis.header, self.genesis_id),
        };
        let lanes = Self::lanes(view, variant);
        let results = if kind == Kind::Plain { Vec::new() } else { vec![Self::summary(&self.genesis.header)] };
        let carries = kind != Kind::Plain && below.executed_height < self.genesis.header.height;
        let body = Body {
            lanes: List::truncated(lanes.clone()),
            results: List::truncated(if carries { results } else { Vec::new() }),
            ..Body::default()
        };
        let ends = carries && kind == Kind::Carrying;
        let header = Header {
            epoch: self.at(view).0,
            height: below.height.next(),
            time: below.time.next(),
            parent: below_id,
            proposer: ValidatorIndex::new(self.leader(view)),
            lanes_root: lanes_root(&lanes),
            executed_height: if carries { self.genesis.header.height } else { below.executed_height },
            results_root: body.results_root(),
            next_validators: if ends { self.committee.set.hash() } else { Hash::ZERO },
            ..self.genesis.header.clone()
        };
        Block { header, body }
    }

    // ---- votes by number ----

    pub(super) const fn notarize(block: BlockId) -> u8 {
        block * 3
    }

    pub(super) const fn finalize(block: BlockId) -> u8 {
        block * 3 + 1
    }

    /// The Nullify of the block's view that reports the block.
    pub(super) const fn reported(block: BlockId) -> u8 {
        block * 3 + 2
    }

    /// The Nullify of the view that reports nothing.
    pub(super) const fn nothing(view: u64) -> u8 {
        FIRST_NOTHING + view as u8
    }

    /// The number of a vote, or why no honest validator may sign it.
    pub(super) fn number(&self, vote: &Vote) -> Result<u8, String> {
        let view = self.counted(vote.epoch(), vote.view());
        let view = view.ok_or_else(|| format!("a vote beyond the views that are explored: {vote:?}"))?;
        let known = |digest: &Hash, what: &str| {
            self.find(digest).ok_or_else(|| format!("a {what} of a block that nobody proposed: {vote:?}"))?;
            self.find_in(digest, view).ok_or_else(|| format!("a {what} of a block of another view: {vote:?}"))
        };
        match vote {
            Vote::Notarize(it) => {
                known(&it.digest, "notarize")?;
                let id = self.find_notarized(it).ok_or_else(|| format!("a wrong parent view: {vote:?}"))?;
                Ok(Self::notarize(id))
            }
            Vote::Finalize(it) => known(&it.digest, "finalize").map(Self::finalize),
            Vote::Nullify(Nullify { report: None, .. }) => Ok(Self::nothing(view)),
            Vote::Nullify(Nullify { report: Some(report), .. }) => known(report, "report").map(Self::reported),
        }
    }

    /// The vote with this number.
    pub(super) fn vote(&self, number: u8) -> Vote {
        if number >= FIRST_NOTHING {
            let (epoch, view) = self.at(u64::from(number - FIRST_NOTHING));
            return Vote::Nullify(Nullify { epoch, view, report: None });
        }
        let id = number / 3;
        let (digest, (epoch, view)) = (self.block(id).digest, self.at(self.block(id).view));
        match number % 3 {
            0 => Vote::Notarize(Notarize { epoch, view, parent_view: self.parent_view(id), digest }),
            1 => Vote::Finalize(Finalize { epoch, view, digest }),
            _ => Vote::Nullify(Nullify { epoch, view, report: Some(digest) }),
        }
    }

    /// Whether a vote belongs to the second epoch.
    pub(super) fn is_of_next(&self, number: u8) -> bool {
        let view = if number >= FIRST_NOTHING {
            u64::from(number - FIRST_NOTHING)
        } else {
            self.blocks.get(usize::from(number / 3)).map_or(0, |made| made.view)
        };
        view > self.first_views
    }

    /// The votes in words, for a trace.
    pub(super) fn words(&self, votes: Votes) -> String {
        let named = (0..128u8).filter(|number| votes >> number & 1 == 1).map(|number| {
            if number >= FIRST_NOTHING {
                return format!("Nullify({}, none)", number - FIRST_NOTHING);
            }
            let made = self.block(number / 3);
            match number % 3 {
                0 => format!("Notarize({})", made.name),
                1 => format!("Finalize({})", made.name),
                _ => format!("Nullify({}, {})", made.view, made.name),
            }
        });
        named.collect::<Vec<_>>().join(", ")
    }
}
