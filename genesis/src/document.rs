//! The genesis document as it is written: a JSON object whose shape is checked here and whose meaning is checked when
//! it becomes a [`crate::Genesis`].
//!
//! Hashes, keys and signatures are `0x` and lower-case hexadecimal digits; integers of 64 bits and more are decimal
//! texts, smaller ones are numbers. Unknown fields and repeated fields are refused.

use std::fmt;

use althing_types::{POLICY_KEYS_MAX, VALIDATORS_MAX};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _, MapAccess, Visitor};
use serde::{Serialize, Serializer};

use crate::error::{Fault, GenesisError};
use crate::genesis::{ACCOUNTS_MAX, ASSETS_MAX, OBSERVERS_MAX};
use crate::shape::{self, Object};

/// Bytes of a document that are read at most.
pub const DOCUMENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The form of document that this version reads and writes.
pub const SCHEMA: u32 = 1;

/// Characters of the parser's reason that an error repeats; a name of foreign length may stand in it.
const REASON_CHARS_MAX: usize = 400;

/// A genesis document.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct Document {
    /// The form of the document: [`SCHEMA`].
    pub schema: u32,
    /// The chain's name: 1 to 48 of a to z, 0 to 9 and the hyphen, beginning with a letter.
    pub chain_id: String,
    /// Whether this is a development network, whose keys may be known to everybody.
    #[serde(default)]
    pub dev: bool,
    /// How addresses of this chain begin; `alt`, or `talt` on a development network, if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_prefix: Option<String>,
    /// The time of the first block, in UTC.
    pub genesis_time: String,
    /// How the validators agree.
    #[serde(deserialize_with = "shape::object")]
    pub consensus: ConsensusEntry,
    /// What holds for each transaction.
    #[serde(deserialize_with = "shape::object")]
    pub tx: TransactionsEntry,
    /// What a block can hold.
    #[serde(deserialize_with = "shape::object")]
    pub limits: LimitsEntry,
    /// The native assets.
    #[serde(default, deserialize_with = "shape::objects::<ASSETS_MAX, _, _>")]
    pub assets: Vec<AssetEntry>,
    /// Who holds what.
    #[serde(default, deserialize_with = "shape::objects::<ACCOUNTS_MAX, _, _>")]
    pub accounts: Vec<AccountEntry>,
    /// Who agrees.
    #[serde(deserialize_with = "shape::objects::<VALIDATORS_MAX, _, _>")]
    pub validators: Vec<ValidatorEntry>,
    /// Nodes that may connect without voting.
    #[serde(default, deserialize_with = "shape::objects::<OBSERVERS_MAX, _, _>")]
    pub observers: Vec<ObserverEntry>,
    /// Who may bring the chain back when the validators cannot.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "shape::optional_object")]
    pub recovery: Option<RecoveryEntry>,
    /// Approvals by validators. Not part of the hash, because they sign it.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "shape::objects::<VALIDATORS_MAX, _, _>"
    )]
    pub signatures: Vec<SignatureEntry>,
}

/// Parameters of agreement; see `althing_types::ConsensusParams`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct ConsensusEntry {
    /// Validators that may be faulty.
    pub f: u16,
    /// Whether a block is final after two message delays when all but p validators answer (specification, section 12).
    pub fast_path: bool,
    /// The bound on a message's delay.
    pub delta_ms: u32,
    /// The least time between two proposals.
    pub min_block_interval_ms: u32,
    /// Execution summaries that may be outstanding.
    pub k: u16,
    /// How far a block's time may be ahead of a voter's clock.
    pub max_clock_skew_ms: u32,
    /// How long a client may rely on an old validator set.
    pub trust_period_days: u16,
}

/// Parameters of transactions; see `althing_types::TransactionParams`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct TransactionsEntry {
    /// How far ahead a transaction's end of validity may lie.
    pub max_window_ms: u32,
}

/// Limits of a block; see `althing_types::LimitParams`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct LimitsEntry {
    /// Bytes of the batches that a block orders.
    pub block_bytes_max: u32,
    /// Transactions in a block.
    pub block_transactions_max: u32,
    /// Gas of a block, as text.
    pub block_gas_max: String,
    /// Gas of a transaction, as text.
    pub transaction_gas_max: String,
}

/// A native asset.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct AssetEntry {
    /// Its short name, by which the document refers to it.
    pub symbol: String,
    /// Its name for people.
    pub name: String,
    /// How many digits of an amount stand after the point when people read it. Amounts themselves are integers.
    pub decimals: u8,
}

/// An account with its balances. An address, a key or a policy says whose it is; an address may stand beside one of
/// the others and must then be theirs.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct AccountEntry {
    /// Its address: text with the chain's prefix, or `0x` and 64 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Its only key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// Its keys with their weights.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "shape::optional_object")]
    pub policy: Option<PolicyEntry>,
    /// What it holds, by symbol.
    #[serde(default)]
    pub balances: Balances,
}

