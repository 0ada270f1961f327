//! A validator's data plane on a bench: real keys, a log that is synced when it is told to, and a clock that stands
//! still until it is moved.

use std::sync::Arc;

use althing_types::{
    Action, Address, AssetId, AuthPolicy, AuthProof, Batch, Bytes, ChainParams, Committee, DataJudgement, Ed25519,
    Epoch, Hash, Height, LaneTip, List, Monotonic, Replay, SecretKey, Signature, SignedBatch, SignedTransaction,
    TimeMs, TransactionBody, Validator, ValidatorIndex, ValidatorSet, Verified, leaf_hash,
};

use crate::{
    Acks, Candidate, Check, CheckedBatch, Config, DataMessage, Input, Lsn, Mempool, Output, Range, RejectedBatch,
    SharedBatch, Signer, check_batch,
};

/// Δ of the default parameters in microseconds.
pub(crate) const DELTA: u64 = 250_000;
/// Wall time at the start.
pub(crate) const WALL_MS: u64 = 1_760_000_000_000;

/// The key of one validator.
#[derive(Clone)]
pub(crate) struct Key(SecretKey);

impl Signer for Key {
    fn sign(&self, hash: &Hash) -> Signature {
        self.0.sign(hash)
    }
}

/// The hash of the genesis document.
pub(crate) fn chain() -> Hash {
    leaf_hash(b"bench")
}

fn seed(kind: u8, number: u16) -> SecretKey {
    let mut seed = [kind; 32];
    seed[..2].copy_from_slice(&number.to_be_bytes());
    SecretKey::from_seed(&seed)
}

/// The validators' keys in the order of their indices.
pub(crate) fn keys(validators: u16) -> Vec<Key> {
    let mut keys: Vec<SecretKey> = (0..validators).map(|i| seed(0x51, i)).collect();
    keys.sort_by_key(SecretKey::public_key);
    keys.into_iter().map(Key).collect()
}

/// A committee of so many validators.
pub(crate) fn committee(validators: u16) -> Committee {
    let keys = keys(validators).into_iter().enumerate();
    let validator =
        |(i, key): (usize, Key)| Validator { key: key.0.public_key(), node_key: seed(0x52, i as u16).public_key() };
    let set = ValidatorSet::new(keys.map(validator).collect(), (validators - 1) / 3, false).expect("a set");
    Committee { chain: chain(), epoch: Epoch::ZERO, set }
}

/// The settings of one validator.
pub(crate) fn config(validators: u16, me: u16) -> Config {
    Config {
        committee: committee(validators),
        me: ValidatorIndex::new(me),
        guests: 0,
        earlier: Vec::new(),
        params: ChainParams::DEFAULT,
        log_garbage_bytes_max: 64 << 20,
    }
}

/// What a sender asks for.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) sender: u16,
    pub(crate) replay: Replay,
    pub(crate) gas_limit: u64,
    pub(crate) memo: usize,
}

impl Ask {
    /// A small expiring transfer.
    pub(crate) fn expiring(sender: u16, salt: u64) -> Self {
        let replay = Replay::Expiring { valid_until: TimeMs::new(WALL_MS + 60_000), salt };
        Self { sender, replay, gas_limit: 30_000, memo: 0 }
    }

    /// A small numbered transfer.
    pub(crate) fn numbered(sender: u16, seq: u64) -> Self {
        Self { replay: Replay::Sequence { lane: 0, seq }, ..Self::expiring(sender, 0) }
    }

    /// The transaction.
    pub(crate) fn signed(&self) -> SignedTransaction {
        let key = seed(0x53, self.sender);
        let policy = AuthPolicy::Key(key.public_key());
        let asset = AssetId::of_genesis(&"USD".parse().expect("a symbol"));
        let body = TransactionBody {
            chain: chain(),
            sender: Address::of_policy(&policy),
            replay: self.replay,
            gas_limit: self.gas_limit,
            sponsor: None,
            action: Action::Transfer { asset, to: Address::new([9; 32]), amount: 1 },
            trees: List::empty(),
            memo: Bytes::new(vec![7; self.memo]).expect("a short memo"),
            ext: List::empty(),
        };
        let sigs = List::truncated(vec![(key.public_key(), key.sign(&body.sign_hash()))]);
        let auth = AuthProof { who: body.sender, reveal: Some(policy), sigs };
        SignedTransaction::V1 { body, auth: List::truncated(vec![auth]) }
    }

