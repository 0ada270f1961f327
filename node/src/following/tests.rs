//! Runs and batches with one part flipped at a time: none is believed.

use super::*;
use althing_consensus::RUN_BLOCKS_MAX;
use althing_types::{
    Action, Address, AssetId, AuthPolicy, AuthProof, Batch, Body, Bytes, Ed25519, Finalize, List, Replay, SecretKey,
    Signature, SignedBatch, TimeMs, TransactionBody, Validator, ValidatorSet, View, Vote, genesis_header, lanes_root,
};

const CHAIN: Hash = Hash::new([9; 32]);

/// A chain of blocks over two lanes, with everybody's keys.
pub(crate) struct Chain {
    keys: Vec<SecretKey>,
    pub(crate) committee: Committee,
    blocks: Vec<Block>,
    batches: Vec<Vec<Arc<SignedBatch>>>,
}

impl Chain {
    /// A chain in which each block orders so many batches of each of two lanes.
    pub(crate) fn new(blocks: u64, batches_each: u64) -> Self {
        let mut keys: Vec<SecretKey> = (1..=4).map(|seed| SecretKey::from_seed(&[seed; 32])).collect();
        keys.sort_by_key(SecretKey::public_key);
        let node_key = |seed: u8| SecretKey::from_seed(&[seed; 32]).public_key();
        let keys_of = keys.iter().zip(11u8..);
        let validators = keys_of.map(|(key, seed)| Validator { key: key.public_key(), node_key: node_key(seed) });
        let set = ValidatorSet::new(validators.collect(), 1, false).expect("a good set");
        let committee = Committee { chain: CHAIN, epoch: Epoch::ZERO, set };
        let mut chain = Self { keys, committee, blocks: Vec::new(), batches: vec![Vec::new(), Vec::new()] };
        let mut below = genesis_header(CHAIN, TimeMs::new(1), Hash::ZERO, Hash::ZERO);
        let mut cut: Vec<LaneTip> = Vec::new();
        for _ in 0..blocks {
            let lanes = [0, 1].map(|lane| {
                for _ in 0..batches_each {
                    chain.grow_lane(lane);
                }
                let last = chain.batches[lane].last().expect("it grew");
                LaneTip { lane: last.batch.lane, seq: last.batch.seq, tip: last.batch.digest() }
            });
            cut.clear();
            cut.extend(lanes);
            let body = Body { lanes: List::truncated(lanes.to_vec()), ..Body::default() };
            let header = Header {
                height: below.height.next(),
                time: below.time.next(),
                parent: below.id(),
                lanes_root: lanes_root(&cut),
                ..below.clone()
            };
            below = header.clone();
            chain.blocks.push(Block { header, body });
        }
        chain
    }

    fn grow_lane(&mut self, lane: usize) {
        let previous = self.batches[lane].last().map_or(Hash::ZERO, |batch| batch.batch.digest());
        let seq = u64::try_from(self.batches[lane].len()).expect("small") + 1;
        let lane_number = u32::try_from(lane).expect("small");
        let transaction = Bytes::new(transfer(seq * 2 + u64::from(lane_number)).to_bytes()).expect("it fits");
        let transactions = List::truncated(vec![transaction]);
        let batch = Batch { chain: CHAIN, epoch: Epoch::ZERO, lane: lane_number, seq, previous, transactions };
        let signed = Arc::new(self.signed(batch, lane));
        self.batches[lane].push(signed);
    }

    fn signed(&self, batch: Batch, lane: usize) -> SignedBatch {
        let head = BatchHead { epoch: batch.epoch, lane: batch.lane, seq: batch.seq, digest: batch.digest() };
        SignedBatch { batch, signature: self.keys[lane].sign(&head.sign_hash(&CHAIN)) }
    }

    pub(crate) fn genesis(&self) -> Tip {
        let header = genesis_header(CHAIN, TimeMs::new(1), Hash::ZERO, Hash::ZERO);
        Tip { id: header.id(), height: Height::ZERO, cut: Vec::new() }
    }

    fn finalization(&self, header: &Header) -> Finalization {
        let vote = Finalize { epoch: Epoch::ZERO, view: View::new(header.height.get()), digest: header.id() };
        let signers = self.committee.set.indices().zip(&self.keys);
        let votes: Vec<_> = signers.map(|(index, key)| Vote::Finalize(vote).sign(&CHAIN, index, key)).collect();
        Finalization::slow(vote, &self.committee, &votes).expect("a quorum")
    }

    /// The first so many blocks, certified by a later one.
    pub(crate) fn run(&self, blocks: usize, certified: usize) -> Run {
        let headers = self.blocks[..=certified].iter().skip(blocks).map(|block| block.header.clone());
        Run {
            blocks: List::truncated(self.blocks[..blocks].to_vec()),
            link: List::truncated(headers.collect()),
            finalization: self.finalization(&self.blocks[certified].header),
        }
    }

