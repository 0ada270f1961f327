//! Proofs from the stored pages, in the form of `althing_types::StateProof`.

use althing_storage::OrderedStore;
use althing_types::{Hash, LeafReference, List, StateProof};

use super::page::Found;
use super::stored::{NIBBLES, load_page, nibble};
use crate::error::LedgerError;

/// The path to a tree key in a version of the tree with this root. Every page is held against its hash, so that what is
/// damaged is an error and no proof.
pub(super) fn prove<S: OrderedStore>(
    store: &S,
    version: u64,
    root: Hash,
    key: &Hash,
) -> Result<StateProof, LedgerError> {
    let mut siblings = Vec::new();
    let (mut version, mut hash) = (version, root);
    for depth in 0..NIBBLES {
        let page = load_page(store, version, key, depth, Some(hash))?;
        // Only the topmost page can hold fewer than two leaves.
        if page.is_empty() || page.lone_leaf().is_some() {
            return finished(page.lone_leaf(), siblings);
        }
        match page.descend(nibble(key, depth), &mut siblings) {
            Found::Nothing => return finished(None, siblings),
            Found::Leaf(leaf) => return finished(Some(*leaf), siblings),
            Found::Page(below) => (version, hash) = (below.version, below.hash),
        }
    }
    Err(LedgerError::corrupt("the depth of the state tree"))
}

fn finished(leaf: Option<LeafReference>, mut siblings: Vec<Option<Hash>>) -> Result<StateProof, LedgerError> {
    siblings.reverse();
    let siblings = List::new(siblings).map_err(|_| LedgerError::corrupt("the depth of the state tree"))?;
    Ok(StateProof { leaf, siblings })
}