    /// The transaction with its signatures verified.
    pub(crate) fn verified(&self) -> Verified<SignedTransaction> {
        self.signed().verify().expect("well signed")
    }

    /// The transaction as it asks to be admitted; the state expects number 1 next.
    pub(crate) fn candidate(&self) -> Candidate {
        Candidate::new(self.verified(), 1)
    }
}

/// A batch of these transactions, signed by the lane's owner.
pub(crate) fn signed_batch(validators: u16, lane: u32, below: LaneTip, transactions: &[Ask]) -> SignedBatch {
    let bytes = transactions.iter().map(|ask| Bytes::new(ask.signed().to_bytes()).expect("short"));
    let batch = Batch {
        chain: chain(),
        epoch: Epoch::ZERO,
        lane,
        seq: below.seq + 1,
        previous: below.tip,
        transactions: List::truncated(bytes.collect()),
    };
    sign_batch(validators, batch)
}

/// A batch with its owner's signature.
pub(crate) fn sign_batch(validators: u16, batch: Batch) -> SignedBatch {
    let signature = keys(validators)[batch.lane as usize].sign(&batch.head().sign_hash(&chain()));
    SignedBatch { batch, signature }
}

/// Checks a batch as a worker of a validator would.
pub(crate) fn check(validators: u16, signed: SignedBatch) -> Result<CheckedBatch, RejectedBatch> {
    check_batch(Arc::new(signed), &committee(validators), &ChainParams::DEFAULT.limits, &Ed25519)
}

/// The tip of a lane without batches.
pub(crate) fn bottom(lane: u32) -> LaneTip {
    LaneTip { lane, seq: 0, tip: Hash::ZERO }
}

/// Batches of one lane of four validators, each with one transaction, linked above a tip.
pub(crate) fn run(below: LaneTip, count: u64, salt: u64) -> Vec<CheckedBatch> {
    let mut tip = below;
    let batch = |i: u64| {
        let ask = Ask::expiring(500 + below.lane as u16, salt * 1_000 + i);
        let batch = check(4, signed_batch(4, below.lane, tip, &[ask])).expect("a good batch");
        tip = batch.tip();
        batch
    };
    (0..count).map(batch).collect()
}

/// A validator's data plane on a bench.
#[derive(Clone)]
pub(crate) struct Rig {
    pub(crate) mempool: Mempool,
    pub(crate) config: Config,
    pub(crate) now: Monotonic,
    pub(crate) wall: TimeMs,
    key: Key,
    /// What the log holds, with its places. What stands above `durable` is lost in a crash.
    log: Vec<(Lsn, Arc<SignedBatch>)>,
    durable: Lsn,
    appended: Lsn,
    /// The log that a replacement stands in for, until that is durable.
    replaced: Option<Vec<(Lsn, Arc<SignedBatch>)>>,
    /// Whether records stay in the air until [`Rig::sync`].
    pub(crate) slow_disk: bool,
}

impl Rig {
    /// One of four, with everybody connected and a disk that answers at once.
    pub(crate) fn new(me: u16) -> Self {
        Self::with(config(4, me))
    }

    /// A validator with these settings, with everybody connected.
    pub(crate) fn with(config: Config) -> Self {
        let mempool = Mempool::recover(config.clone(), Height::ZERO, &[], Vec::new()).expect("an empty log");
        let mut rig = Self::around(mempool, config);
        rig.connect_all();
        rig
    }

