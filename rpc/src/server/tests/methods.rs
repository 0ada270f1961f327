//! Every method, by name and by position, and what it says when it cannot.

use althing_types::{
    Address, ChainProof, Ed25519, Hash, Height, InclusionProof, Receipt, SignedTransaction, StateKey, StateProof,
    SummaryProof, decode, encode, ics23_presence,
};
use serde_json::{Value, json};

use super::fake::{BALANCE, CHAIN, account, asset, transfer};
use super::{Served, check_error};
use crate::api::{ErrorCode, Hex, Method, MethodKind};
use crate::backend::Backend as _;

fn hex(transaction: &SignedTransaction) -> String {
    Hex(transaction.to_bytes()).to_string()
}

fn text(served: &Served) -> String {
    served.backend.chain().notation.address(&account())
}

/// The bytes of a field.
fn bytes(value: &Value) -> Vec<u8> {
    let Hex(bytes) = value.as_str().expect("a text").parse::<Hex<Vec<u8>>>().expect("hexadecimal");
    bytes
}

/// Decodes a field of a proof.
macro_rules! proof {
    ($value:expr, $type:ty) => {
        decode::<$type>(&bytes(&$value), 1 << 20).expect("canonical")
    };
}

#[test]
fn every_method_answers_by_name_and_by_position() {
    let served = Served::new();
    let tx = hex(&transfer(99));
    let id = transfer(3).id().to_string();
    let hash = served.backend.header(Height::new(4)).id().to_string();
    let calls = [
        (Method::NodeStatus, json!({}), json!([])),
        (Method::NodeWhy, json!({}), json!([])),
        (Method::NodePeers, json!({}), json!([])),
        (Method::NodeGenesis, json!({}), json!([])),
        (Method::ChainGetHead, json!({}), json!([])),
        (Method::ChainGetBlock, json!({ "height": "3", "detail": "full" }), json!(["3", null, "full"])),
        (Method::ChainGetBlock, json!({ "hash": hash, "prove": true }), json!([null, hash, null, true])),
        (Method::ChainListBlocks, json!({ "limit": 3, "order": "asc" }), json!([null, 3, "asc"])),
        (Method::TxSubmitMany, json!({ "txs": [hex(&transfer(98))] }), json!([[hex(&transfer(97))], "none"])),
        (Method::TxGet, json!({ "txId": id, "prove": true }), json!([id, true])),
        (Method::TxSimulate, json!({ "tx": tx }), json!([tx])),
        (Method::AccountGet, json!({ "address": text(&served), "at": "7" }), json!([text(&served), "7"])),
        (Method::AccountGetHistory, json!({ "address": text(&served), "limit": 2 }), json!([text(&served), null, 2])),
        (Method::AssetList, json!({}), json!([])),
        (Method::ValidatorsList, json!({}), json!([])),
        (Method::ConsensusState, json!({}), json!([])),
        (Method::EvidenceList, json!({ "limit": 2, "validator": 1 }), json!([null, 2, 1])),
        (Method::RpcMethods, json!({}), json!([])),
    ];
    for (method, named, positional) in &calls {
        let by_name = served.ok(method.name(), named.clone());
        let by_position = served.ok(method.name(), positional.clone());
        assert!(*method == Method::TxSubmitMany || by_name == by_position, "{method}: {by_name} {by_position}");
    }
    let tested = |method: &&Method| calls.iter().any(|(tested, _, _)| tested == *method);
    let untested: Vec<_> = Method::ALL.iter().filter(|method| !tested(method)).collect();
    let elsewhere = [Method::ChainSubscribeBlocks, Method::ChainUnsubscribeBlocks, Method::TxSubmit, Method::TxWait];
    assert_eq!(untested, elsewhere.iter().collect::<Vec<_>>());
}

#[test]
fn large_integers_are_decimal_strings_and_small_ones_are_numbers() {
    let served = Served::new();
    assert_eq!(served.ok("node_status", json!({}))["uptimeMs"], u64::MAX.to_string());
    let block = served.ok("chain_getBlock", json!({ "height": "3" }));
    assert_eq!((&block["header"]["height"], &block["header"]["proposer"]), (&json!("3"), &json!(0)));
    assert_eq!((&block["result"]["gasUsed"], &block["result"]["txCount"]), (&json!("1152921504606846976"), &json!(1)));
    let account = served.ok("account_get", json!({ "address": text(&served) }));
    assert_eq!(account["balances"]["USD"], BALANCE.to_string());
    assert_eq!(account["lanes"][0], json!({ "lane": 0, "next": u64::MAX.to_string() }));
    served.err("chain_getBlock", json!({ "height": 3 }), ErrorCode::InvalidParams);
}

