//! The way to four validators over real sockets. The validators are actors that say what they are told to say, one of
//! them perhaps a lie; what they are asked is counted.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use althing_network::{Address, Class, Misbehaviour, Network, Options, Peer, Receiver, Role, Topic, Verdict};
use althing_types::{Committee, Epoch, List, SecretKey, Text, Validator, ValidatorSet};

use super::*;
use crate::shell::asking::{Refusal, Standing};
use crate::shell::company::Reception;

const CHAIN: Hash = Hash::new([5; 32]);
const VALIDATORS: u8 = 4;

/// A validator that says what it is told to say.
struct Actor {
    says: Mutex<Taken>,
    submitted: AtomicUsize,
    enquiries: AtomicUsize,
}

impl Actor {
    fn says(&self, taken: Taken) {
        *locked(&self.says) = taken;
    }

    fn submitted(&self) -> usize {
        self.submitted.load(Ordering::Relaxed)
    }
}

impl Receiver for Actor {
    async fn frame(&self, _: &PublicKey, _: Class, _: Vec<u8>) -> Result<(), Misbehaviour> {
        Ok(())
    }

    fn connected(&self, _: &PublicKey, _: bool) {}

    async fn request(&self, _: &PublicKey, bytes: Vec<u8>) -> Option<Vec<u8>> {
        let answer = match Request::from_bytes(&bytes).expect("an observer sends nothing else") {
            Request::Submit(transactions) => {
                self.submitted.fetch_add(transactions.len(), Ordering::Relaxed);
                let says = locked(&self.says).clone();
                Answer::Submitted(List::truncated(vec![says; transactions.len()]))
            }
            Request::Whereabouts { .. } => {
                self.enquiries.fetch_add(1, Ordering::Relaxed);
                Answer::Whereabouts(Standing::Unknown)
            }
            _ => return None,
        };
        Some(encode(&answer))
    }

    async fn gossip(&self, _: &PublicKey, _: Topic, _: Vec<u8>) -> Verdict {
        Verdict::Ignore
    }
}

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn options(own: u8, role: Role, peers: Vec<Peer>) -> Options {
    Options {
        chain_id: "forwarding".to_owned(),
        genesis: CHAIN,
        agent: "test".to_owned(),
        key: key(own),
        listen: "127.0.0.1:0".parse().expect("an address"),
        role,
        peers,
    }
}

fn committee() -> Committee {
    let validator = |seed: u8| Validator { key: key(100 + seed).public_key(), node_key: key(seed).public_key() };
    let set = ValidatorSet::new((1..=VALIDATORS).map(validator).collect(), 1, false).expect("a good set");
    Committee { chain: CHAIN, epoch: Epoch::ZERO, set }
}

/// Starts a network for each actor, as validators of one chain that an observer may connect to, and says who they are.
pub(in crate::shell) async fn listening<R: Receiver>(actors: &[Arc<R>]) -> (Vec<Network>, Vec<Peer>) {
    let (mut networks, mut peers) = (Vec::new(), Vec::new());
    for (seed, actor) in (1..).zip(actors) {
        let observer =
            Peer { key: key(99).public_key(), name: "observer".to_owned(), role: Role::Observer, address: None };
        let network = Network::start(options(seed, Role::Validator, vec![observer]), actor.clone()).await;
        let network = network.expect("it starts");
        let address = Address { host: "127.0.0.1".to_owned(), port: network.listen_addr().port() };
        let (key, name) = (key(seed).public_key(), format!("validator-{seed}"));
        peers.push(Peer { key, name, role: Role::Validator, address: Some(address) });
        networks.push(network);
    }
    (networks, peers)
}

/// Starts the network of an observer with these peers, and waits until it is connected to all of them.
pub(in crate::shell) async fn observing(peers: Vec<Peer>, company: &Arc<Company>, horizon: &Arc<Horizon>) -> Network {
    let (count, desk) = (peers.len(), Arc::new(OnceLock::new()));
    let reception = Reception { company: company.clone(), horizon: horizon.clone(), desk };
    let observer = Network::start(options(99, Role::Observer, peers), Arc::new(reception)).await.expect("it starts");
    let mut company = company.subscribe();
    let met = timeout(Duration::from_secs(20), company.wait_for(|connected| connected.len() == count)).await;
    drop(met.expect("they meet").expect("it is there"));
    observer
}

/// The way of an observer with these peers and no others.
pub(in crate::shell) async fn way(peers: Vec<Peer>, height: Height) -> (Network, Arc<Forwarding>) {
    let (company, horizon) = (Arc::new(Company::new()), Arc::new(Horizon::new(committee(), height)));
    let validators = peers.iter().map(|peer| peer.key).collect();
    let observer = observing(peers, &company, &horizon).await;
    let forwarding = Forwarding::new(ForwardingParts {
        handle: observer.handle(),
        company,
        horizon,
        validators,
        faulty_max: 1,
        tracker: Arc::new(Tracker::new()),
        clock: Clock::start(),
        is_included: Box::new(|_| false),
    });
    (observer, Arc::new(forwarding))
}

/// Four actors and an observer that is connected to all of them.
struct Scene {
    actors: Vec<Arc<Actor>>,
    forwarding: Arc<Forwarding>,
    _networks: Vec<Network>,
}

