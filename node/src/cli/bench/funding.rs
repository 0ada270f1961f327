//! Paying for the accounts of a run: groups of accounts, each with one transaction that takes effect whole or not at all.
//!
//! A group whose first account holds enough from an earlier run is passed over. The last group is paid whole, so that a
//! run with more accounts finds the rest of it.

use std::future::Future;
use std::time::Duration;

use althing_client::{ClientError, Connection, TransactionBuilder, sign_simple};
use althing_rpc::api::{AccountAnswer, Decimal, SubmitAnswer, TransactionStatus};
use althing_types::{Action, BATCH_ACTIONS_MAX, Height, List, Replay, SignedTransaction};
use serde_json::json;
use tokio::task::JoinSet;

use super::accounts::Accounts;
use super::arguments::Bank;
use super::endpoints::Endpoints;
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::signing::{now, with_gas};

/// Accounts that one transaction pays for.
const GROUP: u32 = 64;
const _: () = assert!(GROUP as usize <= BATCH_ACTIONS_MAX, "a transaction holds no more");
/// What an account gets, in the smallest unit. Each transfer moves 1, and each account gets back what it sends.
const FUNDS: u128 = 10_000;
/// What an account must hold not to be paid again.
const FUNDS_LEAST: u128 = 5_000;
/// Questions under way at most.
const AT_ONCE: usize = 16;
/// How long a payment is valid, in milliseconds.
const VALID_FOR_MS: u64 = 60_000;
/// How long one call waits for a payment to be final, in milliseconds.
const WAIT_MS: u32 = 20_000;
/// How often a payment is handed in again, with the pause.
const TRIES: u32 = 100;
/// The pause where the node does not say one.
const PAUSE_MS: u64 = 200;

/// Pays for the accounts that need it. The height up to which every node has come then.
pub(super) async fn fund(
    accounts: &Accounts,
    bank: &Bank,
    endpoints: &Endpoints,
    output: &Output,
) -> Result<Height, Failure> {
    let nodes = endpoints.connections();
    let groups: Vec<u32> = (0..accounts.count().div_ceil(GROUP)).collect();
    let asked = (0..).zip(&groups).map(|(turn, group)| {
        let first = bank.chain.text(accounts.account(group * GROUP).address);
        let (node, group) = (node(&nodes, turn), *group);
        async move { Ok((group, holdings(&node, &first).await?)) }
    });
    let known = together(asked, |_| {}).await?;
    let is_poor = |answer: &AccountAnswer| balance(answer, &bank.symbol) < FUNDS_LEAST;
    let poor: Vec<u32> = known.iter().filter(|(_, answer)| is_poor(answer)).map(|(group, _)| *group).collect();
    let mut height = known.iter().map(|(_, answer)| answer.context.height.0).max().unwrap_or_default();
    let payer = bank.chain.text(bank.address);
    if !poor.is_empty() {
        check_means(&holdings(&node(&nodes, 0), &payer).await?, bank, poor.len())?;
        let paid = (0..).zip(&poor).map(|(turn, group)| {
            let (node, payment) = (node(&nodes, turn), payment(accounts, bank, *group, turn));
            async move { settled(&node, &payment?).await }
        });
        let all = poor.len();
        let progress = |done: usize| {
            if done.is_multiple_of(100) || done == all {
                output.note(&format!("paid for {done} of {all} groups of {GROUP} accounts"));
            }
        };
        height = together(paid, progress).await?.into_iter().max().unwrap_or(height);
    }
    endpoints.reach(height, &payer).await?;
    Ok(height)
}

/// The node whose turn it is.
fn node(nodes: &[Connection], turn: usize) -> Connection {
    nodes[turn % nodes.len()].clone()
}

async fn holdings(node: &Connection, address: &str) -> Result<AccountAnswer, Failure> {
    Ok(node.call("account_get", json!({ "address": address })).await?)
}

fn balance(answer: &AccountAnswer, symbol: &str) -> u128 {
    answer.balances.get(symbol).map_or(0, |Decimal(amount)| *amount)
}

/// Refuses to begin what the payer cannot end.
fn check_means(payer: &AccountAnswer, bank: &Bank, groups: usize) -> Result<(), Failure> {
    let (held, needed) = (balance(payer, &bank.symbol), FUNDS * u128::from(GROUP) * groups as u128);
    if held >= needed {
        return Ok(());
    }
    let (payer, symbol) = (&payer.address, &bank.symbol);
    let message = format!("{payer} holds {held} of the smallest unit of {symbol}, the accounts need {needed}");
    Err(Failure::new(Exit::Failed, "NO_FUNDS", message).hint(bank.hint()))
}

/// The transaction that pays for a group.
fn payment(accounts: &Accounts, bank: &Bank, group: u32, turn: usize) -> Result<SignedTransaction, Failure> {
    let members = (0..GROUP).map(|member| accounts.account(group * GROUP + member).address);
    let asset = bank.asset;
    let transfers = members.map(|to| Action::Transfer { asset, to, amount: FUNDS }).collect();
    let replay = Replay::Expiring { valid_until: now().plus(VALID_FOR_MS), salt: turn as u64 };
    let action = Action::Batch(List::truncated(transfers));
    let body = TransactionBuilder::new(bank.chain.genesis.hash(), bank.address, replay, action).build();
    Ok(sign_simple(with_gas(body, 1), &bank.key)?)
}

/// Hands a payment in until it is final. The same bytes are executed once, however often they are handed in.
async fn settled(node: &Connection, payment: &SignedTransaction) -> Result<Height, Failure> {
    let bytes = const_hex::encode_prefixed(payment.to_bytes());
    let question = json!({ "tx": bytes, "waitUntil": "finalized", "timeoutMs": WAIT_MS });
    for _ in 0..TRIES {
        let pause = match node.call::<SubmitAnswer>("tx_submit", &question).await {
            Ok(SubmitAnswer { receipt: Some(receipt), height: Some(Decimal(height)), .. }) if receipt.is_ok() => {
                return Ok(height);
            }
            Ok(SubmitAnswer { receipt: Some(receipt), .. }) => return Err(unpaid(&receipt.status)),
            Ok(SubmitAnswer { status: TransactionStatus::Expired, .. }) => return Err(unpaid("expired")),
            Ok(_) => PAUSE_MS,
            Err(ClientError::Refused(refusal)) if refusal.retryable => refusal.retry_after_ms.unwrap_or(PAUSE_MS),
            Err(error) => return Err(error.into()),
        };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    Err(unpaid("not final in time"))
}

fn unpaid(why: &str) -> Failure {
    Failure::new(Exit::Failed, "NO_FUNDS", format!("a payment to the accounts of the run failed: {why}"))
        .hint("see with `althing account show` what the key that pays holds, and run it again")
}

/// Carries out questions, some at a time, and says after each how many are done.
async fn together<T: Send + 'static>(
    questions: impl Iterator<Item = impl Future<Output = Result<T, Failure>> + Send + 'static>,
    mut done: impl FnMut(usize),
) -> Result<Vec<T>, Failure> {
    let (mut questions, mut tasks, mut answers) = (questions.fuse(), JoinSet::new(), Vec::new());
    loop {
        while tasks.len() < AT_ONCE
            && let Some(question) = questions.next()
        {
            tasks.spawn(question);
        }
        match tasks.join_next().await {
            Some(Ok(answer)) => answers.push(answer?),
            Some(Err(error)) => return Err(Failure::new(Exit::Failed, "INTERNAL", error.to_string())),
            None => return Ok(answers),
        }
        done(answers.len());
    }
}