    fn around(mempool: Mempool, config: Config) -> Self {
        let key = keys(config.committee.set.count())[config.me.to_usize()].clone();
        let (now, wall) = (Monotonic::new(1_000_000), TimeMs::new(WALL_MS));
        let (durable, appended) = (Lsn::ZERO, Lsn::ZERO);
        Self { mempool, config, now, wall, key, log: Vec::new(), durable, appended, replaced: None, slow_disk: false }
    }

    /// Everybody is reachable.
    pub(crate) fn connect_all(&mut self) {
        let me = self.config.me;
        for index in self.config.committee.set.indices().filter(|index| *index != me) {
            self.step(Input::Peer { index, connected: true });
        }
    }

    /// One step; a fast disk answers at once, and what follows from that is part of the answer.
    pub(crate) fn step(&mut self, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        self.mempool.step(&self.key, self.now, self.wall, input, &mut out);
        self.write(&out);
        if !self.slow_disk && self.appended > self.durable {
            out.extend(self.sync());
        }
        out
    }

    /// The next epoch begins above a height.
    pub(crate) fn enter(&mut self, config: Config, committed: Height) -> Vec<Output> {
        let mut out = Vec::new();
        self.mempool = self.mempool.clone().succeed(config.clone(), committed, self.now, &mut out);
        self.config = config;
        self.write(&out);
        out.extend(self.step(Input::Tick));
        out
    }

    fn write(&mut self, out: &[Output]) {
        for output in out {
            match output {
                Output::Append { lsn, batch } => {
                    self.log.push((*lsn, batch.clone()));
                    self.appended = *lsn;
                }
                Output::Compact { lsn, batches } => {
                    let old = std::mem::take(&mut self.log);
                    self.replaced.get_or_insert(old);
                    self.log = batches.iter().map(|batch| (*lsn, batch.clone())).collect();
                    self.appended = *lsn;
                }
                _ => {}
            }
        }
    }

    /// The disk has written everything.
    pub(crate) fn sync(&mut self) -> Vec<Output> {
        (self.durable, self.replaced) = (self.appended, None);
        self.step(Input::Durable(self.durable))
    }

    /// The clock moves on and what waits for it happens.
    pub(crate) fn wait(&mut self, micros: u64) -> Vec<Output> {
        let end = self.now.plus(micros);
        let mut out = Vec::new();
        while let Some(at) = self.mempool.deadline().filter(|at| *at <= end) {
            assert!(at > self.now, "a deadline that has come does not come again");
            self.set_clock(at);
            out.extend(self.step(Input::Tick));
        }
        self.set_clock(end);
        out.extend(self.step(Input::Tick));
        out
    }

    fn set_clock(&mut self, to: Monotonic) {
        self.wall = self.wall.plus(to.above(self.now) / 1_000);
        self.now = to;
    }

    /// Batches that a restart would find.
    pub(crate) fn durable_log(&self) -> Vec<Arc<SignedBatch>> {
        let log = self.replaced.as_ref().unwrap_or(&self.log);
        let durable = log.iter().filter(|(lsn, _)| *lsn <= self.durable);
        durable.map(|(_, batch)| batch.clone()).collect()
    }

    /// The power goes and comes back: what the disk had not written is lost.
    pub(crate) fn crash(&mut self, committed: Height, cut: &[LaneTip]) {
        let logged = self.durable_log();
        self.mempool = Mempool::recover(self.config.clone(), committed, cut, logged.clone()).expect("our own log");
        self.log = logged.into_iter().map(|batch| (Lsn::ZERO, batch)).collect();
        (self.durable, self.appended, self.replaced) = (Lsn::ZERO, Lsn::ZERO, None);
    }

    /// A transaction asks to be admitted.
    pub(crate) fn admit(&mut self, ask: &Ask) -> Vec<Output> {
        self.step(Input::Admit(ask.candidate()))
    }

    /// A batch arrives from the owner of its lane.
    pub(crate) fn receive(&mut self, batch: &CheckedBatch) -> Vec<Output> {
        let from = ValidatorIndex::new(batch.tip().lane as u16);
        self.step(Input::Batch { from, batch: batch.clone() })
    }

