//! Votes one by one: in every state of a validator that an exploration found, votes of others arrive in different
//! orders, and a certificate must be formed exactly with the vote that completes a quorum by the specification, and must
//! lead where the certificate itself leads. This is what allows the exploration to hand over certificates instead.

use std::collections::VecDeque;

use althing_consensus::{Core, Input, Message, Output, Record};
use althing_types::{Certificate, DataJudgement, Epoch, Vote};

use super::Bounds;
use super::label::{BlockId, Label, Labels};
use super::properties::Rules;
use super::stage::{Stage, Votes};
use super::table::Id;
use super::validator::message_in;
use super::world::Exploration;

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counting {
    /// States of validators in which votes arrived.
    pub states: usize,
    /// Votes that arrived.
    pub votes: u64,
    /// What went wrong, in words.
    pub wrong: Vec<String>,
}

/// Votes that are about to arrive at a validator.
struct Case {
    /// Votes for the same that it has already.
    had: u32,
    /// Who votes, and the number of the vote.
    votes: Vec<(u16, u8)>,
}

/// Explores, and then lets votes arrive in every state that was found.
pub fn count(bounds: &Bounds) -> Counting {
    assert!(bounds.next_views.is_none(), "epochs are looked at elsewhere");
    assert!(!bounds.thorough && bounds.crashes == 0, "then the votes that a validator has are known from what it sent");
    let mut exploration = Exploration::new(bounds);
    while exploration.visit_next(bounds) {}
    let mut counting = Counting::default();
    for kind in 0..exploration.automata.len() {
        for id in 0..exploration.automata[kind].len() {
            exploration.count_in(kind, Id::try_from(id).expect("a number of a state"), &mut counting);
        }
    }
    counting
}

impl Exploration {
    fn count_in(&mut self, kind: usize, id: Id, counting: &mut Counting) {
        counting.states += 1;
        let me = self.automata[kind].me;
        let sent = self.automata[kind].sent(id);
        for view in self.automata[kind].standing(id).floor + 1..=self.stage.views {
            let blocks: Vec<BlockId> =
                self.stage.block_ids().filter(|block| self.stage.block(*block).view == view).collect();
            for block in &blocks {
                for case in cases(&self.stage, me, sent, Stage::notarize(*block)) {
                    self.arrive(kind, id, &case, counting);
                }
                for case in cases(&self.stage, me, sent, Stage::finalize(*block)) {
                    self.arrive(kind, id, &case, counting);
                }
            }
            for case in self.nullify_cases(kind, id, view, &blocks) {
                self.arrive(kind, id, &case, counting);
            }
        }
    }

    /// Nullify votes with every pair of reports, of validators that do not lead the view: a leader's makes others give
    /// up, and is a step of its own.
    fn nullify_cases(&self, kind: usize, id: Id, view: u64, blocks: &[BlockId]) -> Vec<Case> {
        let (me, sent) = (self.automata[kind].me, self.automata[kind].sent(id));
        let reports: Vec<u8> =
            blocks.iter().map(|block| Stage::reported(*block)).chain([Stage::nothing(view)]).collect();
        let had = u32::from(reports.iter().any(|report| sent >> report & 1 == 1));
        let others: Vec<u16> =
            (0..self.stage.count()).filter(|by| *by != me && *by != self.stage.leader(view)).collect();
        let mut cases = vec![Vec::new()];
        for by in others {
            let longer = cases.iter().flat_map(|case: &Vec<(u16, u8)>| {
                reports.iter().map(move |report| case.iter().copied().chain([(by, *report)]).collect())
            });
            cases = longer.collect();
        }
        cases.into_iter().map(|votes| Case { had, votes }).collect()
    }

