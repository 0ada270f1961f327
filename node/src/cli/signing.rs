//! Making signed transactions from what a user gives: whose key, how long valid, and what makes it different from an
//! equal one.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use althing_client::{BuildError, TransactionBuilder, add_signature, assemble};
use althing_contracts::known_gas;
use althing_genesis::parse_time;
use althing_types::{
    Action, Address, AuthPolicy, Replay, SecretKey, SignedTransaction, TimeMs, TransactionBody, leaf_hash,
};
use clap::Args;

use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::key::Keys;
use crate::cli::remote::Chain;

/// How long a transaction is valid unless something else is said.
const VALID_FOR_DEFAULT: &str = "60s";

/// Whose key signs.
#[derive(Debug, Args)]
pub(crate) struct Signer {
    /// The key: its name in the keystore, or a file
    #[arg(long, value_name = "KEY")]
    pub(crate) key: String,
    /// A file whose one line is the key's password
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// The account, if it is another than the key's own
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) from: Option<String>,
}

/// How a second execution is refused, and what else a body holds.
#[derive(Debug, Args)]
pub(crate) struct Envelope {
    /// How long the transaction is valid: a number with ms, s or m
    #[arg(long, value_name = "TIME", default_value = VALID_FOR_DEFAULT, value_parser = parse_duration)]
    valid_for: u64,
    /// Until when it is valid, such as 2026-11-21T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_moment, conflicts_with = "valid_for")]
    valid_until: Option<TimeMs>,
    /// Makes repetitions of this command one transaction: give the same text and the same --valid-until each time
    #[arg(long, value_name = "TEXT", requires = "valid_until")]
    idempotency_key: Option<String>,
    /// Use the next number of a sequence lane instead of a time
    #[arg(long, value_name = "LANE:NUMBER", value_parser = parse_sequence, conflicts_with_all = ["valid_until", "valid_for"])]
    sequence: Option<(u32, u64)>,
    /// A remark that everybody can read, at most 256 bytes
    #[arg(long, value_name = "TEXT")]
    memo: Option<String>,
    /// The most gas that it may use [default: what it needs]
    #[arg(long, value_name = "GAS")]
    gas_limit: Option<u64>,
}

impl Signer {
    /// The key, and the account that it signs for.
    pub(crate) fn open(&self, keys: &Keys, chain: &Chain) -> Result<(SecretKey, Address), Failure> {
        let (file, key) = keys.open(&self.key, self.password_file.as_deref())?;
        file.check_chain(chain.genesis.is_dev()).map_err(|error| Failure::of_key(Path::new(&self.key), &error))?;
        let from = match &self.from {
            Some(text) => chain.address(text)?,
            None => own_address(&key),
        };
        Ok((key, from))
    }
}

impl Envelope {
    /// A body without a gas limit that suffices; see [`with_gas`].
    pub(crate) fn body(&self, chain: &Chain, sender: Address, action: Action) -> Result<TransactionBody, Failure> {
        let builder = TransactionBuilder::new(chain.genesis.hash(), sender, self.replay()?, action);
        let builder = builder.gas_limit(self.gas_limit.unwrap_or(0));
        let builder = match &self.memo {
            Some(memo) => builder.memo(memo)?,
            None => builder,
        };
        Ok(builder.build())
    }

    fn replay(&self) -> Result<Replay, Failure> {
        if let Some((lane, seq)) = self.sequence {
            return Ok(Replay::Sequence { lane, seq });
        }
        let valid_until = self.valid_until.unwrap_or_else(|| now().plus(self.valid_for));
        let salt = match &self.idempotency_key {
            Some(text) => {
                let hash = leaf_hash(text.as_bytes());
                let first = hash.as_bytes().first_chunk::<8>().expect("a hash has 32 bytes");
                u64::from_be_bytes(*first)
            }
            None => random()?,
        };
        Ok(Replay::Expiring { valid_until, salt })
    }

    /// Whether the user chose the gas limit.
    pub(crate) const fn has_gas_limit(&self) -> bool {
        self.gas_limit.is_some()
    }
}

/// The body with as much gas as it needs with so many signatures.
pub(crate) fn with_gas(mut body: TransactionBody, signatures: u8) -> TransactionBody {
    body.gas_limit = known_gas(&body, u64::from(signatures.max(1)));
    body
}

/// A transaction of one account, signed by one key.
pub(crate) fn signed(body: TransactionBody, key: &SecretKey) -> Result<SignedTransaction, Failure> {
    let who = body.sender;
    let auth = add_signature(&body, Vec::new(), who, reveal(who, key), key)?;
    Ok(assemble(body, auth)?)
}

/// The policy behind the address, where it is the key alone.
pub(crate) fn reveal(who: Address, key: &SecretKey) -> Option<AuthPolicy> {
    (own_address(key) == who).then(|| AuthPolicy::Key(key.public_key()))
}

/// The address of the account that a key stands for by itself.
fn own_address(key: &SecretKey) -> Address {
    Address::of_policy(&AuthPolicy::Key(key.public_key()))
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        let message = error.to_string();
        match error {
            BuildError::Memo { .. } => Self::usage(message),
            BuildError::Form(_) => Self::new(Exit::Rejected, "TX_MALFORMED", message),
            BuildError::Stranger { .. } => {
                Self::new(Exit::Key, "KEY_STRANGER", message).hint("name the account that it signs for with --from")
            }
        }
    }
}

/// Wall time.
#[expect(clippy::disallowed_methods, reason = "the command line is the user's own clock")]
pub(crate) fn now() -> TimeMs {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    TimeMs::new(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn random() -> Result<u64, Failure> {
    let mut bytes = [0; 8];
    let failed =
        |error: getrandom::Error| Failure::new(Exit::Failed, "INTERNAL", format!("no random numbers: {error}"));
    getrandom::fill(&mut bytes).map_err(failed)?;
    Ok(u64::from_be_bytes(bytes))
}

/// A duration in milliseconds.
pub(crate) fn parse_duration(text: &str) -> Result<u64, String> {
    let refuse = || "a number with ms, s or m, such as 60s".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(refuse)?;
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return Err(refuse()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(refuse)
}

fn parse_moment(text: &str) -> Result<TimeMs, String> {
    parse_time(text).ok_or_else(|| "a time in UTC, such as 2026-11-21T12:00:00Z".to_owned())
}

fn parse_sequence(text: &str) -> Result<(u32, u64), String> {
    let parsed = text.split_once(':').and_then(|(lane, number)| Some((lane.parse().ok()?, number.parse().ok()?)));
    parsed.ok_or_else(|| "a lane and a number, such as 0:7".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(parse_duration("60s"), Ok(60_000));
        assert_eq!(parse_duration("250ms"), Ok(250));
        assert_eq!(parse_duration("5m"), Ok(300_000));
        for bad in ["", "60", "s", "-1s", "1h", "1.5s", "99999999999999999999s", "18446744073709551615m"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
