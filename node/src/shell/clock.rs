//! The clocks: the one place of a running node that reads them.

use std::time::{Duration, Instant, SystemTime};

use althing_consensus::Now;
use althing_types::{Monotonic, TimeMs};

/// A steady clock that starts with the process, beside wall time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that begins now.
    #[expect(clippy::disallowed_methods, reason = "this is the shell: it reads the clock for all others")]
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Both clocks. Wall time before 1970 counts as 1970.
    #[expect(clippy::disallowed_methods, reason = "this is the shell: it reads the clock for all others")]
    pub(crate) fn now(&self) -> Now {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let wall = TimeMs::new(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX));
        Now { monotonic: Monotonic::new(micros(self.start.elapsed())), wall }
    }

    /// How long it is until this moment of the steady clock; nothing if it has passed.
    pub(crate) fn until(&self, moment: Monotonic) -> Duration {
        Duration::from_micros(moment.get().saturating_sub(micros(self.start.elapsed())))
    }

    /// How long the process has been running.
    pub(crate) fn uptime(&self) -> Duration {
        self.start.elapsed()
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
