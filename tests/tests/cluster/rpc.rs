//! The smallest JSON-RPC client that will do: what `curl` would send, over a socket, without any code of ours, so that
//! a fault of our client cannot hide one of the node.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The node cannot be reached, or went away before it answered.
    Gone(io::Error),
    /// It answered with an error object.
    Refused(Value),
}

impl From<io::Error> for CallError {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(error) => write!(f, "no answer: {error}"),
            Self::Refused(error) => write!(f, "refused: {error}"),
        }
    }
}

impl CallError {
    /// The symbol of a refusal.
    pub(crate) fn symbol(&self) -> &str {
        match self {
            Self::Gone(_) => "(gone)",
            Self::Refused(error) => error["data"]["symbol"].as_str().unwrap_or("(none)"),
        }
    }
}

/// Calls a method with named parameters.
pub(crate) fn call(node: SocketAddr, method: &str, params: &Value) -> Result<Value, CallError> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let answer = post(node, "/rpc", &body)?;
    let mut answer: Value = serde_json::from_str(&answer).map_err(io::Error::other)?;
    match answer.get("error") {
        Some(error) => Err(CallError::Refused(error.clone())),
        None => Ok(answer["result"].take()),
    }
}

/// Fetches a page.
pub(crate) fn get(node: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    exchange(node, &format!("GET {path} HTTP/1.1\r\nHost: {node}\r\nConnection: close\r\n\r\n"))
}

/// Announces a call of so many bytes and sends none of it: whoever refuses it by its length need not read it, and whoever
/// reads the answer while he writes would not always get it.
pub(crate) fn announce(node: SocketAddr, bytes: usize) -> Result<Value, CallError> {
    let head = format!(
        "POST /rpc HTTP/1.1\r\nHost: {node}\r\nContent-Type: application/json\r\nContent-Length: {bytes}\r\nConnection: close\r\n\r\n"
    );
    let (_, answer) = exchange(node, &head)?;
    let answer: Value = serde_json::from_str(&answer).map_err(io::Error::other)?;
    Err(CallError::Refused(answer["error"].clone()))
}

fn post(node: SocketAddr, path: &str, body: &str) -> io::Result<String> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {node}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    exchange(node, &(head + body)).map(|(_, body)| body)
}

fn exchange(node: SocketAddr, request: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&node, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(40)))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("no complete answer"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("no status"))?;
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    if length.is_some_and(|length: usize| length != body.len()) {
        return Err(io::Error::other("the answer was cut short"));
    }
    Ok((status, body.to_owned()))
}
