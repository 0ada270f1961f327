//! A validator with all its keys and no good will: it speaks the protocol of the network, hears which view the others are
//! in, and says whatever costs them something. First what an honest validator might say, only never so much of it; at its
//! end what none says, for which it is shut out.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use althing_consensus::{Envelope, Message as ConsensusMessage, Proposal};
use althing_genesis::Host;
use althing_mempool::{BATCHES_MAX, DataMessage, Range, SharedBatch};
use althing_network::{Address, Class, Frame, Handle, Misbehaviour, Options, Peer, Receiver, Role, Topic, Verdict};
use althing_node::replica::{Message, wire};
use althing_types::{
    Batch, Block, Bytes, Certificate, Committee, Finalize, Hash, Header, Height, List, Notarization, Notarize, Nullify,
    PublicKey, SecretKey, SignedBatch, SignedVote, ValidatorIndex, View, Vote, encoded_len,
};

use crate::cluster::network::Network;

/// Views ahead that it votes in: beyond what honest validators keep open.
const VIEWS_AHEAD: u64 = 300;
/// Different blocks that it proposes in one view that it leads.
const FORKS: u64 = 8;
/// Bytes of one junk transaction, and how many stand in one batch: together nearly the largest batch.
const JUNK_BYTES: usize = 100 * 1024;
const JUNK_COUNT: usize = 5;
/// Batches of others that it remembers, and bytes of a message that repeats them: nearly what a frame may hold.
const HEARD_MAX: usize = 32;
const REPEATED_BYTES: usize = 600 * 1_024;
/// Rounds between two of those.
const REPEAT_EVERY: u64 = 16;
/// How long it rests after a round, so that what is measured is what the others do and not how fast it signs.
const BREATH: Duration = Duration::from_millis(2);

/// An enemy that runs.
pub(super) struct Enemy {
    thread: JoinHandle<Said>,
}

/// What it said.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Messages that went into its queues.
    pub(super) frames: u64,
    /// Their bytes.
    pub(super) bytes: u64,
}

/// What it hears.
#[derive(Default)]
struct Ears {
    view: AtomicU64,
    proposal: Mutex<Option<Box<Proposal>>>,
    batches: Mutex<VecDeque<SharedBatch>>,
}

struct Mouth {
    committee: Committee,
    me: ValidatorIndex,
    key: SecretKey,
    peers: Vec<PublicKey>,
    ears: Arc<Ears>,
    handle: Handle,
    /// The view in which it last proposed.
    proposed: u64,
    round: u64,
    said: Said,
}

impl Enemy {
    /// Starts it with the keys and at the address of a validator. It is silent until it is told to be loud.
    pub(super) fn start(network: &Network, index: u16, is_loud: Arc<AtomicBool>, is_over: Arc<AtomicBool>) -> Self {
        let [key, node_key] = Network::validator_keys(index.into());
        let name = format!("validator-{index}");
        let place = |name: &str| network.genesis.validators().iter().position(|validator| validator.name == name);
        let me = u16::try_from(place(&name).expect("it is there")).expect("few");
        let address = |place: usize| {
            let address = &network.genesis.validators()[place].p2p_addr;
            let Host::Ip4(ip) = address.host() else { panic!("a development network is on loopback") };
            (*ip, address.port())
        };
        let peer = |(place, validator): (usize, &althing_genesis::GenesisValidator)| {
            let (ip, port) = address(place);
            let (key, name) = (validator.node_key, validator.name.clone());
            Peer { key, name, role: Role::Validator, address: Some(Address { host: ip.to_string(), port }) }
        };
        let others = network.genesis.validators().iter().enumerate().filter(|(place, _)| *place != usize::from(me));
        let peers: Vec<Peer> = others.map(peer).collect();
        let options = Options {
            chain_id: network.genesis.chain_id().to_owned(),
            genesis: network.genesis.hash(),
            agent: "enemy/1".to_owned(),
            key: node_key,
            listen: address(me.into()).into(),
            role: Role::Validator,
            peers: peers.clone(),
        };
        let committee = network.genesis.committee();
        let keys = peers.iter().map(|peer| peer.key).collect();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            let runtime = runtime.expect("there are threads");
            let ears = Arc::new(Ears::default());
            let network = runtime.block_on(althing_network::Network::start(options, ears.clone()));
            let network = network.expect("its port is free");
            let (me, handle) = (ValidatorIndex::new(me), network.handle());
            let said = Said::default();
            let mut mouth = Mouth { committee, me, key, peers: keys, ears, handle, proposed: 0, round: 0, said };
            while !is_over.load(Ordering::Relaxed) {
                if is_loud.load(Ordering::Relaxed) {
                    mouth.shout();
                }
                thread::sleep(BREATH);
            }
            mouth.spit();
            runtime.block_on(network.stop());
            mouth.said
        });
        Self { thread }
    }

    /// Waits until it is silent, and says what it said.
    pub(super) fn end(self) -> Said {
        self.thread.join().expect("it does not panic")
    }
}

