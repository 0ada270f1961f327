//! An account: its record and the balance of every asset of the chain, present or proven absent.

use std::collections::BTreeMap;

use althing_rpc::api::{AccountAnswer, AccountLaneView, Decimal, Hex, PolicyKeyView, PolicyView, ProvenKey};
use althing_types::{
    Account, Address, AddressPrefix, AssetId, AuthPolicy, Committee, Height, StateKey, StateProof, Summary, decode,
    encode,
};

use super::{Unverified, Verification, certified_summary, check_encoding, decoded, refused, same};

/// Bytes of a value of the state that is decoded here at most.
const VALUE_BYTES_MAX: usize = 8 * 1024;

/// What was asked about an account.
#[derive(Clone, Debug)]
pub struct AskedAccount<'a> {
    /// The account.
    pub address: Address,
    /// How addresses of the chain begin.
    pub prefix: &'a AddressPrefix,
    /// The height, if one was asked for.
    pub at: Option<Height>,
    /// All assets that the chain's genesis names, with their symbols: the balance of each must be proven, so that none
    /// can be left out.
    pub assets: &'a [(String, AssetId)],
}

/// Checks the answer of `account_get`. The time in the answer is the one value that no proof covers.
pub fn verify_account(
    answer: &AccountAnswer,
    asked: &AskedAccount<'_>,
    committee: &Committee,
) -> Result<Verification, Unverified> {
    let address = asked.address;
    let proof = answer.proof.as_ref().ok_or(Unverified::NoProof)?;
    check_encoding(&proof.encoding)?;
    let (summary, verification) = certified_summary(&proof.summary_proof, committee)?;
    let about = Address::from_text(&answer.address, asked.prefix);
    let about = about.map_err(|_| Unverified::Missing { what: "which account it is about".to_owned() })?;
    same("the account", about.to_text(asked.prefix), address.to_text(asked.prefix))?;
    if let Some(at) = asked.at {
        same("the height that was asked for", summary.height, at)?;
    }
    same("the height", answer.context.height, Decimal(summary.height))?;
    same("the block", answer.context.block_hash.0, summary.block)?;
    same("the state root", answer.context.state_root.0, summary.state_root)?;
    let proven = Proven { keys: &proof.state_proofs, summary };
    check_balances(answer, address, asked.assets, &proven)?;
    check_record(answer, address, &proven)?;
    Ok(verification)
}

/// The keys that an answer proves, under a state root that is certified.
struct Proven<'a> {
    keys: &'a [ProvenKey],
    summary: Summary,
}

impl Proven<'_> {
    /// The proven value under a key; nothing if its absence is proven.
    fn value(&self, key: &StateKey, what: &str) -> Result<Option<Vec<u8>>, Unverified> {
        let bytes = encode(key);
        let proven = self.keys.iter().find(|proven| proven.key.0 == bytes);
        let proven = proven.ok_or_else(|| Unverified::Missing { what: what.to_owned() })?;
        let path: StateProof = decoded("a path", &proven.proof)?;
        let value = proven.value.as_ref().map(|value| value.0.clone());
        path.verify(&self.summary.state_root, key, value.as_deref()).map_err(|error| refused(what, error))?;
        Ok(value)
    }
}

fn check_balances(
    answer: &AccountAnswer,
    address: Address,
    assets: &[(String, AssetId)],
    proven: &Proven<'_>,
) -> Result<(), Unverified> {
    let mut shown: BTreeMap<&str, u128> = BTreeMap::new();
    for (symbol, asset) in assets {
        let what = format!("the balance of {symbol}");
        let value = proven.value(&StateKey::Balance(address, *asset), &what)?;
        let amount: u128 = match &value {
            None => 0,
            Some(bytes) => {
                decode(bytes, VALUE_BYTES_MAX).map_err(|error| Unverified::Decode { what: "a balance", error })?
            }
        };
        if amount > 0 {
            shown.insert(symbol, amount);
        }
    }
    for (symbol, amount) in &answer.balances {
        same(&format!("the balance of {symbol}"), amount.0, shown.remove(symbol.as_str()).unwrap_or(0))?;
    }
    match shown.first_key_value() {
        None => Ok(()),
        Some((symbol, amount)) => same(&format!("the balance of {symbol}"), 0, *amount),
    }
}

fn check_record(answer: &AccountAnswer, address: Address, proven: &Proven<'_>) -> Result<(), Unverified> {
    let value = proven.value(&StateKey::Account(address), "the account's record")?;
    let record: Option<Account> = match &value {
        None => None,
        Some(bytes) => Some(
            decode(bytes, VALUE_BYTES_MAX)
                .map_err(|error| Unverified::Decode { what: "the account's record", error })?,
        ),
    };
    let shown = match &record {
        None => (None, Vec::new(), false),
        Some(Account::V1 { policy, lanes, flags }) => {
            let lanes = lanes.iter().map(|lane| AccountLaneView { lane: lane.lane, next: Decimal(lane.next) });
            (Some(policy), lanes.collect(), flags & Account::FROZEN != 0)
        }
    };
    let policy_differs = match (&answer.policy, shown.0) {
        (None, None) => false,
        (Some(said), Some(shown)) => !is_same_policy(said, shown),
        _ => true,
    };
    if policy_differs || answer.lanes != shown.1 || answer.frozen != shown.2 {
        return Err(Unverified::Differs {
            what: "the account's policy, lanes or state".to_owned(),
            said: "otherwise".to_owned(),
            shown: format!("{record:?}"),
        });
    }
    Ok(())
}

fn is_same_policy(said: &PolicyView, shown: &AuthPolicy) -> bool {
    match (said, shown) {
        (PolicyView::Key { key }, AuthPolicy::Key(shown)) => key.0 == *shown,
        (PolicyView::Threshold { need, keys }, AuthPolicy::Threshold { need: shown_need, keys: shown }) => {
            let views = shown.iter().map(|entry| PolicyKeyView { key: Hex(entry.key), weight: entry.weight });
            need == shown_need && keys.iter().copied().eq(views)
        }
        _ => false,
    }
}