    /// A validator acknowledges one batch.
    pub(crate) fn ack(&mut self, from: u16, tip: LaneTip) -> Vec<Output> {
        let acks = Acks { epoch: Epoch::ZERO, tips: List::truncated(vec![tip]), executed: Height::ZERO };
        self.step(Input::Acks { from: ValidatorIndex::new(from), acks })
    }

    /// A block at a height above an empty cut is to be judged; its id is made of the height.
    pub(crate) fn judge(&mut self, height: u64, proposer: u16, lanes: &[LaneTip]) -> Vec<Output> {
        self.judge_above(height, proposer, lanes, &[])
    }

    /// A block at a height above a cut is to be judged.
    pub(crate) fn judge_above(
        &mut self,
        height: u64,
        proposer: u16,
        lanes: &[LaneTip],
        cut: &[LaneTip],
    ) -> Vec<Output> {
        self.step(Input::Check(Check {
            digest: block_id(height),
            height: Height::new(height),
            proposer: ValidatorIndex::new(proposer),
            lanes: lanes.to_vec(),
            parent_cut: cut.to_vec(),
        }))
    }

    /// A block is final and committed at once.
    pub(crate) fn commit(&mut self, height: u64, cut: &[LaneTip]) -> Vec<Output> {
        let height = Height::new(height);
        let mut out = self.step(Input::Finalized { digest: block_id(height.get()), height, cut: cut.to_vec() });
        out.extend(self.step(Input::Committed {
            height,
            cut: cut.to_vec(),
            decided: Vec::new(),
            sequences: Vec::new(),
        }));
        out
    }

    /// The tip of our own lane.
    pub(crate) fn own_tip(&self) -> LaneTip {
        self.mempool.own().expect("a lane").tip()
    }
}

/// A height.
pub(crate) fn height(number: u64) -> Height {
    Height::new(number)
}

/// The id of the block that stands at a height.
pub(crate) fn block_id(height: u64) -> Hash {
    leaf_hash(&height.to_le_bytes())
}

/// The batches that are sent as a lane's own.
pub(crate) fn sent_batches(out: &[Output]) -> Vec<(Vec<u16>, u64)> {
    let sent = out.iter().filter_map(|output| match output {
        Output::Send { to, message: DataMessage::Batch(SharedBatch(batch)) } => {
            Some((to.iter().map(|index| index.get()).collect(), batch.batch.seq))
        }
        _ => None,
    });
    sent.collect()
}

/// The tips that are acknowledged.
pub(crate) fn acked(out: &[Output]) -> Vec<LaneTip> {
    let acks = out.iter().filter_map(|output| match output {
        Output::Send { message: DataMessage::Acks(acks), .. } => Some(acks.tips.to_vec()),
        _ => None,
    });
    acks.flatten().collect()
}

/// The words that are given on blocks.
pub(crate) fn words(out: &[Output]) -> Vec<DataJudgement> {
    let words = out.iter().filter_map(|output| match output {
        Output::Checked { judgement, .. } => Some(*judgement),
        _ => None,
    });
    words.collect()
}

/// Whom batches are asked from, and which.
pub(crate) fn questions(out: &[Output]) -> Vec<(u16, Range)> {
    let asked = out.iter().filter_map(|output| match output {
        Output::Send { to, message: DataMessage::GetBatches { range, .. } } => Some((to[0].get(), *range)),
        _ => None,
    });
    asked.collect()
}

/// The numbers of the batches in answers, in their order.
pub(crate) fn answered(out: &[Output]) -> Vec<u64> {
    let answers = out.iter().filter_map(|output| match output {
        Output::Send { message: DataMessage::Batches(batches), .. } => {
            Some(batches.iter().map(|batch| batch.batch.seq).collect::<Vec<_>>())
        }
        _ => None,
    });
    answers.flatten().collect()
}

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize].clone()
    }
}
