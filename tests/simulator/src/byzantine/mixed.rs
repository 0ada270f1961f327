//! A little of everything at random: the strategy that most faults of the first version were found with.

use althing_consensus::{Envelope, Message as ConsensusMessage, Proposal};
use althing_replica::Message;
use althing_types::{List, View};

use super::{Scene, Utterance, data, enveloped, proposals, votes};

/// What a receiver gets instead of this, or beside it.
pub(super) fn distort(scene: &mut Scene<'_>, said: &Message) -> Vec<Utterance> {
    match said {
        Message::Consensus(envelope) => distort_envelope(scene, envelope),
        Message::Data(message) => data::distort(scene, message),
    }
}

fn distort_envelope(scene: &mut Scene<'_>, said: &Envelope) -> Vec<Utterance> {
    let with = |message| enveloped(said, message);
    let same = || with(said.message.clone());
    match (&said.message, scene.random.below(8)) {
        (ConsensusMessage::Proposal(proposal), 0 | 1) => {
            proposals::elsewhere(scene, said, proposal).into_iter().collect()
        }
        (ConsensusMessage::Proposal(proposal), 2) => {
            let other = proposals::shifted(scene, said, proposal);
            if scene.random.chance(500) { vec![other] } else { vec![same(), other] }
        }
        (ConsensusMessage::Proposal(proposal), 3) => {
            let justification = List::empty();
            vec![with(ConsensusMessage::Proposal(Box::new(Proposal { justification, ..(**proposal).clone() })))]
        }
        (ConsensusMessage::Vote(vote), 0 | 1) => {
            let contradiction = votes::contradict(scene, &vote.vote);
            let other = with(ConsensusMessage::Vote(scene.sign(contradiction)));
            if scene.random.chance(500) { vec![other] } else { vec![same(), other] }
        }
        (ConsensusMessage::Certificates(certificates), 0) => {
            let kept = certificates.iter().filter(|_| scene.random.chance(500)).cloned().collect();
            vec![with(ConsensusMessage::Certificates(List::truncated(kept)))]
        }
        (_, 4) => Vec::new(),
        (_, 5) => {
            let (view, floor) = (View::new(scene.random.next()), View::new(scene.random.next()));
            vec![Utterance::now(Message::Consensus(Box::new(Envelope { view, floor, ..said.clone() })))]
        }
        _ => vec![same()],
    }
}
