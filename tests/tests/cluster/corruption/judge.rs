//! What becomes of a node whose files were damaged: it is started beside the others, and asked for everything that was final.

use std::fmt;
use std::net::SocketAddr;
use std::process::ExitStatus;
use std::time::Duration;

use althing_client::{AskedAccount, verify_account};
use althing_rpc::api::AccountAnswer;
use althing_types::{Address, Hash};
use serde_json::{Value, json};

use super::super::network::Network;
use super::super::nodes::{eventually, transfer};
use super::super::process::{Home, Process, log_of};
use super::super::rpc::{CallError, call};
use super::chain::receiver;

/// How long a node may take to have what the others have.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a node says of itself that votes no more, or takes no transactions in, because it knows that something is lost.
const ADMISSIONS: [&str; 4] = ["keyDoubled", "votesLost", "diverged", "laneSilent"];

/// What came of damage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It did not start, and said why and what to do.
    Refused(String),
    /// It ended by itself when it met the damage, and said so.
    Ended(String),
    /// It runs, answers what it cannot read with an error, and logged it.
    Said(String),
    /// It answers like before. What it says of itself that is not so without damage.
    Harmless(String),
    /// It answered wrongly, lacks something silently, or ended without an explanation.
    Wrong(String),
}

impl Verdict {
    pub(super) const fn is_wrong(&self) -> bool {
        matches!(self, Self::Wrong(_))
    }

    pub(super) const fn is_noticed(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Ended(_) | Self::Said(_))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(what) => write!(f, "does not start: {what}"),
            Self::Ended(what) => write!(f, "ends: {what}"),
            Self::Said(what) => write!(f, "says so: {what}"),
            Self::Harmless(what) if what.is_empty() => write!(f, "harmless"),
            Self::Harmless(what) => write!(f, "harmless; {what}"),
            Self::Wrong(what) => write!(f, "WRONG: {what}"),
        }
    }
}

/// A node to be judged, and what it is held against.
pub(super) struct Subject<'a> {
    pub(super) network: &'a Network,
    /// A node that is well.
    pub(super) reference: SocketAddr,
    pub(super) home: &'a Home,
    /// All transactions, each final.
    pub(super) ids: &'a mut Vec<Hash>,
    pub(super) receivers: Vec<Address>,
    /// The next transfer's.
    pub(super) salt: u64,
    /// Whether the chain goes on at the end, so that the node votes. Its folder as it was before is an older copy from then on.
    pub(super) goes_on: bool,
}

