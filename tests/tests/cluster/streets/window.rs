//! The way of the test to a node's public window, past the switch: what connects to an address on the machine's loopback
//! is handed on to the same address on the loopback of the node's namespace. So nothing that happens to packets between
//! nodes happens to questions and answers.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Namespace;

/// How long a node may take to accept a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// A listener that hands connections on until it goes away.
pub(crate) struct Window {
    at: SocketAddr,
    is_over: Arc<AtomicBool>,
    guard: Option<JoinHandle<io::Result<()>>>,
}

impl Window {
    /// Listens where the node in this namespace listens in its own.
    pub(crate) fn open(namespace: &Namespace, at: SocketAddr) -> Result<Self, String> {
        let is_over = Arc::new(AtomicBool::new(false));
        let listener = TcpListener::bind(at).map_err(|error| format!("{at}: {error}"))?;
        let over = is_over.clone();
        let guard = namespace.spawn(move || {
            for near in listener.incoming() {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                // A node that does not run refuses, and so does this: the connection is closed.
                if let (Ok(near), Ok(far)) = (near, TcpStream::connect_timeout(&at, CONNECT_MAX)) {
                    join(near, far)?;
                }
            }
            Ok(())
        });
        let guard = guard.map_err(|error| format!("the namespace cannot be entered: {error}"))?;
        Ok(Self { at, is_over, guard: Some(guard) })
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // It is woken by one more connection.
        drop(TcpStream::connect_timeout(&self.at, CONNECT_MAX));
        let _ended = self.guard.take().map(JoinHandle::join);
    }
}

/// Carries bytes in both directions, on threads that end with the connections.
fn join(near: TcpStream, far: TcpStream) -> io::Result<()> {
    for stream in [&near, &far] {
        stream.set_nodelay(true)?;
    }
    let (from_near, to_far) = (near.try_clone()?, far.try_clone()?);
    thread::spawn(move || carry(from_near, to_far));
    thread::spawn(move || carry(far, near));
    Ok(())
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    // However it ended, the other side learns that nothing more comes.
    let _carried = io::copy(&mut from, &mut to);
    let _closed = to.shutdown(Shutdown::Write);
}
