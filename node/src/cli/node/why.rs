//! Why a node did not start, or ended by itself: the sentence, the symbol, the exit code and what the operator can do.
//!
//! The codes tell supervisors apart what another start may mend (75), what only a person can (78), and the rest.
//! `docs/operations.md` lists what is said here.

use std::io;
use std::path::Path;

use althing_ledger::LedgerError;
use althing_network::NetworkError;
use althing_storage::{LogError, StoreError};

use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::config::ConfigError;
use crate::shell::{DataError, P2pError, Reason, RepairError, StartError};

/// What an operator can do about data that another version wrote.
const OTHER_VERSION: &str = "run the version of althing that wrote it, or a later one; never let a validator start \
                             with an empty folder instead";
/// What an operator can do about data that are not this node's.
const NOT_ITS_OWN: &str = "give --data or --home with this node's own folder of this chain; a validator may start with a \
                           new one only if it never ran on this chain. If it is its own and only the file `version` is damaged, \
                           `althing repair` writes that anew";
/// What an operator can do about votes that are lost.
const RECOVER: &str = "`althing node recover-vote-log` lets this validator vote again once the others have proven where \
                       they are; never put an older copy of its votes in their place";
/// What an operator can do about a disk that fails.
const LOOK_AT_THE_DISK: &str =
    "look at the disk: health, mount options, permissions; docs/operations.md lists these messages";

/// What an operator can do about data that are damaged.
const REPAIR: &str = "look at the disk, then let `althing repair` say what is damaged: it brings back what others have, and \
                      deletes nothing";

/// A configuration that makes no sense.
pub(super) fn bad_configuration(error: &ConfigError) -> Failure {
    Failure::new(Exit::Configuration, "CONFIG_INVALID", error.to_string())
        .hint("docs/operations.md says what each key may hold")
}

/// A node that ended by itself.
pub(super) fn ended(reason: Reason) -> Failure {
    match reason {
        Reason::Asked => Failure::new(Exit::Interrupted, "ASKED", "the node was asked to end"),
        Reason::DiskFull(what) => disk_full(what),
        Reason::Disk(what) => Failure::new(Exit::Failed, "DISK", what)
            .hint(
                "look at the disk: health, mount options, permissions; nothing that was acknowledged is lost. If something is \
                 damaged, `althing repair` says what and brings back what others have",
            ),
        Reason::Chain(what) => Failure::new(Exit::Failed, "DIVERGED", what)
            .hint("keep the data folder as evidence, and compare with other validators"),
        Reason::Fork(what) => forked(what),
    }
}

/// A folder that was not repaired.
pub(in crate::cli) fn not_repaired(error: &RepairError, key_path: &Path) -> Failure {
    let message = error.to_string();
    match error {
        RepairError::Start(error) => not_started(error, key_path),
        RepairError::Alone { .. } => Failure::new(Exit::Configuration, "DATA_LOST", message)
            .hint("restore the whole folder as it was when the node stopped; nothing was changed"),
        RepairError::Votes { .. } => Failure::new(Exit::Usage, "NOT_CONFIRMED", message).hint(
            "nothing was changed; make sure that no other process votes with this key, then give --yes. It takes in no \
             transactions until the next epoch then",
        ),
        RepairError::Unwitnessed => Failure::new(Exit::Usage, "NOT_CONFIRMED", message).hint(
            "nothing was changed; give --logs-are-current if votes/ and batches/ are those of this node's last run and no \
             copy, else --yes: the validator then forgets what it voted, as after `althing node recover-vote-log`",
        ),
    }
}

/// A node that cannot start.
pub(in crate::cli) fn not_started(error: &StartError, key_path: &Path) -> Failure {
    let message = error.to_string();
    match error {
        _ if error.is_disk_full() => disk_full(message),
        _ if error.is_in_use() => Failure::new(Exit::Temporary, "DATA_IN_USE", message)
            .hint("stop the other node first; two nodes with one key would contradict each other"),
        StartError::NotAValidator { .. } | StartError::NotAnObserver { .. } | StartError::IsAValidator { .. } => {
            wrong_key(error, message, key_path)
        }
        StartError::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
            Failure::new(Exit::Temporary, "PORT_IN_USE", message)
                .hint("stop the process that listens there, or give --rpc-addr with another port")
        }
        StartError::Listen { .. } => {
            Failure::new(Exit::Configuration, "LISTEN", message).hint("give --rpc-addr with an address of this machine")
        }
        StartError::NoNodeKey { .. } => Failure::new(Exit::Key, "NO_NODE_KEY", message)
            .hint("give --node-key FILE: the node's identity on the network, beside the key that votes"),
        StartError::P2p(error) => not_connected(error, message),
        StartError::LostBatches { .. } => Failure::new(Exit::Configuration, "DATA_LOST", message)
            .hint("restore the log of batches as it was when the node stopped; without it this chain cannot go on"),
        StartError::Data(error) => folder_refused(error, message),
        StartError::Votes(_) | StartError::LostVotes { .. } => {
            Failure::new(Exit::Configuration, "DATA_LOST", message).hint(RECOVER)
        }
        StartError::Log { error: LogError::Version { .. }, .. }
        | StartError::Store(StoreError::WrongSchema { .. })
        | StartError::Ledger(LedgerError::Version { .. }) => {
            Failure::new(Exit::Configuration, "DATA_VERSION", message).hint(OTHER_VERSION)
        }
        StartError::Log { error: LogError::WrongIdentity { .. }, .. }
        | StartError::Ledger(LedgerError::OtherChain { .. }) => {
            Failure::new(Exit::Configuration, "DATA_FOLDER", message).hint(NOT_ITS_OWN)
        }
        StartError::Telemetry(_) => Failure::new(Exit::Configuration, "CONFIG_INVALID", message)
            .hint("docs/operations.md says what each key may hold"),
        StartError::Log { error: LogError::Corrupt { .. }, .. }
        | StartError::Record { .. }
        | StartError::Store(StoreError::Corrupt { .. })
        | StartError::Ledger(LedgerError::Corrupt { .. } | LedgerError::Store(StoreError::Corrupt { .. })) => {
            Failure::new(Exit::Failed, "DISK", message).hint(REPAIR)
        }
        StartError::Log { .. } | StartError::Store(_) | StartError::Ledger(_) => {
            Failure::new(Exit::Failed, "DISK", message).hint(LOOK_AT_THE_DISK)
        }
        StartError::Random => {
            Failure::new(Exit::Failed, "SYSTEM", message).hint("look at the system's source of random numbers")
        }
        StartError::Runtime(_) => Failure::new(Exit::Failed, "SYSTEM", message)
            .hint("look at the limits of the user for threads, processes and open files"),
    }
}

