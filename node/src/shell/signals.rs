//! The signals that ask a process to end. The first one ends the node in order; a second one ends the process where it
//! stands, which loses no more than a power failure would: for operators whose disk hangs.

use std::io;

use rustix::process::{Signal, getpid, kill_process};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::stop::Stop;

/// From here on an interrupt and SIGTERM are obeyed.
pub(crate) fn obey(runtime: &Runtime, stop: &Stop) -> io::Result<()> {
    let _inside = runtime.enter();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stop = stop.clone();
    runtime.spawn(async move {
        for is_first in [true, false] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if is_first {
                tracing::info!("asked to end; asked again, the process ends where it stands");
                stop.ask();
            } else {
                // There is always a process that is this one.
                let _gone = kill_process(getpid(), Signal::KILL);
            }
        }
    });
    Ok(())
}
