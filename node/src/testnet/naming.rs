//! How nodes are called: `validator-0`, or just `0`.

use althing_genesis::DevNetwork;

use super::error::TestnetError;

/// The name of the node with this index.
pub(super) fn node_name(index: usize) -> String {
    DevNetwork::validator_name(u32::try_from(index).unwrap_or(u32::MAX))
}

/// The index of the node that a user means, among so many.
pub(super) fn index_of(asked: &str, nodes: usize) -> Result<usize, TestnetError> {
    let named = (0..nodes).find(|index| node_name(*index) == asked || index.to_string() == asked);
    named.ok_or_else(|| TestnetError::UnknownNode {
        asked: asked.to_owned(),
        names: (0..nodes).map(node_name).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_named_by_name_or_number() {
        for (asked, expected) in [("validator-0", 0), ("0", 0), ("validator-3", 3), ("3", 3)] {
            assert_eq!(index_of(asked, 4).expect("there is one"), expected, "{asked}");
        }
    }

    #[test]
    fn an_unknown_node_is_refused_with_the_names_of_those_there_are() {
        for asked in ["4", "validator-4", "", "-1", "00", "validator", "VALIDATOR-0", "validator-00"] {
            let error = index_of(asked, 4).expect_err(asked).to_string();
            assert!(error.contains("validator-0, validator-1, validator-2, validator-3"), "{error}");
        }
    }
}
