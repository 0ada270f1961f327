//! A development network on one machine: real processes, real disks, real sockets, and keys that everybody can derive.
//!
//! [`Testnet`] is the network as a value: it is up when [`Testnet::up`] returns, and down when it is dropped, so that
//! tests and measurements use what `althing testnet` uses. [`Supervisor`] runs one for other processes, which reach it by
//! [`control`]. Nothing is restarted unless somebody asks. It is for play and tests only: nothing here is fit to run a
//! chain that matters.
//!
//! Nothing here may be called from within an async runtime.

pub mod control;
pub(crate) mod dev_keys;
mod error;
mod folder;
mod guard;
mod identity;
mod lock;
pub mod log;
mod naming;
mod network;
mod options;
mod patience;
mod ports;
mod probe;
mod process;
mod supervisor;
mod view;

pub use error::TestnetError;
pub use guard::guard;
pub use network::{Progress, Testnet};
pub use options::{
    ACCOUNTS_DEFAULT, ACCOUNTS_MAX, BASE_PORT_DEFAULT, BASE_PORT_MAX, BASE_PORT_MIN, Options, READY_TIMEOUT_DEFAULT,
    SEED_BYTES_MAX, SEED_DEFAULT, VALIDATORS_DEFAULT, VALIDATORS_MAX,
};
pub use supervisor::{Interrupts, Supervisor};
pub use view::{AccountView, NodeAnswer, NodeState, NodeStatus, NodeView, View};
