//! The catalogue of errors: number, symbol, whether the same request may succeed later, and what the caller can do.
//!
//! Negative numbers are those that JSON-RPC and the library behind the server reserve. Ours are positive and grouped
//! by thousand: 1 a transaction, 2 data, 3 the node, 4 access. A number never changes its meaning. `docs/errors.md`
//! is written from this table, and a test compares them.

use std::fmt;

macro_rules! error_codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal, $symbol:literal, $retry:ident, $hint:literal;)+) => {
        /// What went wrong, as a number for programs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ErrorCode {
            $($(#[doc = $doc])+ $name,)+
        }

        impl ErrorCode {
            /// All codes, ascending within each group.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The number on the wire.
            pub const fn number(self) -> i32 {
                match self { $(Self::$name => $number,)+ }
            }

            /// The name that programs compare with. It never changes.
            pub const fn symbol(self) -> &'static str {
                match self { $(Self::$name => $symbol,)+ }
            }

            /// Whether the same request may succeed later, or at another node, without any change.
            pub const fn is_retryable(self) -> bool {
                match self { $(Self::$name => error_codes!(@ $retry),)+ }
            }

            /// What the caller can do.
            pub const fn hint(self) -> &'static str {
                match self { $(Self::$name => $hint,)+ }
            }

            /// What the code means, in a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_start(),)+ }
            }
        }
    };
    (@ retry) => { true };
    (@ final) => { false };
}

