//! Byzantine validators: each runs a replica like everybody and says something else than it does.
//!
//! A strategy hears what the replica wants to send to each receiver and says what arrives there instead, and it may
//! speak by itself. It signs with its own key; it cannot forge what others signed. The numbers are those of the list of
//! strategies in the design.

mod data;
mod floods;
mod mixed;
mod proposals;
mod sync;
mod votes;

use althing_consensus::{Envelope, Message as ConsensusMessage, Proposal};
use althing_replica::Message;
use althing_replica::wire::{self, Class, Frame};
use althing_types::{Committee, SignedVote, ValidatorIndex, View, Vote};

use crate::node::Node;
use crate::random::Random;

/// How a Byzantine validator behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strategy {
    /// 1. Says nothing.
    Silent,
    /// 2. Forgets everything in a crash, what was synced included, and votes anew.
    Amnesiac,
    /// 3. Shows one half of the others another proposal.
    EquivocatingProposerHalves,
    /// 4. Shows one victim another proposal.
    EquivocatingProposerVictim,
    /// 5. Votes differently towards different validators.
    EquivocatingVoter,
    /// 6. Votes for a block and gives the view up.
    VotesBoth,
    /// 7. Gives up every view at once.
    NullifySpammer,
    /// 8. Builds on an older parent, and notarizes whatever is proposed.
    LockIgnorer,
    /// 9. Reports never to have notarized anything.
    FalseReporter,
    /// 10. Says again what it said in old views.
    OutdatedReplayer,
    /// 11. Floods with votes of views that are far ahead.
    FutureFlooder,
    /// 12. Votes in the name of others, and of nobody.
    Impersonator,
    /// 13. Signs for another chain, epoch or view than it names.
    WrongDomain,
    /// 14. Shows what it has to one validator fewer than a quorum, and to the others a part of it.
    SelectiveSender,
    /// 15. Proposes when the timers of the others run out.
    LateProposer,
    /// 16. Proposes blocks of a time that is too early or too late.
    TimeSkewer,
    /// 17. Proposes blocks of which one field is wrong.
    InvalidProposer,
    /// 18. Forges certificates.
    CertificateForger,
    /// 19. Lies to those who ask for what they lack.
    SyncLiar,
    /// 20. Leaves the lanes of others out and says nothing about them.
    Censor,
    /// 21. Changes a number by one.
    SmallScopeMutator,
    /// 22. Says true things late and again.
    TimeMutator,
    /// 23. Sends random bytes in valid frames.
    RandomBytes,
    /// 24. All of this kind act together: half of the others see one block and votes for it, the rest another.
    Colluder,
    /// Two instances of it follow the rules.
    Twin,
    /// Does a little of everything, at random.
    Mixed,
}

impl Strategy {
    /// All of them.
    pub const ALL: [Self; 26] = [
        Self::Silent,
        Self::Amnesiac,
        Self::EquivocatingProposerHalves,
        Self::EquivocatingProposerVictim,
        Self::EquivocatingVoter,
        Self::VotesBoth,
        Self::NullifySpammer,
        Self::LockIgnorer,
        Self::FalseReporter,
        Self::OutdatedReplayer,
        Self::FutureFlooder,
        Self::Impersonator,
        Self::WrongDomain,
        Self::SelectiveSender,
        Self::LateProposer,
        Self::TimeSkewer,
        Self::InvalidProposer,
        Self::CertificateForger,
        Self::SyncLiar,
        Self::Censor,
        Self::SmallScopeMutator,
        Self::TimeMutator,
        Self::RandomBytes,
        Self::Colluder,
        Self::Twin,
        Self::Mixed,
    ];

    /// The word for it on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Amnesiac => "amnesiac",
            Self::EquivocatingProposerHalves => "equivocating-proposer-halves",
            Self::EquivocatingProposerVictim => "equivocating-proposer-victim",
            Self::EquivocatingVoter => "equivocating-voter",
            Self::VotesBoth => "votes-both",
            Self::NullifySpammer => "nullify-spammer",
            Self::LockIgnorer => "lock-ignorer",
            Self::FalseReporter => "false-reporter",
            Self::OutdatedReplayer => "outdated-replayer",
            Self::FutureFlooder => "future-flooder",
            Self::Impersonator => "impersonator",
            Self::WrongDomain => "wrong-domain",
            Self::SelectiveSender => "selective-sender",
            Self::LateProposer => "late-proposer",
            Self::TimeSkewer => "time-skewer",
            Self::InvalidProposer => "invalid-proposer",
            Self::CertificateForger => "certificate-forger",
            Self::SyncLiar => "sync-liar",
            Self::Censor => "censor",
            Self::SmallScopeMutator => "small-scope-mutator",
            Self::TimeMutator => "time-mutator",
            Self::RandomBytes => "random-bytes",
            Self::Colluder => "colluder",
            Self::Twin => "twin",
            Self::Mixed => "mixed",
        }
    }

    /// Whether it speaks by itself as well.
    pub(crate) const fn has_floods(self) -> bool {
        matches!(
            self,
            Self::NullifySpammer
                | Self::OutdatedReplayer
                | Self::FutureFlooder
                | Self::Impersonator
                | Self::WrongDomain
                | Self::CertificateForger
                | Self::TimeMutator
                | Self::RandomBytes
        )
    }
}

