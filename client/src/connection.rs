//! Questions to one node or to the first of several that answers.

use std::time::Duration;

use jsonrpsee_core::client::{ClientT as _, Error};
use jsonrpsee_core::params::ObjectParams;
use jsonrpsee_core::traits::ToRpcParams;
use jsonrpsee_http_client::{HttpClient, HttpClientBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};

use crate::error::{ClientError, Refusal};

/// Bytes of an answer at most (`decisions.md` section 2).
pub(crate) const RESPONSE_BYTES_MAX: u32 = 8 << 20;
/// Bytes of a request at most.
pub(crate) const REQUEST_BYTES_MAX: u32 = 2 << 20;
/// How long an answer may take. Methods that wait do so for at most 30 s.
const TIMEOUT: Duration = Duration::from_secs(35);
/// How long a connection may take to be made.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Endpoints at most.
const ENDPOINTS_MAX: usize = 64;

/// One node, or several that serve the same chain.
///
/// Every question goes to the first endpoint; where that cannot be reached, or says that it lags behind, to the next.
/// So a question may be asked twice. Submitting is safe to repeat: the same bytes are executed once.
#[derive(Clone, Debug)]
pub struct Connection {
    endpoints: Vec<Endpoint>,
}

#[derive(Clone, Debug)]
struct Endpoint {
    url: String,
    client: HttpClient,
}

/// Parameters by name, written out once however many endpoints are asked.
#[derive(Clone)]
pub(crate) struct Named(Box<RawValue>);

impl Named {
    /// The parameters that a struct or a JSON object holds.
    pub(crate) fn of(parameters: impl Serialize) -> Result<Self, serde_json::Error> {
        to_raw_value(&parameters).map(Self)
    }
}

impl ToRpcParams for Named {
    fn to_rpc_params(self) -> Result<Option<Box<RawValue>>, serde_json::Error> {
        if self.0.get() == "null" { ObjectParams::new().to_rpc_params() } else { Ok(Some(self.0)) }
    }
}

impl Connection {
    /// A connection to these endpoints: `http://HOST:PORT`, with or without `/rpc`. Nothing is sent yet.
    pub fn new<'a>(endpoints: impl IntoIterator<Item = &'a str>) -> Result<Self, ClientError> {
        let endpoints: Result<Vec<Endpoint>, ClientError> =
            endpoints.into_iter().take(ENDPOINTS_MAX).map(endpoint).collect();
        let endpoints = endpoints?;
        if endpoints.is_empty() {
            let reason = "there is no endpoint".to_owned();
            return Err(ClientError::Endpoint { endpoint: String::new(), reason });
        }
        Ok(Self { endpoints })
    }

    /// Asks. `parameters` is an object with the method's parameters by name.
    pub async fn call<R: DeserializeOwned>(&self, method: &str, parameters: impl Serialize) -> Result<R, ClientError> {
        let parameters = Named::of(parameters).map_err(|error| self.malformed(&error))?;
        let mut last = None;
        for endpoint in &self.endpoints {
            match endpoint.ask(method, &parameters).await {
                Err(error) if error.another_node_may_help() => last = Some(error),
                answer => return answer,
            }
        }
        Err(last.expect("a connection has at least one endpoint"))
    }

    /// The first endpoint, for messages.
    pub fn name(&self) -> &str {
        self.endpoints.first().map_or("", |endpoint| &endpoint.url)
    }

    fn malformed(&self, error: &serde_json::Error) -> ClientError {
        ClientError::Malformed { endpoint: self.name().to_owned(), reason: error.to_string() }
    }
}

impl ClientError {
    fn another_node_may_help(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Malformed { .. } => true,
            Self::Refused(refusal) => refusal.is_about_this_node(),
            Self::Endpoint { .. } => false,
        }
    }
}

impl Endpoint {
    async fn ask<R: DeserializeOwned>(&self, method: &str, parameters: &Named) -> Result<R, ClientError> {
        let answer: Result<R, Error> = self.client.request(method, parameters.clone()).await;
        answer.map_err(|error| failed(&self.url, error, TIMEOUT))
    }
}

/// What the library's error means. `timeout` is how long an answer may take.
pub(crate) fn failed(url: &str, error: Error, timeout: Duration) -> ClientError {
    let endpoint = url.to_owned();
    match error {
        Error::Call(object) => {
            let data = object.data().map(|data| data.get());
            ClientError::Refused(Box::new(Refusal::new(object.code(), object.message(), data)))
        }
        Error::RequestTimeout => {
            let reason = format!("no answer within {} s", timeout.as_secs());
            ClientError::Unreachable { endpoint, reason, maybe_sent: true }
        }
        Error::Transport(error) => {
            let cause = root_cause(&*error);
            let maybe_sent = !is_refused(cause);
            ClientError::Unreachable { endpoint, reason: cause.to_string(), maybe_sent }
        }
        Error::RestartNeeded(error) => {
            ClientError::Unreachable { endpoint, reason: root_cause(&*error).to_string(), maybe_sent: true }
        }
        other => ClientError::Malformed { endpoint, reason: other.to_string() },
    }
}

/// Where an endpoint is, without scheme and path.
pub(crate) fn address(text: &str) -> Result<&str, ClientError> {
    let refuse = |reason: &str| ClientError::Endpoint { endpoint: text.to_owned(), reason: reason.to_owned() };
    let address = text.strip_prefix("http://").ok_or_else(|| {
        if text.starts_with("https://") {
            refuse(
                "this version speaks plain HTTP only; put the node and the client on one machine, or a tunnel between",
            )
        } else {
            refuse("an endpoint begins with http://")
        }
    })?;
    Ok(address.trim_end_matches('/').trim_end_matches("/rpc"))
}

fn endpoint(text: &str) -> Result<Endpoint, ClientError> {
    let refuse = |reason: &str| ClientError::Endpoint { endpoint: text.to_owned(), reason: reason.to_owned() };
    let address = address(text)?;
    let client = HttpClientBuilder::default()
        .max_request_size(REQUEST_BYTES_MAX)
        .max_response_size(RESPONSE_BYTES_MAX)
        .request_timeout(TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        .build(format!("http://{address}/rpc"))
        .map_err(|error| refuse(&error.to_string()))?;
    Ok(Endpoint { url: format!("http://{address}"), client })
}

/// The innermost cause: what the system said.
fn root_cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause
}

/// Whether no connection was made, so that nothing can have been sent.
fn is_refused(cause: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind::{
        AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkDown, NetworkUnreachable, NotFound,
    };
    let kind = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    let unsent = [AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkDown, NetworkUnreachable, NotFound];
    kind.is_some_and(|kind| unsent.contains(&kind))
}
