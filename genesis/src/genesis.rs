//! A validated genesis: every value has its type, every list its canonical order, and the hash is known.

use althing_types::{
    Address, AddressPrefix, AssetSymbol, AuthPolicy, ChainParams, Committee, Epoch, Hash, Header, PublicKey, TimeMs,
    ValidatorSet, genesis_header,
};

use crate::binding::{BindingProof, approval_hash};
use crate::canonical::genesis_hash;
use crate::document::{Document, SCHEMA, SignatureEntry};
use crate::error::{Fault, GenesisError};
use crate::p2p::P2pAddress;
use crate::text::{check_name, excerpt, parse_hex, parse_time};
use crate::{chain, holdings, participants};

/// Accounts in a document at most: enough for a benchmark of a hundred thousand; a document of that many is 30 MB.
pub const ACCOUNTS_MAX: usize = 262_144;
/// Assets in a document at most. More can be issued on the chain.
pub const ASSETS_MAX: usize = 256;
/// Observers in a document at most. More can be admitted on the chain.
pub const OBSERVERS_MAX: usize = 256;

/// A document in which nothing is wrong or contradictory. The only way to one is through validation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    pub(crate) document: Document,
    pub(crate) prefix: AddressPrefix,
    pub(crate) time: TimeMs,
    pub(crate) params: ChainParams,
    pub(crate) set: ValidatorSet,
    pub(crate) validators: Vec<GenesisValidator>,
    pub(crate) observers: Vec<Observer>,
    pub(crate) assets: Vec<Asset>,
    pub(crate) accounts: Vec<Account>,
    pub(crate) recovery: Option<AuthPolicy>,
    hash: Hash,
}

/// A validator of genesis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenesisValidator {
    /// The key that votes.
    pub key: PublicKey,
    /// The key of its network identity.
    pub node_key: PublicKey,
    /// Its name.
    pub name: String,
    /// The proof that both keys belong together.
    pub proof: BindingProof,
    /// Where it is reached.
    pub p2p_addr: P2pAddress,
}

/// An observer of genesis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observer {
    /// The key of its network identity.
    pub node_key: PublicKey,
    /// Its name.
    pub name: String,
}

/// A native asset of genesis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// Its short name.
    pub symbol: AssetSymbol,
    /// Its name for people.
    pub name: String,
    /// Digits after the point when people read amounts.
    pub decimals: u8,
}

/// An account of genesis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its address.
    pub address: Address,
    /// Its policy, where the document tells it. The address commits to it; it is no part of the hash by itself, so two
    /// documents of one hash may differ in whether they tell it. The state must not depend on it.
    pub policy: Option<AuthPolicy>,
    /// What it holds, ascending by symbol, none of it zero.
    pub balances: Vec<(AssetSymbol, u128)>,
}

impl Genesis {
    /// Reads and validates a document.
    pub fn parse(bytes: &[u8]) -> Result<Self, GenesisError> {
        Self::new(Document::parse(bytes)?)
    }

    /// Validates a document.
    pub fn new(document: Document) -> Result<Self, GenesisError> {
        if document.schema != SCHEMA {
            return Err(Fault::Schema { given: document.schema, known: SCHEMA }.at("schema"));
        }
        check_name(&document.chain_id).map_err(|fault| fault.at("chainId"))?;
        let prefix = chain::prefix(&document)?;
        let time = parse_time(&document.genesis_time)
            .ok_or_else(|| Fault::Time { given: excerpt(&document.genesis_time) }.at("genesisTime"))?;
        let params = chain::params(&document)?;
        let assets = holdings::assets(&document)?;
        let accounts = holdings::accounts(&document, &prefix)?;
        let participants = participants::participants(&document)?;
        let mut genesis = Self {
            prefix,
            time,
            params,
            set: participants.set,
            validators: participants.validators,
            observers: participants.observers,
            assets,
            accounts,
            recovery: participants.recovery,
            hash: Hash::ZERO,
            document,
        };
        genesis.hash = genesis_hash(&genesis);
        genesis.check_signatures()?;
        Ok(genesis)
    }

