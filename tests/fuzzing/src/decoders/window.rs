//! The shapes of the public window: what callers send to a node, and what a node that may lie sends to a client.

use std::fmt::Debug;

use althing_rpc::api::{
    AccountAnswer, AccountHistoryParams, AccountProof, BlockAnswer, BlockItem, BlockNews, BlockProof, Decimal,
    ErrorCode, ErrorObject, EvidenceAnswer, GenesisAnswer, GetAccountParams, GetBlockParams, GetTransactionParams,
    HeadView, HealthAnswer, Hex, HistoryItem, ListBlocksParams, ListEvidenceParams, NoParams, Notation, Page, PeerView,
    SimulateAnswer, SimulateParams, StatusAnswer, SubmitAnswer, SubmitManyAnswer, SubmitManyParams, SubmitParams,
    SubscribeBlocksParams, TransactionAnswer, TransactionProof, WaitTransactionParams, WhyAnswer,
};
use althing_types::{DEPLOY_BYTES_MAX, Hash, Height, PublicKey, Signature, SignedTransaction, decode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::memory::measured;
use crate::network::chain;
use crate::script::Script;

/// Bytes that reading JSON may take at once for each byte of input: a map of a member of three bytes costs most.
const JSON_BYTES_FOR_EACH: usize = 128;
/// Bytes that reading JSON may take at once whatever the input.
const JSON_BYTES_FOR_ANY: usize = 64 * 1024;

type Look = fn(&[u8]);

/// What callers send, in the order of the table of methods.
const REQUESTS: &[Look] = &[
    shape::<NoParams>,
    shape::<GetBlockParams>,
    shape::<ListBlocksParams>,
    shape::<SubscribeBlocksParams>,
    submit,
    shape::<SubmitManyParams>,
    shape::<GetTransactionParams>,
    shape::<WaitTransactionParams>,
    shape::<SimulateParams>,
    account,
    shape::<AccountHistoryParams>,
    shape::<ListEvidenceParams>,
    shape::<Decimal<u128>>,
    shape::<Decimal<Height>>,
    shape::<Hex<Hash>>,
    shape::<Hex<PublicKey>>,
    shape::<Hex<Signature>>,
    shape::<Hex<Vec<u8>>>,
];

/// What nodes send.
const ANSWERS: &[Look] = &[
    shape::<StatusAnswer>,
    shape::<WhyAnswer>,
    shape::<Vec<PeerView>>,
    shape::<GenesisAnswer>,
    shape::<HeadView>,
    shape::<BlockAnswer>,
    shape::<BlockProof>,
    shape::<Page<BlockItem>>,
    shape::<BlockNews>,
    shape::<SubmitAnswer>,
    shape::<SubmitManyAnswer>,
    shape::<TransactionAnswer>,
    shape::<TransactionProof>,
    shape::<SimulateAnswer>,
    shape::<AccountAnswer>,
    shape::<AccountProof>,
    shape::<Page<HistoryItem>>,
    shape::<EvidenceAnswer>,
    shape::<HealthAnswer>,
    refusal,
];

/// The parameters of a call: the first byte chooses the method.
pub(crate) fn rpc_request(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    script.pick(REQUESTS)(script.rest());
}

/// The answer to a call: the first byte chooses the method.
pub(crate) fn rpc_answer(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    script.pick(ANSWERS)(script.rest());
}

/// What is read is written and read again as the same.
fn shape<T: DeserializeOwned + Serialize + Debug>(bytes: &[u8]) {
    read::<T>(bytes);
}

fn read<T: DeserializeOwned + Serialize + Debug>(bytes: &[u8]) -> Option<T> {
    let (value, taken) = measured(|| serde_json::from_slice::<T>(bytes));
    let allowed = bytes.len() * JSON_BYTES_FOR_EACH + JSON_BYTES_FOR_ANY;
    assert!(taken <= allowed, "reading {} bytes took {taken} bytes at once, {allowed} are allowed", bytes.len());
    let value = value.ok()?;
    let text = serde_json::to_string(&value).expect("what was read from JSON is written to it");
    let again = serde_json::from_str::<T>(&text).map(|again| format!("{again:?}"));
    assert_eq!(again.map_err(|error| error.to_string()), Ok(format!("{value:?}")), "it changed when written: {text}");
    Some(value)
}

/// A submission, and the transaction in it as the window would show it.
fn submit(bytes: &[u8]) {
    let Some(SubmitParams { tx: Hex(bytes), .. }) = read::<SubmitParams>(bytes) else { return };
    if let Ok(transaction) = decode::<SignedTransaction>(&bytes, DEPLOY_BYTES_MAX) {
        let view = serde_json::to_string(&notation().transaction(&transaction)).expect("a view is JSON");
        shape::<althing_rpc::api::TransactionView>(view.as_bytes());
    }
}

/// A question about an account, and the address in it.
fn account(bytes: &[u8]) {
    let Some(params) = read::<GetAccountParams>(bytes) else { return };
    if let Ok(address) = notation().parse_address(&params.address) {
        assert_eq!(notation().parse_address(&notation().address(&address)).ok(), Some(address), "another address");
    }
}

/// An error as a client reads it, and its symbol.
fn refusal(bytes: &[u8]) {
    let Some(ErrorObject { data: Some(data), .. }) = read::<ErrorObject>(bytes) else { return };
    if let Some(code) = ErrorCode::from_symbol(&data.symbol) {
        assert!(
            code.symbol() == data.symbol && ErrorCode::from_number(code.number()) == Some(code),
            "a code with two names"
        );
    }
}

fn notation() -> Notation {
    Notation::new(chain().genesis.prefix().clone(), althing_rpc::api::AssetNames::new())
}

/// A request of each method, as inputs.
pub(crate) fn request_seeds(transaction: &[u8]) -> Vec<Vec<u8>> {
    let hash = format!("\"{}\"", Hash::new([7; 32]));
    let tx = Hex(transaction.to_vec());
    let address = notation().address(&althing_types::Address::new([9; 32]));
    let texts = [
        (0, "{}".to_owned()),
        (1, r#"{"height":"7","detail":"full","prove":true,"cursor":"7400000001","limit":5}"#.to_owned()),
        (1, format!("[null,{hash}]")),
        (2, r#"{"cursor":"620000000000000007","limit":5,"order":"oldest"}"#.to_owned()),
        (3, r#"{"fromHeight":"3"}"#.to_owned()),
        (4, format!(r#"{{"tx":"{tx}","waitUntil":"finalized","timeoutMs":100}}"#)),
        (5, format!(r#"{{"txs":["{tx}"],"waitUntil":"none"}}"#)),
        (6, format!(r#"{{"txId":{hash},"prove":true}}"#)),
        (7, format!(r#"{{"txId":{hash},"timeoutMs":1}}"#)),
        (8, format!(r#"{{"tx":"{tx}"}}"#)),
        (9, format!(r#"{{"address":"{address}","at":"4","prove":true,"minHeight":"5"}}"#)),
        (10, format!(r#"["{address}",null,7,"newest"]"#)),
        (11, r#"{"limit":5,"validator":3}"#.to_owned()),
        (12, format!("\"{}\"", u128::MAX)),
        (14, hash.clone()),
    ];
    texts.map(|(form, text)| [vec![form], text.into_bytes()].concat()).to_vec()
}

/// Answers as the reference shows them, as inputs.
pub(crate) fn answer_seeds() -> Vec<Vec<u8>> {
    let refusal =
        r#"{"code":-32010,"message":"no","data":{"symbol":"WRONG_CHAIN","retryable":false,"hint":"sign again"}}"#;
    let head = format!(r#"{{"height":"7","hash":"{}","time":"1760000000000"}}"#, Hash::new([7; 32]));
    let count = u8::try_from(ANSWERS.len()).unwrap_or(u8::MAX);
    let empty = (0..count).map(|form| [vec![form], b"{}".to_vec()].concat());
    let known = [(count - 1, refusal.to_owned()), (4, head), (7, r#"{"items":[],"next":null}"#.to_owned())];
    empty.chain(known.map(|(form, text)| [vec![form], text.into_bytes()].concat())).collect()
}
