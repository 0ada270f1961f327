//! The chain that harnesses speak of, its validators, and what they say to each other when all goes well.

mod disk;
mod traffic;
mod validator;

use std::sync::LazyLock;

use althing_genesis::{DevNetwork, DevRole, Genesis, dev_key};
use althing_mempool::Candidate;
use althing_types::{
    Action, AssetId, AuthPolicy, AuthProof, Bytes, Committee, List, Replay, SignedTransaction, TimeMs, TransactionBody,
    ValidatorIndex,
};

pub(crate) use self::disk::Disk;
pub(crate) use self::traffic::{Traffic, traffic};
pub(crate) use self::validator::{Said, Validator};
use crate::keys::LooseKeys;

/// Validators of the chain.
pub(crate) const VALIDATORS: u16 = 4;
/// Which of them is under test: the last.
pub(crate) const ME: ValidatorIndex = ValidatorIndex::new(VALIDATORS - 1);
/// Wall time at the start, which is also that of genesis.
pub(crate) const WALL_MS: u64 = 1_760_000_000_000;
/// Funded accounts.
const ACCOUNTS: u16 = 3;
/// What all keys are derived from.
const SEED: &str = "fuzzing";

/// A chain.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) genesis: Genesis,
    pub(crate) committee: Committee,
}

static SLOW: LazyLock<Chain> = LazyLock::new(|| Chain::new(VALIDATORS, false));
static FAST: LazyLock<Chain> = LazyLock::new(|| Chain::new(VALIDATORS, true));
static COMMITTEES: LazyLock<Vec<Committee>> = LazyLock::new(|| {
    let others = [(1, false), (7, true), (10, false)].map(|(validators, fast)| Chain::new(validators, fast).committee);
    [&*SLOW, &*FAST].into_iter().map(|chain| chain.committee.clone()).chain(others).collect()
});
static SUBMISSIONS: LazyLock<Vec<Candidate>> = LazyLock::new(|| (0..32).map(submission).collect());

/// The chain with the slow path alone.
pub(crate) fn chain() -> &'static Chain {
    &SLOW
}

/// The same with the fast path on, which is another chain.
pub(crate) fn fast_chain() -> &'static Chain {
    &FAST
}

/// Committees of several sizes, with the fast path on and off.
pub(crate) fn committees() -> &'static [Committee] {
    &COMMITTEES
}

/// The keys of a validator.
pub(crate) fn keys(index: u16) -> LooseKeys {
    let of = |index: ValidatorIndex| chain().committee.set.get(index).map(|validator| validator.key);
    let (mine, guarded) = (of(ValidatorIndex::new(index)), of(ME));
    LooseKeys::new(mine.expect("one of the four"), guarded.expect("one of the four"))
}

/// Transactions of clients, verified.
pub(crate) fn submissions() -> &'static [Candidate] {
    &SUBMISSIONS
}

impl Chain {
    fn new(validators: u16, fast_path: bool) -> Self {
        let network = network(validators);
        let mut document = network.build().expect("a development network").document().clone();
        document.consensus.fast_path = fast_path;
        document.consensus.k = 8;
        let genesis = Genesis::new(document).expect("a development network");
        Self { committee: genesis.committee(), genesis }
    }
}

fn network(validators: u16) -> DevNetwork {
    DevNetwork {
        chain_id: SEED.to_owned(),
        seed: SEED.to_owned(),
        validators,
        observers: 0,
        accounts: ACCOUNTS,
        p2p_base_port: 26_700,
        time: TimeMs::new(WALL_MS),
    }
}

/// A transfer, really signed: numbered in a lane, or with a time until which it is good.
pub(crate) fn transfer(number: u64) -> SignedTransaction {
    let (network, genesis) = (network(VALIDATORS), &chain().genesis);
    let from = u16::try_from(number % u64::from(ACCOUNTS)).unwrap_or_default();
    let key = dev_key(&network.seed, DevRole::Account, u32::from(from));
    let sender = network.account_address(from);
    let to = network.account_address((from + 1) % ACCOUNTS);
    let asset = AssetId::of_genesis(&genesis.first_asset().expect("a development network has one").symbol);
    let replay = match number % 4 {
        0 => Replay::Sequence { lane: 0, seq: number / 12 },
        _ => Replay::Expiring { valid_until: TimeMs::new(WALL_MS + 60_000), salt: number },
    };
    let body = TransactionBody {
        chain: genesis.hash(),
        sender,
        replay,
        gas_limit: 100_000,
        sponsor: None,
        action: Action::Transfer { asset, to, amount: 1 + u128::from(number) },
        trees: List::empty(),
        memo: Bytes::default(),
        ext: List::empty(),
    };
    let sigs = List::truncated(vec![(key.public_key(), key.sign(&body.sign_hash()))]);
    let auth = AuthProof { who: sender, reveal: Some(AuthPolicy::Key(key.public_key())), sigs };
    SignedTransaction::V1 { body, auth: List::truncated(vec![auth]) }
}

fn submission(number: u64) -> Candidate {
    let transaction = transfer(number).verify().expect("clients sign well");
    Candidate::new(transaction, 0)
}
