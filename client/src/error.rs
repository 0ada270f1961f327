//! Why a question has no answer that can be used.

use serde_json::Value;

/// Why a question has no answer that can be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ClientError {
    /// The endpoint is no address that this client can speak to.
    #[error("{endpoint}: {reason}")]
    Endpoint {
        /// What was given.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No endpoint could be reached. The text says what happened at the last one.
    #[error("cannot reach {endpoint}: {reason}")]
    Unreachable {
        /// The last endpoint that was tried.
        endpoint: String,
        /// What happened.
        reason: String,
        /// Whether the question may have arrived all the same: only the answer is known to be missing.
        maybe_sent: bool,
    },
    /// The node answered that it will not or cannot do it.
    #[error("{}", .0.message)]
    Refused(Box<Refusal>),
    /// The answer is not what the method promises.
    #[error("{endpoint} gave an answer that cannot be understood: {reason}")]
    Malformed {
        /// Who gave it.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A node's refusal, with everything that it said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Refusal {
    /// The code of the catalogue.
    pub code: i32,
    /// The stable name of the code.
    pub symbol: String,
    /// One sentence for people.
    pub message: String,
    /// What can be done about it.
    pub hint: Option<String>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// When a retry makes sense, in milliseconds.
    pub retry_after_ms: Option<u64>,
    /// Further facts, by name.
    pub info: Value,
}

impl Refusal {
    /// A refusal from the parts of a JSON-RPC error object.
    pub(crate) fn new(code: i32, message: &str, data: Option<&str>) -> Self {
        let data: Value = data.and_then(|data| serde_json::from_str(data).ok()).unwrap_or_default();
        let text = |name: &str| data[name].as_str().map(str::to_owned);
        let number = |name: &str| data[name].as_u64().or_else(|| data[name].as_str()?.parse().ok());
        Self {
            code,
            symbol: text("symbol").unwrap_or_else(|| "RPC".to_owned()),
            message: message.to_owned(),
            hint: text("hint"),
            retryable: data["retryable"].as_bool().unwrap_or(false),
            retry_after_ms: number("retryAfterMs"),
            info: data["info"].clone(),
        }
    }

    /// Whether another node may know more: this one lags behind, starts or ends.
    pub(crate) fn is_about_this_node(&self) -> bool {
        ["SYNCING", "NODE_BEHIND", "SHUTTING_DOWN", "OVERLOADED"].contains(&self.symbol.as_str())
    }
}

impl ClientError {
    /// The stable name of a refusal; none for what is no refusal.
    pub fn symbol(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => Some(&refusal.symbol),
            _ => None,
        }
    }
}
