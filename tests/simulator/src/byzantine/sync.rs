//! Lies to those who ask for what they lack: wrong, shortened, disordered and withheld answers.

use althing_consensus::{Envelope, Message as ConsensusMessage, Run};
use althing_types::{Block, List, View};

use super::{Scene, Utterance, enveloped};

/// What a receiver gets instead of an answer of consensus.
pub(super) fn respond(scene: &mut Scene<'_>, said: &Envelope) -> Vec<Utterance> {
    match &said.message {
        ConsensusMessage::Run(run) => lie_about_run(scene, run)
            .map(|run| enveloped(said, ConsensusMessage::Run(Box::new(run))))
            .into_iter()
            .collect(),
        ConsensusMessage::Block(block) => match scene.random.below(3) {
            0 => Vec::new(),
            1 => {
                let mut other = (**block).clone();
                other.body.lanes = List::empty();
                vec![enveloped(said, ConsensusMessage::Block(Box::new(other)))]
            }
            _ => {
                let other = scene.node.heard.values().next().map_or_else(|| (**block).clone(), |it| it.block.clone());
                vec![enveloped(said, ConsensusMessage::Block(Box::new(other)))]
            }
        },
        ConsensusMessage::Certificates(certificates) => {
            let kept = certificates.iter().filter(|_| scene.random.chance(500)).cloned().collect();
            vec![enveloped(said, ConsensusMessage::Certificates(List::truncated(kept)))]
        }
        // It announces to be far ahead, so that it is asked.
        _ if scene.random.chance(200) => {
            let far = View::new(said.floor.get() + 1_000);
            let boast = Envelope { view: far.next(), floor: far, ..said.clone() };
            vec![Utterance::now(althing_replica::Message::Consensus(Box::new(boast)))]
        }
        _ => vec![enveloped(said, said.message.clone())],
    }
}

fn lie_about_run(scene: &mut Scene<'_>, run: &Run) -> Option<Run> {
    let mut blocks: Vec<Block> = run.blocks.to_vec();
    let mut run = run.clone();
    match scene.random.below(7) {
        0 => return None,
        1 => blocks.truncate(blocks.len() / 2),
        2 => blocks.reverse(),
        3 => blocks.clear(),
        4 => {
            if let Some(block) = blocks.last_mut() {
                block.body.lanes = List::empty();
            }
        }
        5 => {
            if let Some(block) = blocks.first_mut() {
                block.header.time = block.header.time.next();
            }
        }
        _ => run.finalization.vote.view = run.finalization.vote.view.next(),
    }
    run.blocks = List::truncated(blocks);
    Some(run)
}