    /// Lets the votes of a case arrive one after the other.
    fn arrive(&mut self, kind: usize, id: Id, case: &Case, counting: &mut Counting) {
        let me = self.automata[kind].me;
        let Self { automata, stage, forge, .. } = &mut *self;
        let mut core = automata[kind].validator(stage, forge, id).core.clone();
        let held = automata[kind].held(stage, forge, id);
        if self.contradicts(&held, case) {
            return;
        }
        for arrived in 0..case.votes.len() {
            let (by, number) = case.votes[arrived];
            let vote = self.stage.signed(by, self.stage.vote(number));
            let out = feed(&mut core, me, message_in(Epoch::ZERO, by, Message::Vote(vote)));
            counting.votes += 1;
            let count = case.had + u32::try_from(arrived + 1).expect("few votes");
            let own = self.automata[kind].sent(id);
            let expected = self.rules.completed(&self.stage, own, &case.votes[..=arrived], count);
            let formed: Vec<Label> = certificates(&out).filter_map(|it| self.forge.label(&self.stage, it)).collect();
            let news: Vec<Label> = expected.into_iter().filter(|label| !held.contains(*label)).collect();
            let decided =
                matches!(news.first(), Some(Label::Skip(_) | Label::Recover(_))) && self.stage_decided(&held, news[0]);
            if decided || (news.is_empty() && formed.is_empty()) {
                if out.iter().any(|output| !self.is_silent(own, output)) {
                    counting.wrong.push(format!("vote {} of {:?} is not silent: {out:?}", arrived + 1, case.votes));
                }
                continue;
            }
            if formed != news {
                counting.wrong.push(format!("{:?} form {formed:?}, not {news:?}", &case.votes[..=arrived]));
                return;
            }
            self.same_as_certificate(kind, id, &core, &news, counting);
            return;
        }
    }

    /// Whether there cannot be so many votes beside what is held, as long as no more than f lie: for a block, beside
    /// another one that is notarized; for finality, beside a Nullification. The core stops at such a thing (R10).
    fn contradicts(&self, held: &Labels, case: &Case) -> bool {
        let Some(number) = case.votes.first().map(|(_, number)| *number) else { return false };
        let vote = self.stage.vote(number);
        let view = vote.view();
        let skipped = u8::try_from(view.get()).is_ok_and(|view| held.contains(Label::Skip(view)));
        let of_view = |block: &BlockId| self.stage.block(*block).view == view.get();
        let recovered = self.stage.block_ids().filter(of_view).any(|block| held.contains(Label::Recover(block)));
        let is_final = match vote {
            Vote::Finalize(_) => true,
            Vote::Notarize(_) => held.contains(Label::Notarization(number / 3)),
            Vote::Nullify(_) => false,
        };
        if is_final && (skipped || recovered) {
            return true;
        }
        let Vote::Notarize(_) = vote else { return false };
        let mut others = self.stage.block_ids().filter(|block| *block != number / 3).filter(of_view);
        others.any(|block| held.contains(Label::Notarization(block)))
    }

    /// Whether an output shows nothing new to anybody: a vote that left before may leave again.
    fn is_silent(&self, sent: Votes, output: &Output) -> bool {
        let Output::Send { envelope, .. } = output else { return !matches!(output, Output::Append { .. }) };
        let vote = match &envelope.message {
            Message::Vote(vote) => vote.vote,
            Message::Proposal(proposal) => proposal.vote.vote,
            _ => return true,
        };
        self.stage.number(&vote).is_ok_and(|number| sent >> number & 1 == 1)
    }

    /// Whether a Nullification of the view is held already, so that none is formed.
    fn stage_decided(&self, held: &Labels, label: Label) -> bool {
        let view = match label {
            Label::Skip(view) => u64::from(view),
            Label::Recover(block) => self.stage.block(block).view,
            _ => return false,
        };
        let skip = u8::try_from(view).is_ok_and(|view| held.contains(Label::Skip(view)));
        let mut of_view = self.stage.block_ids().filter(|block| self.stage.block(*block).view == view);
        skip || of_view.any(|block| held.contains(Label::Recover(block)))
    }

    /// Votes must lead to the same place as the certificates that they form.
    fn same_as_certificate(&mut self, kind: usize, id: Id, core: &Core, labels: &[Label], counting: &mut Counting) {
        let Self { automata, stage, forge, .. } = self;
        let automaton = &mut automata[kind];
        let to = labels.iter().fold(id, |at, label| automaton.next(stage, forge, at, *label));
        let (votes, certificate) = (core.snapshot(), automaton.validator(stage, forge, to).core.snapshot());
        if (votes.view, votes.floor, votes.final_block)
            != (certificate.view, certificate.floor, certificate.final_block)
        {
            counting.wrong.push(format!("votes lead elsewhere than {labels:?}: {votes:?}, not {certificate:?}"));
        }
    }
}

