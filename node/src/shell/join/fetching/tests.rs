//! Fetching from validators that are actors over one chain: one of them lies in one way or dies, and the snapshot comes whole
//! from the others.

use std::sync::atomic::{AtomicUsize, Ordering};

use althing_ledger::{Ledger, Reader, SPACES, StateChunk};
use althing_network::{Class, Misbehaviour, Receiver, Role, Topic, Verdict};
use althing_storage::{FaultyStore, StoreFaultPlan};
use althing_types::{Bytes, List};

use super::*;
use crate::audit::tests::kit::Chain;
use crate::replica::archive;
use crate::shell::forwarding::tests::{listening, observing};
use crate::shell::heads::Horizon;

/// How a validator misbehaves, if it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Honest,
    /// It has no answer, from the first question or the third on.
    Dead(usize),
    /// It hands out nothing.
    Empty,
    /// It answers another question.
    Confused,
    /// Its base is of a height that nobody certified; or it is so in its header alone.
    HighBase,
    HighHeader,
    /// Its base begins with other lanes, or another header, than the chain has.
    LanesOfBase,
    FloorOfBase,
    /// Its blocks advance the lanes otherwise.
    LanesOfBlocks,
    /// Its receipts, or values, are others; or one is missing.
    Receipts,
    Values,
    FewerValues,
}

impl Mood {
    /// Whether its lie is an answer to this.
    const fn lies_in(self, request: &Request) -> bool {
        match self {
            Self::HighBase | Self::HighHeader | Self::LanesOfBase | Self::FloorOfBase => {
                matches!(request, Request::Snapshot)
            }
            Self::LanesOfBlocks => matches!(request, Request::Blocks { .. }),
            Self::Receipts => matches!(request, Request::SnapshotReceipts { .. }),
            Self::Values | Self::FewerValues => matches!(request, Request::SnapshotChunk { .. }),
            Self::Honest | Self::Dead(_) | Self::Empty | Self::Confused => false,
        }
    }
}

struct Actor {
    reader: Reader<FaultyStore>,
    chain: Arc<Chain>,
    mood: Mood,
    asked: AtomicUsize,
    /// How often the liar among all of them lied. The honest ones are busy before it did, so that it cannot be passed by.
    told: Arc<AtomicUsize>,
    waits_for: Option<Mood>,
}

impl Actor {
    fn answer(&self, request: &Request) -> Option<Answer> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let reader = &self.reader;
        match self.mood {
            Mood::Dead(after) if asked >= after => return None,
            Mood::Confused => return Some(Answer::Blocks(None)).filter(|_| !matches!(request, Request::Blocks { .. })),
            _ => {}
        }
        let is_empty = self.mood == Mood::Empty;
        // Everybody is asked for a base, and one that is refused at once needs no patience.
        let waits_for = self.waits_for.filter(|mood| !matches!(mood, Mood::HighBase | Mood::HighHeader));
        if waits_for.is_some_and(|mood| mood.lies_in(request)) && self.told.load(Ordering::Relaxed) == 0 {
            return None;
        }
        if self.mood.lies_in(request) {
            self.told.fetch_add(1, Ordering::Relaxed);
        }
        let answer = match request {
            Request::Snapshot => {
                let base = reader.snapshot_base(self.chain.genesis.params()).expect("readable");
                Answer::Snapshot(base.map(|base| Box::new(self.spoilt(base))))
            }
            Request::Blocks { above } => {
                let mut run = archive::run_above(reader, *above).expect("readable").filter(|_| !is_empty);
                if let Some(run) = run.as_mut().filter(|_| self.mood == Mood::LanesOfBlocks) {
                    let mut blocks = run.blocks.to_vec();
                    blocks[0].body.lanes = List::empty();
                    run.blocks = List::truncated(blocks);
                }
                Answer::Blocks(run.map(Box::new))
            }
            Request::SnapshotReceipts { from, last } => {
                let mut receipts = reader.snapshot_receipts(*from, *last).expect("kept").into_inner();
                if self.mood == Mood::Receipts {
                    receipts[1].bytes = Bytes::new(vec![7]).expect("short");
                }
                Answer::SnapshotReceipts(Some(List::truncated(receipts)).filter(|_| !is_empty))
            }
            Request::SnapshotChunk { height, from, to } => {
                let chunk = reader.snapshot_chunk(*height, (from, to)).expect("kept");
                Answer::SnapshotChunk(Some(Box::new(self.spoilt_chunk(chunk))).filter(|_| !is_empty))
            }
            _ => return None,
        };
        Some(answer)
    }

    fn spoilt(&self, mut base: SnapshotBase) -> SnapshotBase {
        match self.mood {
            Mood::HighBase => {
                base.header.height = Height::new(u64::MAX);
                base.proof.summary.height = base.header.height;
                base.proof.summary.block = base.header.id();
            }
            Mood::HighHeader => base.header.height = Height::new(u64::MAX),
            Mood::LanesOfBase => {
                base.cut = List::truncated(vec![althing_types::LaneTip { lane: 1, seq: 9, tip: Hash::ZERO }])
            }
            Mood::FloorOfBase => {
                // It fits itself, and not the chain.
                base.floor.time = base.floor.time.next();
                base.floor.height = Height::new(1);
                base.floor.lanes_root = althing_types::lanes_root(&[]);
                base.cut = List::empty();
                base.floor.time = althing_types::TimeMs::new(1);
            }
            _ => {}
        }
        base
    }

    fn spoilt_chunk(&self, mut chunk: StateChunk) -> StateChunk {
        let mut entries = chunk.entries.to_vec();
        if let Some(first) = entries.first_mut().filter(|_| self.mood == Mood::Values) {
            first.value = Bytes::new(vec![9]).expect("short");
        }
        if self.mood == Mood::FewerValues {
            entries.pop();
        }
        chunk.entries = List::truncated(entries);
        chunk
    }
}