    /// The document with one more approval, validated.
    pub fn with_signature(&self, entry: SignatureEntry) -> Result<Self, GenesisError> {
        let mut document = self.document.clone();
        document.signatures.push(entry);
        Self::new(document)
    }

    /// The genesis hash: what every node of the chain must have in common.
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// The chain's name, for people; signatures bind the hash.
    pub fn chain_id(&self) -> &str {
        &self.document.chain_id
    }

    /// Whether this is a development network.
    pub const fn is_dev(&self) -> bool {
        self.document.dev
    }

    /// How addresses of the chain begin.
    pub const fn prefix(&self) -> &AddressPrefix {
        &self.prefix
    }

    /// The time of height 0.
    pub const fn time(&self) -> TimeMs {
        self.time
    }

    /// The chain parameters.
    pub const fn params(&self) -> &ChainParams {
        &self.params
    }

    /// The validator set of epoch 0.
    pub const fn validator_set(&self) -> &ValidatorSet {
        &self.set
    }

    /// Who certifies in epoch 0.
    pub fn committee(&self) -> Committee {
        Committee { chain: self.hash, epoch: Epoch::ZERO, set: self.set.clone() }
    }

    /// The header of height 0.
    pub fn header(&self) -> Header {
        genesis_header(self.hash, self.time, self.set.hash(), self.params.hash())
    }

    /// The validators, ascending by validator key, as in the validator set.
    pub fn validators(&self) -> &[GenesisValidator] {
        &self.validators
    }

    /// The observers, ascending by node key.
    pub fn observers(&self) -> &[Observer] {
        &self.observers
    }

    /// The assets, ascending by symbol.
    pub fn assets(&self) -> &[Asset] {
        &self.assets
    }

    /// The asset that the document names first: a default for tools, and no part of the hash.
    pub fn first_asset(&self) -> Option<&Asset> {
        let first = self.document.assets.first()?;
        self.assets.iter().find(|asset| asset.symbol.as_str() == first.symbol)
    }

    /// The accounts, ascending by address.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// Who may bring the chain back when the validators cannot.
    pub const fn recovery(&self) -> Option<&AuthPolicy> {
        self.recovery.as_ref()
    }

    /// What is there of an asset in all accounts together. Validation holds it within 128 bits.
    pub fn supply(&self, symbol: &AssetSymbol) -> u128 {
        let balances = self.accounts.iter().flat_map(|account| &account.balances);
        let amounts = balances.filter(|(held, _)| held == symbol).map(|(_, amount)| *amount);
        amounts.fold(0, u128::saturating_add)
    }

    /// The document as it was written.
    pub const fn document(&self) -> &Document {
        &self.document
    }

    /// Whether the validator of this name has approved the document.
    pub fn is_signed_by(&self, name: &str) -> bool {
        self.document.signatures.iter().any(|entry| entry.validator == name)
    }

    fn check_signatures(&self) -> Result<(), GenesisError> {
        let hash = approval_hash(&self.hash);
        for (index, entry) in self.document.signatures.iter().enumerate() {
            let path = |field: &str| format!("signatures[{index}].{field}");
            let earlier = self.document.signatures.iter().take(index);
            if let Some(first) = earlier.clone().position(|other| other.validator == entry.validator) {
                return Err(Fault::Repeated { first: format!("signatures[{first}].validator") }.at(path("validator")));
            }
            let validator = self.validators.iter().find(|validator| validator.name == entry.validator);
            let Some(validator) = validator else {
                return Err(Fault::UnknownValidator { given: excerpt(&entry.validator) }.at(path("validator")));
            };
            let bytes = parse_hex(&entry.signature).map_err(|fault| fault.at(path("signature")))?;
            let signature = althing_types::Signature::new(bytes);
            let item = althing_types::SignedItem { key: validator.key, hash, signature };
            if !althing_types::verify_strict(&item) {
                let fault = Fault::Approval { name: entry.validator.clone(), hash: self.hash.to_string() };
                return Err(fault.at(path("signature")));
            }
        }
        Ok(())
    }
}
