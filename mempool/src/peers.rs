//! What is known of another validator's connection.

use althing_types::Monotonic;

/// Answers to requests of one peer within Δ at most; further ones are dropped and asked again. An answer is at most a
/// frame.
const ANSWERS_MAX: u32 = 32;

/// One other validator.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peer {
    /// Whether messages to it can arrive.
    pub(crate) connected: bool,
    /// The highest batch of our own lane that was sent since it was connected or since it last stood still.
    pub(crate) sent: u64,
    /// When our lane is sent again from the first batch that it has not acknowledged (L3).
    pub(crate) resend_at: Option<Monotonic>,
    window_ends: Monotonic,
    answers: u32,
}

impl Peer {
    /// The peer after its connection began or ended. What it was answered is not forgotten, so that a reconnection
    /// buys no further answers.
    pub(crate) fn anew(&self, connected: bool) -> Self {
        Self { connected, window_ends: self.window_ends, answers: self.answers, ..Self::default() }
    }

    /// Whether one more request may be answered now; the window is in microseconds.
    pub(crate) fn may_answer(&mut self, now: Monotonic, window: u64) -> bool {
        if now >= self.window_ends {
            self.window_ends = now.plus(window);
            self.answers = 0;
        }
        self.answers = self.answers.saturating_add(1);
        self.answers <= ANSWERS_MAX
    }
}
