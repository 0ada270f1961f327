//! The methods: name, parameters, and what a call costs within a batch.

use std::fmt;

/// What kind of answer a method gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MethodKind {
    /// One, at once.
    Call,
    /// One, after something happened or a time is over.
    Wait,
    /// Many, over a WebSocket.
    Subscription,
}

macro_rules! methods {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $kind:ident, $cost:literal, [$($param:literal),*];)+) => {
        /// A method of the public window.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Method {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Method {
            /// All methods.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The name on the wire.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// What kind of answer it gives.
            pub const fn kind(self) -> MethodKind {
                match self { $(Self::$name => MethodKind::$kind,)+ }
            }

            /// What a call costs. A batch may cost 100 in all (`decisions.md` section 2).
            pub const fn cost(self) -> u32 {
                match self { $(Self::$name => $cost,)+ }
            }

            /// The parameters in the order in which they may be given by position.
            pub const fn params(self) -> &'static [&'static str] {
                match self { $(Self::$name => &[$($param),*],)+ }
            }

            /// What it does, in a sentence.
            pub fn summary(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_start(),)+ }
            }
        }
    };
}

methods! {
    /// What the node is, what it runs, and where it stands.
    NodeStatus = "node_status", Call, 1, [];
    /// Why nothing becomes final, or that all is well: cause, who, since when, and what to do.
    NodeWhy = "node_why", Call, 1, [];
    /// The node's peers.
    NodePeers = "node_peers", Call, 1, [];
    /// The genesis document.
    NodeGenesis = "node_genesis", Call, 5, [];
    /// The last block that the node executed.
    ChainGetHead = "chain_getHead", Call, 1, [];
    /// A block by height or hash, or the latest.
    ChainGetBlock = "chain_getBlock", Call, 5, ["height", "hash", "detail", "prove", "cursor", "limit"];
    /// Blocks, a page of them.
    ChainListBlocks = "chain_listBlocks", Call, 5, ["cursor", "limit", "order"];
    /// Every block from a height on, as it becomes final; needs a WebSocket.
    ChainSubscribeBlocks = "chain_subscribeBlocks", Subscription, 1, ["fromHeight"];
    /// Ends a subscription to blocks.
    ChainUnsubscribeBlocks = "chain_unsubscribeBlocks", Subscription, 1, ["subscription"];
    /// Takes a signed transaction and waits for it.
    TxSubmit = "tx_submit", Wait, 5, ["tx", "waitUntil", "timeoutMs"];
    /// Takes several signed transactions.
    TxSubmitMany = "tx_submitMany", Wait, 50, ["txs", "waitUntil"];
    /// A transaction by its id, and how far it has come.
    TxGet = "tx_get", Call, 1, ["txId", "prove"];
    /// Waits for a transaction to become final.
    TxWait = "tx_wait", Wait, 5, ["txId", "timeoutMs"];
    /// What a transaction would come to on the latest state; nothing changes.
    TxSimulate = "tx_simulate", Call, 5, ["tx"];
    /// An account: balances, policy and sequence lanes.
    AccountGet = "account_get", Call, 1, ["address", "at", "prove", "minHeight"];
    /// The transactions that touched an account, a page of them.
    AccountGetHistory = "account_getHistory", Call, 5, ["address", "cursor", "limit", "order"];
    /// The native assets.
    AssetList = "asset_list", Call, 1, [];
    /// The validators.
    ValidatorsList = "validators_list", Call, 1, [];
    /// Where agreement stands, and whose votes are missing.
    ConsensusState = "consensus_state", Call, 1, [];
    /// Who provably misbehaved: what this node holds, and a page of what final blocks hold.
    EvidenceList = "evidence_list", Call, 5, ["cursor", "limit", "validator"];
    /// What can be called.
    RpcMethods = "rpc_methods", Call, 1, [];
}

impl Method {
    /// The method with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|method| method.name() == name)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{
        AccountHistoryParams, GetAccountParams, GetBlockParams, GetTransactionParams, ListBlocksParams,
        ListEvidenceParams, SimulateParams, SubmitManyParams, SubmitParams, SubscribeBlocksParams,
        WaitTransactionParams,
    };
    use serde::de::DeserializeOwned;
    use std::fs;
    use std::path::Path;

    /// The names that a shape of parameters knows, in their order: what it says of a field that it does not know.
    fn known<T: DeserializeOwned>() -> Vec<String> {
        let Err(error) = serde_json::from_str::<T>(r#"{"?":0}"#) else { panic!("unknown fields must be refused") };
        let text = error.to_string();
        let (_, list) = text.split_once("expected ").expect("it says what is expected");
        list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn the_table_names_the_parameters_in_their_order() {
        let shapes = [
            (Method::ChainGetBlock, known::<GetBlockParams>()),
            (Method::ChainListBlocks, known::<ListBlocksParams>()),
            (Method::ChainSubscribeBlocks, known::<SubscribeBlocksParams>()),
            (Method::TxSubmit, known::<SubmitParams>()),
            (Method::TxSubmitMany, known::<SubmitManyParams>()),
            (Method::TxGet, known::<GetTransactionParams>()),
            (Method::TxWait, known::<WaitTransactionParams>()),
            (Method::TxSimulate, known::<SimulateParams>()),
            (Method::AccountGet, known::<GetAccountParams>()),
            (Method::AccountGetHistory, known::<AccountHistoryParams>()),
            (Method::EvidenceList, known::<ListEvidenceParams>()),
        ];
        for (method, known) in shapes {
            assert_eq!(method.params(), known, "{method}");
        }
    }

    #[test]
    fn the_reference_has_a_row_for_every_method_with_its_parameters() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rpc.md");
        let reference = fs::read_to_string(path).expect("the reference is there");
        for method in Method::ALL {
            let params: Vec<String> = method.params().iter().map(|name| format!("`{name}`")).collect();
            let params = if params.is_empty() { String::new() } else { format!(" {}", params.join(", ")) };
            let row = format!("| `{method}` |{params} |");
            assert!(reference.contains(&row), "docs/rpc.md has no row {row}");
        }
    }

    #[test]
    fn names_are_unique() {
        for method in Method::ALL {
            assert_eq!(Method::from_name(method.name()), Some(*method));
        }
        assert_eq!(Method::from_name("node_Status"), None);
    }
}
