//! The clients of a simulated network: what they ask for, and whom they ask.
//!
//! Their transactions carry real signatures, which are verified once for the whole simulation. Some expire soon, some
//! cannot be paid, some bytes are sent to several validators or again later, and some are numbered in lanes.

use std::collections::BTreeMap;

use althing_genesis::{DevNetwork, DevRole, dev_key};
use althing_types::{
    Action, Address, AssetId, AuthPolicy, AuthProof, Bytes, Hash, List, Replay, SecretKey, SignedTransaction, TimeMs,
    TransactionBody, Verified,
};

use super::random::Random;

/// Funded accounts.
pub(crate) const ACCOUNTS: u16 = 6;
/// Lanes of numbered transactions for each account.
const LANES: u32 = 2;
/// Transactions that clients may send once more.
const REMEMBERED_MAX: usize = 32;

/// A transaction on its way to a validator.
pub(crate) type Submission = Verified<SignedTransaction>;

/// The clients.
pub(crate) struct Clients {
    chain: Hash,
    asset: AssetId,
    keys: Vec<(SecretKey, Address)>,
    salt: u64,
    /// The number that each lane uses next.
    numbers: BTreeMap<(usize, u32), u64>,
    remembered: Vec<Submission>,
}

impl Clients {
    /// Clients of the accounts of a development network.
    pub(crate) fn new(network: &DevNetwork, chain: Hash, asset: AssetId) -> Self {
        let key =
            |index: u16| (dev_key(&network.seed, DevRole::Account, u32::from(index)), network.account_address(index));
        let keys = (0..ACCOUNTS).map(key).collect();
        Self { chain, asset, keys, salt: 0, numbers: BTreeMap::new(), remembered: Vec::new() }
    }

    /// The next transaction at this wall time. While nothing is to go wrong it is one that can be executed.
    pub(crate) fn next(&mut self, random: &mut Random, wall: TimeMs, careful: bool) -> Submission {
        if !careful && random.chance(80) && !self.remembered.is_empty() {
            return random.pick(&self.remembered).clone();
        }
        let from = random.below(u64::from(ACCOUNTS)) as usize;
        let replay = self.replay(random, from, wall, careful);
        let overdrawn = !careful && random.chance(60);
        let amount = if overdrawn { u128::from(u64::MAX) } else { u128::from(random.between(1, 1_000_000)) };
        let transaction = self.sign(random, from, replay, amount);
        let transaction = transaction.verify().expect("clients sign well");
        if self.remembered.len() >= REMEMBERED_MAX {
            self.remembered.remove(0);
        }
        self.remembered.push(transaction.clone());
        transaction
    }

    fn replay(&mut self, random: &mut Random, from: usize, wall: TimeMs, careful: bool) -> Replay {
        if random.chance(250) {
            let lane = random.below(u64::from(LANES)) as u32;
            let next = self.numbers.entry((from, lane)).or_default();
            // A number is left out now and then; everything behind it waits or is passed over, for good.
            let seq = if !careful && random.chance(20) { *next + 1 } else { *next };
            *next = seq + 1;
            return Replay::Sequence { lane, seq };
        }
        self.salt += 1;
        let lives_ms = if careful { 300_000 } else { *random.pick(&[200, 1_500, 8_000, 60_000, 60_000, 700_000]) };
        Replay::Expiring { valid_until: wall.plus(lives_ms), salt: self.salt }
    }

    fn sign(&self, random: &mut Random, from: usize, replay: Replay, amount: u128) -> SignedTransaction {
        let (key, sender) = &self.keys[from];
        let (_, to) = random.pick(&self.keys);
        let body = TransactionBody {
            chain: self.chain,
            sender: *sender,
            replay,
            gas_limit: 100_000,
            sponsor: None,
            action: Action::Transfer { asset: self.asset, to: *to, amount },
            trees: List::empty(),
            memo: Bytes::default(),
            ext: List::empty(),
        };
        let sigs = List::truncated(vec![(key.public_key(), key.sign(&body.sign_hash()))]);
        let auth = AuthProof { who: *sender, reveal: Some(AuthPolicy::Key(key.public_key())), sigs };
        SignedTransaction::V1 { body, auth: List::truncated(vec![auth]) }
    }
}
