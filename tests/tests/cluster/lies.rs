//! A node that lies is found out: every single value of a real answer is changed, one at a time, and the client believes
//! none of the results. The few values that no proof covers are named here.

use std::time::Duration;

use althing_client::{AskedAccount, AskedBlock, verify_account, verify_block, verify_transaction};
use althing_rpc::api::{AccountAnswer, BlockAnswer, TransactionAnswer};
use althing_types::{Address, AssetId, Height};
use serde_json::{Value, json};

use super::network::{Network, submit};
use super::process::Process;
use super::rpc::call;

/// Asks for an answer with a proof; the certificate follows the results that it covers a moment later.
fn proven(node: &Process, method: &str, question: &Value) -> Value {
    for _ in 0..100 {
        match call(node.rpc, method, question) {
            Err(error) if error.symbol() == "PROOF_UNAVAILABLE" => std::thread::sleep(Duration::from_millis(20)),
            answer => return answer.expect("it answers"),
        }
    }
    panic!("no certificate came");
}

/// Another value of the same kind.
fn lie(value: &Value) -> Value {
    match value {
        Value::Null => json!("0x00"),
        Value::Bool(truth) => json!(!truth),
        Value::Number(number) => json!(number.as_u64().map_or(1, |number| number + 1)),
        Value::String(text) => {
            let last = text.chars().last();
            let other = if last == Some('1') { '2' } else { '1' };
            let mut lie = text.clone();
            lie.pop();
            lie.push(other);
            json!(lie)
        }
        Value::Array(_) | Value::Object(_) => unreachable!("only leaves are changed"),
    }
}

/// The paths of all leaves.
fn leaves(value: &Value, path: &str, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| leaves(value, &format!("{path}/{name}"), into));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| leaves(value, &format!("{path}/{index}"), into));
        }
        _ => into.push(path.to_owned()),
    }
}

/// Changes one leaf after the other; returns those whose change was believed.
fn believed(answer: &Value, is_believed: impl Fn(&Value) -> bool) -> Vec<String> {
    assert!(is_believed(answer), "the honest answer is believed");
    let mut paths = Vec::new();
    leaves(answer, "", &mut paths);
    assert!(paths.len() > 10, "{paths:?}");
    paths.retain(|path| {
        let mut lying = answer.clone();
        let leaf = lying.pointer_mut(path).expect("it is there");
        *leaf = lie(leaf);
        is_believed(&lying)
    });
    paths
}

#[test]
fn no_changed_value_of_an_answer_is_believed() {
    let network = Network::new(1);
    let node = Process::start(&network.home(0));
    let receiver = Address::new([7; 32]);
    let transaction = network.transfer(0, receiver, 1_250, 1);
    submit(node.rpc, &transaction, "finalized").expect("it is taken");
    let committee = network.genesis.committee();
    let asset = (network.symbol().to_owned(), network.asset());

    let answer = proven(&node, "account_get", &json!({ "address": network.text(receiver), "prove": true }));
    let prefix = network.genesis.prefix();
    let assets = [asset.clone()];
    let asked = AskedAccount { address: receiver, prefix, at: None, assets: &assets };
    let account = |value: &Value| {
        let shaped = serde_json::from_value::<AccountAnswer>(value.clone());
        shaped.is_ok_and(|answer| verify_account(&answer, &asked, &committee).is_ok())
    };
    assert_eq!(believed(&answer, account), ["/context/time"]);

    let answer = proven(&node, "tx_get", &json!({ "txId": transaction.id().to_string(), "prove": true }));
    let tx = |value: &Value| {
        let shaped = serde_json::from_value::<TransactionAnswer>(value.clone());
        shaped.is_ok_and(|answer| verify_transaction(&answer, transaction.id(), &committee).is_ok())
    };
    // What the answer says in words about body and receipt is for people; whoever verifies takes both from their bytes.
    let words = believed(&answer, tx);
    let in_words =
        |path: &String| ["/transaction/", "/receipt/", "/blockHash", "/time"].iter().any(|at| path.starts_with(at));
    assert!(words.iter().all(in_words), "{words:?}");
    assert!(!words.contains(&"/receipt/code".to_owned()));

    let answer = proven(&node, "chain_getBlock", &json!({ "height": "1", "prove": true }));
    let block = |value: &Value| {
        let shaped = serde_json::from_value::<BlockAnswer>(value.clone());
        let asked = AskedBlock::Height(Height::new(1));
        shaped.is_ok_and(|answer| verify_block(&answer, asked, &committee).is_ok())
    };
    assert_eq!(believed(&answer, block), ["/finalizedView"]);
}

#[test]
fn an_answer_about_something_else_or_with_a_balance_left_out_is_not_believed() {
    let network = Network::new(1);
    let node = Process::start(&network.home(0));
    let receiver = Address::new([7; 32]);
    for salt in 1..=2 {
        submit(node.rpc, &network.transfer(0, receiver, 5, salt), "finalized").expect("it is taken");
    }
    let committee = network.genesis.committee();
    let asset = (network.symbol().to_owned(), network.asset());
    let prefix = network.genesis.prefix();
    let ask = |at: Value| {
        let question = json!({ "address": network.text(receiver), "prove": true, "at": at });
        let answer = proven(&node, "account_get", &question);
        serde_json::from_value::<AccountAnswer>(answer).expect("it has the right shape")
    };
    let verify = |answer: &AccountAnswer, address: Address, at: Option<u64>, assets: &[(String, AssetId)]| {
        let asked = AskedAccount { address, prefix, at: at.map(Height::new), assets };
        verify_account(answer, &asked, &committee).is_ok()
    };
    let first = ask(json!("1"));
    assert!(verify(&first, receiver, Some(1), std::slice::from_ref(&asset)));
    assert!(!verify(&first, receiver, Some(3), std::slice::from_ref(&asset)), "another height");
    assert!(!verify(&first, Address::new([8; 32]), Some(1), std::slice::from_ref(&asset)), "another account");
    let unknown = ("EUR".to_owned(), AssetId::of_genesis(&"EUR".parse().expect("a symbol")));
    assert!(!verify(&first, receiver, Some(1), &[asset.clone(), unknown]), "an asset without a proof");
    let mut omitted = first.clone();
    omitted.balances.clear();
    assert!(!verify(&omitted, receiver, Some(1), std::slice::from_ref(&asset)), "a balance is left out");
    let mut unproven = first.clone();
    unproven.proof = None;
    assert!(!verify(&unproven, receiver, Some(1), &[asset]));

    let block = proven(&node, "chain_getBlock", &json!({ "height": "1", "prove": true }));
    let block: BlockAnswer = serde_json::from_value(block).expect("it has the right shape");
    assert!(verify_block(&block, AskedBlock::Latest, &committee).is_ok());
    assert!(verify_block(&block, AskedBlock::Height(Height::new(2)), &committee).is_err());
    assert!(verify_block(&block, AskedBlock::Hash(althing_types::Hash::ZERO), &committee).is_err());
}