impl Receiver for Actor {
    async fn frame(&self, _: &PublicKey, _: Class, _: Vec<u8>) -> Result<(), Misbehaviour> {
        Ok(())
    }

    fn connected(&self, _: &PublicKey, _: bool) {}

    async fn request(&self, _: &PublicKey, bytes: Vec<u8>) -> Option<Vec<u8>> {
        let request = Request::from_bytes(&bytes).expect("nothing else is sent");
        self.answer(&request).map(|answer| encode(&answer))
    }

    async fn gossip(&self, _: &PublicKey, _: Topic, _: Vec<u8>) -> Verdict {
        Verdict::Ignore
    }
}

fn receipts() -> Request {
    Request::SnapshotReceipts { from: (Height::ZERO, 0), last: Height::ZERO }
}

fn chunk() -> Request {
    Request::SnapshotChunk { height: Height::ZERO, from: Hash::ZERO, to: Hash::ZERO }
}

fn empty() -> Arc<FaultyStore> {
    Arc::new(FaultyStore::new(SPACES, StoreFaultPlan::default()))
}

/// Fetches from validators in these moods, beginning anew as often as a node does. Returns what was built and how often each
/// was asked.
async fn fetch(moods: &[Mood]) -> (Option<Restored>, Vec<usize>, usize, Arc<FaultyStore>) {
    let chain = Arc::new(Chain::new());
    let ledger = Ledger::open(chain.store.clone(), &chain.genesis).expect("it is one");
    let told = Arc::new(AtomicUsize::new(0));
    let lie = moods.iter().copied().find(|mood| *mood != Mood::Honest);
    let actor = |mood: &Mood| {
        let (reader, chain, asked) = (ledger.reader(), chain.clone(), AtomicUsize::new(0));
        let waits_for = lie.filter(|_| *mood == Mood::Honest);
        Arc::new(Actor { reader, chain, mood: *mood, asked, told: told.clone(), waits_for })
    };
    let actors: Vec<Arc<Actor>> = moods.iter().map(actor).collect();
    let company = Arc::new(Company::new());
    let horizon = Arc::new(Horizon::new(chain.genesis.committee(), Height::ZERO));
    let (networks, peers) = listening(&actors).await;
    let source =
        |peer: &althing_network::Peer| Source { key: peer.key, name: peer.name.clone(), role: Role::Validator };
    let sources = Sources::new(peers.iter().map(source).collect());
    let network = observing(peers, &company, &horizon).await;
    let mut fetching = Fetching {
        genesis: &chain.genesis,
        committee: Arc::new(chain.genesis.committee()),
        handle: network.handle(),
        company,
        sources,
        clock: Clock::start(),
        least: Height::new(2),
    };
    let mut store = empty();
    let mut built = None;
    for _ in 0..3 {
        match fetching.run(&store, Duration::from_secs(5)).await.expect("nothing fails here") {
            Ended::Built(restored) => {
                built = Some(restored);
                break;
            }
            Ended::BeginAnew(_) => store = empty(),
            Ended::NothingToFetch | Ended::Nobody => break,
        }
    }
    if let Some(restored) = &built {
        let summary = ledger.reader().summary(restored.height).expect("readable").expect("kept");
        assert_eq!(restored.state_root, summary.state_root);
        Ledger::open(store.clone(), &chain.genesis).expect("it is a ledger");
    }
    drop(networks);
    let asked = actors.iter().map(|actor| actor.asked.load(Ordering::Relaxed)).collect();
    (built, asked, told.load(Ordering::Relaxed), store)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_lies_or_dies_costs_time_and_nothing_else() {
    let moods = [
        Mood::Honest,
        Mood::Dead(0),
        Mood::Dead(3),
        Mood::Empty,
        Mood::Confused,
        Mood::HighBase,
        Mood::HighHeader,
        Mood::LanesOfBase,
        Mood::FloorOfBase,
        Mood::LanesOfBlocks,
        Mood::Receipts,
        Mood::Values,
        Mood::FewerValues,
    ];
    for mood in moods {
        let (built, asked, told, _) = fetch(&[mood, Mood::Honest]).await;
        assert!(built.is_some(), "{mood:?}");
        assert!(asked.iter().all(|asked| *asked > 0), "{mood:?}: {asked:?}");
        let is_liar = [Request::Snapshot, Request::Blocks { above: Height::ZERO }, receipts(), chunk()]
            .iter()
            .any(|request| mood.lies_in(request));
        assert_eq!(told > 0, is_liar, "{mood:?}: {told} lies");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_hands_anything_out_the_node_starts_with_what_it_has() {
    for mood in [Mood::Dead(0), Mood::Confused, Mood::HighBase] {
        let (built, _, _, store) = fetch(&[mood, mood]).await;
        assert!(built.is_none(), "{mood:?}");
        assert!(Restoration::resume(store, &Chain::new().genesis).expect("readable").is_none());
    }
}
