//! What is due: links that should be up, or have been silent, and dials whose time has come.
//!
//! The clock is looked at a few times a second and not after each event. If that comes much too late, then this process
//! was stopped, or its machine was, and no peer is to blame for the silence: the time is not counted.

use std::time::Duration;

use libp2p::PeerId;
use tokio::time::Instant;

use super::entry::Entry;
use super::{Engine, LOOK_EVERY};
use crate::receiver::Receiver;

/// So much later than it should be the clock is looked at only when the process did not run. It is a quarter of the
/// silence after which a link is given up.
const LATE: Duration = Duration::from_secs(2);

/// When the clock was looked at last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lookout {
    last: Instant,
}

impl Lookout {
    /// It was looked at now.
    pub(super) fn new() -> Self {
        Self { last: Instant::now() }
    }

    /// Notes that it is looked at, and says for how long the process did not run meanwhile, if it did not.
    fn missed(&mut self, now: Instant) -> Option<Duration> {
        let late = now.saturating_duration_since(self.last).saturating_sub(LOOK_EVERY);
        self.last = now;
        (late > LATE).then_some(late)
    }
}

impl<R: Receiver> Engine<R> {
    /// Looks what is due.
    pub(super) fn on_time(&mut self) {
        let now = Instant::now();
        if let Some(missed) = self.lookout.missed(now) {
            let missed_ms = missed.as_millis();
            tracing::warn!(missed_ms, "this process did not run for a while; what peers did not say then is forgiven");
            for entry in self.peers.values_mut() {
                entry.forgive(missed);
            }
        }
        let is_due = |entry: &Entry| entry.deadline().is_some_and(|deadline| deadline <= now);
        let due: Vec<PeerId> = self.peers.iter().filter(|(_, entry)| is_due(entry)).map(|(id, _)| *id).collect();
        for id in due {
            self.look_at_link(&id, now);
            self.dial_if_due(&id, now);
        }
    }
}

impl Entry {
    /// Does not count a time in which we did not listen.
    fn forgive(&mut self, missed: Duration) {
        self.shared.forgive(missed);
        if let Some(link) = &mut self.link {
            link.since += missed;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use althing_types::SecretKey;
    use libp2p::swarm::ConnectionId;

    use super::super::entry::{Link, Phase, SILENCE};
    use super::*;
    use crate::options::{Peer, Role};
    use crate::shared::Shared;

    #[test]
    fn only_a_long_delay_is_a_time_in_which_the_process_did_not_run() {
        let mut lookout = Lookout::new();
        let mut now = lookout.last;
        for step in [100, 100, 1_000, 2_099, 0] {
            now += Duration::from_millis(step);
            assert_eq!(lookout.missed(now), None, "{step} ms");
        }
        now += Duration::from_secs(60);
        assert_eq!(lookout.missed(now), Some(Duration::from_millis(59_900)));
        assert_eq!(lookout.missed(now + LOOK_EVERY), None, "it is said once");
    }

    #[test]
    fn a_link_is_not_given_up_for_a_time_in_which_the_process_did_not_run() {
        let keys = [1, 2].map(|seed| SecretKey::from_seed(&[seed; 32]).public_key());
        let peer = Peer { key: keys[0], name: "peer".to_owned(), role: Role::Validator, address: None };
        let shared = Shared::new(Role::Validator, &[peer]);
        let mut entry = Entry::new(keys[1], Arc::clone(&shared.peers[&keys[0]]));
        let mut link = Link::new(ConnectionId::new_unchecked(1), true, String::new());
        link.phase = Phase::Up;
        entry.link = Some(link);
        let before = entry.deadline().expect("silence ends a link");
        assert!(before <= Instant::now() + SILENCE);
        let missed = Duration::from_secs(60);
        entry.forgive(missed);
        assert_eq!(entry.deadline(), Some(before + missed));
    }
}
