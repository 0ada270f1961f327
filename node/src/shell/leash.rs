//! A node that belongs to another process: it ends when its standard input closes, which happens however that process
//! ends. What is written there is read and ignored.

use std::io::{self, Read};
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};

use super::stop::Stop;

/// How long ending in order may take before the process ends where it stands. Nobody is left who could do it; what was
/// acknowledged is on disk.
const ENDING_MAX: Duration = Duration::from_secs(15);

/// Ends the node when standard input closes.
///
/// # Panics
///
/// If the system has no room for another thread; this happens at the start only.
pub(super) fn watch(stop: Stop) {
    let watch = move || {
        until_closed(io::stdin().lock());
        tracing::info!("standard input closed");
        stop.ask();
        thread::sleep(ENDING_MAX);
        tracing::error!(seconds = ENDING_MAX.as_secs(), "ending in order takes too long: the process ends");
        // Not by `exit`, which would run what other threads still use, and may wait for them.
        let _killed = kill_process(getpid(), Signal::KILL);
    };
    let spawned = thread::Builder::new().name("leash".to_owned()).spawn(watch);
    spawned.expect("the system has room for the node's threads");
}

/// Reads until there is nothing more to come.
fn until_closed(mut input: impl Read) {
    let mut ignored = [0; 256];
    loop {
        match input.read(&mut ignored) {
            Ok(0) => return,
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return,
            Ok(_) | Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_node_is_asked_to_end_when_the_input_closes_and_not_before() {
        let (mut owner, node) = UnixStream::pair().expect("a pair");
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        std::thread::spawn(move || {
            until_closed(node);
            sender.send(()).expect("it is awaited");
        });
        owner.write_all(&[7; 1_000]).expect("it is read");
        assert!(receiver.recv_timeout(Duration::from_millis(50)).is_err(), "what is written is no end");
        drop(owner);
        receiver.recv_timeout(Duration::from_secs(20)).expect("it noticed");
    }
}
