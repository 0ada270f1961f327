//! What a development network is started with, and the bounds of it.

use std::path::PathBuf;
use std::time::Duration;

/// Validators at most: a machine with a few cores still runs as many processes at a useful pace.
pub const VALIDATORS_MAX: u16 = 16;
/// Validators of a new network unless something else is said: the fewest of which one may fail.
pub const VALIDATORS_DEFAULT: u16 = 4;
/// Funded accounts at most: each has a key file of its own.
pub const ACCOUNTS_MAX: u16 = 1_000;
/// Funded accounts of a new network unless something else is said.
pub const ACCOUNTS_DEFAULT: u16 = 4;
/// The text that keys are derived from unless something else is said. A network has the same keys each time, and its
/// own genesis time makes it another chain.
pub const SEED_DEFAULT: &str = "dev";
/// Bytes of that text at most.
pub const SEED_BYTES_MAX: usize = 256;
/// The first port unless something else is said (`docs/cli.md`).
pub const BASE_PORT_DEFAULT: u16 = 26_600;
/// The lowest base: ports below need privileges.
pub const BASE_PORT_MIN: u16 = 1_024;
/// The highest base: the p2p port of the last of [`VALIDATORS_MAX`] nodes is 65,535.
pub const BASE_PORT_MAX: u16 = u16::MAX - 100 - (VALIDATORS_MAX - 1);
/// How long the nodes may take to be ready unless something else is said.
pub const READY_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);

/// What a development network is started with. Where nothing is said, a network that exists keeps what it has.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program `althing`, which the nodes run.
    pub program: PathBuf,
    /// Where the network is kept; none for a temporary folder.
    pub dir: Option<PathBuf>,
    /// Whether the folder is removed at the end. A temporary folder always is. One that was left behind although it was
    /// to be removed is kept if this says no.
    pub is_ephemeral: bool,
    /// Validators, 1 to [`VALIDATORS_MAX`].
    pub validators: Option<u16>,
    /// Funded accounts, 1 to [`ACCOUNTS_MAX`].
    pub accounts: Option<u16>,
    /// Whether a new network finalizes in two message delays when all validators answer (`consensus.fastPath`).
    pub fast_path: Option<bool>,
    /// The text that all keys are derived from; at most [`SEED_BYTES_MAX`] bytes.
    pub seed: Option<String>,
    /// The port of the first node's JSON-RPC; the others follow, and p2p is 100 higher. 0 takes free ones.
    pub base_port: Option<u16>,
    /// How long the nodes may take to be ready.
    pub ready_timeout: Duration,
}

impl Options {
    /// A network of that program's in a temporary folder, with free ports.
    pub fn temporary(program: impl Into<PathBuf>, validators: u16) -> Self {
        let base_port = Some(0);
        Self { validators: Some(validators), base_port, ..Self::resumed(program, None) }
    }

    /// A network in a folder, which is made with the values that [`Options`] leaves open, or resumed.
    pub fn kept(program: impl Into<PathBuf>, dir: impl Into<PathBuf>) -> Self {
        Self::resumed(program, Some(dir.into()))
    }

    fn resumed(program: impl Into<PathBuf>, dir: Option<PathBuf>) -> Self {
        Self {
            program: program.into(),
            is_ephemeral: dir.is_none(),
            dir,
            validators: None,
            accounts: None,
            fast_path: None,
            seed: None,
            base_port: None,
            ready_timeout: READY_TIMEOUT_DEFAULT,
        }
    }
}
