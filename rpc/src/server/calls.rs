//! Every call passes here, over HTTP and over WebSocket: counted, bounded, carried out, answered.
//!
//! The library beneath speaks JSON-RPC and keeps WebSockets; it carries out subscriptions only.

use std::future::Future;
use std::sync::Arc;

use jsonrpsee::core::middleware::{Batch, BatchEntry, Notification};
use jsonrpsee::core::server::{BatchResponseBuilder, MethodResponse};
use jsonrpsee::server::middleware::rpc::RpcServiceT;
use jsonrpsee::types::{Id, Request};
use metrics::{counter, histogram};
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};

use super::answers::{marked, payload, refusal, response};
use super::flow::Flow;
use super::methods;
use super::window::Window;
use crate::api::{ApiError, ErrorCode, Method, MethodKind};
use crate::backend::Backend;

/// Bytes of a request's id at most. It is repeated in the answer.
const ID_BYTES_MAX: usize = 256;

/// How a request came.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The connection's back-pressure.
    pub(super) flow: Arc<Flow>,
    /// Whether it is a WebSocket.
    pub(super) is_web_socket: bool,
}

/// The service that calls pass.
#[derive(Debug)]
pub(super) struct Calls<S, B> {
    inner: S,
    window: Arc<Window<B>>,
}

impl<S: Clone, B> Clone for Calls<S, B> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), window: self.window.clone() }
    }
}

impl<S, B> Calls<S, B> {
    /// A service over the one that carries out subscriptions.
    pub(super) const fn new(inner: S, window: Arc<Window<B>>) -> Self {
        Self { inner, window }
    }
}

impl<S, B> RpcServiceT for Calls<S, B>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        > + Clone
        + Send
        + Sync
        + 'static,
    B: Backend,
{
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let calls = self.clone();
        async move { calls.one(request).await }
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let calls = self.clone();
        async move { calls.several(batch).await }
    }

    /// A request without an id, or with one that cannot be read, is not carried out. Who sent it by mistake should learn
    /// that, so over HTTP it is told, although a notification asks for no answer.
    fn notification<'a>(&self, notification: Notification<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let _ignored = notification;
        let error = ApiError::new(ErrorCode::InvalidRequest, "a request needs an id: a text, or a number below 2^64");
        async move { refusal(Id::Null, &error) }
    }
}

