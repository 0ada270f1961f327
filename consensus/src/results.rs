//! Execution results: what this validator computed, what others report, and what certified blocks carry (rules X).

use std::collections::BTreeMap;

use althing_types::{Height, Quorums, Summary, ValidatorIndex};

use crate::output::Alarm;

/// What is known of execution.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Results {
    /// My summaries of heights that the base does not carry yet.
    executed: BTreeMap<Height, Summary>,
    /// How far each validator executed, by its own word; mine is exact.
    reported: Vec<Height>,
    /// Summaries that certified blocks carry and that I have not computed yet.
    certified: BTreeMap<Height, Summary>,
}

/// My own result beside a carried one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// They are the same.
    Same,
    /// They differ; this is mine.
    Differs(Summary),
    /// I have not executed the height yet.
    Unknown,
}

impl Results {
    pub(crate) fn new(validators: u16) -> Self {
        let reported = vec![Height::ZERO; usize::from(validators)];
        Self { executed: BTreeMap::new(), reported, certified: BTreeMap::new() }
    }

    /// What is known of execution where the next epoch begins. Its validators say anew how far they executed.
    pub(crate) fn into_next_epoch(self, validators: u16) -> Self {
        Self { reported: vec![Height::ZERO; usize::from(validators)], ..self }
    }

    /// How far I executed, by what I computed and what final blocks carry.
    pub(crate) fn computed(&self) -> Option<Height> {
        self.executed.last_key_value().map(|(height, _)| *height)
    }

    /// Notes what I computed. An alarm if a certified block says otherwise (X4).
    pub(crate) fn executed(&mut self, me: ValidatorIndex, ours: Summary) -> Option<Alarm> {
        self.executed.insert(ours.height, ours);
        self.reported(me, ours.height);
        let theirs = self.certified.remove(&ours.height)?;
        (theirs != ours).then_some(Alarm::Diverged { ours, theirs })
    }

    /// Notes how far a validator says that it executed; it never goes back.
    pub(crate) fn reported(&mut self, from: ValidatorIndex, height: Height) {
        if let Some(known) = self.reported.get_mut(from.to_usize()) {
            *known = height.max(*known);
        }
    }

    /// Notes summaries that a certified block carries. An alarm if I computed another (X4).
    pub(crate) fn certified(&mut self, summaries: &[Summary]) -> Option<Alarm> {
        for theirs in summaries {
            match self.compare(theirs) {
                Comparison::Same => {}
                Comparison::Differs(ours) => return Some(Alarm::Diverged { ours, theirs: *theirs }),
                Comparison::Unknown => {
                    self.certified.insert(theirs.height, *theirs);
                }
            }
        }
        None
    }

    /// A carried summary beside mine (X3).
    pub(crate) fn compare(&self, theirs: &Summary) -> Comparison {
        match self.executed.get(&theirs.height) {
            Some(ours) if ours == theirs => Comparison::Same,
            Some(ours) => Comparison::Differs(*ours),
            None => Comparison::Unknown,
        }
    }

    /// Forgets what final blocks carry.
    pub(crate) fn forget_up_to(&mut self, carried: Height) {
        self.executed = self.executed.split_off(&carried.next());
        self.certified = self.certified.split_off(&carried.next());
    }

    /// How far this validator executed.
    pub(crate) fn mine(&self, me: ValidatorIndex) -> Height {
        self.of(me)
    }

    /// How far a validator says that it executed; of this one it is exact.
    pub(crate) fn of(&self, index: ValidatorIndex) -> Height {
        self.reported.get(index.to_usize()).copied().unwrap_or_default()
    }

    /// The highest height that I executed and that at least `count` validators report, me included.
    pub(crate) fn reached_by(&self, count: u16, me: ValidatorIndex) -> Height {
        self.reported_by(count).min(self.mine(me))
    }

    /// The highest height that at least `count` validators say they executed.
    pub(crate) fn reported_by(&self, count: u16) -> Height {
        let mut heights = self.reported.clone();
        heights.sort();
        let place = heights.len().checked_sub(usize::from(count));
        place.and_then(|place| heights.get(place)).copied().unwrap_or_default()
    }

    /// `ready` of the rules: executed here and reported by a quorum.
    pub(crate) fn ready(&self, quorums: &Quorums, me: ValidatorIndex) -> Height {
        self.reached_by(quorums.notarize(), me)
    }

    /// My summaries above `from` up to `to`.
    pub(crate) fn summaries(&self, from: Height, to: Height) -> Vec<Summary> {
        if to <= from {
            return Vec::new();
        }
        self.executed.range(from.next()..=to).map(|(_, summary)| *summary).collect()
    }

    /// Whether a height above `from` up to `to` executed a transaction: what a closing block is made for (I1).
    pub(crate) fn has_content(&self, from: Height, to: Height) -> bool {
        self.summaries(from, to).iter().any(|summary| summary.tx_count > 0)
    }
}