impl Subject<'_> {
    /// Starts the node and asks it for everything. `hit` is done to it as soon as it has what the others have.
    pub(super) fn verdict(mut self, hit: impl FnOnce()) -> Verdict {
        let mut process = match Process::try_start(self.home) {
            Ok(process) => process,
            Err(status) => return self.farewell(status).map_or_else(Verdict::Wrong, Verdict::Refused),
        };
        let node = process.rpc;
        let judged = self.catch_up(node).and_then(|top| {
            hit();
            let said = self.compare_all(node, top)?;
            if self.goes_on && said.is_empty() {
                self.go_on(node)?;
            }
            Ok(said)
        });
        let admitted = admissions(node);
        match judged {
            Ok(said) if !said.is_empty() => self.logged(&said),
            Ok(_) => {
                let stopped = process.stop();
                if stopped.success() { Verdict::Harmless(admitted) } else { Verdict::Wrong(format!("{stopped}")) }
            }
            Err(Trouble::Gone) => self.farewell(process.wait()).map_or_else(Verdict::Wrong, Verdict::Ended),
            Err(Trouble::Behind) if !admitted.is_empty() => Verdict::Said(admitted),
            Err(Trouble::Behind) => {
                let why =
                    call(node, "node_why", &json!({})).map_or_else(|error| error.to_string(), |why| why.to_string());
                Verdict::Wrong(format!("it does not follow: {why}; {}", log_of(self.home)))
            }
            Err(Trouble::Wrong(what)) => Verdict::Wrong(what),
        }
    }

    /// The symbol with which a node ended; what is wrong with its words, if they are no explanation.
    fn farewell(&self, status: ExitStatus) -> Result<String, String> {
        let log = log_of(self.home);
        let line = log.lines().rev().find(|line| line.starts_with("{\"error\"")).unwrap_or_default();
        let error: Value = serde_json::from_str(line).unwrap_or_default();
        let part = |name: &str| error["error"][name].as_str().unwrap_or_default();
        let is_explained = !part("symbol").is_empty() && !part("message").is_empty() && !part("hint").is_empty();
        let is_crash = log.contains("panicked") || log.contains("broken invariant");
        if is_crash || !is_explained || status.code().is_none_or(|code| code == 0) {
            return Err(format!("it ended with {status} and no explanation: {log}"));
        }
        let message = part("message").replace(&self.home.folder.to_string_lossy().into_owned(), "");
        let words = message.split("  The file ").next().unwrap_or_default().rsplit(": ").next().unwrap_or_default();
        Ok(format!("{} ({})", part("symbol"), words.chars().take(90).collect::<String>()))
    }

    /// A node that answers that it cannot read something must have told its operator.
    fn logged(&self, said: &str) -> Verdict {
        let log = std::fs::read_to_string(self.home.folder.join("stderr.log")).unwrap_or_default();
        if log.contains("the ledger cannot be read") {
            Verdict::Said(said.to_owned())
        } else {
            Verdict::Wrong(format!("it answers {said} and its log says nothing: {log}"))
        }
    }

    /// Waits until the node has what the others have now. Returns the height of that.
    fn catch_up(&self, node: SocketAddr) -> Result<u64, Trouble> {
        let goal = height(self.reference).expect("it is well");
        let mut is_gone = false;
        let reached = eventually(PATIENCE, || match height(node) {
            Ok(height) => height >= goal,
            Err(_) => {
                is_gone = true;
                true
            }
        });
        match (is_gone, reached) {
            (true, _) => Err(Trouble::Gone),
            (false, true) => Ok(goal),
            (false, false) => Err(Trouble::Behind),
        }
    }

    /// Holds every answer of the node against one of a node that is well. Says what it could not read.
    fn compare_all(&self, node: SocketAddr, top: u64) -> Result<String, Trouble> {
        let mut said = String::new();
        for (method, params) in self.questions(top) {
            let expected = call(self.reference, method, &params).expect("it is well");
            match call(node, method, &params) {
                Ok(answer) if essence(&answer) == essence(&expected) => {}
                Ok(answer) => return Err(Trouble::wrong(method, &params, &answer, &expected)),
                Err(CallError::Gone(_)) => return Err(Trouble::Gone),
                Err(error) if error.symbol() == "INTERNAL" => said = format!("INTERNAL to {method}"),
                Err(error) => return Err(Trouble::Wrong(format!("{method} {params}: {error}"))),
            }
        }
        for address in &self.receivers {
            match self.prove(node, *address) {
                Err(Trouble::Wrong(what)) if what.contains("INTERNAL") => "INTERNAL to a proof".clone_into(&mut said),
                proven => proven?,
            }
        }
        Ok(said)
    }

    fn questions(&self, top: u64) -> Vec<(&'static str, Value)> {
        let mut questions = vec![("asset_list", json!({})), ("validators_list", json!({}))];
        for height in 0..=top {
            questions.push(("chain_getBlock", json!({ "height": height.to_string(), "detail": "full" })));
        }
        questions.extend(self.ids.iter().map(|id| ("tx_get", json!({ "txId": id.to_string() }))));
        let senders = (0..3).map(Network::account);
        for address in self.receivers.iter().copied().chain(senders) {
            let address = self.network.text(address);
            for at in [1, top / 2, top - 1, top] {
                questions.push(("account_get", json!({ "address": address, "at": at.to_string() })));
            }
            questions.push(("account_get", json!({ "address": address })));
            questions.push(("account_getHistory", json!({ "address": address, "limit": 200 })));
        }
        questions
    }

    /// Whether a proof of an account holds.
    fn prove(&self, node: SocketAddr, address: Address) -> Result<(), Trouble> {
        let question = json!({ "address": self.network.text(address), "prove": true });
        let answer = match call(node, "account_get", &question) {
            Ok(answer) => answer,
            Err(CallError::Gone(_)) => return Err(Trouble::Gone),
            Err(error) => return Err(Trouble::Wrong(format!("a proof: {}", error.symbol()))),
        };
        let answer: AccountAnswer = serde_json::from_value(answer).expect("it has the shape");
        let assets = [(self.network.symbol().to_owned(), self.network.asset())];
        let asked = AskedAccount { address, prefix: self.network.genesis.prefix(), at: None, assets: &assets };
        let verified = verify_account(&answer, &asked, &self.network.genesis.committee());
        verified.map(drop).map_err(|error| Trouble::Wrong(format!("a proof does not hold: {error}")))
    }

    /// A few transfers more: the node follows, comes to the same state, and nobody can accuse it of anything.
    fn go_on(&mut self, node: SocketAddr) -> Result<(), Trouble> {
        for salt in self.salt..self.salt + 3 {
            self.ids.push(transfer(self.network, self.reference, receiver(salt), salt));
        }
        let top = self.catch_up(node)?;
        let question = json!({ "height": top.to_string() });
        let expected = call(self.reference, "chain_getBlock", &question).expect("it is well");
        match call(node, "chain_getBlock", &question) {
            Ok(answer) if essence(&answer) == essence(&expected) => {}
            Ok(answer) => return Err(Trouble::wrong("chain_getBlock", &question, &answer, &expected)),
            Err(CallError::Gone(_)) => return Err(Trouble::Gone),
            Err(error) => return Err(Trouble::Wrong(error.to_string())),
        }
        let evidence = call(self.reference, "evidence_list", &json!({})).expect("it is well");
        let nothing = |part: &str| evidence[part].as_array().is_none_or(Vec::is_empty);
        if nothing("pending") && nothing("items") {
            return Ok(());
        }
        Err(Trouble::Wrong(format!("it contradicted itself: {evidence}")))
    }
}

