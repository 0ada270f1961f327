//! A wire between two nodes that a test can cut without anybody being told, as a pulled cable does.

use std::io;

use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Forwards connections on one port to another.
pub(super) struct Wire {
    pub(super) port: u16,
    accepted: Arc<std::sync::atomic::AtomicUsize>,
    is_cut: watch::Sender<bool>,
    running: tokio::task::JoinHandle<()>,
}

impl Wire {
    /// A whole wire to this port.
    pub(super) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind(local(0)).await.unwrap();
        let here = listener.local_addr().unwrap().port();
        let accepted = Arc::<std::sync::atomic::AtomicUsize>::default();
        let is_cut = watch::Sender::new(false);
        let (count, cut) = (Arc::clone(&accepted), is_cut.subscribe());
        let running = tokio::spawn(async move {
            let mut all = tokio::task::JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                all.spawn(forward(near, port, cut.clone()));
            }
        });
        Self { port: here, accepted, is_cut, running }
    }

    /// Cuts it or mends it. What is on the way while it is cut stays there.
    pub(super) fn set_cut(&self, is_cut: bool) {
        self.is_cut.send_replace(is_cut);
    }

    /// Connections that were made over it.
    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn forward(near: TcpStream, port: u16, mut cut: watch::Receiver<bool>) {
    let Ok(far) = TcpStream::connect(local(port)).await else { return };
    loop {
        if cut.wait_for(|is_cut| !is_cut).await.is_err() {
            return;
        }
        tokio::select! {
            _ = copy(&near, &far) => return,
            _ = copy(&far, &near) => return,
            _ = cut.wait_for(|is_cut| *is_cut) => {}
        }
    }
}

/// Copies until either end closes. A cut loses what is in hand, which is one read at most.
async fn copy(from: &TcpStream, to: &TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1_024];
    loop {
        from.readable().await?;
        let read = match from.try_read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        };
        let mut rest = &buffer[..read];
        while !rest.is_empty() {
            to.writable().await?;
            match to.try_write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}
