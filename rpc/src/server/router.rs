//! What stands at which path. Whatever is asked wrongly is told how to ask.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Method as HttpMethod, Response, StatusCode, header};
use axum::routing::{any, get};
use jsonrpsee::core::middleware::RpcServiceBuilder;
use jsonrpsee::server::{
    BatchRequestConfig, Methods, PingConfig, RandomStringIdProvider, Server, ServerConfig, StopHandle, ws,
};
use serde::Serialize;
use tower::Service as _;

use super::answers::completed;
use super::body::TimedBody;
use super::calls::{Caller, Calls};
use super::flow::Flow;
use super::gate::{Gate, Turned};
use super::health::{Question, health, metrics};
use super::limits::Limits;
use super::subscription;
use super::window::Window;
use crate::backend::Backend;

/// Characters of a subscription's id.
const SUBSCRIPTION_ID_LENGTH: usize = 16;

const HELP: &str = "This is a node of an Althing chain.

POST /rpc        JSON-RPC 2.0; a WebSocket at the same path for subscriptions
GET  /livez      whether the process makes progress
GET  /readyz     whether it should be asked; with ?verbose, why
GET  /metrics    metrics for Prometheus

Try: curl -s HOST/rpc -H 'content-type: application/json' -d '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"rpc_methods\"}'";

const NOT_FOUND: &str = "There is nothing here. JSON-RPC is at /rpc; GET / lists what else there is.";

const POST_ONLY: &str = "JSON-RPC is asked with POST and content-type: application/json, or over a WebSocket. \
Try: curl -s HOST/rpc -H 'content-type: application/json' -d '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"rpc_methods\"}'";

/// An answer to come.
type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// Everything that the port answers. WebSockets end when `stop` says so.
pub(super) fn router<B: Backend>(window: Arc<Window<B>>, gate: Gate, stop: StopHandle) -> Router {
    let (live, ready, measured) = (window.clone(), window.clone(), window.clone());
    Router::new()
        .route("/rpc", any(rpc(window, gate, stop)))
        .route("/livez", get(async move |request: Request| health(&live, Question::Live, request.uri().query()).await))
        .route(
            "/readyz",
            get(async move |request: Request| health(&ready, Question::Ready, request.uri().query()).await),
        )
        .route("/metrics", get(async move || metrics(&measured).await))
        .route("/", get(async || text(StatusCode::OK, HELP)))
        .fallback(async || text(StatusCode::NOT_FOUND, NOT_FOUND))
}

/// Whether the path tells nothing about the chain, so that a supervisor may use any name for it.
pub(super) fn is_open_to_all(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz")
}

/// What a request is told that was turned away.
pub(super) fn turned_away(turned: &Turned) -> Response<Body> {
    text(StatusCode::FORBIDDEN, &turned.to_string())
}

/// The handler of `/rpc`.
fn rpc<B: Backend>(
    window: Arc<Window<B>>,
    gate: Gate,
    stop: StopHandle,
) -> impl Fn(Request) -> Answer + Clone + Send + Sync + 'static {
    let limits = window.limits;
    let methods = Methods::from(subscription::module(window.clone()));
    let calls = RpcServiceBuilder::new().layer_fn(move |inner| Calls::new(inner, window.clone()));
    let builder = Server::builder().set_config(config(&limits)).set_rpc_middleware(calls).to_service_builder();
    move |request: Request| {
        let is_web_socket = ws::is_upgrade_request(&request);
        if !is_web_socket && request.method() != HttpMethod::POST {
            return known(post_only());
        }
        if is_web_socket && let Err(turned) = gate.check_origin(request.uri(), request.headers()) {
            return known(turned_away(&turned));
        }
        let request = prepared(request, is_web_socket, &limits);
        let mut service = builder.clone().build(methods.clone(), stop.clone());
        Box::pin(async move {
            match service.call(request).await {
                Ok(response) if is_web_socket => response.map(Body::new),
                Ok(response) => completed(response).await,
                Err(error) => {
                    tracing::debug!(%error, "a request was not answered");
                    text(StatusCode::INTERNAL_SERVER_ERROR, "the node failed to answer")
                }
            }
        })
    }
}

/// An answer that is known already.
fn known(response: Response<Body>) -> Answer {
    Box::pin(ready(response))
}

/// The request with what is known of its connection, and with a body that must come in time.
fn prepared(mut request: Request, is_web_socket: bool, limits: &Limits) -> Request {
    let flow = request.extensions().get::<Arc<Flow>>().cloned();
    let flow = flow.unwrap_or_else(|| Arc::new(Flow::new(limits)));
    request.extensions_mut().insert(Caller { flow, is_web_socket });
    let body_time = limits.body_time;
    request.map(|body| Body::new(TimedBody::new(body, body_time)))
}

fn config(limits: &Limits) -> ServerConfig {
    ServerConfig::builder()
        .max_request_body_size(limits.request_bytes_max)
        .max_response_body_size(limits.response_bytes_max)
        // Sockets are counted by the listener; a connection has one request at a time, so this is never reached.
        .max_connections(u32::MAX >> 4)
        .max_subscriptions_per_connection(limits.socket_subscriptions_max)
        .set_batch_request_config(BatchRequestConfig::Limit(limits.batch_cost_max))
        .set_message_buffer_capacity(limits.socket_messages_max)
        .enable_ws_ping(PingConfig::new())
        .set_id_provider(RandomStringIdProvider::new(SUBSCRIPTION_ID_LENGTH))
        .build()
}

fn post_only() -> Response<Body> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, POST_ONLY);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    response
}

/// A page of text.
pub(super) fn text(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{}\n", text.trim_end())));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// A page of JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let mut response = text(status, &serde_json::to_string_pretty(value).unwrap_or_default());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
