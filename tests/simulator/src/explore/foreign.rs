//! Votes and certificates of the other epoch, one by one, in every state of a validator that an exploration found: none of
//! them may change anything, whichever epoch their sender claims to be in (E4). The validators of both epochs are the same,
//! so nothing but the epoch in what is signed tells them apart.

use althing_consensus::{Input, Message, Output, Recipient};
use althing_types::{Epoch, List};

use super::Bounds;
use super::counting::Counting;
use super::label::Label;
use super::stage::Stage;
use super::succession::NEXT;
use super::table::Id;
use super::validator::{STILL, message_in, still};
use super::world::Exploration;

/// Explores, and then lets everything of the other epoch arrive in every state that was found.
pub fn count_foreign(bounds: &Bounds) -> Counting {
    let mut exploration = Exploration::new(bounds);
    while exploration.visit_next(bounds) {}
    let mut counting = Counting::default();
    for kind in 0..exploration.automata.len() {
        for id in 0..exploration.automata[kind].len() {
            exploration.count_foreign_in(kind, Id::try_from(id).expect("a number of a state"), &mut counting);
        }
    }
    counting
}

impl Exploration {
    fn count_foreign_in(&mut self, kind: usize, id: Id, counting: &mut Counting) {
        counting.states += 1;
        let Self { automata, stage, forge, .. } = &mut *self;
        let (me, validator) = (automata[kind].me, automata[kind].validator(stage, forge, id).clone());
        let mine = validator.epoch();
        // What is repeated from time to time is repeated now, and not again while the clock stands.
        let mut core = validator.core.clone();
        core.step(&Stage::keys(me), still(), Input::Tick, &mut Vec::new());
        let before = core.timeless(STILL);
        let theirs = if mine == Epoch::ZERO { NEXT } else { Epoch::ZERO };
        for (from, message) in self.foreign(mine) {
            for claimed in [theirs, mine].into_iter().filter(|_| from != me) {
                let mut out = Vec::new();
                core.step(&Stage::keys(me), still(), message_in(claimed, from, message.clone()), &mut out);
                counting.votes += 1;
                if out.iter().any(is_said) {
                    counting.wrong.push(format!("validator {me} in epoch {mine} answers {message:?} with {out:?}"));
                }
            }
        }
        if core.timeless(STILL) != before {
            counting.wrong.push(format!("what belongs to another epoch changes validator {me} in epoch {mine}"));
        }
    }

    /// Every vote of everybody and every certificate that is not of this epoch, each with who sends it.
    fn foreign(&mut self, mine: Epoch) -> Vec<(u16, Message)> {
        let Self { stage, forge, .. } = self;
        let is_theirs = |number: &u8| stage.is_of_next(*number) == (mine == Epoch::ZERO);
        let of_block = |it| [Stage::notarize(it), Stage::finalize(it), Stage::reported(it)];
        let nothing = (1..=stage.views).map(Stage::nothing);
        let numbers: Vec<u8> = stage.block_ids().flat_map(of_block).chain(nothing).filter(is_theirs).collect();
        let signed = |number: &u8| {
            let vote = stage.vote(*number);
            (0..stage.count()).map(move |by| (by, vote)).collect::<Vec<_>>()
        };
        let votes = numbers.iter().flat_map(signed);
        let mut all: Vec<(u16, Message)> =
            votes.map(|(by, vote)| (by, Message::Vote(stage.signed(by, vote)))).collect();
        for label in (0..=u8::MAX).map(Label::of) {
            let is_certificate = match label {
                Label::Notarization(id)
                | Label::Finalization(id)
                | Label::FastFinalization(id)
                | Label::Recover(id) => usize::from(id) < stage.blocks.len(),
                Label::Skip(view) => (1..=stage.views).contains(&u64::from(view)),
                _ => false,
            };
            let certificate = if is_certificate { forge.certificate(stage, label) } else { None };
            if let Some(certificate) = certificate.filter(|it| it.epoch() != mine) {
                let message = Message::Certificates(List::truncated(vec![certificate]));
                all.extend((0..2).map(|from| (from, message.clone())));
            }
        }
        all
    }
}

/// Whether an output writes something down or says something to everybody.
const fn is_said(output: &Output) -> bool {
    matches!(output, Output::Append { .. } | Output::Send { to: Recipient::All, .. } | Output::Finalized { .. })
}
