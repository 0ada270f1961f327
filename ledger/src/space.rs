//! The keyspaces of the ledger's store, and how their keys are built.
//!
//! Heights, indices and numbers are big-endian in keys, so that the order of the keys is theirs. Values are borsh. The
//! place of a keyspace in [`SPACES`] is its number; the two are held together by the constants here.

use althing_storage::{Space, SpaceOptions};
use althing_types::{Address, Epoch, Height, StateKey, ValidatorIndex, encode};

/// The form of what is stored. A store of another form is refused.
pub const SCHEMA_VERSION: u32 = 5;

/// Names of the few values of their own: form, chain, head.
pub(crate) const META: Space = Space(0);
/// Height: header.
pub(crate) const HEADER: Space = Space(1);
/// Height: body.
pub(crate) const BODY: Space = Space(2);
/// Height: the Finalization of the block of that height, where there is one of its own.
pub(crate) const FINALIZATION: Space = Space(3);
/// Height: the places of its executed transactions in their batches, in the order of execution.
pub(crate) const INCLUDED: Space = Space(4);
/// Height and index: receipt.
pub(crate) const RECEIPT: Space = Space(5);
/// Epoch, lane and number: signed batch.
pub(crate) const BATCH: Space = Space(6);
/// Transaction id: where it was executed.
pub(crate) const TX_AT: Space = Space(7);
/// Block id: height.
pub(crate) const HEIGHT_OF: Space = Space(8);
/// Height: summary, and the version of the state tree.
pub(crate) const SUMMARY: Space = Space(9);
/// Height: the height of the block that carries its summary.
pub(crate) const CARRIER: Space = Space(10);
/// State key: latest value.
pub(crate) const STATE: Space = Space(11);
/// State key and falling height: the value from that height on, or that there is none.
pub(crate) const STATE_AT: Space = Space(12);
/// Version and path: page of the state tree.
pub(crate) const NODE: Space = Space(13);
/// Address, height and index: id of a transaction that names the account.
pub(crate) const HISTORY: Space = Space(14);
/// Height and place in the block: evidence.
pub(crate) const EVIDENCE: Space = Space(15);
/// Epoch, validator, height and place in the block: nothing; the key says who is accused where.
pub(crate) const ACCUSED: Space = Space(16);
/// Version: the keys of the pages of the state tree that it replaced.
pub(crate) const NODE_STALE: Space = Space(17);
/// Height: the keys of the state that the block of the height changed.
pub(crate) const STATE_STALE: Space = Space(18);
/// Epoch: the height of its last block.
pub(crate) const BOUNDARY: Space = Space(19);
/// Tree key: the encoded key of the state that it is the hash of, of every key that ever had a value.
pub(crate) const RAW_KEY: Space = Space(20);
/// Height, each [`CUT_EVERY`] of them: the tips of all lanes after its block.
pub(crate) const CUT: Space = Space(21);

/// The keyspaces whose keys begin with a height, and that pruning empties from below.
pub(crate) const BY_HEIGHT: &[Space] =
    &[HEADER, BODY, FINALIZATION, INCLUDED, RECEIPT, SUMMARY, CARRIER, STATE_STALE, CUT];

/// What the store must be opened with.
pub const SPACES: &[SpaceOptions] = &[
    keyspace("meta", Use::Points),
    keyspace("header", Use::Ranges),
    keyspace("body", Use::Ranges),
    keyspace("finalization", Use::Ranges),
    keyspace("included", Use::Ranges),
    keyspace("receipt", Use::Ranges),
    SpaceOptions { name: "batch", point_reads: false, compress: true, large_values: true },
    keyspace("tx_at", Use::Points),
    keyspace("height_of", Use::Points),
    keyspace("summary", Use::Ranges),
    keyspace("carrier", Use::Ranges),
    keyspace("state", Use::Points),
    keyspace("state_at", Use::Ranges),
    // Hashes do not compress.
    SpaceOptions { name: "node", point_reads: true, compress: false, large_values: false },
    keyspace("history", Use::Ranges),
    keyspace("evidence", Use::Ranges),
    keyspace("accused", Use::Ranges),
    keyspace("node_stale", Use::Ranges),
    keyspace("state_stale", Use::Ranges),
    keyspace("boundary", Use::Ranges),
    // Half of each entry is a hash.
    SpaceOptions { name: "raw_key", point_reads: true, compress: false, large_values: false },
    keyspace("cut", Use::Ranges),
];

/// How most reads of a keyspace go.
#[derive(Clone, Copy)]
enum Use {
    /// One key, which may be absent.
    Points,
    /// Neighbouring keys, or keys that are there.
    Ranges,
}

const fn keyspace(name: &'static str, reads: Use) -> SpaceOptions {
    SpaceOptions { name, point_reads: matches!(reads, Use::Points), compress: true, large_values: false }
}

/// The form of the store, in [`META`].
pub(crate) const META_SCHEMA: &[u8] = b"schema";
/// The genesis hash, in [`META`].
pub(crate) const META_CHAIN: &[u8] = b"chain";
/// The last committed block, in [`META`].
pub(crate) const META_HEAD: &[u8] = b"head";

/// How far the store is pruned, in [`META`]; absent in a store that nothing was removed from.
pub(crate) const META_PRUNED: &[u8] = b"pruned";

/// Heights from one stored cut to the next.
pub(crate) const CUT_EVERY: u64 = 16;

/// How far a ledger is that is built of a snapshot, in [`META`]; absent in a ledger.
pub(crate) const META_RESTORE: &[u8] = b"restore";