    fn verify(&self, run: Run) -> Result<(Vec<Portion>, Height), FollowError> {
        verify_run(run, &self.genesis(), &self.committee, &Ed25519)
    }

    /// The answer to a question, as an honest node gives it.
    pub(crate) fn answer(&self, range: &Range) -> Vec<SharedBatch> {
        let lane = usize::try_from(range.lane).expect("small");
        let asked = self.batches[lane].iter().filter(|batch| (range.first..=range.last).contains(&batch.batch.seq));
        asked.rev().cloned().map(SharedBatch).collect()
    }

    fn take(&self, portion: &mut Portion, lane: u32, batches: Vec<SharedBatch>) -> Result<(), FollowError> {
        portion.take(lane, batches, &self.committee, &Ed25519)
    }
}

fn transfer(salt: u64) -> SignedTransaction {
    let key = SecretKey::from_seed(&[50; 32]);
    let policy = AuthPolicy::Key(key.public_key());
    let body = TransactionBody {
        chain: CHAIN,
        sender: Address::of_policy(&policy),
        replay: Replay::Expiring { valid_until: TimeMs::new(99), salt },
        gas_limit: 1,
        sponsor: None,
        action: Action::Transfer {
            asset: AssetId::of_genesis(&"USD".parse().expect("a symbol")),
            to: Address::new([1; 32]),
            amount: 1,
        },
        trees: List::empty(),
        memo: Bytes::default(),
        ext: List::empty(),
    };
    let sigs = List::truncated(vec![(key.public_key(), key.sign(&body.sign_hash()))]);
    let proof = AuthProof { who: body.sender, reveal: Some(policy), sigs };
    SignedTransaction::V1 { body, auth: List::truncated(vec![proof]) }
}

#[test]
fn an_honest_run_and_its_batches_become_blocks_for_the_ledger() {
    let chain = Chain::new(5, 3);
    // The certificate stands one block above the last that is sent.
    let (portions, certified) = chain.verify(chain.run(3, 3)).expect("it is honest");
    assert_eq!(certified, Height::new(4));
    let [portion] = &portions[..] else { panic!("{} portions", portions.len()) };
    let mut portion = portion.clone();
    assert_eq!(portion.tip().height, Height::new(3));
    assert_eq!(portion.tip().id, chain.blocks[2].header.id());
    let (epoch, missing) = portion.missing();
    assert_eq!((epoch, missing.len()), (Epoch::ZERO, 2));
    assert!(portion.clone().into_blocks().is_none(), "batches are missing");
    for range in &missing {
        let answer = chain.answer(range);
        // It comes in two answers, as long ones do.
        let (first, rest) = answer.split_at(4);
        chain.take(&mut portion, range.lane, first.to_vec()).expect("it is honest");
        let left: Vec<Range> = portion.missing().1.into_iter().filter(|it| it.lane == range.lane).collect();
        assert_eq!(left.iter().map(|range| range.last).collect::<Vec<_>>(), [5]);
        chain.take(&mut portion, range.lane, rest.to_vec()).expect("it is honest");
    }
    assert!(portion.missing().1.is_empty());
    let blocks = portion.into_blocks().expect("all is here");
    let batches = |block: &FinalBlock| {
        block.batches.iter().map(|batch| (batch.signed.batch.lane, batch.signed.batch.seq)).collect::<Vec<_>>()
    };
    assert_eq!(blocks.len(), 3);
    assert_eq!(batches(&blocks[1]), [(0, 4), (0, 5), (0, 6), (1, 4), (1, 5), (1, 6)]);
    assert!(blocks.iter().flat_map(|block| &block.batches).all(|batch| batch.ids[0] == batch.transactions[0].id()));
}

#[test]
fn no_run_with_a_part_changed_is_believed() {
    let chain = Chain::new(4, 1);
    let honest = || chain.run(3, 3);
    chain.verify(honest()).expect("it is honest");
    type Change = fn(&mut Run, &Chain);
    let changes: [(&str, Change); 9] = [
        ("a block left out", |run, chain| {
            run.blocks = List::truncated(vec![chain.blocks[0].clone(), chain.blocks[2].clone()])
        }),
        ("no block", |run, _| run.blocks = List::empty()),
        ("the first block left out", |run, chain| run.blocks = List::truncated(chain.blocks[1..3].to_vec())),
        ("a header that is another", |run, chain| {
            let mut blocks = chain.blocks[..3].to_vec();
            blocks[1].header.time = blocks[1].header.time.next();
            run.blocks = List::truncated(blocks);
        }),
        ("the link left out", |run, _| run.link = List::empty()),
        ("a certificate of another block", |run, chain| run.finalization = chain.finalization(&chain.blocks[2].header)),
        ("a certificate of another chain", |run, chain| {
            let vote = run.finalization.vote;
            let signers = chain.committee.set.indices().zip(&chain.keys);
            let votes: Vec<_> =
                signers.map(|(index, key)| Vote::Finalize(vote).sign(&Hash::ZERO, index, key)).collect();
            run.finalization = Finalization::slow(vote, &chain.committee, &votes).expect("a quorum");
        }),
        ("lanes that are others", |run, chain| {
            let mut blocks = chain.blocks[..3].to_vec();
            let mut lanes = blocks[1].body.lanes.clone().into_inner();
            lanes[0].tip = Hash::ZERO;
            blocks[1].body.lanes = List::truncated(lanes);
            run.blocks = List::truncated(blocks);
        }),
        ("results that are others", |run, chain| {
            let mut blocks = chain.blocks[..3].to_vec();
            blocks[0].header.results_root = Hash::ZERO;
            run.blocks = List::truncated(blocks);
        }),
    ];
    for (what, change) in changes {
        let mut run = honest();
        change(&mut run, &chain);
        let error = chain.verify(run).map(|_| ()).expect_err(what);
        assert!(!error.is_contradiction(), "{what}: {error}");
    }
}

