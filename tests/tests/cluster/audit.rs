//! The chain that real validators made, exported from one of them and audited from the genesis document alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use althing_types::Address;
use serde_json::Value;

use super::network::Network;
use super::nodes::{Nodes, VALIDATORS, transfer};
use super::process::{finished, program};

/// Transfers of the chain.
const TRANSFERS: u64 = 12;

/// Runs a command of the program with these arguments and the genesis document, and JSON as its output.
fn run(network: &Network, name: &str, arguments: &[(&str, &Path)]) -> Output {
    let mut command = program();
    command.arg(name).args(["--output", "json", "--genesis"]).arg(&network.home(0).genesis);
    for (option, value) in arguments {
        command.arg(option).arg(value);
    }
    finished(command)
}

fn answer(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The exit code, the symbol and the sentence of a refusal.
fn refusal(output: &Output) -> (Option<i32>, String, String) {
    let error: Value = serde_json::from_slice(&output.stderr).expect("JSON");
    let part = |name: &str| error["error"][name].as_str().unwrap_or_default().to_owned();
    (output.status.code(), part("symbol"), part("message"))
}

/// Every file of a folder and below it, with its bytes.
fn content(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder can be listed") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all.extend(content(&path));
        } else {
            all.push((path.clone(), fs::read(path).expect("a file")));
        }
    }
    all.sort();
    all
}

#[test]
fn the_chain_of_a_stopped_node_is_exported_and_audited_and_a_changed_one_is_refused() {
    let network = Network::new(VALIDATORS);
    let mut nodes = Nodes::start(&network);
    let receiver = Address::new([71; 32]);
    for salt in 1..=TRANSFERS {
        transfer(&network, nodes.rpc(0), receiver, salt);
    }
    let data = network.home(0).folder.join("data");
    let folder = tempfile::tempdir().expect("a folder");
    let archive = folder.path().join("chain.althing");
    let running = folder.path().join("running.althing");
    let part = answer(&run(&network, "export", &[("--data", &data), ("--out", &running)]));
    let verified = answer(&run(&network, "verify", &[("--archive", &running)]));
    assert_eq!(verified["height"], part["to"], "the node that runs lets its chain be read");
    nodes.kill_all();

    let before = content(&data);
    let exported = answer(&run(&network, "export", &[("--data", &data), ("--out", &archive)]));
    let again = refusal(&run(&network, "export", &[("--data", &data), ("--out", &archive)]));
    assert_eq!((again.0, again.1.as_str()), (Some(1), "FILE_EXISTS"));
    let work = folder.path().join("work");
    let verified = answer(&run(&network, "verify", &[("--archive", &archive), ("--work", &work)]));
    assert_eq!(verified["height"], exported["to"]);
    assert_eq!(verified["total"]["executed"], TRANSFERS.to_string());
    assert_eq!(verified["genesisHash"], exported["genesisHash"]);
    let resumed = answer(&run(&network, "verify", &[("--archive", &archive), ("--work", &work)]));
    assert_eq!(resumed["resumedAbove"], exported["to"]);
    assert_eq!(resumed["total"], verified["total"]);
    let stored = answer(&run(&network, "verify", &[("--data", &data)]));
    assert_eq!(stored["total"]["executed"], TRANSFERS.to_string());
    assert_ne!(stored["stateEntries"], Value::Null);
    assert!(content(&data) == before, "the data folder is as it was");

    let mut bytes = fs::read(&archive).expect("it is there");
    let (cut, changed) = (folder.path().join("cut"), folder.path().join("changed"));
    fs::write(&cut, &bytes[..bytes.len() / 2]).expect("written");
    let middle = bytes.len() * 3 / 4;
    bytes[middle] ^= 1;
    fs::write(&changed, &bytes).expect("written");
    for (file, begin) in [(&cut, "the archive is cut off "), (&changed, "")] {
        let (code, symbol, message) = refusal(&run(&network, "verify", &[("--archive", file)]));
        assert_eq!((code, symbol.as_str()), (Some(10), "UNVERIFIED"), "{message}");
        assert!(message.starts_with(begin), "{message}");
    }
    let absent = refusal(&run(&network, "verify", &[("--archive", &folder.path().join("absent"))]));
    assert_eq!((absent.0, absent.1.as_str()), (Some(6), "FILE_NOT_FOUND"));
}
