//! How values of the chain are written out: the one place where types of the room `types` become shapes.
//!
//! Addresses carry the chain's prefix and assets have symbols, so that the chain must be known to write them.

use std::collections::BTreeMap;

use althing_types::{
    Account, Action, Address, AddressError, AddressPrefix, AssetId, AuthPolicy, Event, Header, Receipt, Replay,
    SignedTransaction, Status, Summary,
};

use super::account::{AccountLaneView, PolicyKeyView, PolicyView};
use super::block::{BlockItem, Context, HeaderView, ResultView};
use super::code::ErrorCode;
use super::error::ApiError;
use super::form::{Decimal, Hex};
use super::transaction::{ActionView, EventView, ReceiptView, ReplayView, SponsorView, TransactionView};

/// The symbols of assets by their ids.
pub type AssetNames = BTreeMap<AssetId, String>;

/// How one chain writes its values.
#[derive(Clone, Debug)]
pub struct Notation {
    prefix: AddressPrefix,
    assets: AssetNames,
}

impl Notation {
    /// The notation of a chain whose addresses begin with `prefix` and whose assets have these symbols.
    pub const fn new(prefix: AddressPrefix, assets: AssetNames) -> Self {
        Self { prefix, assets }
    }

    /// What addresses begin with.
    pub const fn prefix(&self) -> &AddressPrefix {
        &self.prefix
    }

    /// An address as text.
    pub fn address(&self, address: &Address) -> String {
        address.to_text(&self.prefix)
    }

    /// Reads an address: the chain's own form, or `0x` and 64 hexadecimal digits.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::InvalidParams`] if the text is no address of this chain.
    pub fn parse_address(&self, text: &str) -> Result<Address, ApiError> {
        let refused = |error: AddressError| ApiError::new(ErrorCode::InvalidParams, error.to_string());
        Address::from_text(text, &self.prefix).map_err(|error| refused(error).with("field", "address"))
    }

    /// The symbol of an asset; its id as text where the symbol is not known.
    pub fn asset(&self, asset: &AssetId) -> String {
        self.assets.get(asset).cloned().unwrap_or_else(|| asset.as_hash().to_string())
    }

    /// A transaction.
    pub fn transaction(&self, transaction: &SignedTransaction) -> TransactionView {
        let body = transaction.body();
        let keys = transaction.auth().iter().flat_map(|proof| proof.sigs.iter().map(|(key, _)| Hex(*key)));
        TransactionView {
            tx_id: Hex(transaction.id()),
            chain: Hex(body.chain),
            sender: self.address(&body.sender),
            replay: replay(&body.replay),
            gas_limit: Decimal(body.gas_limit),
            sponsor: body
                .sponsor
                .as_ref()
                .map(|sponsor| SponsorView { payer: self.address(&sponsor.payer), max_fee: Decimal(sponsor.max_fee) }),
            action: self.action(&body.action),
            memo: Hex(body.memo.to_vec()),
            signers: keys.collect(),
        }
    }

    /// An action.
    pub fn action(&self, action: &Action) -> ActionView {
        let reserved = |name: &str| ActionView::Reserved { name: name.to_owned() };
        match action {
            Action::Batch(actions) => {
                ActionView::Batch { actions: actions.iter().map(|action| self.action(action)).collect() }
            }
            Action::Transfer { asset, to, amount } => ActionView::Transfer {
                asset: self.asset(asset),
                asset_id: Hex(*asset.as_hash()),
                to: self.address(to),
                amount: Decimal(*amount),
            },
            Action::SetPolicy { policy } => ActionView::SetPolicy { policy: self.policy(policy) },
            Action::Call { .. }
            | Action::Deploy { .. }
            | Action::Upgrade { .. }
            | Action::Role(_)
            | Action::Govern(_) => reserved(action.reserved_name().unwrap_or_default()),
        }
    }

    /// A policy.
    pub fn policy(&self, policy: &AuthPolicy) -> PolicyView {
        match policy {
            AuthPolicy::Key(key) => PolicyView::Key { key: Hex(*key) },
            AuthPolicy::Threshold { need, keys } => PolicyView::Threshold {
                need: *need,
                keys: keys.iter().map(|entry| PolicyKeyView { key: Hex(entry.key), weight: entry.weight }).collect(),
            },
            AuthPolicy::Contract(address) => PolicyView::Contract { address: self.address(address) },
        }
    }

    /// An account's record: its policy, its sequence lanes, and whether it is frozen.
    pub fn account(&self, account: &Account) -> (PolicyView, Vec<AccountLaneView>, bool) {
        let Account::V1 { policy, lanes, flags } = account;
        let lanes = lanes.iter().map(|lane| AccountLaneView { lane: lane.lane, next: Decimal(lane.next) });
        (self.policy(policy), lanes.collect(), flags & Account::FROZEN != 0)
    }

