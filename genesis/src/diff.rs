//! What distinguishes two documents, field by field, and whether it makes them two chains.

use std::collections::BTreeMap;

use althing_types::AuthPolicy;

use crate::genesis::Genesis;
use crate::text::time_text;

/// A field in which two documents differ. Entries of lists are named by what identifies them, not by their place:
/// `validators[acme].p2pAddr`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The field.
    pub path: String,
    /// Its value in the first document; none if it is not there.
    pub left: Option<String>,
    /// Its value in the second.
    pub right: Option<String>,
    /// Whether the genesis hash covers it.
    pub is_hashed: bool,
}

/// All differences in what two documents mean, ascending by path. Order, spacing and the form of addresses are none.
pub fn diff(left: &Genesis, right: &Genesis) -> Vec<Difference> {
    let (left, right) = (fields(left), fields(right));
    let paths: std::collections::BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    let differences = paths.into_iter().filter_map(|path| {
        let (a, b) = (left.get(path), right.get(path));
        let is_hashed = a.or(b).is_some_and(|field| field.is_hashed);
        let [a, b] = [a, b].map(|field| field.map(|field| field.value.clone()));
        (a != b).then(|| Difference { path: path.clone(), left: a, right: b, is_hashed })
    });
    differences.collect()
}

/// A field of a document.
struct Field {
    value: String,
    is_hashed: bool,
}

#[derive(Default)]
struct Fields(BTreeMap<String, Field>);

impl Fields {
    fn hashed(&mut self, path: impl Into<String>, value: impl ToString) {
        self.0.insert(path.into(), Field { value: value.to_string(), is_hashed: true });
    }

    fn free(&mut self, path: impl Into<String>, value: impl ToString) {
        self.0.insert(path.into(), Field { value: value.to_string(), is_hashed: false });
    }
}

fn fields(genesis: &Genesis) -> BTreeMap<String, Field> {
    let mut fields = Fields::default();
    chain_fields(genesis, &mut fields);
    for validator in &genesis.validators {
        let path = |field: &str| format!("validators[{}].{field}", validator.name);
        fields.hashed(path("publicKey"), validator.key);
        fields.hashed(path("nodeKey"), validator.node_key);
        fields.hashed(path("proof"), validator.proof.to_text());
        fields.free(path("p2pAddr"), &validator.p2p_addr);
    }
    for observer in &genesis.observers {
        fields.hashed(format!("observers[{}].nodeKey", observer.name), observer.node_key);
    }
    holding_fields(genesis, &mut fields);
    for entry in &genesis.document.signatures {
        fields.free(format!("signatures[{}].signature", entry.validator), &entry.signature);
    }
    fields.0
}

fn chain_fields(genesis: &Genesis, fields: &mut Fields) {
    let (params, quorums) = (&genesis.params, genesis.set.quorums());
    fields.hashed("schema", genesis.document.schema);
    fields.hashed("chainId", genesis.chain_id());
    fields.hashed("dev", genesis.is_dev());
    fields.hashed("addressPrefix", genesis.prefix.as_str());
    fields.hashed("genesisTime", time_text(genesis.time));
    fields.hashed("consensus.f", quorums.f());
    fields.hashed("consensus.fastPath", quorums.fast().is_some());
    fields.hashed("consensus.deltaMs", params.consensus.delta_ms);
    fields.hashed("consensus.minBlockIntervalMs", params.consensus.min_block_interval_ms);
    fields.hashed("consensus.k", params.consensus.k);
    fields.hashed("consensus.maxClockSkewMs", params.consensus.max_clock_skew_ms);
    fields.hashed("consensus.trustPeriodDays", params.consensus.trust_period_days);
    fields.hashed("tx.maxWindowMs", params.transactions.max_window_ms);
    fields.hashed("limits.blockBytesMax", params.limits.block_bytes_max);
    fields.hashed("limits.blockTransactionsMax", params.limits.block_transactions_max);
    fields.hashed("limits.blockGasMax", params.limits.block_gas_max);
    fields.hashed("limits.transactionGasMax", params.limits.transaction_gas_max);
    if let Some(AuthPolicy::Threshold { need, keys }) = &genesis.recovery {
        fields.hashed("recovery.need", need);
        for entry in keys {
            fields.hashed(format!("recovery.keys[{}]", entry.key), "present");
        }
    }
}

fn holding_fields(genesis: &Genesis, fields: &mut Fields) {
    for asset in &genesis.assets {
        fields.hashed(format!("assets[{}].name", asset.symbol), &asset.name);
        fields.hashed(format!("assets[{}].decimals", asset.symbol), asset.decimals);
    }
    for account in &genesis.accounts {
        let path = format!("accounts[{}]", account.address.to_text(&genesis.prefix));
        // An account without balances is hashed as well, so its presence is a field.
        fields.hashed(path.clone(), "present");
        for (symbol, amount) in &account.balances {
            fields.hashed(format!("{path}.balances.{symbol}"), amount);
        }
    }
}
