//! One sample of every wire and disk type, always the same.

use std::collections::BTreeMap;

use althing_consensus::{Envelope, EpochRecord, Memory, Message, Proposal, Record, Run, Standing, ViewProof};
use althing_mempool::{Acks, DataMessage, Range, SharedBatch};
use althing_types::*;
use borsh::{BorshDeserialize, BorshSerialize};

use super::text;

/// The chain of all samples.
pub(crate) const CHAIN: Hash = Hash::new([0xc4; 32]);

/// A value of a wire type.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    /// Hashes that are derived from the bytes, by the name of their domain tag.
    pub(crate) ids: BTreeMap<&'static str, String>,
    pub(crate) round_trips: fn(&[u8]) -> bool,
    /// Panics if the bytes decode to a value with another encoding.
    pub(crate) decodes_canonically: fn(&[u8]),
}

fn round_trips<T: BorshSerialize + BorshDeserialize>(bytes: &[u8]) -> bool {
    decode::<T>(bytes, bytes.len()).is_ok_and(|value| encode(&value) == bytes)
}

fn decodes_canonically<T: BorshSerialize + BorshDeserialize>(bytes: &[u8]) {
    if let Ok(value) = T::try_from_slice(bytes) {
        assert_eq!(encode(&value), bytes, "two encodings of one value");
    }
}

fn sample<T: BorshSerialize + BorshDeserialize>(name: &'static str, value: &T) -> Sample {
    Sample {
        name,
        bytes: encode(value),
        ids: BTreeMap::new(),
        round_trips: round_trips::<T>,
        decodes_canonically: decodes_canonically::<T>,
    }
}

impl Sample {
    fn with_id(mut self, tag: &'static str, id: Hash) -> Self {
        self.ids.insert(tag, text(id));
        self
    }
}

