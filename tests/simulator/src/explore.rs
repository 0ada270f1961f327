//! Every order in which a few validators can take their steps, explored exhaustively with the real core.
//!
//! # What is explored
//!
//! Honest validators are real cores with free signatures. One validator may be faulty: it is no core but a source of
//! signed messages. It may vote for everything in every view, towards each victim as it likes, and propose several
//! blocks above any block wherever it leads. Messages are delivered at any time or never; timers expire at any time;
//! disks sync at once, or the validator crashes and starts again with a part of what it wrote.
//!
//! # Why it is few enough, and still all
//!
//! 1. *Votes arrive as certificates.* A vote that completes no certificate makes a core send nothing. So what counts is
//!    when a certificate can be formed, and it is handed over as one. A leader's Nullify makes others give up, and is
//!    delivered by itself. Which votes are enough is asked of the real types; `counting` shows in every state that was
//!    found that votes one by one have the same effect.
//! 2. *Messages are a set that only grows.* What was sent can be delivered at any later time and again. So a world is
//!    the state of each honest validator, and nothing in flight is stored.
//! 3. *Silent steps are taken late* (`automaton`). A step in which no vote leaves changes nothing for others, so a
//!    validator takes it just before the step that sends, and only where that makes a difference.
//! 4. *Validators that lead no explored view are alike.* They share an automaton, and worlds are kept up to their order.
//! 5. *The clock stands still* except in the step in which timers expire, and states are compared without moments and
//!    places in the log (`Core::timeless`), which decide nothing but when timers expire.
//! 6. *No repetition.* Nobody is connected as far as the cores know, so they repeat and push nothing that would be
//!    delivered twice, and a leader that is out is given up like one whose timer expired.
//! 7. *Disks sync at once.* A record that is not durable has no effect that others could see, so a crash that loses it
//!    is the same as one right after the records that were kept.
//!
//! 8. *Evidence changes nothing here.* Everybody counts as accused from the start, so no block carries evidence.
//!
//! The data plane holds everything, and nothing is proposed or given up above the last view.
//!
//! # Where an epoch ends
//!
//! With a second epoch (`succession`) a change of the set is pending, everybody has executed the block whose state holds it,
//! and honest leaders end the epoch as soon as they propose. A faulty one may propose boundary blocks, blocks that end
//! nothing though they should or need not, children of a boundary block, and boundary blocks again. Views are counted
//! through both epochs; messages of one reach validators of the other, with the true epoch in their hints and with that of
//! the receiver. A validator enters the next epoch at any time once it has handed the boundary block over.

mod automaton;
mod counting;
mod foreign;
mod forge;
mod kept;
mod label;
mod liveness;
mod properties;
mod stage;
mod succession;
mod table;
#[cfg(test)]
mod tests;
mod validator;
mod world;

use std::fmt;

pub use counting::{Counting, count};
pub use foreign::count_foreign;

/// What to explore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// How many validators there are, the faulty one included.
    pub validators: u16,
    /// Which of them is faulty; number v − 1 leads view v.
    pub faulty: Option<u16>,
    /// Whether the fast path is on.
    pub fast_path: bool,
    /// The last view in which something is proposed or given up.
    pub views: u64,
    /// Views of a second epoch, of the same validators, if there is one: then a change of the set is pending from the
    /// start, `views` are those of the first epoch, and what ends that is its boundary block.
    pub next_views: Option<u64>,
    /// Blocks that a faulty leader proposes above each parent.
    pub proposals: u8,
    /// Crashes at most, of all validators together.
    pub crashes: u8,
    /// Whether steps are taken that only say the same in another way: proposals that arrive before they can be judged,
    /// certified blocks that arrive late, and leaders that give their view up while timers could expire as well.
    pub thorough: bool,
    /// Whether it is checked that honest validators get on from every world by themselves.
    pub liveness: bool,
    /// Worlds at most.
    pub worlds_max: usize,
}

impl Bounds {
    /// Four validators over some views, without crashes and without a limit.
    pub const fn new(views: u64, faulty: Option<u16>, fast_path: bool) -> Self {
        let worlds_max = usize::MAX;
        let (next_views, proposals, crashes, thorough, liveness) = (None, 2, 0, false, true);
        Self { validators: 4, faulty, fast_path, views, next_views, proposals, crashes, thorough, liveness, worlds_max }
    }
}

/// A rule that does not hold, and how it came to that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What is wrong.
    pub what: String,
    /// The steps that led there, one line for each vote that was sent.
    pub trace: Vec<String>,
    world: u32,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Worlds that were examined.
    pub visited: usize,
    /// Distinct worlds that were met.
    pub worlds: usize,
    /// Distinct collections of signed votes.
    pub pools: usize,
    /// Distinct states of single validators.
    pub validators: usize,
    /// Steps of the real core.
    pub steps: u64,
    /// Blocks that were proposed.
    pub blocks: usize,
    /// Steps that send, from the start to the last world that was examined.
    pub depth: u16,
    /// Whether nothing is left to be examined.
    pub complete: bool,
    /// What is wrong.
    pub violations: Vec<Violation>,
}

/// Explores until all is found or the bounds are met.
pub fn run(bounds: &Bounds) -> Report {
    run_while(bounds, &mut || true)
}

/// Explores for as long as the caller wants to go on.
pub fn run_while(bounds: &Bounds, go_on: &mut dyn FnMut() -> bool) -> Report {
    world::Exploration::new(bounds).run(bounds, go_on)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { visited, worlds, pools, validators, steps, blocks, depth, complete, violations } = self;
        let end = if *complete { "complete" } else { "cut" };
        write!(
            f,
            "{end}: {visited} of {worlds} worlds, {pools} collections of votes, {validators} states of validators, "
        )?;
        write!(f, "{steps} steps of the core, {blocks} blocks, depth {depth}, {} violations", violations.len())?;
        violations.iter().try_for_each(|violation| write!(f, "\n{violation}"))
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VIOLATION: {}", self.what)?;
        let numbered = (1..).zip(&self.trace);
        numbered.into_iter().try_for_each(|(number, line)| write!(f, "\n  {number:>3}. {line}"))
    }
}