impl Receiver for Ears {
    async fn frame(&self, _: &PublicKey, class: Class, bytes: Vec<u8>) -> Result<(), Misbehaviour> {
        let envelope = match wire::from_frame(class, &bytes) {
            Ok(Message::Consensus(envelope)) => envelope,
            Ok(Message::Data(DataMessage::Batch(batch))) => {
                let mut batches = self.batches.lock().expect("nobody panics with it");
                batches.push_back(batch);
                if batches.len() > HEARD_MAX {
                    batches.pop_front();
                }
                return Ok(());
            }
            Ok(Message::Data(_)) | Err(_) => return Ok(()),
        };
        self.view.fetch_max(envelope.view.get(), Ordering::Relaxed);
        if let ConsensusMessage::Proposal(proposal) = envelope.message {
            *self.proposal.lock().expect("nobody panics with it") = Some(proposal);
        }
        Ok(())
    }

    fn connected(&self, _: &PublicKey, _: bool) {}

    async fn request(&self, _: &PublicKey, _: Vec<u8>) -> Option<Vec<u8>> {
        None
    }

    async fn gossip(&self, _: &PublicKey, _: Topic, _: Vec<u8>) -> Verdict {
        Verdict::Ignore
    }
}

impl Mouth {
    /// Says one of everything to everybody.
    fn shout(&mut self) {
        self.round += 1;
        let view = self.ears.view.load(Ordering::Relaxed);
        let mut messages = self.future(view);
        messages.extend(self.questions(view));
        messages.extend(self.old_certificates(view));
        messages.extend(self.forks(view));
        if self.round.is_multiple_of(REPEAT_EVERY) {
            messages.push(self.old_batches());
        }
        self.say_all(&messages);
    }

    /// Says what no honest validator says, and is shut out for it: forged certificates, batches of junk, noise. A frame
    /// that is too long does not even leave.
    fn spit(&mut self) {
        let view = self.ears.view.load(Ordering::Relaxed);
        let messages = [self.forged(view), self.junk_batch()];
        self.say_all(&messages);
        let noise: Vec<u8> = (0..5_000_u32).map(|place| (place * 31 % 251).to_le_bytes()[0]).collect();
        for place in 0..self.peers.len() {
            self.send(place, Class::Proposals, noise.clone().into());
            let long = vec![0; Class::Proposals.frame_bytes_max() + 1];
            assert!(self.handle.send(&self.peers[place], Class::Proposals, long.into()).is_err(), "it was sent");
        }
        thread::sleep(Duration::from_millis(500));
    }

    fn say_all(&mut self, messages: &[Message]) {
        let frames: Vec<(Class, Frame)> = messages.iter().map(wire::to_frame).collect();
        for (class, frame) in frames {
            for place in 0..self.peers.len() {
                self.send(place, class, frame.clone());
            }
        }
    }

    fn send(&mut self, place: usize, class: Class, frame: Frame) {
        let bytes = frame.len();
        if self.handle.send(&self.peers[place], class, frame).is_ok() {
            self.said.frames += 1;
            self.said.bytes += u64::try_from(bytes).expect("small");
        }
    }

    fn say(&self, view: u64, message: ConsensusMessage) -> Message {
        let floor = View::new(view.saturating_sub(1));
        let envelope = Envelope { epoch: self.committee.epoch, view: View::new(view), floor, message };
        Message::Consensus(Box::new(envelope))
    }

    fn sign(&self, vote: Vote) -> SignedVote {
        SignedVote { vote, signer: self.me, signature: self.key.sign(&vote.sign_hash(&self.committee.chain)) }
    }

    /// Votes in views to come, near and far, for blocks that nobody knows.
    fn future(&self, view: u64) -> Vec<Message> {
        let epoch = self.committee.epoch;
        let near = view + 1 + self.round * 7 % VIEWS_AHEAD;
        let mut digest = [0xd1; 32];
        digest[..8].copy_from_slice(&self.round.to_le_bytes());
        let digest = Hash::new(digest);
        let votes = [near, near + 1, near + 2, view + 10_000, u64::MAX - self.round].map(|at| {
            let at = View::new(at);
            match self.round % 3 {
                0 => Vote::Notarize(Notarize { epoch, view: at, parent_view: View::new(view), digest }),
                1 => Vote::Nullify(Nullify { epoch, view: at, report: Some(digest) }),
                _ => Vote::Finalize(Finalize { epoch, view: at, digest }),
            }
        });
        votes.map(|vote| self.say(view, ConsensusMessage::Vote(self.sign(vote)))).to_vec()
    }