/// Every choice and order of others that cast this vote: each set once ascending and once descending. A validator that
/// notarized has the vote of the leader, whose proposal it was; for another block the leader's does not count there.
fn cases(stage: &Stage, me: u16, sent: Votes, number: u8) -> Vec<Case> {
    let mine = sent >> number & 1 == 1;
    let leader = stage.leader(stage.vote(number).view().get());
    let is_notarize = |block: BlockId| number == Stage::notarize(block);
    let view = stage.block(number / 3).view;
    let notarized = |block: BlockId| stage.block(block).view == view && sent >> Stage::notarize(block) & 1 == 1;
    let has_leaders = is_notarize(number / 3) && leader != me && stage.block_ids().any(notarized);
    let others: Vec<u16> = (0..stage.count()).filter(|by| *by != me && !(has_leaders && *by == leader)).collect();
    let had = u32::from(mine) + u32::from(mine && has_leaders);
    let chosen = |set: u32| others.iter().enumerate().filter(move |(place, _)| set >> place & 1 == 1);
    let sets = 1..1u32 << others.len();
    let ascending = sets.map(|set| chosen(set).map(|(_, by)| (*by, number)).collect::<Vec<_>>());
    ascending
        .flat_map(|votes| {
            let descending = votes.iter().rev().copied().collect();
            [Case { had, votes }, Case { had, votes: descending }]
        })
        .collect()
}

/// Gives a core an input; disk and data plane answer at once.
fn feed(core: &mut Core, me: u16, input: Input) -> Vec<Output> {
    let mut all = Vec::new();
    let mut inputs = VecDeque::from([input]);
    while let Some(input) = inputs.pop_front() {
        let mut out = Vec::new();
        core.step(&Stage::keys(me), super::validator::still(), input, &mut out);
        let last = out.iter().rev().find_map(|output| match output {
            Output::Append { lsn, .. } => Some(Input::Durable(*lsn)),
            _ => None,
        });
        inputs.extend(out.iter().filter_map(|output| match output {
            Output::Check { digest, .. } => Some(Input::Checked { digest: *digest, judgement: DataJudgement::Valid }),
            _ => None,
        }));
        inputs.extend(last);
        all.extend(out);
    }
    all
}

fn certificates(out: &[Output]) -> impl Iterator<Item = Certificate> {
    out.iter().filter_map(|output| match output {
        Output::Append { record: Record::Certificate(certificate), .. } => Some(certificate.clone()),
        _ => None,
    })
}

impl Rules {
    /// The certificates that the last of these votes completes, when there are so many for the same with it.
    fn completed(&self, stage: &Stage, own: Votes, votes: &[(u16, u8)], count: u32) -> Vec<Label> {
        let Some((_, number)) = votes.last() else { return Vec::new() };
        let block = number / 3;
        let (quorum, nullify, fast) = self.numbers();
        match stage.vote(*number) {
            Vote::Notarize(_) => {
                let notarized = (count == quorum).then_some(Label::Notarization(block));
                let is_final = fast.is_some_and(|(fast, _)| count == fast).then_some(Label::FastFinalization(block));
                notarized.into_iter().chain(is_final).collect()
            }
            Vote::Finalize(_) => (count == quorum).then_some(Label::Finalization(block)).into_iter().collect(),
            Vote::Nullify(it) if count == nullify => {
                let of_view = stage.block_ids().filter(|block| stage.block(*block).view == it.view.get());
                let reports = |block: &BlockId| {
                    let number = Stage::reported(*block);
                    let others = votes.iter().filter(|(_, vote)| *vote == number).count();
                    u32::try_from(others).unwrap_or(u32::MAX) + u32::from(own >> number & 1 == 1)
                };
                let mut enough = of_view.filter(|it| fast.is_some_and(|(_, others)| reports(it) + others >= count));
                let skip = Label::Skip(u8::try_from(it.view.get()).expect("few views"));
                vec![enough.next().map_or(skip, Label::Recover)]
            }
            Vote::Nullify(_) => Vec::new(),
        }
    }
}