error_codes! {
    /// The request is not JSON, or an object that has no id.
    ParseError = -32700, "PARSE_ERROR", final, "send one JSON object, or a list of them";
    /// The JSON is no JSON-RPC 2.0 request.
    InvalidRequest = -32600, "INVALID_REQUEST", final,
        "a request is {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"node_status\",\"params\":{}}";
    /// There is no such method.
    MethodNotFound = -32601, "METHOD_NOT_FOUND", final, "rpc_methods lists what there is";
    /// The parameters do not fit the method.
    InvalidParams = -32602, "INVALID_PARAMS", final, "rpc_methods lists the parameters of each method";
    /// The node failed to answer. This is its fault, not the caller's.
    Internal = -32603, "INTERNAL", retry, "try another node, and tell the operator of this one";
    /// The connection has as many subscriptions as it may have.
    TooManySubscriptions = -32006, "TOO_MANY_SUBSCRIPTIONS", final, "end one with chain_unsubscribeBlocks first";
    /// The request is longer than 2 MiB.
    RequestTooLarge = -32007, "REQUEST_TOO_LARGE", final, "split it into several";
    /// The answer would be longer than 8 MiB.
    ResponseTooLarge = -32008, "RESPONSE_TOO_LARGE", final, "ask for less, for example with a smaller limit";
    /// The batch holds more than 100 calls, or costs more than 100.
    BatchTooLarge = -32010, "BATCH_TOO_LARGE", final,
        "split it into several; for transactions there is tx_submitMany";
    /// The answers to a batch would be longer than 8 MiB together.
    BatchResponseTooLarge = -32011, "BATCH_RESPONSE_TOO_LARGE", final, "split it into several";

    /// The bytes are no transaction, or its form is wrong.
    TxMalformed = 1001, "TX_MALFORMED", final, "the bytes must be the canonical encoding of a signed transaction";
    /// A signature does not verify.
    TxBadSignature = 1002, "TX_BAD_SIGNATURE", final, "sign the transaction as it is sent, for this chain";
    /// The transaction is for another chain.
    TxWrongChain = 1003, "TX_WRONG_CHAIN", final, "build it with the genesis hash that node_status shows";
    /// The transaction is longer than one may be.
    TxTooLarge = 1004, "TX_TOO_LARGE", final, "split it, or shorten the memo";
    /// The action, or a field, is not enabled in this version.
    TxNotEnabled = 1005, "TX_NOT_ENABLED", final, "leave it out; this version does not know it";
    /// A policy in the transaction is not acceptable, or does not belong to the account.
    TxPolicy = 1006, "TX_POLICY", final, "check the keys, weights and threshold of the policy";
    /// The signatures do not satisfy the policy of the account.
    TxUnauthorized = 1101, "TX_UNAUTHORIZED", final, "have enough of the account's keys sign; account_get shows them";
    /// The sequence number was used.
    TxSequenceUsed = 1103, "TX_SEQUENCE_USED", final, "sign again with the next sequence number";
    /// The sequence number is too far ahead of the next one.
    TxSequenceAhead = 1104, "TX_SEQUENCE_AHEAD", retry, "send those before it first";
    /// The account has as many sequence lanes as it may have.
    TxLanesFull = 1105, "TX_LANES_FULL", final, "use one of the account's lanes";
    /// The time of the transaction is over.
    TxExpired = 1106, "TX_EXPIRED", final, "sign again with a later validUntil, and check the clock";
    /// A balance does not suffice.
    TxInsufficientBalance = 1107, "TX_INSUFFICIENT_BALANCE", final, "account_get shows the balances";
    /// A role or a freeze forbids the action.
    TxDenied = 1108, "TX_DENIED", final, "ask those who govern the chain";
    /// The transaction is valid longer than the chain remembers.
    TxTooFarAhead = 1109, "TX_TOO_FAR_AHEAD", final, "sign again with an earlier validUntil, and check the clock";
    /// The asset does not exist.
    TxUnknownAsset = 1110, "TX_UNKNOWN_ASSET", final, "asset_list shows the assets";
    /// The gas limit is higher than a transaction may have.
    TxGasLimit = 1111, "TX_GAS_LIMIT", final, "sign again with a lower gas limit";
    /// The gas limit does not suffice.
    TxOutOfGas = 1112, "TX_OUT_OF_GAS", final, "sign again with a higher gas limit; tx_simulate shows what is used";
    /// Execution would fail for the reason that the receipt's status names.
    TxFails = 1113, "TX_FAILS", final, "tx_simulate shows the receipt";
    /// The pool is full.
    MempoolFull = 1201, "MEMPOOL_FULL", retry, "send the same bytes again after retryAfterMs";
    /// The sender has as many transactions waiting as one may have.
    SenderQuota = 1202, "SENDER_QUOTA", retry, "wait until some of them are final";
    /// The node's lane is as far ahead of finality as it may be.
    LaneBusy = 1203, "LANE_BUSY", retry, "send the same bytes again after retryAfterMs, or to another node";
    /// The node lost data and takes no transactions until the next epoch.
    LaneSilent = 1204, "LANE_SILENT", retry, "send the same bytes to another node";

    /// There is no such block, transaction or account.
    NotFound = 2001, "NOT_FOUND", final,
        "an unknown transaction may still become final until its validUntil; the same bytes may be sent again";
    /// The node no longer keeps data of this height.
    Pruned = 2002, "PRUNED", final, "ask a node that keeps more; node_status shows earliestHeight";
    /// The height is above the latest block.
    HeightInFuture = 2003, "HEIGHT_IN_FUTURE", retry, "wait for the block, or ask for the latest one";
    /// The node has not yet executed the height in `minHeight`.
    NodeBehind = 2004, "NODE_BEHIND", retry, "ask again, or ask another node";
    /// The cursor is not one that this method gave.
    CursorInvalid = 2005, "CURSOR_INVALID", final, "begin again without a cursor";
    /// No certificate covers the height yet.
    ProofUnavailable = 2006, "PROOF_UNAVAILABLE", retry, "ask again after the next block";
    /// Nothing is there, and proofs in the form of ICS-23 show presence only.
    PresenceOnly = 2007, "PRESENCE_ONLY", final, "ask with prove as true: the compact form proves absence too";

    /// The node is catching up with the chain, and by its old state it would refuse the transaction.
    Syncing = 3001, "SYNCING", retry, "ask another node, or wait until readyz answers 200";
    /// The node is about to end.
    ShuttingDown = 3002, "SHUTTING_DOWN", retry, "ask another node";
    /// The node has as much to do as it accepts.
    Overloaded = 3003, "OVERLOADED", retry, "ask again after retryAfterMs";
    /// The answer took too long.
    QueryTimeout = 3004, "QUERY_TIMEOUT", retry, "ask for less, or ask again";
    /// The method needs a WebSocket, or cannot be used over one.
    Transport = 3005, "TRANSPORT", final,
        "subscriptions need a WebSocket at the same address, batches need HTTP; over HTTP there is tx_wait";
    /// The node is an observer, and only a validator can do this.
    NotAValidator = 3006, "NOT_A_VALIDATOR", retry, "ask a validator; node_peers names those that this node knows";
    /// The observer is connected to too few validators to hand the transaction over, or to believe their refusal.
    NoValidator = 3007, "NO_VALIDATOR", retry, "send the same bytes again after retryAfterMs, or to another node";

    /// The request was addressed to a name, or comes from a page, that this node does not serve.
    Forbidden = 4003, "FORBIDDEN", final, "use the node's address, or have its operator allow the name";
    /// The address has as many connections as one may have, or the node has.
    TooManyConnections = 4029, "TOO_MANY_CONNECTIONS", retry, "use fewer connections, and keep them open";
}

impl ErrorCode {
    /// The code with this number.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.number() == number)
    }

    /// The code with this symbol.
    pub fn from_symbol(symbol: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.symbol() == symbol)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.symbol())
    }
}

#[cfg(test)]
mod tests;