#[test]
fn a_transaction_is_taken_waited_for_and_known_the_second_time() {
    let served = Served::new();
    let (tx, id) = (hex(&transfer(99)), transfer(99).id().to_string());
    let none = served.ok("tx_submit", json!({ "tx": tx, "waitUntil": "none" }));
    assert_eq!(none, json!({ "txId": id, "status": "pending", "duplicate": false }));
    let accepted = served.ok("tx_submit", json!([tx, "accepted"]));
    assert_eq!(accepted, json!({ "txId": id, "status": "accepted", "duplicate": true }));
    let answer = served.ok("tx_submit", json!({ "tx": tx }));
    assert_eq!((&answer["status"], &answer["duplicate"]), (&json!("finalized"), &json!(true)));
    assert_eq!((&answer["height"], &answer["index"]), (&json!(u64::MAX.to_string()), &json!(7)));
    assert_eq!((&answer["receipt"]["status"], &answer["receipt"]["code"]), (&json!("ok"), &json!(0)));
    assert_eq!(served.ok("tx_wait", json!([id, 1_000]))["status"], "finalized");
    assert_eq!(served.ok("tx_get", json!([id]))["status"], "pending");
}

#[test]
fn a_time_that_is_over_is_no_error() {
    let served = Served::new();
    served.backend.finalizes.send_replace(false);
    let answer = served.ok("tx_submit", json!({ "tx": hex(&transfer(99)), "timeoutMs": 30 }));
    assert_eq!(answer["status"], "pending");
    assert_eq!(served.ok("tx_wait", json!({ "txId": answer["txId"], "timeoutMs": 0 }))["status"], "pending");
    let unknown = served.ok("tx_wait", json!({ "txId": Hash::ZERO.to_string(), "timeoutMs": 30 }));
    assert_eq!(unknown["status"], "unknown");
    let error =
        served.err("tx_wait", json!({ "txId": Hash::ZERO.to_string(), "timeoutMs": 30_001 }), ErrorCode::InvalidParams);
    assert_eq!(error["data"]["info"]["field"], "timeoutMs");
}

#[test]
fn a_bad_transaction_is_refused_by_name() {
    let served = Served::new();
    let good = transfer(99).to_bytes();
    let mut forged = good.clone();
    *forged.last_mut().expect("not empty") ^= 1;
    let mut trailing = good.clone();
    trailing.push(0);
    let mut foreign = good.clone();
    foreign[1] ^= 1;
    let cases = [
        (vec![], ErrorCode::TxMalformed),
        (vec![0xff; 40], ErrorCode::TxMalformed),
        (trailing, ErrorCode::TxMalformed),
        (good[..good.len() - 1].to_vec(), ErrorCode::TxMalformed),
        (forged, ErrorCode::TxBadSignature),
        (foreign, ErrorCode::TxWrongChain),
        (vec![0; althing_types::DEPLOY_BYTES_MAX + 1], ErrorCode::TxTooLarge),
    ];
    for (bytes, code) in cases {
        let tx = Hex(bytes).to_string();
        served.err("tx_submit", json!({ "tx": tx, "waitUntil": "none" }), code);
        let many = served.ok("tx_submitMany", json!({ "txs": [tx, hex(&transfer(98))] }));
        check_error(&many["items"][0]["error"], code);
        assert_eq!(many["items"][1]["txId"], transfer(98).id().to_string());
    }
    let error = served.err("tx_submit", json!({ "tx": "0xZZ" }), ErrorCode::InvalidParams);
    assert!(error["message"].as_str().is_some_and(|message| message.starts_with("tx: ")), "{error}");
}

