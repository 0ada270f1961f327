//! Development networks: keys that everybody can derive, and a document made of them.
//!
//! Whoever knows the seed has every key. That makes a network reproducible and worthless, which is why it is refused
//! wherever a document does not say `dev`.

use althing_types::{Address, AuthPolicy, Hash, SecretKey, Tag, TimeMs};

use crate::binding::BindingProof;
use crate::builder::GenesisBuilder;
use crate::document::{AccountEntry, AssetEntry, Balances, ObserverEntry, ValidatorEntry};
use crate::error::GenesisError;
use crate::genesis::Genesis;
use crate::p2p::{Host, P2pAddress};

/// What a derived key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DevRole {
    /// It votes.
    Validator,
    /// It is a network identity.
    Node,
    /// It owns an account.
    Account,
    /// It is the network identity of a node that does not vote.
    Observer,
}

impl DevRole {
    /// The role's name, which enters the derivation.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Validator => "validator",
            Self::Node => "node",
            Self::Account => "account",
            Self::Observer => "observer",
        }
    }
}

/// The key of a development network for a role and an index. The seed is a public text, not a secret.
pub fn dev_key(seed: &str, role: DevRole, index: u32) -> SecretKey {
    SecretKey::from_seed(Hash::of(Tag::DevKey, &(seed, role.as_str(), index)).as_bytes())
}

/// A development network on one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevNetwork {
    /// The chain's name.
    pub chain_id: String,
    /// The text that all keys are derived from.
    pub seed: String,
    /// Validators.
    pub validators: u16,
    /// Nodes that follow without voting. They have no address: they come to the validators.
    pub observers: u16,
    /// Funded accounts.
    pub accounts: u16,
    /// The first validator's port; the others follow.
    pub p2p_base_port: u16,
    /// The time of height 0. Another time makes another chain of the same keys.
    pub time: TimeMs,
}

/// What each account of a development network holds, in the smallest unit of its asset.
const DEV_BALANCE: u128 = 1_000_000_000_000;

impl DevNetwork {
    /// The name of the asset that all accounts are funded with.
    pub const ASSET: &'static str = "USD";

    /// The name of the validator with this index.
    pub fn validator_name(index: u32) -> String {
        format!("validator-{index}")
    }

    /// The name of the observer with this index.
    pub fn observer_name(index: u32) -> String {
        format!("observer-{index}")
    }

    /// The document of this network, ready to be changed before it is built.
    pub fn builder(&self) -> GenesisBuilder {
        let asset = AssetEntry { symbol: Self::ASSET.to_owned(), name: "US dollar".to_owned(), decimals: 2 };
        let mut builder = GenesisBuilder::new(self.chain_id.clone(), true, self.time).asset(asset);
        for index in 0..self.validators {
            builder = builder.validator(self.validator(index));
        }
        for index in (0..self.observers).map(u32::from) {
            let node_key = dev_key(&self.seed, DevRole::Observer, index).public_key().to_string();
            builder = builder.observer(ObserverEntry { name: Self::observer_name(index), node_key });
        }
        for index in 0..self.accounts {
            let key = dev_key(&self.seed, DevRole::Account, u32::from(index)).public_key();
            builder = builder.account(AccountEntry {
                public_key: Some(key.to_string()),
                balances: Balances(vec![(Self::ASSET.to_owned(), DEV_BALANCE.to_string())]),
                ..AccountEntry::default()
            });
        }
        builder
    }

    /// The validated document of this network.
    pub fn build(&self) -> Result<Genesis, GenesisError> {
        self.builder().build()
    }

    /// The address of an account of this network.
    pub fn account_address(&self, index: u16) -> Address {
        let key = dev_key(&self.seed, DevRole::Account, u32::from(index)).public_key();
        Address::of_policy(&AuthPolicy::Key(key))
    }

    fn validator(&self, index: u16) -> ValidatorEntry {
        let key = dev_key(&self.seed, DevRole::Validator, u32::from(index));
        let node_key = dev_key(&self.seed, DevRole::Node, u32::from(index));
        let localhost = Host::Ip4(core::net::Ipv4Addr::LOCALHOST);
        // Ports that run over the end become one that validation refuses by name.
        let port = self.p2p_base_port.checked_add(index).and_then(|port| P2pAddress::new(localhost, port));
        ValidatorEntry {
            name: Self::validator_name(u32::from(index)),
            public_key: key.public_key().to_string(),
            node_key: node_key.public_key().to_string(),
            p2p_addr: port.map_or_else(|| "/ip4/127.0.0.1/tcp/0".to_owned(), |address| address.to_string()),
            proof: BindingProof::sign(&self.chain_id, &key, &node_key).to_text(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network() -> DevNetwork {
        DevNetwork {
            chain_id: "dev".to_owned(),
            seed: "a".to_owned(),
            validators: 4,
            observers: 1,
            accounts: 2,
            p2p_base_port: 26_700,
            time: TimeMs::new(1_000),
        }
    }

    #[test]
    fn roles_indices_and_seeds_have_different_keys() {
        let mut keys = Vec::new();
        for seed in ["", "a", "b"] {
            for role in [DevRole::Validator, DevRole::Node, DevRole::Account, DevRole::Observer] {
                keys.extend((0..3).map(|index| dev_key(seed, role, index).public_key()));
            }
        }
        keys.sort();
        let count = keys.len();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }

    #[test]
    fn a_network_follows_from_its_seed_and_time() {
        let genesis = network().build().expect("valid");
        assert_eq!(genesis.hash(), network().build().expect("valid").hash());
        assert_eq!(genesis.validator_set().quorums().f(), 1);
        assert_eq!(genesis.prefix().as_str(), "talt");
        let observer = dev_key("a", DevRole::Observer, 0).public_key();
        let observers: Vec<_> = genesis.observers().iter().map(|it| (it.name.clone(), it.node_key)).collect();
        assert_eq!(observers, [(DevNetwork::observer_name(0), observer)]);
        assert!(genesis.accounts().iter().any(|account| account.address == network().account_address(1)));
        let later = DevNetwork { time: TimeMs::new(1_001), ..network() };
        assert_ne!(genesis.hash(), later.build().expect("valid").hash());
        let moved = DevNetwork { p2p_base_port: 30_000, ..network() };
        assert_eq!(genesis.hash(), moved.build().expect("valid").hash());
    }

    #[test]
    fn ports_beyond_the_last_are_refused() {
        let error = DevNetwork { p2p_base_port: 65_534, ..network() }.build().expect_err("no such port");
        assert_eq!(error.path, "validators[2].p2pAddr");
    }
}
