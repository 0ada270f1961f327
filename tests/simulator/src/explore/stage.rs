//! What all validators of an exploration share: the committee, the blocks that exist and who made them, keys that cost
//! nothing, and a small number for every vote.

use std::collections::BTreeMap;

use althing_consensus::{Anchor, Config, Keys};
use althing_types::{
    Block, Body, ChainParams, Committee, Epoch, Finalize, Hash, Header, LaneTip, List, Notarize, Nullify, PublicKey,
    Scheme, Signature, SignedVote, TimeMs, Validator, ValidatorIndex, ValidatorSet, View, Vote, genesis_header,
    lanes_root, leaf_hash,
};

use super::Bounds;
use super::label::{BLOCKS_MAX, BlockId, VIEWS_MAX};

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

/// A block that somebody proposed or could propose.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) block: Block,
    pub(super) digest: Hash,
    /// The view in which it is proposed.
    pub(super) view: u64,
    /// The block below; none for genesis.
    pub(super) parent: Option<BlockId>,
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
    /// The last view in which anything is proposed or given up.
    pub(super) views: u64,
    pub(super) crashes: u8,
    pub(super) thorough: bool,
    pub(super) blocks: Vec<Made>,
    proposals: u8,
    by_digest: BTreeMap<Hash, BlockId>,
    params: ChainParams,
}