/// Keys with weights, of which enough must sign.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct PolicyEntry {
    /// The sum of weights that suffices.
    pub need: u16,
    /// The keys, in any order.
    #[serde(deserialize_with = "shape::objects::<POLICY_KEYS_MAX, _, _>")]
    pub keys: Vec<PolicyKeyEntry>,
}

/// A key and its weight.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct PolicyKeyEntry {
    /// The key.
    pub public_key: String,
    /// Its weight.
    pub weight: u16,
}

/// A validator.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct ValidatorEntry {
    /// Its name, in the form of a chain's name.
    pub name: String,
    /// The key that votes.
    pub public_key: String,
    /// The key of its network identity.
    pub node_key: String,
    /// Where other nodes reach it. Not part of the hash, because machines move.
    pub p2p_addr: String,
    /// Signatures by both keys over the binding of the two; see [`crate::BindingProof`].
    pub proof: String,
}

/// A node that does not vote.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct ObserverEntry {
    /// Its name, in the form of a chain's name.
    pub name: String,
    /// The key of its network identity.
    pub node_key: String,
}

/// Operators of whom enough may together recover a chain that cannot recover itself.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct RecoveryEntry {
    /// How many must sign.
    pub need: u16,
    /// Their keys.
    #[serde(deserialize_with = "shape::texts::<POLICY_KEYS_MAX, _>")]
    pub keys: Vec<String>,
}

/// A validator's approval of the whole document.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct SignatureEntry {
    /// The validator's name.
    pub validator: String,
    /// Its validator key's signature over [`crate::approval_hash`].
    pub signature: String,
}

/// Balances by symbol, in the order in which they are written. A symbol that stands twice is kept twice, so that
/// validation can name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Balances(pub Vec<(String, String)>);

impl Document {
    /// Reads the shape of a document. Whether it makes sense is for [`crate::Genesis::new`] to say.
    pub fn parse(bytes: &[u8]) -> Result<Self, GenesisError> {
        parse_json(bytes)
    }

    /// The document as text: fields in the order of this type, lists in the order that they have, two spaces of
    /// indentation, a line feed at the end.
    pub fn to_json(&self) -> String {
        pretty(self)
    }
}

impl ValidatorEntry {
    /// Reads an entry that stands alone in a file, as one organisation hands it to another.
    pub fn parse(bytes: &[u8]) -> Result<Self, GenesisError> {
        parse_json(bytes)
    }

    /// The entry as text, in the same form as [`Document::to_json`].
    pub fn to_json(&self) -> String {
        pretty(self)
    }
}

impl SignatureEntry {
    /// Reads an approval that stands alone in a file.
    pub fn parse(bytes: &[u8]) -> Result<Self, GenesisError> {
        parse_json(bytes)
    }

    /// The approval as text, in the same form as [`Document::to_json`].
    pub fn to_json(&self) -> String {
        pretty(self)
    }
}

impl<'de> Deserialize<'de> for Balances {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Balances;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of symbols and decimal texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Balances, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    if pairs.len() >= ASSETS_MAX {
                        return Err(A::Error::custom(format_args!("more than {ASSETS_MAX} entries")));
                    }
                    pairs.push(pair);
                }
                Ok(Balances(pairs))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

impl Serialize for Balances {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(symbol, amount)| (symbol, amount)))
    }
}

fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, GenesisError> {
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(Fault::TooLong { length: bytes.len(), max: DOCUMENT_BYTES_MAX }.at("document"));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let Object(value) = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| json_error(&error.path().to_string(), &error.inner().to_string()))?;
    reader.end().map_err(|error| json_error(".", &error.to_string()))?;
    Ok(value)
}

/// The parser reports a missing or repeated field at the object around it; we name the field itself.
fn json_error(path: &str, reason: &str) -> GenesisError {
    let around = if path == "." { "" } else { path };
    let named = |prefix: &str| reason.strip_prefix(prefix).and_then(|rest| rest.split('`').next());
    let field = |name: &str| if around.is_empty() { name.to_owned() } else { format!("{around}.{name}") };
    if let Some(name) = named("missing field `") {
        return Fault::Missing.at(field(name));
    }
    if let Some(name) = named("duplicate field `") {
        return Fault::RepeatedField.at(field(name));
    }
    let path = if around.is_empty() { "document".to_owned() } else { around.chars().take(REASON_CHARS_MAX).collect() };
    Fault::Json { reason: reason.chars().take(REASON_CHARS_MAX).collect() }.at(path)
}

fn pretty<T: Serialize>(value: &T) -> String {
    // The types of this file hold only texts, numbers and lists, which always have a JSON form.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}