    /// A receipt.
    pub fn receipt(&self, receipt: &Receipt) -> ReceiptView {
        let (status, code) = status_form(receipt.status);
        let contract_code = match receipt.status {
            Status::ContractError(code) => Some(code),
            _ => None,
        };
        ReceiptView {
            tx_id: Hex(receipt.tx_id),
            status: status.to_owned(),
            code,
            contract_code,
            gas_used: Decimal(receipt.gas_used),
            fee: Decimal(receipt.fee),
            return_hash: Hex(receipt.return_hash),
            events: receipt.events.iter().map(|event| self.event(event)).collect(),
        }
    }

    /// An event.
    pub fn event(&self, event: &Event) -> EventView {
        let native = event.contract.as_bytes() == &[0; 32];
        EventView {
            index: event.index,
            contract: (!native).then(|| self.address(&event.contract)),
            name: event.name.as_str().to_owned(),
            topics: event.topics.iter().map(|topic| Hex(*topic)).collect(),
            data: Hex(event.data.to_vec()),
        }
    }
}

impl HeaderView {
    /// The view of a header.
    pub fn of(header: &Header) -> Self {
        Self {
            height: Decimal(header.height),
            block_hash: Hex(header.id()),
            parent_hash: Hex(header.parent),
            epoch: Decimal(header.epoch),
            time: Decimal(header.time),
            proposer: header.proposer.get(),
            validators_hash: Hex(header.validators),
            next_validators_hash: Hex(header.next_validators),
            params_hash: Hex(header.params),
            lanes_root: Hex(header.lanes_root),
            executed_height: Decimal(header.executed_height),
            results_root: Hex(header.results_root),
            evidence_root: Hex(header.evidence_root),
        }
    }
}

impl ResultView {
    /// The view of a summary.
    pub const fn of(summary: &Summary) -> Self {
        Self {
            state_root: Hex(summary.state_root),
            tx_root: Hex(summary.tx_root),
            receipts_root: Hex(summary.receipts_root),
            tx_count: summary.tx_count,
            gas_used: Decimal(summary.gas_used),
        }
    }
}

impl BlockItem {
    /// A block in a list. The summary must be that of the header's block.
    pub const fn of(header: &Header, summary: &Summary) -> Self {
        Self {
            height: Decimal(header.height),
            block_hash: Hex(summary.block),
            time: Decimal(header.time),
            proposer: header.proposer.get(),
            state_root: Hex(summary.state_root),
            tx_count: summary.tx_count,
            gas_used: Decimal(summary.gas_used),
        }
    }
}

impl Context {
    /// The state after a block. The summary must be that of the header's block.
    pub const fn of(header: &Header, summary: &Summary) -> Self {
        Self {
            height: Decimal(header.height),
            block_hash: Hex(summary.block),
            state_root: Hex(summary.state_root),
            time: Decimal(header.time),
        }
    }
}

fn replay(replay: &Replay) -> ReplayView {
    match *replay {
        Replay::Expiring { valid_until, salt } => {
            ReplayView::Expiring { valid_until: Decimal(valid_until), salt: Decimal(salt) }
        }
        Replay::Sequence { lane, seq } => ReplayView::Sequence { lane, seq: Decimal(seq) },
    }
}

/// The name of a status. Names never change, like the numbers behind them.
pub const fn status_name(status: Status) -> &'static str {
    status_form(status).0
}

/// The name of a status and its number.
const fn status_form(status: Status) -> (&'static str, u8) {
    match status {
        Status::Ok => ("ok", 0),
        Status::ContractError(_) => ("contractError", 1),
        Status::OutOfGas => ("outOfGas", 2),
        Status::Trap => ("trap", 3),
        Status::StackLimit => ("stackLimit", 4),
        Status::AuthRequired => ("authRequired", 5),
        Status::Denied => ("denied", 6),
        Status::NoContract => ("noContract", 7),
        Status::NoMethod => ("noMethod", 8),
        Status::BadArgs => ("badArgs", 9),
        Status::Reentrancy => ("reentrancy", 10),
        Status::DepthLimit => ("depthLimit", 11),
        Status::Insufficient => ("insufficient", 12),
        Status::NotActive => ("notActive", 13),
        Status::Limit => ("limit", 14),
        Status::NoAsset => ("noAsset", 15),
        Status::Overflow => ("overflow", 16),
        Status::Sequence => ("sequence", 17),
    }
}

/// What a caller is told when execution would end with this status: the nearest code of the catalogue.
pub fn refusal_of(receipt: &Receipt) -> ApiError {
    let (name, number) = status_form(receipt.status);
    let (code, message) = match receipt.status {
        Status::Insufficient => (ErrorCode::TxInsufficientBalance, "a balance does not suffice"),
        Status::NoAsset => (ErrorCode::TxUnknownAsset, "the asset does not exist"),
        Status::OutOfGas => (ErrorCode::TxOutOfGas, "the gas limit does not suffice"),
        Status::Denied => (ErrorCode::TxDenied, "a role or a freeze forbids the action"),
        Status::AuthRequired => (ErrorCode::TxUnauthorized, "the signatures do not satisfy the policy of the account"),
        Status::NotActive => (ErrorCode::TxNotEnabled, "the feature is not active yet"),
        _ => (ErrorCode::TxFails, "the transaction would fail"),
    };
    ApiError::new(code, message)
        .with("status", name)
        .with("statusCode", number)
        .with_number("gasUsed", receipt.gas_used)
}

