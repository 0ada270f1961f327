//! The state tree behind a door, so that how it is computed can change and its root cannot.
//!
//! The tree is the Jellyfish Merkle tree that `althing_types::StateProof` defines: its root is a pure function of the
//! keys and values of the state. Trees of all versions share the nodes that they have in common. A version is not a
//! height: a block that changes nothing makes none.

mod grow;
#[cfg(any(test, feature = "oracle"))]
mod jmt;
mod page;
mod paged;
mod proof;
mod range;
mod stored;
#[cfg(test)]
pub(crate) mod tests;

use althing_storage::{OrderedStore, WriteBatch};
use althing_types::Hash;

#[cfg(any(test, feature = "oracle"))]
pub use self::jmt::JmtTree;
pub use self::paged::{PagedTree, TreeOptions};
pub(crate) use self::range::Range;
pub(crate) use self::stored::{forget_replaced, stale_keys};
use crate::error::LedgerError;
use crate::overlay::StateChange;

/// A state tree that grows from version to version.
pub trait StateTree {
    /// Makes `version` out of the one before by these changes, each key once, and adds what is stored of it to `batch`.
    /// Returns the root. The caller calls [`StateTree::keep`] once the batch is committed; if it is not, it may call this
    /// again. Version 0 is made out of the empty tree.
    fn grow<S: OrderedStore>(
        &mut self,
        store: &S,
        version: u64,
        changes: &[StateChange],
        batch: &mut WriteBatch,
    ) -> Result<Hash, LedgerError>;

    /// What was grown last is committed.
    fn keep(&mut self);
}
