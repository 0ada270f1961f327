//! The server: one port for JSON-RPC (HTTP and WebSocket), health and metrics.
//!
//! Invariants:
//! 1. Nothing that comes from outside is unbounded: connections, bytes of a request, calls in flight, waiters,
//!    subscriptions, and the time that a peer may take to send a header or a body or to take an answer.
//! 2. From a WebSocket whose answers are not taken nothing more is read, so that answers do not pile up.
//! 3. Reads of the store run on threads for that purpose, a bounded number at once; the reactor never blocks.
//! 4. A page in a browser reaches the node only under a name that belongs to the node.
//! 5. Every error carries a code of the catalogue, and over HTTP its data as well, whoever made it.
//!
//! It keeps no state beyond its connections, so a restart loses nothing.

mod answers;
mod body;
mod calls;
mod connections;
mod cursor;
mod feed;
mod flow;
mod gate;
mod health;
mod limits;
mod listener;
mod methods;
mod parameters;
mod reads;
mod router;
mod socket;
mod subscription;
mod window;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;

pub use limits::Limits;

use crate::backend::Backend;
use window::Window;

/// What the server may be told.
#[derive(Clone, Debug, Default)]
pub struct ServerOptions {
    /// Names under which browsers may reach the node, and whose pages may open WebSockets, beside loopback and
    /// addresses. Without a port.
    pub allowed_hosts: Vec<String>,
    /// Bounds. Those of [`Limits::default`] are what `docs/rpc.md` promises.
    pub limits: Limits,
}

/// Serves until `stop` resolves, then lets calls under way end for a few seconds and returns.
///
/// # Errors
///
/// The listener has no address. An error of a single connection ends that connection only.
pub async fn serve<B: Backend>(
    listener: TcpListener,
    backend: Arc<B>,
    options: ServerOptions,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let window = Arc::new(Window::new(backend, options.limits));
    let gate = gate::Gate::new(&options.allowed_hosts);
    tracing::info!(%address, "the public window is open");
    listener::run(listener, window, gate, stop).await;
    tracing::info!(%address, "the public window is closed");
    Ok(())
}