    /// Questions whose answers are large: the whole past, all certificates, all batches.
    fn questions(&self, view: u64) -> Vec<Message> {
        let epoch = self.committee.epoch;
        let digest = Hash::new([0xee; 32]);
        let (from, to) = (View::new(1), View::new(view));
        let range = Range { lane: 0, first: 1, last: u64::MAX, tip: digest };
        vec![
            self.say(view, ConsensusMessage::GetRun { above: Height::ZERO }),
            self.say(view, ConsensusMessage::GetCertificates { from, to }),
            self.say(view, ConsensusMessage::GetBlock { digest }),
            Message::Data(DataMessage::GetBatches { epoch, range }),
        ]
    }

    /// The certificates that it heard last, which everybody has.
    fn old_certificates(&self, view: u64) -> Option<Message> {
        let heard = self.ears.proposal.lock().expect("nobody panics with it").clone()?;
        Some(self.say(view, ConsensusMessage::Certificates(heard.justification)))
    }

    /// Batches that everybody has, as often as they fit into a frame.
    fn old_batches(&self) -> Message {
        let heard = self.ears.batches.lock().expect("nobody panics with it").clone();
        let mut bytes = 0;
        let fits = |batch: &&SharedBatch| {
            bytes += encoded_len(*batch);
            bytes <= REPEATED_BYTES
        };
        let batches: Vec<SharedBatch> = heard.iter().cycle().take(BATCHES_MAX).take_while(fits).cloned().collect();
        Message::Data(DataMessage::Batches(List::truncated(batches)))
    }

    /// A certificate of the right form in which one signature stands under every name.
    fn forged(&self, view: u64) -> Message {
        let epoch = self.committee.epoch;
        let vote = Notarize { epoch, view: View::new(view), parent_view: View::ZERO, digest: Hash::new([0xf0; 32]) };
        let own = self.sign(Vote::Notarize(vote));
        let votes: Vec<SignedVote> = self.committee.set.indices().map(|signer| SignedVote { signer, ..own }).collect();
        let made = Notarization::of(vote, &self.committee, &votes).map(Certificate::Notarization);
        self.say(view, ConsensusMessage::Certificates(List::truncated(made.into_iter().collect())))
    }

    /// Different blocks for one view, if it leads the next one.
    fn forks(&mut self, view: u64) -> Vec<Message> {
        let epoch = self.committee.epoch;
        let leads = [view, view + 1]
            .into_iter()
            .find(|view| *view > self.proposed && self.committee.set.leader(epoch, View::new(*view)) == self.me);
        let (Some(led), Some(heard)) = (leads, self.ears.proposal.lock().expect("nobody panics with it").clone())
        else {
            return Vec::new();
        };
        self.proposed = led;
        let fork = |number: u64| {
            let mut time = heard.block.header.time.next();
            (0..number).for_each(|_| time = time.next());
            let below = &heard.block.header;
            let (parent, height) = (below.id(), below.height.next());
            let block = Block {
                header: Header { height, time, parent, proposer: self.me, ..below.clone() },
                body: heard.block.body.clone(),
            };
            let (parent_view, digest) = (heard.vote.vote.view(), block.header.id());
            let vote = self.sign(Vote::Notarize(Notarize { epoch, view: View::new(led), parent_view, digest }));
            let justification = heard.justification.clone();
            self.say(led, ConsensusMessage::Proposal(Box::new(Proposal { vote, block, justification })))
        };
        (0..FORKS).map(fork).collect()
    }

    /// A batch of its own lane, as large as batches are, of transactions that are none.
    fn junk_batch(&self) -> Message {
        let junk = Bytes::new(vec![0xff; JUNK_BYTES]).expect("it fits");
        let batch = Batch {
            chain: self.committee.chain,
            epoch: self.committee.epoch,
            lane: self.me.get().into(),
            seq: 1,
            previous: Hash::ZERO,
            transactions: List::truncated(vec![junk; JUNK_COUNT]),
        };
        let signature = self.key.sign(&batch.head().sign_hash(&self.committee.chain));
        Message::Data(DataMessage::Batch(SharedBatch(SignedBatch { batch, signature }.into())))
    }
}
