//! A network and its nodes as a user or a script reads them.

use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::output::{Output, list, table};
use crate::testnet::{NodeStatus, View};

/// Accounts that people are shown; scripts get all.
const ACCOUNTS_SHOWN: usize = 8;

/// A network that is ready.
pub(super) fn network(view: &View, was_started: bool, output: &Output) -> Result<(), Failure> {
    output.either(|| human(view), fields(view, was_started))
}

/// The same as an object.
pub(super) fn fields(view: &View, was_started: bool) -> Value {
    let mut fields = serde_json::to_value(view).unwrap_or_default();
    if let Some(fields) = fields.as_object_mut() {
        fields.insert("wasStarted".to_owned(), json!(was_started));
    }
    fields
}

/// The same for people.
pub(super) fn human(view: &View) -> String {
    let head = list(&[
        ("testnet", view.dir.display().to_string()),
        ("chain", view.chain_id.clone()),
        ("genesis", view.genesis_hash.clone()),
    ]);
    let nodes: Vec<Vec<String>> = view
        .nodes
        .iter()
        .map(|node| {
            let pid = node.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
            vec![node.name.clone(), node.role.clone(), node.rpc.clone(), node.p2p.to_string(), pid]
        })
        .collect();
    let accounts: Vec<Vec<String>> = view
        .accounts
        .iter()
        .take(ACCOUNTS_SHOWN)
        .map(|account| vec![account.address.clone(), account.key.display().to_string()])
        .collect();
    let more = match view.accounts.len().saturating_sub(ACCOUNTS_SHOWN) {
        0 => String::new(),
        more => format!("and {more} more accounts\n"),
    };
    let nodes = table(&["node", "role", "rpc", "p2p", "pid"], &nodes);
    let accounts = table(&["funded account", "key (DEV: everybody can derive it)"], &accounts);
    format!("{head}\n{nodes}\n{accounts}{more}")
}

/// How to go on.
pub(super) fn hints(view: &View) -> String {
    let dir = view.dir.display();
    let (Some(first), Some(last)) = (view.nodes.first(), view.nodes.last()) else { return String::new() };
    let (Some(from), Some(to)) = (view.accounts.first(), view.accounts.get(1).or(view.accounts.first())) else {
        return String::new();
    };
    let (from, to, rpc) = (from.key.display(), &to.address, &first.rpc);
    let name = &last.name;
    format!(
        "
go on with, for example:
  althing send --rpc {rpc} --key {from} --to {to} --amount 12.50
  althing account show {to} --rpc {rpc} --genesis {dir}/genesis.json --verify
  curl -s {rpc}/rpc -H 'content-type: application/json' \\
    -d '{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"node_status\"}}'
  althing testnet status --dir {dir}
  althing testnet kill {name} --dir {dir} && althing testnet restart {name} --dir {dir}
  althing testnet logs {name} -f --dir {dir}
  althing testnet down --dir {dir}
"
    )
}

/// How the nodes are.
pub(super) fn nodes(nodes: &[NodeStatus]) -> String {
    let rows: Vec<Vec<String>> = nodes.iter().map(row).collect();
    table(&["node", "state", "height", "state root", "peers", "rpc", "pid"], &rows)
}

fn row(status: &NodeStatus) -> Vec<String> {
    let dash = || "-".to_owned();
    let answer = status.answer.as_ref();
    let state = match (status.exit_code, status.exit_signal) {
        (Some(code), _) => format!("{} ({code})", status.state.as_str()),
        (None, Some(signal)) => format!("{} (signal {signal})", status.state.as_str()),
        (None, None) => status.state.as_str().to_owned(),
    };
    let root = answer.map(|answer| answer.state_root.chars().take(18).collect::<String>() + "…");
    vec![
        status.node.name.clone(),
        state,
        answer.map_or_else(dash, |answer| answer.height.clone()),
        root.unwrap_or_else(dash),
        answer.map_or_else(dash, |answer| format!("{} of {}", answer.peers, answer.peers_expected)),
        status.node.rpc.clone(),
        status.node.pid.map_or_else(dash, |pid| pid.to_string()),
    ]
}
