//! What Byzantine validators say without being asked: old and future votes, votes of others, forged certificates, junk.

use althing_consensus::Message as ConsensusMessage;
use althing_replica::Message;
use althing_replica::wire::{self, Class};
use althing_types::{
    Certificate, Epoch, Evidence, Finalization, Finalize, Hash, List, Notarization, Notarize, Nullification, Nullify,
    Signature, SignedVote, ValidatorIndex, View, Vote,
};

use super::{Scene, Strategy, Utterance};

/// What a strategy says to the receiver by itself.
pub(super) fn speak(strategy: Strategy, scene: &mut Scene<'_>) -> Vec<Utterance> {
    match strategy {
        Strategy::NullifySpammer => {
            let (epoch, view) = (scene.committee.epoch, scene.view());
            let ahead = [view, view.next(), view.next().next()];
            ahead.map(|view| scene.say_vote(Vote::Nullify(Nullify { epoch, view, report: None }))).to_vec()
        }
        Strategy::OutdatedReplayer | Strategy::TimeMutator => old_words(scene),
        Strategy::FutureFlooder => future(scene),
        Strategy::Impersonator => others(scene),
        Strategy::WrongDomain => wrong_domain(scene),
        Strategy::CertificateForger => vec![forged(scene)],
        Strategy::RandomBytes => vec![junk(scene)],
        _ => Vec::new(),
    }
}

/// Something that was said before, to whomever.
fn old_words(scene: &mut Scene<'_>) -> Vec<Utterance> {
    let said = &scene.node.said;
    let some = (0..3).filter_map(|_| said.get(scene.random.below(said.len() as u64) as usize));
    some.cloned().map(Utterance::now).collect()
}

/// A digest: of a block that was proposed, or of none.
fn digest(scene: &mut Scene<'_>) -> Hash {
    let known: Vec<Hash> = scene.node.heard.keys().copied().collect();
    if known.is_empty() || scene.random.chance(300) { Hash::new([0xd1; 32]) } else { *scene.random.pick(&known) }
}

/// Any vote in a view.
fn any_vote(scene: &mut Scene<'_>, epoch: Epoch, view: View) -> Vote {
    let digest = digest(scene);
    match scene.random.below(4) {
        0 => Vote::Notarize(Notarize { epoch, view, parent_view: view.previous(), digest }),
        1 => Vote::Nullify(Nullify { epoch, view, report: None }),
        2 => Vote::Nullify(Nullify { epoch, view, report: Some(digest) }),
        _ => Vote::Finalize(Finalize { epoch, view, digest }),
    }
}

fn future(scene: &mut Scene<'_>) -> Vec<Utterance> {
    let (epoch, view) = (scene.committee.epoch, scene.view().get());
    let near = view + scene.random.below(256);
    let views = [near, near, near, view + 256, view + 257, view + 10_000, 1 << 63, u64::MAX - 1, u64::MAX];
    let votes = views.map(|view| any_vote(scene, epoch, View::new(view)));
    votes.map(|vote| scene.say_vote(vote)).to_vec()
}

/// Votes in the name of others, of nobody, and of itself with another's signature.
fn others(scene: &mut Scene<'_>) -> Vec<Utterance> {
    let count = scene.committee.set.count();
    let signers = [scene.random.below(u64::from(count)) as u16, count - 1, count, u16::MAX];
    let (epoch, view) = (scene.committee.epoch, scene.view());
    let votes = signers.map(|signer| {
        let vote = any_vote(scene, epoch, view);
        SignedVote { signer: ValidatorIndex::new(signer), ..scene.sign(vote) }
    });
    let vote = any_vote(scene, epoch, view);
    let unsigned = SignedVote { signature: Signature::new([7; 64]), ..scene.sign(vote) };
    let mut said: Vec<Utterance> =
        votes.into_iter().chain([unsigned]).map(|vote| scene.say(ConsensusMessage::Vote(vote))).collect();
    said.extend(false_evidence(scene));
    said
}