/// A secret key of the samples.
pub(crate) fn secret(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn asset() -> AssetId {
    AssetId::of_genesis(&"USD".parse().expect("a symbol"))
}

fn policy() -> AuthPolicy {
    AuthPolicy::Key(secret(1).public_key())
}

fn threshold() -> AuthPolicy {
    let mut keys: Vec<WeightedKey> =
        (1..=3u8).map(|seed| WeightedKey { key: secret(seed).public_key(), weight: u16::from(seed) }).collect();
    keys.sort();
    AuthPolicy::Threshold { need: 3, keys: List::truncated(keys) }
}

fn body(action: Action, replay: Replay) -> TransactionBody {
    TransactionBody {
        chain: CHAIN,
        sender: Address::of_policy(&policy()),
        replay,
        gas_limit: 100_000,
        sponsor: None,
        action,
        trees: List::empty(),
        memo: Bytes::new(b"invoice 7".to_vec()).expect("short"),
        ext: List::empty(),
    }
}

fn expiring() -> Replay {
    Replay::Expiring { valid_until: TimeMs::new(1_763_683_260_000), salt: 0x0102_0304_0506_0708 }
}

fn transfer() -> Action {
    Action::Transfer { asset: asset(), to: Address::new([9; 32]), amount: 12_345_678_901_234_567_890 }
}

fn signed(body: TransactionBody) -> SignedTransaction {
    let hash = body.sign_hash();
    let sigs = List::truncated(vec![(secret(1).public_key(), secret(1).sign(&hash))]);
    let mut auth = vec![AuthProof { who: body.sender, reveal: Some(policy()), sigs }];
    if let Some(sponsor) = body.sponsor {
        let sigs = List::truncated(vec![(secret(2).public_key(), secret(2).sign(&hash))]);
        auth.push(AuthProof { who: sponsor.payer, reveal: None, sigs });
    }
    auth.sort_by_key(|proof| proof.who);
    SignedTransaction::V1 { body, auth: List::truncated(auth) }
}

fn transaction(name: &'static str, body: TransactionBody) -> Sample {
    let (id, sign) = (body.id(), body.sign_hash());
    let transaction = signed(body);
    let bytes_hash = transaction.bytes_hash();
    let sample = sample(name, &transaction).with_id("althing/tx-id/v1", id);
    sample.with_id("althing/tx-sign/v1", sign).with_id("althing/wtx-id/v1", bytes_hash)
}

fn transactions() -> Vec<Sample> {
    let contract = Address::new([0x33; 32]);
    let bytes = |text: &str| Bytes::new(text.as_bytes().to_vec()).expect("short");
    let batch = Action::Batch(List::truncated(vec![transfer(), Action::SetPolicy { policy: threshold() }]));
    let sponsor = Sponsorship { payer: Address::new([0xee; 32]), max_fee: 77 };
    let sponsored =
        TransactionBody { sponsor: Some(sponsor), ..body(transfer(), Replay::Sequence { lane: 1, seq: 9 }) };
    let code = Bytes::new(vec![0, 0x61, 0x73, 0x6d]).expect("short");
    let role = RoleGrant { grant: true, to: contract, role: 3, scope: Bytes::default(), expires: Some(TimeMs::new(5)) };
    let leaf = AuthNode { contract, method: Text::new("pay").expect("short"), args_hash: CHAIN, subs: List::empty() };
    let tree = AuthNode { subs: List::truncated(vec![leaf.clone()]), ..leaf };
    let tree = AuthTree { who: contract, valid_until: TimeMs::new(6), salt: 7, root: tree };
    let reserved = [
        ("call", Action::Call { contract, method: Text::new("pay").expect("short"), args: bytes("{}") }),
        ("deploy", Action::Deploy { code: code.clone(), salt: CHAIN, init: bytes("init"), admin: Some(contract) }),
        ("upgrade", Action::Upgrade { contract, code, migrate: bytes("m") }),
        ("role", Action::Role(role)),
        ("govern", Action::Govern(bytes("g"))),
    ];
    let mut samples = vec![
        transaction("transaction: transfer", body(transfer(), expiring())),
        transaction("transaction: batch", body(batch, expiring())),
        transaction("transaction: set policy", body(Action::SetPolicy { policy: threshold() }, expiring())),
        transaction("transaction: sponsored, in sequence", sponsored),
        sample("authority tree", &tree),
    ];
    samples.extend(reserved.map(|(name, action)| sample(name, &action)));
    samples
}

fn validators() -> ValidatorSet {
    let validator = |i: u8| Validator { key: secret(i).public_key(), node_key: secret(100 + i).public_key() };
    ValidatorSet::new((1..=4).map(validator).collect(), 1, false).expect("a set")
}

/// The validators of all samples.
pub(crate) fn committee() -> Committee {
    Committee { chain: CHAIN, epoch: Epoch::new(1), set: validators() }
}

fn vote(signer: u16, vote: Vote) -> SignedVote {
    let committee = committee();
    let index = ValidatorIndex::new(signer);
    let key = committee.set.get(index).expect("a member").key;
    let owner = (1..=4).map(secret).find(|it| it.public_key() == key).expect("ours");
    vote.sign(&CHAIN, index, &owner)
}

fn summary(height: u64) -> Summary {
    Summary {
        height: Height::new(height),
        block: Hash::new([0xb1; 32]),
        state_root: Hash::new([0x57; 32]),
        tx_root: Hash::new([0x77; 32]),
        receipts_root: Hash::new([0x66; 32]),
        tx_count: 3,
        gas_used: 15_000,
        vm: 1,
    }
}

fn block() -> Block {
    let committee = committee();
    let lanes = vec![LaneTip { lane: 0, seq: 4, tip: CHAIN }, LaneTip { lane: 3, seq: 1, tip: Hash::new([2; 32]) }];
    let body = Body {
        lanes: List::truncated(lanes.clone()),
        results: List::truncated(vec![summary(5), summary(6)]),
        evidence: List::truncated(vec![evidence()]),
    };
    let genesis =
        genesis_header(CHAIN, TimeMs::new(1_763_683_200_000), committee.set.hash(), ChainParams::DEFAULT.hash());
    let header = Header {
        epoch: committee.epoch,
        height: Height::new(8),
        time: TimeMs::new(1_763_683_201_000),
        parent: Hash::new([0xaa; 32]),
        proposer: ValidatorIndex::new(2),
        lanes_root: lanes_root(&lanes),
        executed_height: Height::new(6),
        results_root: body.results_root(),
        evidence_root: body.evidence_root(),
        ..genesis
    };
    Block { header, body }
}

fn notarize() -> Notarize {
    Notarize { epoch: Epoch::new(1), view: View::new(9), parent_view: View::new(7), digest: block().header.id() }
}

fn nullify(report: Option<Hash>) -> Vote {
    Vote::Nullify(Nullify { epoch: Epoch::new(1), view: View::new(8), report })
}

fn evidence() -> Evidence {
    Evidence::of_votes(vote(1, nullify(None)), vote(1, nullify(Some(CHAIN)))).expect("they contradict")
}

fn fork_proof() -> ForkProof {
    let notarize = notarize();
    let skip =
        |signer| vote(signer, Vote::Nullify(Nullify { epoch: notarize.epoch, view: notarize.view, report: None }));
    let votes: Vec<SignedVote> = (0..3).map(skip).collect();
    let skip = Nullification::of(notarize.epoch, notarize.view, &committee(), &votes).expect("a quorum");
    ForkProof::among(&[Certificate::Finalization(finalization()), Certificate::Nullification(skip)], &committee())
        .expect("they contradict")
}

fn notarization() -> Notarization {
    let votes: Vec<SignedVote> = (0..3).map(|i| vote(i, Vote::Notarize(notarize()))).collect();
    Notarization::of(notarize(), &committee(), &votes).expect("a quorum")
}

fn nullification() -> Nullification {
    let votes = [vote(0, nullify(None)), vote(1, nullify(Some(CHAIN))), vote(3, nullify(None))];
    Nullification::of(Epoch::new(1), View::new(8), &committee(), &votes).expect("a quorum")
}

/// A slow Finalization of the sample block.
pub(crate) fn finalization() -> Finalization {
    let Notarize { epoch, view, digest, .. } = notarize();
    let finalize = Finalize { epoch, view, digest };
    let votes: Vec<SignedVote> = (1..4).map(|i| vote(i, Vote::Finalize(finalize))).collect();
    Finalization::slow(finalize, &committee(), &votes).expect("a quorum")
}

/// A fast Finalization of the sample block: all four, for none of them can be done without.
fn fast_finalization() -> Finalization {
    let set = ValidatorSet::new(validators().validators().to_vec(), 1, true).expect("a set");
    let votes: Vec<SignedVote> = (0..4).map(|i| vote(i, Vote::Notarize(notarize()))).collect();
    Finalization::fast(notarize(), &Committee { set, ..committee() }, &votes).expect("a quorum")
}

fn agreement() -> Vec<Sample> {
    let set = validators();
    let hash = set.hash();
    let digest = block().header.id();
    let vote_sample = |name, vote: Vote| sample(name, &vote).with_id("althing/vote/v1", vote.sign_hash(&CHAIN));
    vec![
        sample("validator set", &set).with_id("althing/validators/v1", hash),
        sample("committee", &committee()),
        sample("chain parameters", &ChainParams::DEFAULT).with_id("althing/params/v1", ChainParams::DEFAULT.hash()),
        sample("header", &block().header).with_id("althing/block/v1", digest),
        sample("lane cut", &block().body.lanes).with_id("althing/lanes/v1", lanes_root(&block().body.lanes)),
        sample("summary", &summary(5)),
        sample("body", &block().body),
        sample("block", &block()),
        vote_sample("vote: notarize", Vote::Notarize(notarize())),
        vote_sample("vote: nullify", nullify(None)),
        vote_sample("vote: nullify with report", nullify(Some(CHAIN))),
        vote_sample("vote: finalize", Vote::Finalize(finalization().vote)),
        sample("signed vote", &vote(2, nullify(None))),
        sample("certificate: notarization", &Certificate::Notarization(notarization())),
        sample("certificate: nullification", &Certificate::Nullification(nullification())),
        sample("certificate: finalization", &Certificate::Finalization(finalization())),
        sample("certificate: fast finalization", &Certificate::Finalization(fast_finalization())),
        sample("evidence: votes", &evidence()),
        sample("fork proof", &fork_proof()),
    ]
}

fn batches() -> Vec<Sample> {
    let transactions = vec![Bytes::new(signed(body(transfer(), expiring())).to_bytes()).expect("short")];
    let batch = Batch {
        chain: CHAIN,
        epoch: Epoch::new(1),
        lane: 3,
        seq: 2,
        previous: Hash::new([0x22; 32]),
        transactions: List::truncated(transactions),
    };
    let head = batch.head();
    let signature = secret(4).sign(&head.sign_hash(&CHAIN));
    let other = BatchHead { digest: CHAIN, ..head };
    let mut pair = [(head, signature), (other, secret(4).sign(&other.sign_hash(&CHAIN)))];
    pair.sort();
    let [first, second] = pair;
    let shared = || SharedBatch(SignedBatch { batch: batch.clone(), signature }.into());
    let tips =
        List::truncated(vec![LaneTip { lane: 0, seq: 4, tip: CHAIN }, LaneTip { lane: 3, seq: 2, tip: head.digest }]);
    let acks = Acks { epoch: Epoch::new(1), tips, executed: Height::new(7) };
    let range = Range { lane: 3, first: 1, last: 2, tip: head.digest };
    let get = DataMessage::GetBatches { epoch: Epoch::new(1), range };
    let data = [
        ("data message: batch", DataMessage::Batch(shared())),
        ("data message: acks", DataMessage::Acks(acks)),
        ("data message: get batches", get),
        ("data message: batches", DataMessage::Batches(List::truncated(vec![shared(), shared()]))),
    ];
    let data = data.map(|(name, message)| sample(name, &message));
    let samples = [
        sample("batch", &batch).with_id("althing/batch/v1", batch.digest()),
        sample("batch head", &head).with_id("althing/batch-sign/v1", head.sign_hash(&CHAIN)),
        sample("signed batch", &SignedBatch { batch, signature }),
        sample("evidence: batches", &Evidence::Batches(first, second)),
    ];
    samples.into_iter().chain(data).collect()
}

fn state() -> Vec<Sample> {
    let address = Address::of_policy(&policy());
    let lanes = List::truncated(vec![AccountLane { lane: 1, next: 10 }]);
    let event = Event {
        index: 0,
        contract: Address::new([0; 32]),
        name: Text::new("transfer").expect("short"),
        topics: List::truncated(vec![CHAIN]),
        data: Bytes::new(vec![1, 2, 3]).expect("short"),
    };
    let receipt = Receipt {
        tx_id: CHAIN,
        status: Status::ContractError(7),
        gas_used: 5_000,
        fee: 0,
        return_hash: Hash::ZERO,
        events: List::truncated(vec![event]),
    };
    let keys = [
        ("state key: system", StateKey::System(Text::new("height").expect("short"))),
        ("state key: account", StateKey::Account(address)),
        ("state key: role", StateKey::Role(address, 2)),
        ("state key: contract", StateKey::Contract(address)),
        ("state key: code", StateKey::Code(CHAIN)),
        ("state key: storage", StateKey::Storage(address, Bytes::new(vec![7]).expect("short"))),
        ("state key: asset", StateKey::Asset(asset())),
        ("state key: balance", StateKey::Balance(address, asset())),
    ];
    let mut samples = vec![
        sample("policy: key", &policy()).with_id("althing/address/v1", Hash::new(*address.as_bytes())),
        sample("policy: threshold", &threshold())
            .with_id("althing/address/v1", Hash::new(*Address::of_policy(&threshold()).as_bytes())),
        sample("policy: contract", &AuthPolicy::Contract(address)),
        sample("account", &Account::V1 { policy: policy(), lanes, flags: 1 }),
        sample("receipt", &receipt),
    ];
    samples.extend(keys.map(|(name, key)| sample(name, &key).with_id("plain SHA-256", key.tree_key())));
    samples
}

fn proofs() -> Vec<Sample> {
    let leaves: Vec<Hash> = block().body.results.iter().map(Summary::leaf).collect();
    let inclusion = InclusionProof::of(&leaves, 1).expect("in range");
    let chain = ChainProof { headers: List::truncated(vec![block().header]), finalization: finalization() };
    let leaf = LeafReference { key: CHAIN, value: Hash::new([1; 32]) };
    let siblings = List::truncated(vec![Some(CHAIN), None, Some(Hash::new([5; 32]))]);
    let node = RangePart::Node(CHAIN);
    let parts = vec![RangePart::Split, RangePart::Empty, RangePart::Leaf(leaf), node, RangePart::Within];
    let parts = List::truncated(parts);
    vec![
        sample("inclusion proof", &inclusion),
        sample("chain proof", &chain),
        sample("summary proof", &SummaryProof { summary: summary(6), inclusion, chain }),
        sample("state proof: present", &StateProof { leaf: Some(leaf), siblings: siblings.clone() }),
        sample("state proof: absent", &StateProof { leaf: None, siblings }),
        sample("range proof", &RangeProof { parts }),
    ]
}

fn messages() -> Vec<Sample> {
    let envelope = |message| Envelope { epoch: Epoch::new(1), view: View::new(9), floor: View::new(6), message };
    let justification = vec![Certificate::Nullification(nullification())];
    let proposal = Proposal {
        vote: vote(2, Vote::Notarize(notarize())),
        block: block(),
        justification: List::truncated(justification.clone()),
    };
    let run = Run {
        blocks: List::truncated(vec![block()]),
        link: List::truncated(vec![block().header]),
        finalization: finalization(),
    };
    let view_proof = ViewProof {
        question: CHAIN,
        memory: Memory::Asking,
        entry: Some(Certificate::Nullification(nullification())),
        yours: List::truncated(vec![vote(2, nullify(None))]),
    };
    let remembers = |memory| ViewProof { question: CHAIN, memory, entry: None, yours: List::empty() };
    let opening = EpochRecord { epoch: Epoch::new(2), set: validators(), boundary: finalization() };
    let abstaining = Standing::Abstaining { question: CHAIN, epoch: Epoch::new(1), to: View::new(11) };
    let messages = [
        ("message: vote", Message::Vote(vote(2, nullify(None)))),
        ("message: proposal", Message::Proposal(Box::new(proposal))),
        ("message: certificates", Message::Certificates(List::truncated(justification))),
        ("message: status", Message::Status),
        ("message: get certificates", Message::GetCertificates { from: View::new(2), to: View::new(5) }),
        ("message: get block", Message::GetBlock { digest: CHAIN }),
        ("message: block", Message::Block(Box::new(block()))),
        ("message: get run", Message::GetRun { above: Height::new(40) }),
        ("message: run", Message::Run(Box::new(run))),
        ("message: evidence", Message::Evidence(List::truncated(vec![evidence()]))),
        ("message: fork", Message::Fork(Box::new(fork_proof()))),
        ("message: get view", Message::GetView { question: CHAIN }),
        ("message: view", Message::View(Box::new(view_proof))),
        ("message: view, whole", Message::View(Box::new(remembers(Memory::Whole)))),
        ("message: view, lost", Message::View(Box::new(remembers(Memory::Lost)))),
    ];
    let records = [
        ("record: vote", Record::Vote(vote(2, nullify(None)))),
        ("record: certificate", Record::Certificate(Certificate::Finalization(finalization()))),
        ("record: block", Record::Block(Box::new(block()))),
        ("record: evidence", Record::Evidence(evidence())),
        ("record: whole", Record::Standing(Standing::Whole { question: CHAIN })),
        ("record: recovering", Record::Standing(Standing::Recovering { question: CHAIN, above: View::new(4) })),
        ("record: abstaining", Record::Standing(abstaining)),
        ("record: doubled", Record::Standing(Standing::Doubled { vote: Some(vote(2, nullify(None))) })),
        ("record: doubled, by a batch", Record::Standing(Standing::Doubled { vote: None })),
        ("record: settled", Record::Standing(Standing::Settled { question: CHAIN, epoch: Epoch::new(1) })),
        ("record: epoch", Record::Epoch(Box::new(opening))),
    ];
    let messages = messages.map(|(name, message)| sample(name, &envelope(message)));
    messages.into_iter().chain(records.map(|(name, record)| sample(name, &record))).collect()
}

/// Every sample.
pub(crate) fn all() -> Vec<Sample> {
    [transactions(), state(), batches(), agreement(), proofs(), messages()].into_iter().flatten().collect()
}