impl Stage {
    pub(super) fn new(bounds: &Bounds) -> Self {
        assert!(bounds.views <= VIEWS_MAX, "so many views cannot be told apart");
        let validator = |i| Validator { key: key_of(i), node_key: key_of(10_000 + i) };
        let validators = (0..bounds.validators).map(validator).collect();
        let faults = (bounds.validators - 1) / 3;
        let set = ValidatorSet::new(validators, faults, bounds.fast_path).expect("distinct keys, few faults");
        let committee = Committee { chain: leaf_hash(b"explore"), epoch: Epoch::ZERO, set };
        let params = ChainParams::DEFAULT;
        let header = genesis_header(committee.chain, WALL, committee.set.hash(), params.hash());
        let mut stage = Self {
            genesis_id: header.id(),
            genesis: Anchor { header, cut: Vec::new() },
            faulty: bounds.faulty,
            views: bounds.views,
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
        self.committee.set.leader(Epoch::ZERO, View::new(view)).get()
    }

    /// The faulty one is accused from the start, so that evidence against it is no work and changes no block.
    pub(super) fn accused(&self) -> Option<(Epoch, ValidatorIndex)> {
        self.faulty.map(|index| (Epoch::ZERO, ValidatorIndex::new(index)))
    }

    pub(super) fn is_faulty(&self, index: u16) -> bool {
        self.faulty == Some(index)
    }

    pub(super) fn config(&self, me: u16) -> Config {
        Config {
            committee: self.committee.clone(),
            guests: 0,
            opening: None,
            me: ValidatorIndex::new(me),
            params: self.params.consensus,
            params_hash: self.params.hash(),
            log_bytes_max: 8 << 20,
        }
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

    pub(super) fn find(&self, digest: &Hash) -> Option<BlockId> {
        self.by_digest.get(digest).copied()
    }

    /// The view above which a block stands.
    pub(super) fn parent_view(&self, id: BlockId) -> u64 {
        self.block(id).parent.map_or(0, |parent| self.block(parent).view)
    }

    /// A block and all below it, as a set of one bit each.
    pub(super) fn path(&self, id: BlockId) -> u32 {
        let below = self.block(id).parent.map_or(0, |parent| self.path(parent));
        below | 1 << id
    }

    /// Whether one of two blocks stands on the other.
    pub(super) fn on_one_chain(&self, a: BlockId, b: BlockId) -> bool {
        self.path(a) >> b & 1 == 1 || self.path(b) >> a & 1 == 1
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
        let cut = parent.map_or(&self.genesis.cut, |parent| &self.block(parent).cut);
        if parent.is_none() && block.header.parent != self.genesis_id {
            return Err(format!("view {view}: a proposal above a block that nobody proposed"));
        }
        let cut = block.cut_above(cut).ok_or_else(|| format!("view {view}: a proposal whose lanes do not fit"))?;
        if self.blocks.len() >= BLOCKS_MAX {
            return Err("more blocks than can be told apart".to_owned());
        }
        let id = u8::try_from(self.blocks.len()).expect("bounded above");
        let same = self.blocks.iter().filter(|made| (made.view, made.parent) == (view, parent)).count();
        let letter = char::from(b'a' + u8::try_from(same).expect("few"));
        let below = parent.map_or("genesis", |parent| &self.block(parent).name);
        let name = format!("{view}{letter}<{below}");
        let by_faulty = self.is_faulty(self.leader(view));
        self.blocks.push(Made { block: block.clone(), digest, view, parent, by_faulty, name, cut });
        self.by_digest.insert(digest, id);
        self.propose_faulty(Some(id));
        Ok(id)
    }

    /// Makes the blocks that the faulty validator may propose above this one in later views.
    fn propose_faulty(&mut self, parent: Option<BlockId>) {
        let above = parent.map_or(0, |parent| self.block(parent).view);
        let led: Vec<u64> = (above + 1..=self.views).filter(|view| self.is_faulty(self.leader(*view))).collect();
        for view in led {
            for variant in 0..self.proposals {
                let block = self.compose(parent, view, variant);
                self.register(&block, view).expect("few views, few proposals");
            }
        }
    }

    fn compose(&self, parent: Option<BlockId>, view: u64, variant: u8) -> Block {
        let (below, below_id) = match parent {
            Some(parent) => (&self.block(parent).block.header, self.block(parent).digest),
            None => (&self.genesis.header, self.genesis_id),
        };
        let lanes = Self::lanes(view, variant);
        let header = Header {
            height: below.height.next(),
            time: below.time.next(),
            parent: below_id,
            proposer: ValidatorIndex::new(self.leader(view)),
            lanes_root: lanes_root(&lanes),
            ..self.genesis.header.clone()
        };
        Block { header, body: Body { lanes: List::truncated(lanes), ..Body::default() } }
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
        let known = |digest: &Hash, view: View, what: &str| {
            let id = self.find(digest).ok_or_else(|| format!("a {what} of a block that nobody proposed: {vote:?}"))?;
            let fits = self.block(id).view == view.get();
            if fits { Ok(id) } else { Err(format!("a {what} of a block of another view: {vote:?}")) }
        };
        match vote {
            Vote::Notarize(it) => {
                let id = known(&it.digest, it.view, "notarize")?;
                let fits = self.parent_view(id) == it.parent_view.get();
                if fits { Ok(Self::notarize(id)) } else { Err(format!("a wrong parent view: {vote:?}")) }
            }
            Vote::Finalize(it) => known(&it.digest, it.view, "finalize").map(Self::finalize),
            Vote::Nullify(Nullify { view, report: None, .. }) if view.get() <= VIEWS_MAX => {
                Ok(Self::nothing(view.get()))
            }
            Vote::Nullify(Nullify { view, report: Some(report), .. }) => {
                known(report, *view, "report").map(Self::reported)
            }
            Vote::Nullify(_) => Err(format!("a nullify beyond the views that are explored: {vote:?}")),
        }
    }

    /// The vote with this number.
    pub(super) fn vote(&self, number: u8) -> Vote {
        let epoch = Epoch::ZERO;
        if number >= FIRST_NOTHING {
            let view = View::new(u64::from(number - FIRST_NOTHING));
            return Vote::Nullify(Nullify { epoch, view, report: None });
        }
        let id = number / 3;
        let (digest, view) = (self.block(id).digest, View::new(self.block(id).view));
        match number % 3 {
            0 => Vote::Notarize(Notarize { epoch, view, parent_view: View::new(self.parent_view(id)), digest }),
            1 => Vote::Finalize(Finalize { epoch, view, digest }),
            _ => Vote::Nullify(Nullify { epoch, view, report: Some(digest) }),
        }
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
