//! What bytes from outside may do to decoders and machines: one harness for each kind of input, as a function of bytes.
//!
//! A harness panics where a property does not hold. `fuzz` at the top of the repository wraps each in a target of
//! cargo-fuzz; the test `replay` of this package runs each over its corpus with the stable compiler, so that whatever a
//! fuzzer once found is looked at by every `make test`. [`TARGETS`] is the one list of them.
//!
//! The machines are the real ones, with real records and messages. Signatures are loose (see `keys`): those of other
//! validators can be made by anybody, so that a fuzzer gets past them, and those of the validator under test by nobody
//! else. Hence all others together may lie, which is more than the protocol tolerates: such a validator may stop, but
//! it never panics, never contradicts itself and never says what is not durable.
//!
//! It deliberately draws nothing at random, reads no clock, and is built without RocksDB; what is in `node` alone (key
//! files, the configuration, the requests of observers) and sockets are tested elsewhere.

mod decoders;
mod keys;
mod machines;
mod memory;
mod neighbours;
mod network;
mod script;
mod target;

pub use neighbours::neighbours;
pub use target::{TARGETS, Target};
