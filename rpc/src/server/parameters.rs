//! Parameters of a call: read by name or by position into the shape of their method.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::api::{ApiError, ErrorCode, Method};

/// Characters of a decoder's sentence that go to the caller: it may repeat what the caller sent.
const SENTENCE_MAX: usize = 400;

/// Reads the parameters of a method. None and `null` count as none given.
pub(super) fn parse<T: DeserializeOwned>(method: Method, params: Option<&RawValue>) -> Result<T, ApiError> {
    let text = params.map_or("{}", RawValue::get);
    let text = if text == "null" { "{}" } else { text };
    let mut decoder = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut decoder).map_err(|error| refused(method, &error))
}

fn refused(method: Method, error: &serde_path_to_error::Error<serde_json::Error>) -> ApiError {
    let sentence = error.inner().to_string();
    // The place within the parameters is not that within the request, so that it would mislead.
    let sentence = sentence.split(" at line ").next().unwrap_or_default();
    let path = error.path().to_string();
    let message = match path.as_str() {
        "." | "" => sentence.to_owned(),
        path => format!("{path}: {sentence}"),
    };
    ApiError::new(ErrorCode::InvalidParams, message.chars().take(SENTENCE_MAX).collect::<String>())
        .with("method", method.name())
        .with("params", method.params())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{GetAccountParams, NoParams, SubmitParams};

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).expect("JSON")
    }

    fn check<T: DeserializeOwned + std::fmt::Debug>(text: &str, named: &[&str]) {
        let error = parse::<T>(Method::TxSubmit, Some(&raw(text))).expect_err(text);
        assert_eq!(error.code, ErrorCode::InvalidParams);
        for name in named {
            assert!(error.message.contains(name), "{text} gives {error}");
        }
        assert!(!error.message.contains("line"), "{error}");
    }

    #[test]
    fn a_refusal_names_the_field_and_what_is_expected() {
        check::<SubmitParams>(r#"{"tx":"0x0"}"#, &["tx: ", "hexadecimal"]);
        check::<SubmitParams>(r#"{"tx":"0x00","waitUntil":"ever"}"#, &["waitUntil: ", "finalized"]);
        check::<SubmitParams>(r#"{"tx":"0x00","timeoutMs":-1}"#, &["timeoutMs: "]);
        check::<SubmitParams>(r#"{"transaction":"0x00"}"#, &["transaction", "`tx`"]);
        check::<SubmitParams>("{}", &["missing field `tx`"]);
        check::<GetAccountParams>(r#"{"address":"x","at":7}"#, &["at: ", "decimal string"]);
        check::<GetAccountParams>(r#"{"address":"x","prove":"ICS23"}"#, &["prove: ", "true, false or \"ics23\""]);
        check::<SubmitParams>(r#"["0x00",null,null,1]"#, &[]);
        check::<SubmitParams>("7", &[]);
    }

    #[test]
    fn what_a_caller_sent_is_repeated_in_part_only() {
        let long = format!("{{\"{}\":1}}", "x".repeat(100_000));
        let error = parse::<NoParams>(Method::NodeStatus, Some(&raw(&long))).expect_err("unknown");
        assert!(error.message.len() <= SENTENCE_MAX);
    }

    #[test]
    fn absent_and_null_are_the_same() {
        assert!(parse::<NoParams>(Method::NodeStatus, None).is_ok());
        assert!(parse::<NoParams>(Method::NodeStatus, Some(&raw("null"))).is_ok());
        assert!(parse::<NoParams>(Method::NodeStatus, Some(&raw("[]"))).is_ok());
    }
}