/// Why a node could not be asked to the end.
enum Trouble {
    /// It went away.
    Gone,
    /// It does not come to what the others have.
    Behind,
    /// It answered wrongly.
    Wrong(String),
}

impl Trouble {
    fn wrong(method: &str, params: &Value, answer: &Value, expected: &Value) -> Self {
        Self::Wrong(format!("{method} {params}: {answer} instead of {expected}"))
    }
}

/// An answer without what may differ from node to node, or from one moment to the next.
fn essence(answer: &Value) -> Value {
    let mut answer = answer.clone();
    if let Some(fields) = answer.as_object_mut() {
        for name in ["finalizedView", "finalization", "context"] {
            fields.remove(name);
        }
    }
    answer
}

fn height(node: SocketAddr) -> Result<u64, CallError> {
    let head = call(node, "chain_getHead", &json!({}))?;
    Ok(head["height"].as_str().expect("a height").parse().expect("a number"))
}

/// What a node says of itself that it does not say when nothing is lost.
fn admissions(node: SocketAddr) -> String {
    let Ok(why) = call(node, "node_why", &json!({})) else { return String::new() };
    let also = why["also"].as_array().cloned().unwrap_or_default();
    let causes = std::iter::once(&why).chain(&also).filter_map(|finding| finding["cause"].as_str());
    causes.filter(|cause| ADMISSIONS.contains(cause)).collect::<Vec<_>>().join(", ")
}