/// What a Byzantine validator says to one receiver.
#[derive(Clone, Debug)]
pub(crate) struct Utterance {
    /// How long it waits before, in microseconds.
    pub(crate) after_us: u64,
    pub(crate) class: Class,
    pub(crate) bytes: Frame,
    /// The message, if the bytes are one.
    pub(crate) message: Option<Message>,
}

impl Utterance {
    fn now(message: Message) -> Self {
        Self::after(0, message)
    }

    fn after(after_us: u64, message: Message) -> Self {
        let (class, bytes) = wire::to_frame(&message);
        Self { after_us, class, bytes, message: Some(message) }
    }

    fn junk(class: Class, bytes: Vec<u8>) -> Self {
        Self { after_us: 0, class, bytes: bytes.into(), message: None }
    }
}

/// What a strategy works with.
pub(crate) struct Scene<'a> {
    pub(crate) random: &'a mut Random,
    pub(crate) node: &'a Node,
    pub(crate) committee: &'a Committee,
    /// Its own place among them; a number of nobody if it is none of them.
    pub(crate) me: ValidatorIndex,
    /// Who will hear it.
    pub(crate) receiver: ValidatorIndex,
}

impl Scene<'_> {
    /// Signs a vote with the validator's own key.
    fn sign(&self, vote: Vote) -> SignedVote {
        let signature = self.node.keys.signature(&vote.sign_hash(&self.committee.chain));
        SignedVote { vote, signer: self.me, signature }
    }

    /// Whether the receiver belongs to the half that sees the other side.
    const fn is_other_half(&self) -> bool {
        self.receiver.get() % 2 == 1
    }

    /// The validator's present view.
    fn view(&self) -> View {
        self.node.running.as_ref().map_or(View::ZERO, |running| running.replica.consensus().view)
    }

    /// An envelope of the validator with this message.
    fn envelope(&self, message: ConsensusMessage) -> Envelope {
        Envelope { epoch: self.committee.epoch, view: self.view(), floor: View::ZERO, message }
    }

    fn say(&self, message: ConsensusMessage) -> Utterance {
        Utterance::now(Message::Consensus(Box::new(self.envelope(message))))
    }

    fn say_vote(&self, vote: Vote) -> Utterance {
        self.say(ConsensusMessage::Vote(self.sign(vote)))
    }
}

fn enveloped(said: &Envelope, message: ConsensusMessage) -> Utterance {
    Utterance::now(Message::Consensus(Box::new(Envelope { message, ..said.clone() })))
}

fn as_before(said: &Message) -> Vec<Utterance> {
    vec![Utterance::now(said.clone())]
}

/// What arrives at the receiver instead of this.
pub(crate) fn respond(strategy: Strategy, scene: &mut Scene<'_>, said: &Message) -> Vec<Utterance> {
    match strategy {
        Strategy::Silent => Vec::new(),
        Strategy::Mixed => mixed::distort(scene, said),
        Strategy::TimeMutator => vec![Utterance::after(scene.random.below(1_500_000), said.clone())],
        Strategy::RandomBytes if scene.random.chance(300) => vec![floods::spoil(scene, said)],
        Strategy::SmallScopeMutator if scene.random.chance(400) => votes::off_by_one(scene, said),
        Strategy::Censor | Strategy::SyncLiar | Strategy::SelectiveSender => respond_about_data(strategy, scene, said),
        _ => match said {
            Message::Consensus(envelope) => respond_in_consensus(strategy, scene, envelope),
            Message::Data(_) => as_before(said),
        },
    }
}

fn respond_in_consensus(strategy: Strategy, scene: &mut Scene<'_>, said: &Envelope) -> Vec<Utterance> {
    match &said.message {
        ConsensusMessage::Proposal(proposal) => proposals::respond(strategy, scene, said, proposal),
        ConsensusMessage::Vote(vote) => votes::respond(strategy, scene, said, vote),
        _ => vec![enveloped(said, said.message.clone())],
    }
}

fn respond_about_data(strategy: Strategy, scene: &mut Scene<'_>, said: &Message) -> Vec<Utterance> {
    match said {
        Message::Data(message) => data::respond(strategy, scene, message),
        Message::Consensus(envelope) if strategy == Strategy::SyncLiar => sync::respond(scene, envelope),
        Message::Consensus(envelope) => respond_in_consensus(strategy, scene, envelope),
    }
}

/// What a strategy says to the receiver by itself.
pub(crate) fn speak(strategy: Strategy, scene: &mut Scene<'_>) -> Vec<Utterance> {
    floods::speak(strategy, scene)
}

/// What a strategy says to the receiver when a proposal reaches it.
pub(crate) fn hear(strategy: Strategy, scene: &mut Scene<'_>, proposal: &Proposal) -> Vec<Utterance> {
    votes::hear(strategy, scene, proposal)
}
