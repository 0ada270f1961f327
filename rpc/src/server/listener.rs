//! Who is let in, and how long anybody may take.
//!
//! The loop accepts, counts and hands over; a connection lives on a task of its own, so that a panic ends nothing but
//! itself.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jsonrpsee::server::stop_channel;
use metrics::counter;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tower::Service as _;

use super::connections::{Connections, Full};
use super::feed::Feed;
use super::flow::Flow;
use super::gate::Gate;
use super::limits::Limits;
use super::router::{is_open_to_all, router, turned_away};
use super::socket::Socket;
use super::window::Window;
use crate::api::{ApiError, ErrorCode};
use crate::backend::Backend;

/// How long the loop rests when the system has no more sockets.
const NO_SOCKETS_REST: Duration = Duration::from_millis(100);
/// Bytes of a request's header at most.
const HEADER_BYTES_MAX: usize = 32 * 1024;

/// What every connection is given.
#[derive(Clone)]
struct House {
    router: Router,
    gate: Gate,
    limits: Limits,
    closing: watch::Receiver<bool>,
}

/// Accepts connections until `stop` resolves, then lets them end.
pub(super) async fn run<B: Backend>(
    listener: TcpListener,
    window: Arc<Window<B>>,
    gate: Gate,
    stop: impl Future<Output = ()> + Send,
) {
    let limits = window.limits;
    let connections = Arc::new(Connections::new(&limits));
    let (sockets_stop, sockets) = stop_channel();
    let (close, closing) = watch::channel(false);
    let feed = tokio::spawn(Feed::follow(window.clone()));
    let house = House { router: router(window, gate.clone(), sockets_stop), gate, limits, closing };
    let mut tasks = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(ended) = tasks.join_next() => note_end(ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => admit(&house, &connections, stream, peer, &mut tasks),
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    sleep(NO_SOCKETS_REST).await;
                }
            },
        }
    }
    drop((listener, house));
    feed.abort();
    close.send_replace(true);
    // Fails if it was stopped already, which is as good.
    let _stopped = sockets.stop();
    let all_ended = async { while tasks.join_next().await.is_some() {} };
    if timeout(limits.stop_time, all_ended).await.is_err() {
        tracing::debug!(connections = tasks.len(), "connections are cut");
    }
    let _cut = timeout(limits.stop_time, sockets.stopped()).await;
    tasks.shutdown().await;
}

/// Counts a task that panicked. What panicked is on standard error.
pub(super) fn count_panic(error: &JoinError) {
    if error.is_panic() {
        counter!("althing_rpc_panics_total").increment(1);
        tracing::error!("a task of the public window panicked; the others go on");
    }
}

fn note_end(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        count_panic(&error);
    }
}

fn admit(house: &House, connections: &Arc<Connections>, stream: TcpStream, peer: SocketAddr, tasks: &mut JoinSet<()>) {
    match connections.enter(peer.ip()) {
        Ok(permit) => {
            // Without it small answers wait for nothing; where it fails they are merely slower.
            let _slower = stream.set_nodelay(true);
            let flow = Arc::new(Flow::new(&house.limits));
            let socket = Socket::new(stream, flow.clone(), house.limits.write_time, permit);
            tasks.spawn(attend(house.clone(), socket, flow));
        }
        Err(full) => turn_away(&stream, full),
    }
}

/// Tells a peer that there is no room, if it takes that at once, and closes the socket.
fn turn_away(stream: &TcpStream, full: Full) {
    let (status, message) = match full {
        Full::All => ("503 Service Unavailable", "the node has as many connections as it may have"),
        Full::Address => ("429 Too Many Requests", "the address has as many connections as one may have"),
    };
    counter!("althing_rpc_turned_away_total").increment(1);
    let error = ApiError::new(ErrorCode::TooManyConnections, message).to_object();
    let body = serde_json::json!({ "jsonrpc": "2.0", "id": null, "error": error }).to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nretry-after: 1\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    let _untold = stream.try_write((head + &body).as_bytes());
}

/// Serves one connection until it ends or is cut.
async fn attend(house: House, socket: Socket, flow: Arc<Flow>) {
    let House { router, gate, limits, mut closing } = house;
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        let refused = gate.check_host(request.uri(), request.headers()).err();
        let refused = refused.filter(|_| !is_open_to_all(request.uri().path()));
        request.extensions_mut().insert(flow.clone());
        let mut router = router.clone();
        async move {
            let response: Result<Response<Body>, Infallible> = match refused {
                Some(turned) => Ok(turned_away(&turned)),
                None => router.call(request.map(Body::new)).await,
            };
            response
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = async { drop(closing.wait_for(|closing| *closing).await) } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}
