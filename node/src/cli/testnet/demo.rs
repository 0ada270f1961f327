//! `althing testnet demo`: a new network, one transfer, and every node's word that it is final with the same state.
//!
//! It keeps nothing, so it shows the same each time. On a terminal the network stays for whoever wants to try more.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use althing_client::{Connection, TransactionBuilder};
use althing_genesis::{DOCUMENT_BYTES_MAX, Genesis};
use althing_types::{Action, Address, AssetId, AuthPolicy, Replay, SecretKey, SignedTransaction};
use clap::Args;
use serde_json::{Value, json};

use super::report;
use super::up::{Shape, foreground};
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::remote::wait_for;
use crate::cli::signing::{now, signed, with_gas};
use crate::cli::{Exit, amount};
use crate::files;
use crate::keys;
use crate::testnet::{Interrupts, NodeStatus, Testnet, View};

/// What is moved, in the smallest unit of the asset: 12.50.
const AMOUNT: u128 = 1_250;
/// How long the transfer is valid, in milliseconds.
const VALID_FOR_MS: u64 = 60_000;
/// How long the node that takes it may take to say that it is final, in milliseconds.
const FINAL_MS_MAX: u64 = 20_000;
/// How often, and with what pause, the nodes are asked whether they agree: 10 s in all.
const ASKED_MAX: u32 = 200;
/// The pause.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug, Args)]
pub(crate) struct Demo {
    #[command(flatten)]
    shape: Shape,
}

/// What the demonstration has shown.
struct Scene {
    answer: Value,
    transfer: String,
    nodes: Vec<NodeStatus>,
    ready: Duration,
    submitted: Duration,
    agreed: Duration,
}

impl Demo {
    pub(super) fn run(self, output: &Output) -> Result<Exit, Failure> {
        let start = clock();
        let (mut supervisor, interrupts) = foreground(self.shape.options(None, true)?, output)?;
        let ready = start.elapsed();
        let view = supervisor.testnet().view();
        // What fails here takes the network down as the supervisor is dropped.
        let scene = play(supervisor.testnet(), &view, ready, &interrupts)?;
        let mut fields = report::fields(&view, true);
        scene.add_to(&mut fields);
        output.either(|| scene.human(&view), fields)?;
        if io::stdout().is_terminal() && !output.is_json() {
            output.note(&report::hints(&view));
            output.note("Ctrl-C takes the testnet down; it keeps nothing");
            supervisor.serve()?;
        } else {
            supervisor.down()?;
        }
        output.note("the testnet is down");
        Ok(Exit::Done)
    }
}

/// Moves an amount and waits until all nodes have it with the same state.
fn play(testnet: &mut Testnet, view: &View, ready: Duration, interrupts: &Interrupts) -> Result<Scene, Failure> {
    let genesis = Genesis::parse(&files::read(&view.genesis, DOCUMENT_BYTES_MAX)?)
        .map_err(|error| Failure::genesis(&view.genesis, &error))?;
    let (Some(first), Some(from)) = (view.nodes.first(), view.accounts.first()) else {
        return Err(failed("the testnet has no node or no account"));
    };
    let to = &view.accounts.get(1).unwrap_or(from).address;
    let (transaction, shown) = transfer(&genesis, &account_key(&from.key)?, to)?;
    let start = clock();
    let question = json!({
        "tx": const_hex::encode_prefixed(transaction.to_bytes()), "waitUntil": "finalized", "timeoutMs": FINAL_MS_MAX,
    });
    let answer: Value =
        wait_for(async { Ok(Connection::new([first.rpc.as_str()])?.call("tx_submit", question).await?) })?;
    let submitted = start.elapsed();
    if answer["status"] != "finalized" || answer["receipt"]["code"] != 0 {
        return Err(failed(&format!("the transfer did not become final: {answer}")));
    }
    for _ in 0..ASKED_MAX {
        let nodes = testnet.status();
        if agree(&nodes, &answer["height"]) {
            let transfer = format!("{shown} from {} to {to}", from.address);
            return Ok(Scene { answer, transfer, nodes, ready, submitted, agreed: start.elapsed() });
        }
        if interrupts.is_asked() {
            return Err(Failure::new(Exit::Interrupted, "INTERRUPTED", "interrupted; the testnet is down"));
        }
        thread::sleep(PAUSE);
    }
    let roots = report::nodes(&testnet.status());
    Err(failed(&format!("the nodes do not agree on one state:\n{roots}")))
}

fn transfer(genesis: &Genesis, key: &SecretKey, to: &str) -> Result<(SignedTransaction, String), Failure> {
    let asset = genesis.first_asset().ok_or_else(|| failed("the testnet has no asset"))?;
    let to = Address::from_text(to, genesis.prefix()).map_err(|error| failed(&format!("{to}: {error}")))?;
    let sender = Address::of_policy(&AuthPolicy::Key(key.public_key()));
    // Nothing was sent on this chain before, so nothing needs to be told apart.
    let replay = Replay::Expiring { valid_until: now().plus(VALID_FOR_MS), salt: 0 };
    let action = Action::Transfer { asset: AssetId::of_genesis(&asset.symbol), to, amount: AMOUNT };
    let body = TransactionBuilder::new(genesis.hash(), sender, replay, action).build();
    let shown = amount::shown(AMOUNT, asset.decimals, asset.symbol.as_str());
    Ok((signed(with_gas(body, 1), key)?, shown))
}

fn account_key(path: &Path) -> Result<SecretKey, Failure> {
    keys::load(path)?.open(None).map_err(|error| Failure::of_key(path, &error))
}

/// Whether all nodes have executed the block and hold the same state.
fn agree(nodes: &[NodeStatus], height: &Value) -> bool {
    let least: Option<u64> = height.as_str().and_then(|height| height.parse().ok());
    let first = nodes.first().and_then(|node| node.answer.as_ref());
    nodes.iter().all(|node| {
        let answer = node.answer.as_ref();
        let has_it = answer.and_then(|answer| answer.height.parse::<u64>().ok()).is_some_and(|at| Some(at) >= least);
        let is_same = answer
            .zip(first)
            .is_some_and(|(answer, first)| answer.height == first.height && answer.state_root == first.state_root);
        has_it && is_same && least.is_some()
    })
}

impl Scene {
    fn human(&self, view: &View) -> String {
        let millis = |duration: Duration| format!("{} ms", duration.as_millis());
        format!(
            "{}\nready after {}\n{}: final at height {} after {}, on all {} nodes after {}\n\n{}",
            report::human(view),
            millis(self.ready),
            self.transfer,
            self.answer["height"].as_str().unwrap_or("-"),
            millis(self.submitted),
            self.nodes.len(),
            millis(self.agreed),
            report::nodes(&self.nodes),
        )
    }

    fn add_to(&self, fields: &mut Value) {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let Some(fields) = fields.as_object_mut() else { return };
        fields.insert("readyMs".to_owned(), json!(millis(self.ready)));
        fields.insert(
            "transfer".to_owned(),
            json!({
                "txId": self.answer["txId"],
                "height": self.answer["height"],
                "finalMs": millis(self.submitted),
                "agreedMs": millis(self.agreed),
            }),
        );
        fields.insert("status".to_owned(), json!(self.nodes));
    }
}

fn failed(message: &str) -> Failure {
    Failure::new(Exit::Failed, "DEMO", message)
}

/// The steady clock.
#[expect(clippy::disallowed_methods, reason = "the user is told how long it took")]
fn clock() -> Instant {
    Instant::now()
}
