//! `althing repair`: what of a stopped node's data is damaged, and what is done about it.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::node::{Subject, Whose, not_repaired, not_started};
use crate::cli::output::{Output, list};
use crate::cli::progress::Progress;
use crate::shell::{self, Part, Repaired, State, Word};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  althing repair --home /var/lib/althing --check     # says how each part is, and changes nothing
  althing repair --home /var/lib/althing
  althing repair --home observer --observer

The whole store is read, and both logs. What is damaged is set aside under another name, db.damaged-1 for instance, and not
deleted. The next start of the node fetches the chain from the others; the votes stay. Votes or batches that are damaged
cannot be fetched: giving them up has consequences, which are told, and needs --yes.

Exit codes: 0 all is whole, or it was repaired, 1 something is damaged (--check), or the disk failed, 2 the operator has to
say more, 7 key or password, 75 the data folder is in use, 78 it does not fit, or nobody else has what is lost.")]
pub(crate) struct Repair {
    #[command(flatten)]
    whose: Whose,
    /// Change nothing, and end with 1 if something is damaged
    #[arg(long, conflicts_with_all = ["yes", "logs_are_current", "discard"])]
    check: bool,
    /// No other process votes with this key, and none will: what it voted may be forgotten
    #[arg(long)]
    yes: bool,
    /// The logs of votes and batches are those of the node's last run, and no copy
    #[arg(long)]
    logs_are_current: bool,
    /// Delete at the end what was damaged
    #[arg(long)]
    discard: bool,
    /// The node is an observer, whose key is given with --node-key
    #[arg(long, conflicts_with = "validator_key")]
    observer: bool,
    /// The observer's node key [default: HOME/config/node_key.pem]
    #[arg(long, value_name = "FILE", requires = "observer")]
    node_key: Option<PathBuf>,
}

impl Repair {
    pub(crate) fn run(self, home: Option<PathBuf>, output: &Output) -> Result<Exit, Failure> {
        let subject =
            if self.observer { self.whose.observer(home, self.node_key)? } else { self.whose.validator(home)?.0 };
        let Subject { genesis, owner, key_path, data, config } = subject;
        let mut progress = Progress::begin(output);
        let found = shell::examine(&genesis, owner, &data, &config, self.check, |done, whole, content| {
            let (done, whole) = (u64::try_from(done).unwrap_or(0), u64::try_from(whole).unwrap_or(0));
            progress.show(done, whole, |_| format!("of the store's keyspaces, {} entries read", content.entries));
        });
        progress.end();
        let found = found.map_err(|error| not_started(&error, &key_path))?;
        let parts = found.parts.clone();
        if found.is_whole() {
            report(output, &data, &parts, None)?;
            return Ok(Exit::Done);
        }
        if self.check {
            report(output, &data, &parts, None)?;
            return Ok(Exit::Failed);
        }
        let word = Word { gives_votes_up: self.yes, vouches_for_logs: self.logs_are_current, discards: self.discard };
        let repaired = found.repair(word).map_err(|error| {
            output.note(lines(&parts).trim_end());
            not_repaired(&error, &key_path)
        })?;
        report(output, &data, &parts, Some(&repaired))?;
        Ok(Exit::Done)
    }
}

/// Writes how each part was found, and what was done.
fn report(output: &Output, data: &Path, parts: &[(Part, State)], repaired: Option<&Repaired>) -> Result<(), Failure> {
    let items: Vec<Value> = parts.iter().map(|(part, state)| fields(*part, state)).collect();
    let is_whole = !parts.iter().any(|(_, state)| state.is_bad());
    let done = repaired.cloned().unwrap_or_default();
    let human = || {
        let mut text = lines(parts);
        if is_whole {
            text.push_str("nothing is damaged, and nothing was changed\n");
        }
        repaired.iter().for_each(|repaired| text.push_str(&told(repaired)));
        text
    };
    let object = json!({
        "data": data, "whole": is_whole, "parts": items, "repaired": repaired.is_some(), "setAside": done.set_aside,
        "emptied": done.is_emptied, "votesGivenUp": done.recovery.is_some(), "batchesLost": done.lost_batches,
    });
    output.either(human, object)
}

fn fields(part: Part, state: &State) -> Value {
    let (state, detail) = match state {
        State::Whole(what) => ("whole", what.as_str()),
        State::Damaged(what) => ("damaged", what.as_str()),
        State::Missing => ("missing", ""),
    };
    json!({ "part": part.name(), "state": state, "detail": detail })
}

fn lines(parts: &[(Part, State)]) -> String {
    let line = |(part, state): &(Part, State)| {
        let text = match state {
            State::Whole(what) => format!("whole: {what}"),
            State::Damaged(what) => format!("damaged: {what}"),
            State::Missing => "gone".to_owned(),
        };
        (part.name(), text)
    };
    list(&parts.iter().map(line).collect::<Vec<_>>())
}

/// What was done, and what comes of it.
fn told(repaired: &Repaired) -> String {
    let mut text = String::new();
    for path in &repaired.set_aside {
        text.push_str(&format!("set aside: {}\n", path.display()));
    }
    if repaired.is_emptied {
        text.push_str("the store is an empty one now; the next start fetches the chain from the others\n");
    }
    if repaired.lost_batches {
        text.push_str(
            "transactions that this node took in and that no other node has are lost; it takes in no more until the next epoch\n",
        );
    }
    if let Some(recovery) = &repaired.recovery {
        text.push_str(&format!(
            "its votes are forgotten: it votes once {} of {} other validators have proven their views\n",
            recovery.needed, recovery.others
        ));
    }
    text.push_str("start it with `althing node run`; `althing why` says how far it is\n");
    text
}
