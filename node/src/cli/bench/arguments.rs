//! What a run is: the arguments of `althing bench tx`, checked and settled before anything is sent.

use std::path::PathBuf;

use althing_genesis::{DevRole, dev_key};
use althing_types::{Address, AssetId, AuthPolicy, SecretKey};
use clap::Args;

use super::pace::Rate;
use crate::cli::failure::Failure;
use crate::cli::key::Keys;
use crate::cli::output::Output;
use crate::cli::remote::{Chain, Remote, Trust};
use crate::cli::signing::{Signer, parse_duration};

/// The longest run. An hour of 3,000 transactions a second is 10.8 million.
const DURATION_MS_MAX: u64 = 3_600_000;
/// The longest wait for stragglers: with the longest time that a transaction may be valid nothing comes later.
const WAIT_MS_MAX: u64 = 600_000;
/// Accounts at least: a sender and a receiver.
const ACCOUNTS_MIN: u32 = 2;
/// Accounts at most: their keys take some 100 MB.
const ACCOUNTS_MAX: u32 = 500_000;
/// Transactions under way at most, as many as a pool holds (`decisions.md` section 2).
const IN_FLIGHT_MAX: u32 = 50_000;
/// The seed of `testnet up` unless something else is said there.
const DEV_SEED: &str = "dev";

#[derive(Debug, Args)]
pub(crate) struct Tx {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    trust: Trust,
    /// Transactions per second: a number, or max for as many as the network takes
    #[arg(long, value_name = "N|max", value_parser = Rate::parse)]
    rate: Rate,
    /// How long new transactions are due: a number with ms, s or m
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    duration: u64,
    /// Between how many accounts the transfers go
    #[arg(long, value_name = "N", default_value_t = 1_000,
        value_parser = clap::value_parser!(u32).range(i64::from(ACCOUNTS_MIN)..=i64::from(ACCOUNTS_MAX)))]
    accounts: u32,
    /// Who pays for the accounts: a key in the keystore, or a file [default: DEV-account-0 of a development network]
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// A file whose one line is the key's password
    #[arg(long, value_name = "FILE", requires = "key")]
    password_file: Option<PathBuf>,
    /// Another text gives other accounts of the same key
    #[arg(long, value_name = "TEXT", default_value = "bench")]
    seed: String,
    /// What is transferred [default: the first asset of the genesis document]
    #[arg(long, value_name = "SYMBOL")]
    asset: Option<String>,
    /// With --rate max: how many transactions are under way at a time
    #[arg(long, value_name = "N", default_value_t = 4_000,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(IN_FLIGHT_MAX)))]
    in_flight: u32,
    /// How long to wait at the end for what is not final yet: a number with ms, s or m
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    wait: u64,
}

/// A run, settled.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) rate: Rate,
    /// How long transactions are due, in milliseconds.
    pub(super) duration_ms: u64,
    /// How long stragglers are waited for, in milliseconds.
    pub(super) wait_ms: u64,
    pub(super) accounts: u32,
    pub(super) in_flight: u32,
    pub(super) seed: String,
    pub(super) endpoints: usize,
}

/// Where the money comes from, and of which chain.
pub(super) struct Bank {
    pub(super) chain: Chain,
    pub(super) key: SecretKey,
    pub(super) address: Address,
    pub(super) asset: AssetId,
    pub(super) symbol: String,
}

impl Tx {
    /// Settles the run: the chain, the key, the nodes.
    pub(super) fn prepare(self, home: Option<PathBuf>, output: &Output) -> Result<(Plan, Bank, Vec<String>), Failure> {
        within("--duration", self.duration, 1_000, DURATION_MS_MAX)?;
        within("--wait", self.wait, 0, WAIT_MS_MAX)?;
        let home = crate::cli::home_or_default(home).ok();
        let urls = self.remote.urls();
        let chain = self.trust.chain(home.as_deref(), &self.remote, output)?;
        let (asset, asset_id) = chain.asset(self.asset.as_deref())?;
        let symbol = asset.symbol.as_str().to_owned();
        let (key, address) = match self.key {
            Some(key) => {
                let signer = Signer { key, password_file: self.password_file, from: None };
                signer.open(&Keys::new(home), &chain)?
            }
            None if chain.genesis.is_dev() => {
                let key = dev_key(DEV_SEED, DevRole::Account, 0);
                let address = Address::of_policy(&AuthPolicy::Key(key.public_key()));
                (key, address)
            }
            None => {
                return Err(Failure::usage("somebody must pay for the accounts of the run")
                    .hint("name the key of a funded account with --key"));
            }
        };
        let plan = Plan {
            rate: self.rate,
            duration_ms: self.duration,
            wait_ms: self.wait,
            accounts: self.accounts,
            in_flight: self.in_flight,
            seed: self.seed,
            endpoints: urls.len(),
        };
        Ok((plan, Bank { chain, key, address, asset: asset_id, symbol }, urls))
    }
}

impl Bank {
    /// What to do where the account holds too little.
    pub(super) fn hint(&self) -> String {
        format!("name the key of an account with enough {} with --key, such as {}", self.symbol, DEV_KEY_FILE)
    }
}

/// Where a development network keeps the key of its first account.
const DEV_KEY_FILE: &str = "testnet/keys/DEV-account-0.pem";

fn within(what: &str, given_ms: u64, least_ms: u64, most_ms: u64) -> Result<(), Failure> {
    if (least_ms..=most_ms).contains(&given_ms) {
        return Ok(());
    }
    Err(Failure::usage(format!("{what} is {given_ms} ms, {least_ms} ms to {most_ms} ms are possible")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use althing_genesis::DevNetwork;
    use clap::Parser as _;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        tx: Tx,
    }

    #[test]
    fn arguments_are_refused_before_anything_is_sent() {
        for good in [vec!["x", "--rate", "5"], vec!["x", "--rate", "max", "--accounts", "2", "--in-flight", "1"]] {
            assert!(Line::try_parse_from(&good).is_ok(), "{good:?}");
        }
        for bad in [
            vec!["x"],
            vec!["x", "--rate", "0"],
            vec!["x", "--rate", "-1"],
            vec!["x", "--rate", "5", "--duration", "30"],
            vec!["x", "--rate", "5", "--accounts", "1"],
            vec!["x", "--rate", "5", "--in-flight", "0"],
            vec!["x", "--rate", "5", "--password-file", "p"],
        ] {
            assert!(Line::try_parse_from(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_duration_has_bounds() {
        assert!(within("--duration", 1_000, 1_000, 2_000).is_ok());
        let refused = within("--duration", 999, 1_000, 2_000).expect_err("too short");
        assert_eq!(refused.message(), "--duration is 999 ms, 1000 ms to 2000 ms are possible");
        assert!(within("--duration", 2_001, 1_000, 2_000).is_err());
    }

    #[test]
    fn the_development_key_is_that_of_a_development_network() {
        let network = DevNetwork {
            chain_id: "dev".to_owned(),
            seed: DEV_SEED.to_owned(),
            validators: 1,
            observers: 0,
            accounts: 1,
            p2p_base_port: 26_700,
            time: althing_types::TimeMs::new(1),
        };
        let key = dev_key(DEV_SEED, DevRole::Account, 0);
        assert_eq!(Address::of_policy(&AuthPolicy::Key(key.public_key())), network.account_address(0));
    }
}
