//! `althing rpc`: any method by its name, for what has no command of its own.

use clap::Args;
use serde_json::{Map, Value};

use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::remote::Remote;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  althing rpc rpc_methods
  althing rpc node_status
  althing rpc chain_getBlock height=42 detail=full
  althing rpc account_get address=alt1… prove=true

A value is JSON where it can be (true, 7, null, a list) and else a text; a height such as 42 is written as a text, as
the methods expect it. Give key:=JSON to say exactly what is meant.")]
pub(crate) struct Rpc {
    /// The method
    method: String,
    /// Its parameters by name
    #[arg(value_name = "KEY=VALUE")]
    parameters: Vec<String>,
    #[command(flatten)]
    remote: Remote,
}

impl Rpc {
    pub(crate) fn run(self, output: &Output) -> Result<Exit, Failure> {
        let mut parameters = Map::new();
        for text in &self.parameters {
            let (key, value) = parameter(text)?;
            parameters.insert(key, value);
        }
        let answer = self.remote.ask(&self.method, Value::Object(parameters))?;
        output.data(&format!("{answer:#}\n"))?;
        Ok(Exit::Done)
    }
}

/// A parameter. Large integers are texts in this interface, small ones numbers; which of both a method wants is known
/// by their names.
fn parameter(text: &str) -> Result<(String, Value), Failure> {
    let refuse = |why: &str| Failure::usage(format!("{text}: {why}"));
    if let Some((key, json)) = text.split_once(":=") {
        let value = serde_json::from_str(json).map_err(|error| refuse(&format!("this is no JSON: {error}")))?;
        return Ok((key.to_owned(), value));
    }
    let (key, value) = text.split_once('=').ok_or_else(|| refuse("write KEY=VALUE or KEY:=JSON"))?;
    let is_number = ["limit", "timeoutMs"].contains(&key);
    let value = match serde_json::from_str(value) {
        Ok(number @ Value::Number(_)) if is_number => number,
        Ok(other @ (Value::Bool(_) | Value::Null | Value::Array(_) | Value::Object(_))) => other,
        _ => Value::String(value.to_owned()),
    };
    Ok((key.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parameters_are_what_the_methods_expect() {
        let cases = [
            ("height=42", json!("42")),
            ("limit=5", json!(5)),
            ("prove=true", json!(true)),
            ("cursor=null", json!(null)),
            ("txs=[\"0x01\"]", json!(["0x01"])),
            ("address=alt1abc", json!("alt1abc")),
            ("memo=a=b", json!("a=b")),
            ("height:=7", json!(7)),
        ];
        for (text, value) in cases {
            assert_eq!(parameter(text).expect(text).1, value, "{text}");
        }
        assert!(parameter("height").is_err());
        assert!(parameter("height:={").is_err());
    }
}