/// Evidence against another validator that holds no signature of its own, and beside it true evidence against the liar.
fn false_evidence(scene: &mut Scene<'_>) -> Option<Utterance> {
    let (epoch, view) = (scene.committee.epoch, scene.view());
    let vote = |digest| Vote::Notarize(Notarize { epoch, view, parent_view: view.previous(), digest });
    let (one, other) = (scene.sign(vote(Hash::new([1; 32]))), scene.sign(vote(Hash::new([2; 32]))));
    let victim = ValidatorIndex::new(scene.random.below(u64::from(scene.committee.set.count())) as u16);
    let accuse = |signer| Evidence::of_votes(SignedVote { signer, ..one }, SignedVote { signer, ..other });
    let pieces: Vec<Evidence> = match scene.random.below(3) {
        0 => accuse(victim).into_iter().collect(),
        1 => accuse(scene.me).into_iter().chain(accuse(victim)).collect(),
        _ => return None,
    };
    Some(scene.say(ConsensusMessage::Evidence(List::truncated(pieces))))
}

/// Votes of another chain or epoch, and votes whose signature is over another kind or view.
fn wrong_domain(scene: &mut Scene<'_>) -> Vec<Utterance> {
    let (epoch, view) = (scene.committee.epoch, scene.view());
    let vote = any_vote(scene, epoch, view);
    let other_chain =
        SignedVote { signature: scene.node.keys.signature(&vote.sign_hash(&Hash::new([9; 32]))), ..scene.sign(vote) };
    let next = any_vote(scene, epoch, view.next());
    let other_view = SignedVote { vote, ..scene.sign(next) };
    let foreign = any_vote(scene, Epoch::new(1), view);
    let other_epoch = scene.sign(foreign);
    let mut said: Vec<Utterance> =
        [other_chain, other_view, other_epoch].map(|vote| scene.say(ConsensusMessage::Vote(vote))).to_vec();
    let mut envelope = scene.envelope(ConsensusMessage::Vote(other_epoch));
    envelope.epoch = Epoch::new(scene.random.below(3));
    said.push(Utterance::now(Message::Consensus(Box::new(envelope))));
    said
}

/// A certificate of the right form and size in which only the forger's own signature may hold.
fn forged(scene: &mut Scene<'_>) -> Utterance {
    let (epoch, at) = (scene.committee.epoch, scene.view());
    let view = match scene.random.below(4) {
        0 => View::new(u64::MAX - 1),
        1 => at.next().next(),
        2 => at.previous(),
        _ => at,
    };
    let vote = any_vote(scene, epoch, view);
    let own = scene.sign(vote);
    // Its own signature under every name.
    let votes: Vec<SignedVote> = scene.committee.set.indices().map(|signer| SignedVote { signer, ..own }).collect();
    let made = match vote {
        Vote::Notarize(it) if scene.random.chance(500) => {
            Finalization::fast(it, scene.committee, &votes).map(Certificate::Finalization)
        }
        Vote::Notarize(it) => Notarization::of(it, scene.committee, &votes).map(Certificate::Notarization),
        Vote::Nullify(_) => Nullification::of(epoch, view, scene.committee, &votes).map(Certificate::Nullification),
        Vote::Finalize(it) => Finalization::slow(it, scene.committee, &votes).map(Certificate::Finalization),
    };
    let certificates: Vec<Certificate> = made.into_iter().collect();
    scene.say(ConsensusMessage::Certificates(List::truncated(certificates)))
}

/// Random bytes that are no message, of any length up to a frame's, or a frame of nothing.
fn junk(scene: &mut Scene<'_>) -> Utterance {
    let class = *scene.random.pick(&Class::ALL);
    let length = *scene.random.pick(&[0, 1, 33, 200, 5_000]);
    let bytes = (0..length).map(|_| scene.random.next() as u8).collect();
    Utterance::junk(class, bytes)
}

/// A message with one of its bytes changed, its end cut off, or something behind it.
pub(super) fn spoil(scene: &mut Scene<'_>, said: &Message) -> Utterance {
    let (class, frame) = wire::to_frame(said);
    let mut bytes = frame.to_vec();
    let at = scene.random.below(bytes.len() as u64) as usize;
    match scene.random.below(4) {
        0 => bytes.truncate(at),
        1 => bytes.push(0),
        _ => bytes[at] ^= 1 << scene.random.below(8),
    }
    Utterance::junk(class, bytes)
}
