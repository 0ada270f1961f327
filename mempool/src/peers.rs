//! What is known of another validator's connection.

use althing_types::Monotonic;

/// Answers to requests of one peer within Δ at most; further ones are dropped and asked again. An answer is at most a
/// frame.
const ANSWERS_MAX: u32 = 32;
/// How long an acknowledgement is waited for at first, in quarters of Δ (L3).
const PATIENCE_QUARTERS: u64 = 16;
/// How often that doubles.
const DOUBLINGS_MAX: u32 = 4;

/// One other validator.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peer {
    /// Whether messages to it can arrive.
    pub(crate) connected: bool,
    /// Whether it acknowledged anything in this epoch since it was connected.
    pub(crate) is_heard: bool,
    /// The highest batch of our own lane that was sent since it was connected or since it last stood still.
    pub(crate) sent: u64,
    /// When our lane is sent again from the first batch that it has not acknowledged (L3).
    pub(crate) resend_at: Option<Monotonic>,
    /// How often it was sent again without progress.
    resends: u32,
    window_ends: Monotonic,
    answers: u32,
}

impl Peer {
    /// The peer after its connection began or ended. What it was answered is not forgotten, so that a reconnection
    /// buys no further answers.
    pub(crate) fn anew(&self, connected: bool) -> Self {
        Self { connected, window_ends: self.window_ends, answers: self.answers, ..Self::default() }
    }

    /// Something of our lane is on its way: without progress it is sent again after 4 Δ, and after twice as long each
    /// time, up to 64 Δ. Who is slow to check what arrives must not be given the same once more meanwhile. `quarter` is a
    /// quarter of Δ in microseconds.
    pub(crate) fn expect(&mut self, now: Monotonic, quarter: u64) {
        let quarters = PATIENCE_QUARTERS << self.resends.min(DOUBLINGS_MAX);
        self.resend_at.get_or_insert(now.plus(quarter.saturating_mul(quarters)));
    }

    /// The peer acknowledged more of our lane than before, and not all.
    pub(crate) fn goes_on(&mut self, now: Monotonic, quarter: u64) {
        self.has_all();
        self.expect(now, quarter);
    }

    /// The peer acknowledged all of our lane.
    pub(crate) fn has_all(&mut self) {
        (self.resend_at, self.resends) = (None, 0);
    }

    /// Our lane is sent again from what the peer acknowledged.
    pub(crate) fn send_again(&mut self, done: u64) {
        (self.sent, self.resend_at) = (done, None);
        self.resends = self.resends.saturating_add(1);
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
