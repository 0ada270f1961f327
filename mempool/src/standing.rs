//! A lane's standing with this validator as a leader (L8): who once made others wait must show a quorum first.

/// The exponent of turns at most: a lane is never demoted for longer than 65,536 turns of ours.
const EXPONENT_MAX: u32 = 16;

/// Whether a lane is demoted, and for how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// How often it was demoted.
    times: u32,
    /// Turns of ours that are left.
    turns: u64,
}

impl Standing {
    /// Demotes the lane for 2^k turns, where k counts how often that happened.
    pub(crate) fn demote(&mut self) {
        self.times = self.times.saturating_add(1).min(EXPONENT_MAX);
        self.turns = 1u64.checked_shl(self.times).unwrap_or(u64::MAX);
    }

    /// A turn of ours has come.
    pub(crate) fn turn(&mut self) {
        self.turns = self.turns.saturating_sub(1);
    }

    pub(crate) const fn is_demoted(&self) -> bool {
        self.turns > 0
    }

    /// Turns of ours that are left.
    pub(crate) const fn turns(&self) -> u64 {
        self.turns
    }
}
