//! Errors as they travel: a code of the catalogue, a sentence, and the values that the sentence speaks of.

use std::borrow::Cow;

use althing_types::TransactionError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::code::ErrorCode;

/// An error on its way to the caller.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// What went wrong.
    pub code: ErrorCode,
    /// A sentence for people, without a full stop. It never holds a secret or a path of the node's machine.
    pub message: Cow<'static, str>,
    /// The values that the sentence speaks of.
    pub info: Map<String, Value>,
    /// When a retry makes sense, in milliseconds.
    pub retry_after_ms: Option<u64>,
}

/// The error object of JSON-RPC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorObject {
    /// The number of an [`ErrorCode`].
    pub code: i32,
    /// A sentence for people.
    pub message: String,
    /// Everything else. Only something that stands between the caller and the node leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<ErrorData>,
}

/// What an error object carries beside number and sentence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorData {
    /// The symbol of an [`ErrorCode`].
    pub symbol: String,
    /// Whether the same request may succeed later, or at another node, without any change.
    pub retryable: bool,
    /// The values that the sentence speaks of. Integers beyond 32 bits are decimal strings here too.
    #[serde(default)]
    pub info: Map<String, Value>,
    /// What the caller can do.
    #[serde(default)]
    pub hint: String,
    /// When a retry makes sense, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl ApiError {
    /// An error with this code and sentence.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), info: Map::new(), retry_after_ms: None }
    }

    /// Adds a value that the sentence speaks of.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.info.insert(name.to_owned(), value.into());
        self
    }

    /// Adds an integer that may exceed 32 bits, as a decimal string.
    #[must_use]
    pub fn with_number(self, name: &str, value: u64) -> Self {
        self.with(name, value.to_string())
    }

    /// Says when a retry makes sense.
    #[must_use]
    pub const fn retry_after_ms(mut self, ms: u64) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }

    /// The error object for the wire.
    pub fn to_object(&self) -> ErrorObject {
        let data = ErrorData {
            symbol: self.code.symbol().to_owned(),
            retryable: self.code.is_retryable(),
            info: self.info.clone(),
            hint: self.code.hint().to_owned(),
            retry_after_ms: self.retry_after_ms,
        };
        ErrorObject { code: self.code.number(), message: self.message.clone().into_owned(), data: Some(data) }
    }
}

impl From<&TransactionError> for ApiError {
    fn from(error: &TransactionError) -> Self {
        let of = |code| Self::new(code, error.to_string());
        match error {
            TransactionError::Decode(_)
            | TransactionError::Empty { .. }
            | TransactionError::Order { .. }
            | TransactionError::Signers
            | TransactionError::NoSignature => of(ErrorCode::TxMalformed),
            TransactionError::TooLarge { length, max } => {
                of(ErrorCode::TxTooLarge).with("bytes", json!(length)).with("max", json!(max))
            }
            TransactionError::WrongChain { given, expected } => {
                of(ErrorCode::TxWrongChain).with("given", given.to_string()).with("expected", expected.to_string())
            }
            TransactionError::NotEnabled { name } => of(ErrorCode::TxNotEnabled).with("action", *name),
            TransactionError::Reserved { field } => of(ErrorCode::TxNotEnabled).with("field", *field),
            TransactionError::Policy(_) | TransactionError::Reveal => of(ErrorCode::TxPolicy),
            TransactionError::BadSignature { key } => of(ErrorCode::TxBadSignature).with("key", key.to_string()),
        }
    }
}

impl From<TransactionError> for ApiError {
    fn from(error: TransactionError) -> Self {
        Self::from(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use althing_types::{Hash, SignedTransaction};

    #[test]
    fn the_object_carries_symbol_hint_and_values() {
        let error = ApiError::new(ErrorCode::MempoolFull, "the pool is full").with_number("count", u64::MAX);
        let object = serde_json::to_value(error.retry_after_ms(250).to_object()).expect("JSON");
        assert_eq!(
            object,
            json!({ "code": 1201, "message": "the pool is full", "data": {
                "symbol": "MEMPOOL_FULL", "retryable": true, "info": { "count": "18446744073709551615" },
                "hint": "send the same bytes again after retryAfterMs", "retryAfterMs": 250,
            } })
        );
    }

    #[test]
    fn an_object_without_data_is_read_too() {
        let object: ErrorObject = serde_json::from_str(r#"{"code":-32700,"message":"Parse error"}"#).expect("valid");
        assert_eq!(object.data, None);
    }

    #[test]
    fn bytes_that_are_no_transaction_are_malformed() {
        let error = SignedTransaction::from_bytes(&[9, 9], &Hash::ZERO).expect_err("junk");
        assert_eq!(ApiError::from(error).code, ErrorCode::TxMalformed);
    }
}