#[test]
fn several_transactions_are_taken_together_up_to_a_thousand() {
    let served = Served::new();
    let txs: Vec<String> = (100..110).map(|salt| hex(&transfer(salt))).collect();
    let answer = served.ok("tx_submitMany", json!({ "txs": txs, "waitUntil": "accepted" }));
    let items = answer["items"].as_array().expect("a list");
    for (salt, item) in (100..110).zip(items) {
        let expected = json!({ "txId": transfer(salt).id().to_string(), "status": "accepted", "duplicate": false });
        assert_eq!(*item, expected);
    }
    served.err("tx_submitMany", json!({ "txs": vec!["0x"; 1_001] }), ErrorCode::InvalidParams);
    served.err("tx_submitMany", json!({ "txs": [] }), ErrorCode::InvalidParams);
    served.err("tx_submitMany", json!({ "txs": ["0x"], "waitUntil": "finalized" }), ErrorCode::InvalidParams);
    assert_eq!(
        served.ok("tx_submitMany", json!({ "txs": vec!["0x"; 1_000] }))["items"].as_array().map(Vec::len),
        Some(1_000)
    );
}

#[test]
fn an_account_s_proof_covers_its_record_and_every_asset() {
    let served = Served::new();
    let answer = served.ok("account_get", json!({ "address": text(&served), "prove": true }));
    assert_eq!((&answer["balances"]["USD"], &answer["context"]["height"]), (&json!(BALANCE.to_string()), &json!("9")));
    let keys = answer["proof"]["stateProofs"].as_array().expect("a list");
    assert_eq!(proof!(keys[0]["key"], StateKey), StateKey::Account(account()));
    assert_eq!(proof!(keys[1]["key"], StateKey), StateKey::Balance(account(), asset()));
    assert_eq!(keys[1]["value"], Hex(encode(&BALANCE)).to_string());
    let summary = proof!(answer["proof"]["summaryProof"], SummaryProof);
    let verified = summary.verify(&Ed25519, &served.backend.committee).expect("it verifies");
    assert_eq!(verified.state_root.to_string(), answer["context"]["stateRoot"]);
    for proven in keys {
        let (key, value) = (proof!(proven["key"], StateKey), bytes(&proven["value"]));
        let path = proof!(proven["proof"], StateProof);
        assert_eq!(path.verify(&verified.state_root, &key, Some(&value)), Ok(()));
        assert!(proven.get("ics23").is_none(), "nobody asked for it");
    }
    assert!(answer["proof"].get("ics23").is_none());
    served.err(
        "account_get",
        json!({ "address": text(&served), "prove": true, "at": "10" }),
        ErrorCode::ProofUnavailable,
    );
}

#[test]
fn proofs_of_presence_come_in_the_form_of_ics_23_for_who_asks() {
    let served = Served::new();
    let compact = served.ok("account_get", json!({ "address": text(&served), "prove": true }));
    let mut answer = served.ok("account_get", json!([text(&served), null, "ics23"]));
    let foreign = answer["proof"].as_object_mut().expect("a proof").remove("ics23");
    let root = compact["context"]["stateRoot"].clone();
    assert_eq!(foreign, Some(json!({ "spec": "jmt-sha256", "height": "9", "stateRoot": root })));
    let root: Hash = root.as_str().expect("a text").parse().expect("a hash");
    for proven in answer["proof"]["stateProofs"].as_array_mut().expect("a list") {
        let foreign = bytes(&proven.as_object_mut().expect("an object").remove("ics23").expect("it is there"));
        let (key, path) = (proof!(proven["key"], StateKey), proof!(proven["proof"], StateProof));
        assert_eq!(Ok(foreign), ics23_presence(&root, &key, &bytes(&proven["value"]), &path));
    }
    assert_eq!(answer, compact, "beside it stands what our own clients verify");
    let stranger = served.backend.chain().notation.address(&Address::new([9; 32]));
    assert_eq!(served.ok("account_get", json!({ "address": stranger, "prove": true }))["balances"], json!({}));
    let question = json!({ "address": stranger, "prove": "ics23", "at": "4" });
    let error = served.err("account_get", question, ErrorCode::PresenceOnly);
    assert_eq!(error["data"]["info"]["height"], "4");
    assert!(error["data"]["hint"].as_str().is_some_and(|hint| hint.contains("compact form")), "{error}");
    served.err("account_get", json!({ "address": text(&served), "prove": "smt" }), ErrorCode::InvalidParams);
}