impl Scene {
    async fn new() -> Self {
        let actor = || Actor { says: Mutex::new(yes(Standing::Accepted)), submitted: 0.into(), enquiries: 0.into() };
        let actors: Vec<_> = (0..VALIDATORS).map(|_| Arc::new(actor())).collect();
        let (mut networks, peers) = listening(&actors).await;
        let (observer, forwarding) = way(peers, Height::ZERO).await;
        networks.push(observer);
        Self { actors, forwarding, _networks: networks }
    }

    /// What each validator was given, beginning with the one that the id of [`id`] chooses.
    fn submitted(&self) -> Vec<usize> {
        self.actors.iter().map(|actor| actor.submitted()).collect()
    }

    async fn submit(&self) -> Result<Submission, ApiError> {
        self.forwarding.submit(id(), vec![7; 100]).await
    }

    /// Hands the transaction over again, as the loop does from time to time.
    async fn again(&self, round: u32) {
        self.forwarding.again(Due { id: id(), bytes: Arc::new(vec![7; 100]), round }).await;
    }
}

/// An id that chooses the first validator.
const fn id() -> Hash {
    Hash::new([0; 32])
}

fn yes(standing: Standing) -> Taken {
    Taken::Yes { duplicate: false, standing }
}

fn no(code: ErrorCode) -> Taken {
    Taken::No(Refusal::from(&ApiError::new(code, "no")))
}

#[test]
fn an_id_chooses_a_validator_and_the_next_one_in_each_round() {
    let places = [0, 1, 2, 3, 4, u32::MAX].map(|round| chosen(&id(), round, 4));
    assert_eq!(places, [0, 1, 2, 3, 0, 3]);
    assert_eq!(chosen(&Hash::new([255; 32]), 1, 4), 0);
    assert_eq!(chosen(&id(), 9, 0), 0);
}

#[tokio::test]
async fn one_that_says_it_has_a_transaction_does_not_keep_it_from_the_others() {
    let scene = Scene::new().await;
    assert_eq!(scene.submit().await.expect("it is taken").progress, Progress::Accepted);
    assert_eq!(scene.submitted(), [1, 0, 0, 0]);
    for round in 1..=3 {
        scene.again(round).await;
    }
    assert_eq!(scene.submitted(), [1, 1, 1, 1]);
}

#[tokio::test]
async fn the_refusal_of_one_is_not_believed_and_that_of_two_is() {
    let scene = Scene::new().await;
    let poor = ErrorCode::TxInsufficientBalance;
    scene.actors[0].says(no(poor));
    assert_eq!(scene.submit().await.expect("the second takes it").progress, Progress::Accepted);
    locked(&scene.forwarding.table).forget(&id());

    scene.actors[1].says(yes(Standing::Expired));
    scene.actors[2].says(no(poor));
    assert_eq!(scene.submit().await.expect_err("two say the same").code, poor);
    assert_eq!(scene.submitted(), [2, 2, 1, 0], "the fourth need not be asked");

    scene.actors[2].says(no(ErrorCode::LaneBusy));
    scene.actors[3].says(no(ErrorCode::LaneSilent));
    let error = scene.submit().await.expect_err("nobody takes it");
    assert!(error.code.is_retryable(), "{error:?}");
    scene.actors[3].says(no(ErrorCode::TxExpired));
    assert_eq!(scene.submit().await.expect("two say that its time is over").progress, Progress::Expired);
}

#[tokio::test]
async fn what_somebody_has_is_not_given_up_because_others_refuse_it() {
    let scene = Scene::new().await;
    scene.submit().await.expect("it is taken");
    let mut news = scene.forwarding.parts.tracker.wait(id(), crate::shell::tracker::Stage::Committed).expect("room");
    scene.actors[1..].iter().for_each(|actor| actor.says(no(ErrorCode::TxInsufficientBalance)));
    scene.again(1).await;
    assert_eq!(scene.submitted(), [2, 1, 1, 1]);
    assert_eq!(scene.forwarding.pending(&id()), Some(Progress::Accepted));
    assert!(news.try_recv().is_err(), "whoever waits was told that it is gone");
    // Of one validator alone it is not believed either.
    scene.actors[1..].iter().for_each(|actor| actor.says(no(ErrorCode::Syncing)));
    scene.actors[0].says(yes(Standing::Dropped { reason: Text::new("a lie").expect("short") }));
    scene.again(2).await;
    assert_eq!(scene.forwarding.pending(&id()), Some(Progress::Accepted));
    scene.actors.iter().for_each(|actor| actor.says(no(ErrorCode::TxExpired)));
    scene.again(3).await;
    assert_eq!(scene.forwarding.pending(&id()), None);
    assert_eq!(news.try_recv(), Ok(News::Expired));
}

#[tokio::test]
async fn many_questions_for_unknown_ids_cost_a_validator_few() {
    let scene = Scene::new().await;
    let mut tasks = JoinSet::new();
    for number in 0..2_000u32 {
        let forwarding = scene.forwarding.clone();
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        tasks.spawn(async move { forwarding.ask(Hash::new(bytes)).await });
    }
    let answers = tasks.join_all().await;
    assert!(answers.iter().all(|progress| *progress == Progress::Unknown));
    // Ten at once, and as many as fit the time that this took.
    let seconds = usize::try_from(scene.forwarding.parts.clock.uptime().as_secs()).expect("small") + 1;
    for actor in &scene.actors {
        let asked = actor.enquiries.load(Ordering::Relaxed);
        assert!((1..=10 + 10 * seconds).contains(&asked), "{asked} in {seconds} s");
    }
    // And it goes on to hand transactions over.
    assert_eq!(scene.submit().await.expect("it is taken").progress, Progress::Accepted);
}
