//! The forms of the values that this room stores: assets, balances and accounts.

use althing_types::{Account, AssetSymbol, DecodeError, Text, decode, encode};
use borsh::{BorshDeserialize, BorshSerialize};

/// Bytes of an asset's name at most: as many as genesis allows.
const ASSET_NAME_BYTES_MAX: usize = 64;
/// Bytes of an asset's record at most: the two texts at their longest, each with its length, version, decimals, supply.
const ASSET_RECORD_BYTES_MAX: usize = 4 + 16 + 4 + ASSET_NAME_BYTES_MAX + 1 + 1 + 16;
/// Bytes of a balance: a u128.
const BALANCE_BYTES: usize = 16;
/// Bytes of an account's record at most: 32 keys of at most 64 bytes and 16 lanes of 12 bytes need about half of it.
const ACCOUNT_BYTES_MAX: usize = 4096;

/// What the state says about a native asset, at [`althing_types::StateKey::Asset`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum AssetRecord {
    /// The first form.
    V1 {
        /// The short name.
        symbol: AssetSymbol,
        /// The name for people.
        name: Text<ASSET_NAME_BYTES_MAX>,
        /// Digits after the point when an amount is shown, 0 to 38. Amounts themselves are integers.
        decimals: u8,
        /// The sum of all balances, in the smallest unit.
        supply: u128,
    } = 1,
}

impl AssetRecord {
    /// The stored bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads the stored bytes. An error means that the bytes are not what this room or genesis wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode(bytes, ASSET_RECORD_BYTES_MAX)
    }
}

/// The stored bytes of a balance: 16 bytes, little-endian; none for zero, which is not stored (N2).
pub fn encode_balance(amount: u128) -> Option<Vec<u8>> {
    (amount > 0).then(|| encode(&amount))
}

/// Reads a stored balance, in the asset's smallest unit. Absence stands for zero and is the caller's to know.
pub fn decode_balance(bytes: &[u8]) -> Result<u128, DecodeError> {
    decode(bytes, BALANCE_BYTES)
}

/// Reads a stored account.
pub fn decode_account(bytes: &[u8]) -> Result<Account, DecodeError> {
    decode(bytes, ACCOUNT_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use althing_types::{AccountLane, AuthPolicy, List, POLICY_KEYS_MAX, SecretKey, WeightedKey};

    #[test]
    fn the_largest_asset_record_can_be_read() {
        let symbol = "ABCDEFGHIJKLMNOP".parse().expect("16 letters");
        let name = Text::new("n".repeat(ASSET_NAME_BYTES_MAX)).expect("fits");
        let record = AssetRecord::V1 { symbol, name, decimals: 38, supply: u128::MAX };
        let bytes = record.to_bytes();
        assert_eq!(bytes.len(), ASSET_RECORD_BYTES_MAX);
        assert_eq!(AssetRecord::from_bytes(&bytes), Ok(record));
        assert!(AssetRecord::from_bytes(&bytes[1..]).is_err());
    }

    #[test]
    fn the_largest_account_can_be_read() {
        let key = SecretKey::from_seed(&[1; 32]).public_key();
        let keys = vec![WeightedKey { key, weight: u16::MAX }; POLICY_KEYS_MAX];
        let policy = AuthPolicy::Threshold { need: u16::MAX, keys: List::new(keys).expect("as many as allowed") };
        let lanes = List::truncated(vec![AccountLane { lane: u32::MAX, next: u64::MAX }; 100]);
        let account = Account::V1 { policy, lanes, flags: u32::MAX };
        assert_eq!(decode_account(&encode(&account)), Ok(account));
    }

    #[test]
    fn a_balance_of_zero_is_not_stored() {
        assert_eq!(encode_balance(0), None);
        for amount in [1, 256, u128::MAX] {
            let bytes = encode_balance(amount).expect("above zero");
            assert_eq!((bytes.len(), decode_balance(&bytes)), (BALANCE_BYTES, Ok(amount)));
        }
        assert_eq!(encode_balance(258), Some([2u8, 1].into_iter().chain([0; 14]).collect()));
    }
}