/// Bytes of a height in a key.
pub(crate) const HEIGHT_BYTES: usize = 8;
/// The first byte of each encoded balance key; a test holds it against the type.
const BALANCE_TAG: u8 = 7;
/// The first byte of each encoded asset key; a test holds it against the type.
const ASSET_TAG: u8 = 6;

/// The key of a height.
pub(crate) fn by_height(height: Height) -> Vec<u8> {
    height.get().to_be_bytes().to_vec()
}

/// The key of an epoch.
pub(crate) fn by_epoch(epoch: Epoch) -> Vec<u8> {
    epoch.get().to_be_bytes().to_vec()
}

/// The key of a place in a height.
pub(crate) fn by_index(height: Height, index: u32) -> Vec<u8> {
    [&height.get().to_be_bytes()[..], &index.to_be_bytes()].concat()
}

/// The key of a batch.
pub(crate) fn by_batch(epoch: Epoch, lane: u32, seq: u64) -> Vec<u8> {
    [&epoch.get().to_be_bytes()[..], &lane.to_be_bytes(), &seq.to_be_bytes()].concat()
}

/// The key of a state value that holds from a height on. The height falls, so that the first key from there upwards is
/// the newest one that is not newer.
pub(crate) fn state_at(state_key: &[u8], height: Height) -> Vec<u8> {
    [state_key, &(u64::MAX ^ height.get()).to_be_bytes()].concat()
}

/// The first key above all versions of a state value, if no state key begins another.
pub(crate) fn above_versions(state_key: &[u8]) -> Vec<u8> {
    [state_key, &[0xff; HEIGHT_BYTES], &[0]].concat()
}

/// The key of an account's part in a transaction.
pub(crate) fn by_account(address: &Address, height: Height, index: u32) -> Vec<u8> {
    [&encode(address)[..], &by_index(height, index)].concat()
}

/// The key of an accusation.
pub(crate) fn by_culprit(epoch: Epoch, culprit: ValidatorIndex, height: Height, index: u32) -> Vec<u8> {
    [&epoch.get().to_be_bytes()[..], &culprit.get().to_be_bytes(), &by_index(height, index)].concat()
}

/// The first key of an epoch's accusations, and the first above them all; none if there is none above.
pub(crate) fn culprits_of(epoch: Epoch) -> (Vec<u8>, Option<Vec<u8>>) {
    let prefix = by_epoch(epoch);
    let above = above_prefix(&prefix);
    (prefix, above)
}

/// What all balance keys of an account begin with.
pub(crate) fn balances_of(address: &Address) -> Vec<u8> {
    encode(&(BALANCE_TAG, address))
}

/// What all asset keys begin with.
pub(crate) fn assets() -> Vec<u8> {
    vec![ASSET_TAG]
}

/// The first key above all that begin with `prefix`; none if there is none.
pub(crate) fn above_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut bound = prefix.to_vec();
    while let Some(last) = bound.pop() {
        if let Some(next) = last.checked_add(1) {
            bound.push(next);
            return Some(bound);
        }
    }
    None
}

/// The bytes of a state key without the height behind them; none if there is no height behind them.
pub(crate) fn without_height(key: &[u8]) -> Option<&[u8]> {
    key.len().checked_sub(HEIGHT_BYTES).and_then(|end| key.get(..end))
}

/// The key of the latest value of a place in the state.
pub(crate) fn state(key: &StateKey) -> Vec<u8> {
    encode(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use althing_types::{AssetId, Hash, Text};

    #[test]
    fn constants_and_list_agree() {
        let named = [
            (META, "meta"),
            (HEADER, "header"),
            (BODY, "body"),
            (FINALIZATION, "finalization"),
            (INCLUDED, "included"),
            (RECEIPT, "receipt"),
            (BATCH, "batch"),
            (TX_AT, "tx_at"),
            (HEIGHT_OF, "height_of"),
            (SUMMARY, "summary"),
            (CARRIER, "carrier"),
            (STATE, "state"),
            (STATE_AT, "state_at"),
            (NODE, "node"),
            (HISTORY, "history"),
            (EVIDENCE, "evidence"),
            (ACCUSED, "accused"),
            (NODE_STALE, "node_stale"),
            (STATE_STALE, "state_stale"),
            (BOUNDARY, "boundary"),
            (RAW_KEY, "raw_key"),
            (CUT, "cut"),
        ];
        let listed: Vec<&str> = SPACES.iter().map(|space| space.name).collect();
        assert_eq!(listed, named.map(|(_, name)| name));
        assert!(named.iter().enumerate().all(|(place, (space, _))| usize::from(space.0) == place));
    }

    #[test]
    fn prefixes_are_those_of_the_keys() {
        let address = Address::new([3; 32]);
        let asset = AssetId::of_genesis(&"USD".parse().expect("a symbol"));
        assert!(state(&StateKey::Balance(address, asset)).starts_with(&balances_of(&address)));
        assert!(state(&StateKey::Asset(asset)).starts_with(&assets()));
    }

    #[test]
    fn versions_of_a_key_fall_and_end_before_the_next_key() {
        let key = state(&StateKey::System(Text::new("a").expect("short")));
        let at = |height| state_at(&key, Height::new(height));
        assert!(at(9) < at(8) && at(8) < at(0));
        assert!(at(0) < above_versions(&key) && at(u64::MAX) >= key);
        assert_eq!(without_height(&at(8)), Some(&key[..]));
        let next = state(&StateKey::Code(Hash::ZERO));
        assert!(above_versions(&key) < next);
    }

    #[test]
    fn the_bound_of_a_prefix_carries() {
        assert_eq!(above_prefix(&[1, 0xff]), Some(vec![2]));
        assert_eq!(above_prefix(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(above_prefix(&[0xff, 0xff]), None);
    }
}