#[test]
fn blocks_and_transactions_carry_proofs_that_verify() {
    let served = Served::new();
    let block = served.ok("chain_getBlock", json!({ "height": "3", "prove": true }));
    let chain = proof!(block["proof"]["chain"], ChainProof);
    let header = chain.verify(&Ed25519, &served.backend.committee).expect("it verifies");
    assert_eq!(header.id().to_string(), block["header"]["blockHash"]);
    let transaction = served.ok("tx_get", json!({ "txId": transfer(3).id().to_string(), "prove": true }));
    let receipt = proof!(transaction["proof"]["receipt"], Receipt);
    assert_eq!(receipt.tx_id, transfer(3).id());
    assert_eq!(transaction["tx"], hex(&transfer(3)));
    assert_eq!(proof!(transaction["proof"]["txInclusion"], InclusionProof).count, 1);
    let summary = proof!(transaction["proof"]["summary"], SummaryProof);
    assert!(summary.verify(&Ed25519, &served.backend.committee).is_ok());
    let head = transfer(10).id().to_string();
    served.err("tx_get", json!({ "txId": head, "prove": true }), ErrorCode::ProofUnavailable);
}

#[test]
fn what_is_not_there_is_told_apart_from_what_is_not_there_yet() {
    let served = Served::new();
    served.err("chain_getBlock", json!({ "height": "11" }), ErrorCode::HeightInFuture);
    served.err("chain_getBlock", json!({ "hash": Hash::ZERO.to_string() }), ErrorCode::NotFound);
    served.err("chain_getBlock", json!({ "height": "1", "hash": Hash::ZERO.to_string() }), ErrorCode::InvalidParams);
    served.err("tx_get", json!({ "txId": Hash::ZERO.to_string() }), ErrorCode::NotFound);
    served.err("account_get", json!({ "address": text(&served), "at": "11" }), ErrorCode::HeightInFuture);
    let empty = served.ok("account_get", json!({ "address": Hash::ZERO.to_string() }));
    assert_eq!((&empty["balances"], &empty["policy"]), (&json!({}), &Value::Null));
    served.err("account_get", json!({ "address": "alt1qqqq" }), ErrorCode::InvalidParams);
}

#[test]
fn a_reader_of_its_own_writes_waits_for_the_height() {
    let limits = super::Limits { min_height_time: std::time::Duration::from_millis(50), ..super::Limits::default() };
    let served = Served::with(limits);
    let params = json!({ "address": text(&served), "minHeight": "12" });
    let error = served.err("account_get", params.clone(), ErrorCode::NodeBehind);
    assert_eq!(error["data"]["info"]["latest"], "10");
    served.backend.grow_to(12);
    assert_eq!(served.ok("account_get", params)["context"]["height"], "12");
}

#[test]
fn wrong_requests_get_complete_errors() {
    let served = Served::new();
    served.err("node_Status", json!({}), ErrorCode::MethodNotFound);
    served.err("tx_get", json!({ "id": "0x" }), ErrorCode::InvalidParams);
    served.err("node_status", json!({ "verbose": true }), ErrorCode::InvalidParams);
    served.err("chain_subscribeBlocks", json!({}), ErrorCode::Transport);
    check_error(&served.ask(&json!({ "id": 1, "hello": 1 }))["error"], ErrorCode::InvalidRequest);
    check_error(&served.ask(&json!([]))["error"], ErrorCode::InvalidRequest);
    let (_, body) = super::http::post(served.address, "{\"jsonrpc\":");
    let answer: Value = serde_json::from_str(&body).expect("JSON");
    check_error(&answer["error"], ErrorCode::ParseError);
    let long = "x".repeat(300);
    let answer = served.ask(&json!({ "jsonrpc": "2.0", "id": long, "method": "node_status" }));
    check_error(&answer["error"], ErrorCode::InvalidRequest);
}

#[test]
fn the_genesis_hash_and_the_list_of_methods_are_told() {
    let served = Served::new();
    assert_eq!(served.ok("node_genesis", json!({}))["genesisHash"], CHAIN.to_string());
    let methods = served.ok("rpc_methods", json!({}));
    assert_eq!(methods["methods"].as_array().map(Vec::len), Some(Method::ALL.len()));
    assert!(Method::ALL.iter().any(|method| method.kind() == MethodKind::Subscription));
}