#[cfg(test)]
mod tests {
    use super::*;
    use althing_types::{
        AssetSymbol, AuthProof, Bytes, Hash, List, SecretKey, Text, TimeMs, TransactionBody, encode, genesis_header,
    };
    use serde_json::json;

    fn notation() -> (Notation, AssetId) {
        let symbol: AssetSymbol = "USD".parse().expect("valid");
        let asset = AssetId::of_genesis(&symbol);
        (Notation::new(AddressPrefix::new("talt").expect("valid"), [(asset, symbol.to_string())].into()), asset)
    }

    #[test]
    fn a_transfer_is_written_out() {
        let (notation, asset) = notation();
        let key = SecretKey::from_seed(&[1; 32]);
        let sender = Address::of_policy(&AuthPolicy::Key(key.public_key()));
        let to = Address::new([2; 32]);
        let body = TransactionBody {
            chain: Hash::new([3; 32]),
            sender,
            replay: Replay::Expiring { valid_until: TimeMs::new(1 << 60), salt: u64::MAX },
            gas_limit: 50_000,
            sponsor: None,
            action: Action::Transfer { asset, to, amount: u128::MAX },
            trees: List::empty(),
            memo: Bytes::default(),
            ext: List::empty(),
        };
        let signature = key.sign(&body.sign_hash());
        let proof = AuthProof { who: sender, reveal: None, sigs: List::truncated(vec![(key.public_key(), signature)]) };
        let id = body.id();
        let transaction = SignedTransaction::V1 { body, auth: List::truncated(vec![proof]) };
        assert_eq!(
            serde_json::to_value(notation.transaction(&transaction)).expect("JSON"),
            json!({
                "txId": id.to_string(), "chain": Hash::new([3; 32]).to_string(),
                "sender": sender.to_text(notation.prefix()),
                "replay": { "type": "expiring", "validUntil": (1u64 << 60).to_string(), "salt": u64::MAX.to_string() },
                "gasLimit": "50000",
                "action": { "type": "transfer", "asset": "USD", "assetId": asset.as_hash().to_string(),
                    "to": to.to_text(notation.prefix()), "amount": u128::MAX.to_string() },
                "memo": "0x", "signers": [key.public_key().to_string()],
            })
        );
    }

    #[test]
    fn status_numbers_are_those_of_the_encoding() {
        let statuses = [
            Status::Ok,
            Status::ContractError(7),
            Status::OutOfGas,
            Status::Trap,
            Status::StackLimit,
            Status::AuthRequired,
            Status::Denied,
            Status::NoContract,
            Status::NoMethod,
            Status::BadArgs,
            Status::Reentrancy,
            Status::DepthLimit,
            Status::Insufficient,
            Status::NotActive,
            Status::Limit,
            Status::NoAsset,
            Status::Overflow,
            Status::Sequence,
        ];
        for status in statuses {
            assert_eq!(encode(&status).first(), Some(&status_form(status).1), "{status:?}");
        }
    }

    #[test]
    fn a_receipt_names_its_status_and_the_contract_s_number() {
        let (notation, _) = notation();
        let event = Event {
            index: 0,
            contract: Address::new([0; 32]),
            name: Text::new("transfer").expect("short"),
            topics: List::truncated(vec![Hash::new([9; 32])]),
            data: Bytes::new(vec![1]).expect("short"),
        };
        let receipt = Receipt {
            tx_id: Hash::new([4; 32]),
            status: Status::ContractError(77),
            gas_used: 12,
            fee: 0,
            return_hash: Hash::ZERO,
            events: List::truncated(vec![event]),
        };
        let view = serde_json::to_value(notation.receipt(&receipt)).expect("JSON");
        assert_eq!(view["status"], "contractError");
        assert_eq!((&view["code"], &view["contractCode"]), (&json!(1), &json!(77)));
        assert_eq!(view["events"][0]["contract"], json!(null));
        assert_eq!(view["events"][0]["name"], "transfer");
        assert_eq!(refusal_of(&receipt).code, ErrorCode::TxFails);
    }

    #[test]
    fn an_address_of_another_chain_is_refused_by_name() {
        let (notation, _) = notation();
        let other = Address::new([2; 32]).to_text(&AddressPrefix::new("alt").expect("valid"));
        let error = notation.parse_address(&other).expect_err("another chain");
        assert_eq!(error.code, ErrorCode::InvalidParams);
        assert!(error.message.contains("talt"), "{error}");
        assert!(notation.parse_address(&Hash::new([2; 32]).to_string()).is_ok());
    }

    #[test]
    fn a_header_s_view_carries_its_id() {
        let header = genesis_header(Hash::ZERO, TimeMs::new(5), Hash::ZERO, Hash::ZERO);
        assert_eq!(HeaderView::of(&header).block_hash, Hex(header.id()));
    }
}