impl<S, B> Calls<S, B>
where
    S: RpcServiceT<MethodResponse = MethodResponse> + Send + Sync,
    B: Backend,
{
    async fn one(&self, request: Request<'_>) -> MethodResponse {
        let started = Instant::now();
        let method = Method::from_name(&request.method);
        let (response, code) = self.carry_out(method, request).await;
        // Names that are not ours are counted together: a stranger must not choose labels.
        let method = method.map_or("unknown", Method::name);
        let code = code.map_or("ok", ErrorCode::symbol);
        counter!("althing_rpc_requests_total", "method" => method, "code" => code).increment(1);
        histogram!("althing_rpc_duration_seconds", "method" => method).record(started.elapsed());
        response
    }

    async fn carry_out(&self, method: Option<Method>, request: Request<'_>) -> (MethodResponse, Option<ErrorCode>) {
        let caller = request.extensions.get::<Caller>().cloned();
        let is_web_socket = caller.as_ref().is_some_and(|caller| caller.is_web_socket);
        if let Some(refused) = refused_at_once(method, &request, is_web_socket) {
            return (refusal(request.id, &refused), Some(refused.code));
        }
        match method {
            Some(method) if method.kind() != MethodKind::Subscription => {
                let caller = caller.filter(|caller| caller.is_web_socket);
                self.answer(method, request, caller).await
            }
            _ => self.subscribe(request).await,
        }
    }

    /// Carries out a call with one answer. A WebSocket's call is in flight until its answer is with the socket.
    async fn answer(
        &self,
        method: Method,
        request: Request<'_>,
        caller: Option<Caller>,
    ) -> (MethodResponse, Option<ErrorCode>) {
        let Request { id, params, .. } = request;
        let params: Option<&RawValue> = params.as_deref();
        let in_flight = caller.map(|caller| caller.flow.enter(params.map_or(0, |params| params.get().len())));
        let result = methods::call(&self.window, method, params).await;
        let bytes_max = self.window.limits.response_bytes_max;
        let (mut payload, code) = payload(result, bytes_max);
        if let Some(in_flight) = in_flight {
            let (noticed, sent) = payload.notify_on_completion();
            payload = noticed;
            tokio::spawn(async move {
                let _sent_or_gone = sent.await;
                drop(in_flight);
            });
        }
        (response(id, payload, bytes_max), code)
    }

    async fn subscribe(&self, request: Request<'_>) -> (MethodResponse, Option<ErrorCode>) {
        let id = request.id.clone().into_owned();
        let response = self.inner.call(request).await;
        match response.as_error_code().map(ErrorCode::from_number) {
            Some(Some(ErrorCode::TooManySubscriptions)) => {
                let full = ApiError::new(ErrorCode::TooManySubscriptions, "the connection has too many subscriptions")
                    .with("max", self.window.limits.socket_subscriptions_max);
                (refusal(id, &full), Some(full.code))
            }
            Some(code) => (response, Some(code.unwrap_or(ErrorCode::Internal))),
            None => (response, None),
        }
    }

    async fn several(&self, batch: Batch<'_>) -> MethodResponse {
        if let Err(error) = self.check_batch(&batch) {
            return refusal(Id::Null, &error);
        }
        let bytes_max = self.window.limits.response_bytes_max;
        let deadline = Instant::now() + self.window.limits.batch_time;
        let mut answers = BatchResponseBuilder::new_with_limit(usize::try_from(bytes_max).unwrap_or(usize::MAX));
        for entry in batch {
            let answer = match entry {
                Ok(BatchEntry::Call(request)) => {
                    let id = request.id.clone();
                    let late = ApiError::new(ErrorCode::QueryTimeout, "the time of the batch is over");
                    timeout_at(deadline, self.one(request)).await.unwrap_or_else(|_| refusal(id, &late))
                }
                Ok(BatchEntry::Notification(_)) => continue,
                Err(error) => {
                    let (_, id) = error.into_parts();
                    refusal(id, &ApiError::new(ErrorCode::InvalidRequest, "the entry is no JSON-RPC 2.0 request"))
                }
            };
            if answers.append(answer).is_err() {
                let long = ApiError::new(ErrorCode::BatchResponseTooLarge, "the answers are too long together");
                return refusal(Id::Null, &long.with("max", bytes_max));
            }
        }
        if answers.is_empty() {
            return marked(MethodResponse::notification());
        }
        marked(MethodResponse::from_batch(answers.finish()))
    }

    /// Refuses a batch that is empty, costs too much, or comes over a WebSocket, where calls need not wait for each
    /// other anyway and the library would not bound what such answers hold.
    fn check_batch(&self, batch: &Batch<'_>) -> Result<(), ApiError> {
        let cost_of = |entry: &BatchEntry<'_>| Method::from_name(entry.method_name()).map_or(1, Method::cost);
        let cost: u32 = batch.iter().map(|entry| entry.as_ref().map_or(1, cost_of)).sum();
        let is_web_socket = batch
            .iter()
            .flatten()
            .any(|entry| entry.extensions().get::<Caller>().is_some_and(|caller| caller.is_web_socket));
        let max = self.window.limits.batch_cost_max;
        if batch.is_empty() {
            return Err(ApiError::new(ErrorCode::InvalidRequest, "the batch is empty"));
        }
        if is_web_socket {
            return Err(ApiError::new(ErrorCode::Transport, "a WebSocket takes calls one by one, without a batch"));
        }
        if cost > max {
            let message = format!("the batch costs {cost}, at most {max} is allowed");
            return Err(ApiError::new(ErrorCode::BatchTooLarge, message).with("cost", cost).with("max", max));
        }
        Ok(())
    }
}

/// Refuses what needs no backend to refuse.
fn refused_at_once(method: Option<Method>, request: &Request<'_>, is_web_socket: bool) -> Option<ApiError> {
    if let Id::Str(id) = &request.id
        && id.len() > ID_BYTES_MAX
    {
        return Some(ApiError::new(ErrorCode::InvalidRequest, "the id of the request is too long"));
    }
    let Some(method) = method else {
        let shown: String = request.method.chars().take(80).collect();
        return Some(ApiError::new(ErrorCode::MethodNotFound, format!("there is no method {shown:?}")));
    };
    let needs_web_socket = method.kind() == MethodKind::Subscription && !is_web_socket;
    needs_web_socket.then(|| ApiError::new(ErrorCode::Transport, format!("{method} needs a WebSocket")))
}