#[test]
fn a_certified_run_that_does_not_stand_on_what_is_here_is_a_contradiction() {
    let chain = Chain::new(4, 1);
    let other = Tip { id: Hash::new([7; 32]), ..chain.genesis() };
    let error = verify_run(chain.run(3, 3), &other, &chain.committee, &Ed25519).map(|_| ()).expect_err("a fork");
    assert!(matches!(error, FollowError::Fork { .. }) && error.is_contradiction(), "{error}");
    // Without a certificate it is a lie like any other.
    let mut forged = chain.run(3, 3);
    forged.finalization.vote.view = View::new(77);
    let error = verify_run(forged, &other, &chain.committee, &Ed25519).map(|_| ()).expect_err("a lie");
    assert!(matches!(error, FollowError::Certificate(_)), "{error}");
}

#[test]
fn a_batch_that_is_not_the_one_asked_for_is_refused_and_what_came_before_stays() {
    let chain = Chain::new(2, 3);
    let (portions, _) = chain.verify(chain.run(2, 1)).expect("it is honest");
    let honest = portions[0].clone();
    let range = honest.missing().1[0];
    let answer = chain.answer(&range);
    let refused = |batches: Vec<SharedBatch>| {
        let mut portion = honest.clone();
        let error = chain.take(&mut portion, range.lane, batches).expect_err("it is not what was asked for");
        assert!(!error.is_contradiction(), "{error}");
        portion.missing().1[0].last
    };
    let mut swapped = answer.clone();
    swapped.swap(1, 2);
    assert_eq!(refused(swapped), 5, "the first stays");
    let mut forged = SignedBatch::clone(&answer[0].0);
    forged.signature = Signature::new([1; 64]);
    assert_eq!(refused(vec![SharedBatch(forged.into())]), 6, "a signature that is none was believed");
    let other = Arc::new(chain.signed(Batch { seq: 9, ..answer[0].0.batch.clone() }, 0));
    assert_eq!(refused(vec![SharedBatch(other)]), 6);
    let surplus = [answer.clone(), answer.clone()].concat();
    let mut portion = honest.clone();
    assert_eq!(chain.take(&mut portion, 0, surplus), Err(FollowError::Surplus { lane: 0 }));
    assert_eq!(chain.take(&mut portion, 3, answer), Err(FollowError::Surplus { lane: 3 }));
}

#[test]
fn portions_are_cut_where_their_batches_would_exceed_the_bound() {
    let chain = Chain::new(12, 10);
    let (portions, _) = chain.verify(chain.run(12, 11)).expect("it is honest");
    let counts: Vec<usize> = portions.iter().map(|portion| portion.blocks.len()).collect();
    assert_eq!(counts, [3, 3, 3, 3], "three blocks of 20 batches each are below 64");
    let heights: Vec<u64> = portions.iter().map(|portion| portion.tip().height.get()).collect();
    assert_eq!(heights, [3, 6, 9, 12]);
    assert!(chain.blocks.len() <= RUN_BLOCKS_MAX);
}

#[test]
fn a_head_is_believed_with_its_own_certificate_only() {
    let chain = Chain::new(2, 1);
    let [first, second] = [0, 1].map(|place| chain.blocks[place].header.clone());
    let verify = |header: &Header, finalization| verify_head(header, &finalization, &chain.committee, &Ed25519);
    assert_eq!(verify(&first, chain.finalization(&first)), Ok(()));
    assert_eq!(verify(&first, chain.finalization(&second)), Err(FollowError::Links));
    let elsewhere = Header { chain: Hash::ZERO, ..first.clone() };
    assert_eq!(verify(&elsewhere, chain.finalization(&elsewhere)), Err(FollowError::Links));
    let mut forged = chain.finalization(&first);
    forged.vote.view = View::new(9);
    assert!(matches!(verify(&first, forged), Err(FollowError::Certificate(_))));
}
