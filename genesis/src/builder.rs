//! Composing a document from parts, with the usual parameters where nothing else is said.

use althing_types::{ChainParams, Quorums, TimeMs};

use crate::document::{
    AccountEntry, AssetEntry, ConsensusEntry, Document, LimitsEntry, ObserverEntry, RecoveryEntry, SCHEMA,
    TransactionsEntry, ValidatorEntry,
};
use crate::error::GenesisError;
use crate::genesis::Genesis;
use crate::text::time_text;

/// A document that is being composed. Nothing is checked before [`GenesisBuilder::build`].
#[derive(Clone, Debug)]
pub struct GenesisBuilder {
    document: Document,
    faulty: Option<u16>,
}

impl GenesisBuilder {
    /// A document without participants, with the default parameters.
    pub fn new(chain_id: impl Into<String>, dev: bool, time: TimeMs) -> Self {
        let ChainParams { consensus, transactions, limits } = ChainParams::DEFAULT;
        let document = Document {
            schema: SCHEMA,
            chain_id: chain_id.into(),
            dev,
            address_prefix: None,
            genesis_time: time_text(time),
            consensus: ConsensusEntry {
                f: 0,
                fast_path: true,
                delta_ms: consensus.delta_ms,
                min_block_interval_ms: consensus.min_block_interval_ms,
                k: consensus.k,
                max_clock_skew_ms: consensus.max_clock_skew_ms,
                trust_period_days: consensus.trust_period_days,
            },
            tx: TransactionsEntry { max_window_ms: transactions.max_window_ms },
            limits: LimitsEntry {
                block_bytes_max: limits.block_bytes_max,
                block_transactions_max: limits.block_transactions_max,
                block_gas_max: limits.block_gas_max.to_string(),
                transaction_gas_max: limits.transaction_gas_max.to_string(),
            },
            assets: Vec::new(),
            accounts: Vec::new(),
            validators: Vec::new(),
            observers: Vec::new(),
            recovery: None,
            signatures: Vec::new(),
        };
        Self { document, faulty: None }
    }

    /// Addresses begin with this.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.document.address_prefix = Some(prefix.into());
        self
    }

    /// So many validators may be faulty; without this, as many as their number allows.
    pub const fn faulty(mut self, faulty: u16) -> Self {
        self.faulty = Some(faulty);
        self
    }

    /// Whether all but p equal Notarize votes make a block final; without this, they do.
    pub const fn fast_path(mut self, fast_path: bool) -> Self {
        self.document.consensus.fast_path = fast_path;
        self
    }

    /// Messages arrive within this time.
    pub const fn delta_ms(mut self, delta_ms: u32) -> Self {
        self.document.consensus.delta_ms = delta_ms;
        self
    }

    /// Proposals are at least this far apart.
    pub const fn min_block_interval_ms(mut self, interval_ms: u32) -> Self {
        self.document.consensus.min_block_interval_ms = interval_ms;
        self
    }

    /// One more validator.
    pub fn validator(mut self, entry: ValidatorEntry) -> Self {
        self.document.validators.push(entry);
        self
    }

    /// One more observer.
    pub fn observer(mut self, entry: ObserverEntry) -> Self {
        self.document.observers.push(entry);
        self
    }

    /// One more asset.
    pub fn asset(mut self, entry: AssetEntry) -> Self {
        self.document.assets.push(entry);
        self
    }

    /// One more account.
    pub fn account(mut self, entry: AccountEntry) -> Self {
        self.document.accounts.push(entry);
        self
    }

    /// Who may bring the chain back.
    pub fn recovery(mut self, entry: RecoveryEntry) -> Self {
        self.document.recovery = Some(entry);
        self
    }

    /// Validates what was composed.
    pub fn build(mut self) -> Result<Genesis, GenesisError> {
        let n = u16::try_from(self.document.validators.len()).unwrap_or(u16::MAX);
        self.document.consensus.f = self.faulty.unwrap_or(Quorums::faulty_max(n));
        Genesis::new(self.document)
    }
}
