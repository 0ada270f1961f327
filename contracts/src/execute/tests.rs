//! Execution against a state in memory: one table or more per rule, and properties over random transactions.

mod actions;
mod authority;
mod gas;
mod properties;
mod replay;

use std::collections::BTreeMap;

use althing_types::{
    Account, AccountLane, Action, Address, AssetId, AuthPolicy, AuthProof, Bytes, List, PublicKey, Replay, SecretKey,
    Signature, Sponsorship, WeightedKey, encode,
};

use super::*;
use crate::record::{AssetRecord, decode_account, decode_balance, encode_balance};

const CHAIN: Hash = Hash::new([0xc4; 32]);
const NOW_MS: u64 = 1_000_000;
const PLENTY: u64 = 50_000_000;

/// A state in memory. Its reads never fail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct World(BTreeMap<StateKey, Vec<u8>>);

impl StateRead for World {
    type Error = std::convert::Infallible;

    fn read(&self, key: &StateKey) -> Result<Option<Vec<u8>>, Self::Error> {
        Ok(self.0.get(key).cloned())
    }
}

impl World {
    /// A world with the assets USD and EUR, of which each of these accounts holds 1,000.
    fn of(holders: &[Address]) -> Self {
        let mut world = Self::default();
        for symbol in ["USD", "EUR"] {
            let supply = 1_000 * holders.len() as u128;
            let name = althing_types::Text::default();
            let record = AssetRecord::V1 { symbol: symbol.parse().expect("valid"), name, decimals: 2, supply };
            world.0.insert(StateKey::Asset(asset(symbol)), record.to_bytes());
            for holder in holders {
                world.hold(*holder, symbol, 1_000);
            }
        }
        world
    }

    fn hold(&mut self, who: Address, symbol: &str, amount: u128) {
        self.apply(WriteSet::from([(StateKey::Balance(who, asset(symbol)), encode_balance(amount))]));
    }

    fn record(&mut self, who: Address, policy: &AuthPolicy, lanes: &[(u32, u64)], flags: u32) {
        let lanes = lanes.iter().map(|(lane, next)| AccountLane { lane: *lane, next: *next }).collect();
        let account = Account::V1 { policy: policy.clone(), lanes: List::truncated(lanes), flags };
        self.0.insert(StateKey::Account(who), encode(&account));
    }

    fn account(&self, who: Address) -> Option<Account> {
        self.0.get(&StateKey::Account(who)).map(|bytes| decode_account(bytes).expect("written by this room"))
    }

    fn balance(&self, who: Address, symbol: &str) -> u128 {
        let stored = self.0.get(&StateKey::Balance(who, asset(symbol)));
        stored.map_or(0, |bytes| decode_balance(bytes).expect("written by this room"))
    }

    fn apply(&mut self, writes: WriteSet) {
        for (key, value) in writes {
            match value {
                Some(value) => self.0.insert(key, value),
                None => self.0.remove(&key),
            };
        }
    }

    fn try_execute(&self, transaction: &SignedTransaction) -> Outcome {
        let context = BlockContext { height: Height::new(7), time: TimeMs::new(NOW_MS), params: ChainParams::DEFAULT };
        execute(transaction, transaction.id(), &context, self).unwrap_or_else(|never| match never {})
    }

    /// Executes a transaction that must not be skipped, and applies what it writes.
    fn execute(&mut self, transaction: &SignedTransaction) -> Receipt {
        let execution = executed(self.try_execute(transaction));
        self.apply(execution.writes);
        execution.receipt
    }
}

fn executed(outcome: Outcome) -> Execution {
    match outcome {
        Outcome::Executed(execution) => execution,
        Outcome::Skipped(reason) => panic!("skipped: {reason}"),
    }
}

/// A transaction in the making: who signs is independent of who should.
#[derive(Clone, Debug)]
struct Draft {
    body: TransactionBody,
    auth: Vec<(Address, Option<AuthPolicy>, Vec<u8>)>,
}

impl Draft {
    /// A transaction of the account of this key, which reveals its policy and signs.
    fn of(seed: u8, action: Action) -> Self {
        let sender = address(seed);
        let replay = Replay::Expiring { valid_until: TimeMs::new(NOW_MS), salt: 0 };
        let body = TransactionBody {
            chain: CHAIN,
            sender,
            replay,
            gas_limit: PLENTY,
            sponsor: None,
            action,
            trees: List::empty(),
            memo: Bytes::default(),
            ext: List::empty(),
        };
        Self { body, auth: vec![(sender, Some(key_policy(seed)), vec![seed])] }
    }

    fn replay(mut self, replay: Replay) -> Self {
        self.body.replay = replay;
        self
    }

    fn sequence(self, lane: u32, seq: u64) -> Self {
        self.replay(Replay::Sequence { lane, seq })
    }

    fn gas_limit(mut self, gas_limit: u64) -> Self {
        self.body.gas_limit = gas_limit;
        self
    }

    fn sponsor(mut self, payer: Address, reveal: Option<AuthPolicy>, seeds: &[u8]) -> Self {
        self.body.sponsor = Some(Sponsorship { payer, max_fee: 0 });
        self.auth.push((payer, reveal, seeds.to_vec()));
        self
    }

    /// Puts another account in the sender's place.
    fn sender(mut self, sender: Address, reveal: Option<AuthPolicy>, seeds: &[u8]) -> Self {
        self.body.sender = sender;
        self.auth[0] = (sender, reveal, seeds.to_vec());
        self
    }

    fn sign(&self) -> SignedTransaction {
        let hash = self.body.sign_hash();
        let proofs = self.auth.iter().map(|(who, reveal, seeds)| {
            let keys = seeds.iter().map(|seed| secret(*seed));
            let mut sigs: Vec<(PublicKey, Signature)> = keys.map(|key| (key.public_key(), key.sign(&hash))).collect();
            sigs.sort();
            AuthProof { who: *who, reveal: reveal.clone(), sigs: List::new(sigs).expect("few") }
        });
        let mut auth: Vec<AuthProof> = proofs.collect();
        auth.sort_by_key(|proof| proof.who);
        SignedTransaction::V1 { body: self.body.clone(), auth: List::new(auth).expect("few") }
    }
}

fn secret(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn key_policy(seed: u8) -> AuthPolicy {
    AuthPolicy::Key(secret(seed).public_key())
}

/// The account of one key.
fn address(seed: u8) -> Address {
    Address::of_policy(&key_policy(seed))
}

/// Keys with their weights.
fn threshold(need: u16, keys: &[(u8, u16)]) -> AuthPolicy {
    let keys = keys.iter().map(|(seed, weight)| WeightedKey { key: secret(*seed).public_key(), weight: *weight });
    let mut keys: Vec<WeightedKey> = keys.collect();
    keys.sort();
    AuthPolicy::Threshold { need, keys: List::new(keys).expect("few") }
}

fn asset(symbol: &str) -> AssetId {
    AssetId::of_genesis(&symbol.parse().expect("valid"))
}

fn transfer(to: Address, symbol: &str, amount: u128) -> Action {
    Action::Transfer { asset: asset(symbol), to, amount }
}

fn batch(actions: Vec<Action>) -> Action {
    Action::Batch(List::new(actions).expect("few"))
}
