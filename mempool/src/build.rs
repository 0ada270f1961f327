//! Choosing the lanes of a block of ours (L8, V6).
//!
//! Every lane first gets its share of the block; then what was left unused goes to the lanes in their order. Batches
//! are taken whole and from the bottom, so a lane's part ends before the first one that does not fit.

use althing_types::{LaneTip, ValidatorIndex, View};

use crate::config::Share;
use crate::lane::Lane;
use crate::message::Range;
use crate::state::Mempool;

/// The last block of ours, as far as it rests on batches that no quorum had acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proposed {
    view: View,
    /// The ranges of such lanes, and who asked for batches in them.
    bold: Vec<(Range, Vec<ValidatorIndex>)>,
}

/// What a block of ours takes of one lane.
struct Choice<'a> {
    lane: &'a Lane,
    below: u64,
    /// The highest batch that may be taken.
    level: u64,
    taken: u64,
    size: Share,
}

impl Mempool {
    /// The lanes of a block above the parent's cut. A demoted lane counts this turn.
    pub(crate) fn build(&mut self, view: View, parent_cut: &[LaneTip]) -> Vec<LaneTip> {
        let choices = self.choose(parent_cut);
        let chosen: Vec<(Range, bool)> = choices.iter().filter_map(Choice::range).collect();
        let bold = chosen.iter().filter(|(_, is_bold)| *is_bold).map(|(range, _)| (*range, Vec::new())).collect();
        self.proposed = Some(Proposed { view, bold });
        for lane in &mut self.lanes {
            lane.standing.turn();
        }
        chosen.into_iter().map(|(range, _)| LaneTip { lane: range.lane, seq: range.last, tip: range.tip }).collect()
    }

    fn choose(&self, parent_cut: &[LaneTip]) -> Vec<Choice<'_>> {
        let share = self.config.share();
        let mut choices: Vec<Choice<'_>> = self.lanes.iter().filter_map(|lane| self.choice(lane, parent_cut)).collect();
        let mut used = Share::default();
        for choice in &mut choices {
            choice.take(&share);
            used = used.plus(&choice.size);
        }
        let mut left = share.times(self.config.committee.set.count()).minus(&used);
        for choice in &mut choices {
            let before = choice.size;
            choice.take(&before.plus(&left));
            left = left.minus(&choice.size.minus(&before));
        }
        choices
    }

    /// What could be taken of a lane: nothing where the parent's tip does not stand in our chain.
    fn choice<'a>(&self, lane: &'a Lane, parent_cut: &[LaneTip]) -> Option<Choice<'a>> {
        let number = lane.final_tip().lane;
        let parent = parent_cut.iter().find(|tip| tip.lane == number);
        let below = parent.map_or(0, |tip| tip.seq);
        let linked = parent.is_none_or(|tip| lane.digest_at(below) == Some(tip.tip)) && below >= lane.final_tip().seq;
        let level = self.includable(lane);
        (linked && level > below).then_some(Choice { lane, below, level, taken: below, size: Share::default() })
    }

    /// The highest batch of a lane that this validator would include as a leader (L8).
    pub(crate) fn includable(&self, lane: &Lane) -> u64 {
        if lane.is_tainted {
            0
        } else if lane.is_spoilt || lane.standing.is_demoted() {
            lane.quorum().min(lane.durable())
        } else {
            lane.durable()
        }
    }

    /// Somebody asks for a batch of our last block. When more than can be faulty had to, its lane made others wait
    /// (L8); a few liars cannot say so.
    pub(crate) fn note_fetched(&mut self, from: ValidatorIndex, asked: &Range) {
        let faulty = usize::from(self.config.quorums().f());
        if from.get() >= self.config.committee.set.count() {
            // Guests are sent no batches; that they ask says nothing about a lane.
            return;
        }
        let Some(proposed) = &mut self.proposed else { return };
        let named = proposed
            .bold
            .iter_mut()
            .find(|(range, _)| range.lane == asked.lane && (range.first..=range.last).contains(&asked.last));
        let Some((_, askers)) = named.filter(|(_, askers)| !askers.contains(&from)) else { return };
        askers.push(from);
        if askers.len() > faulty {
            proposed.bold.retain(|(range, _)| range.lane != asked.lane);
            self.demote(asked.lane);
        }
    }

    /// A view of ours died with our block in it: lanes that no quorum has acknowledged yet kept it waiting (L8).
    pub(crate) fn on_view_died(&mut self, view: View) {
        let Some(proposed) = self.proposed.take_if(|proposed| proposed.view == view) else { return };
        for (range, _) in proposed.bold {
            if self.lane(range.lane).is_some_and(|lane| lane.quorum() < range.last) {
                self.demote(range.lane);
            }
        }
    }

    fn demote(&mut self, number: u32) {
        if let Some(lane) = self.lane_mut(number) {
            lane.standing.demote();
        }
    }
}

impl Choice<'_> {
    /// Takes batches as long as all of this lane's stay within `room`.
    fn take(&mut self, room: &Share) {
        for batch in self.lane.between(self.taken, self.level) {
            let size = self.size.plus(&batch.size());
            if !size.fits(room) {
                return;
            }
            (self.size, self.taken) = (size, batch.tip().seq);
        }
    }

    /// What was taken, and whether it goes beyond what a quorum acknowledged.
    fn range(&self) -> Option<(Range, bool)> {
        let tip = self.lane.digest_at(self.taken).filter(|_| self.taken > self.below)?;
        let lane = self.lane.final_tip().lane;
        let range = Range { lane, first: self.below.saturating_add(1), last: self.taken, tip };
        Some((range, self.taken > self.lane.quorum()))
    }
}