/// A data folder that cannot be used.
fn folder_refused(error: &DataError, message: String) -> Failure {
    match error {
        DataError::InUse { .. } => Failure::new(Exit::Temporary, "DATA_IN_USE", message),
        DataError::Lost { part, .. } if part.ends_with("db") => Failure::new(Exit::Configuration, "DATA_LOST", message)
            .hint("`althing repair` lets the node fetch it from the others and keeps its votes"),
        DataError::Lost { .. } => Failure::new(Exit::Configuration, "DATA_LOST", message).hint(RECOVER),
        DataError::NotBegun { .. } => Failure::new(Exit::Configuration, "DATA_MISSING", message).hint(
            "if this validator has never run: `althing node init`; if its data were lost: \
             `althing node recover-vote-log`, never init",
        ),
        DataError::Begun { .. } => Failure::new(Exit::Configuration, "DATA_BEGUN", message)
            .hint("start it with `althing node run`; if its votes were lost: `althing node recover-vote-log`"),
        DataError::Fork { .. } => forked(message),
        // No version writes what is no number.
        DataError::Version { found, .. } if found.parse::<u32>().is_err() => {
            Failure::new(Exit::Configuration, "DATA_VERSION", message).hint(REPAIR)
        }
        DataError::Version { .. } => Failure::new(Exit::Configuration, "DATA_VERSION", message).hint(OTHER_VERSION),
        DataError::File(_) | DataError::Io { .. } => Failure::new(Exit::Failed, "DISK", message).hint(LOOK_AT_THE_DISK),
        DataError::OtherChain { .. } | DataError::OtherNode { .. } | DataError::Foreign { .. } => {
            Failure::new(Exit::Configuration, "DATA_FOLDER", message).hint(NOT_ITS_OWN)
        }
    }
}

fn wrong_key(error: &StartError, message: String, key_path: &Path) -> Failure {
    let path = key_path.display();
    match error {
        StartError::NotAnObserver { .. } => Failure::new(Exit::Key, "NODE_KEY_NOT_IN_GENESIS", message).hint(format!(
            "althing genesis show lists the observers; {path} is another key, or the document is another chain's"
        )),
        StartError::IsAValidator { .. } => Failure::new(Exit::Key, "NODE_KEY_NOT_IN_GENESIS", message)
            .hint("run the validator without --observer, or give --node-key with an observer's key"),
        _ => Failure::new(Exit::Key, "KEY_NOT_IN_GENESIS", message)
            .hint(format!("{path} is another key, or the genesis document is another chain's")),
    }
}

fn not_connected(error: &P2pError, message: String) -> Failure {
    match error {
        P2pError::OtherNodeKey { .. } => Failure::new(Exit::Key, "NODE_KEY_NOT_IN_GENESIS", message)
            .hint("give --node-key with the key that the genesis document binds to this validator"),
        P2pError::UnknownPeer { .. } | P2pError::Address { .. } => {
            Failure::new(Exit::Configuration, "CONFIG_INVALID", message)
                .hint("docs/operations.md says what each key may hold")
        }
        P2pError::Network(NetworkError::Listen { source, .. }) if source.kind() == io::ErrorKind::AddrInUse => {
            Failure::new(Exit::Temporary, "PORT_IN_USE", message)
                .hint("stop the process that listens there, or give --p2p-addr with another port")
        }
        P2pError::Network(_) => {
            Failure::new(Exit::Configuration, "LISTEN", message).hint("give --p2p-addr with an address of this machine")
        }
    }
}

/// More than f validators broke the rules. What comes next is for people to agree on.
fn forked(what: String) -> Failure {
    Failure::new(Exit::Configuration, "FORK", what).hint(
        "althing evidence verify names the culprits; keep the folder, compare with the other operators, and move the file \
         away only when you agreed which chain goes on, and without whom",
    )
}

/// There is no room on the disk. Whoever supervises the node may start it again and again until there is.
fn disk_full(what: String) -> Failure {
    Failure::new(Exit::Temporary, "DISK_FULL", what).hint(
        "make room on that disk, never by deleting files of the data folder, and start the node again; nothing that \
         was acknowledged is lost",
    )
}
