//! A witness of what nodes say: it asks each for its last block all the time, and remembers every answer. A chain of which
//! two nodes ever showed different blocks or states, or that went back at one of them, is found out, by their public
//! answers alone.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::rpc::call;

/// The time between two questions to one node.
const EVERY: Duration = Duration::from_millis(50);
/// Heights that are remembered at most: those of many hours. The lowest are forgotten first.
const HEIGHTS_MAX: usize = 1_000_000;
/// Contradictions that are named.
const FOUND_MAX: usize = 10;

/// A witness that listens until it is asked for its findings.
pub(crate) struct Audit {
    is_over: Arc<AtomicBool>,
    watchers: Vec<JoinHandle<()>>,
    seen: Arc<Mutex<Seen>>,
}

/// What nodes said.
#[derive(Debug, Default)]
struct Seen {
    /// Block and state by height.
    heads: BTreeMap<u64, (Value, Value)>,
    contradictions: Vec<String>,
}

impl Audit {
    /// Starts asking these nodes.
    pub(crate) fn start(nodes: &[SocketAddr]) -> Self {
        let (is_over, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Seen::default())));
        let watcher = |node: &SocketAddr| {
            let (node, is_over, seen) = (*node, is_over.clone(), seen.clone());
            thread::spawn(move || watch(node, &is_over, &seen))
        };
        let watchers = nodes.iter().map(watcher).collect();
        Self { is_over, watchers, seen }
    }

    /// The highest block that any node showed.
    pub(crate) fn height(&self) -> u64 {
        self.seen.lock().expect("nobody panics with it").heads.last_key_value().map_or(0, |(height, _)| *height)
    }

    /// Ends, and returns what does not fit together, in sentences: answers with each other, and all of them with the
    /// chain that a node has now.
    pub(crate) fn contradictions(self, node: SocketAddr) -> Vec<String> {
        self.is_over.store(true, Ordering::Relaxed);
        self.watchers.into_iter().for_each(|watcher| watcher.join().expect("it does not panic"));
        let mut seen = std::mem::take(&mut *self.seen.lock().expect("nobody panics with it"));
        assert!(!seen.heads.is_empty(), "the witness saw nothing");
        for (height, (id, root)) in std::mem::take(&mut seen.heads) {
            let block = call(node, "chain_getBlock", &json!({ "height": height.to_string() })).expect("it answers");
            if block["header"]["blockHash"] != id || block["result"]["stateRoot"] != root {
                seen.contradict(format!("height {height} was {id} with {root}, and is {block} now"));
            }
        }
        seen.contradictions
    }
}

impl Seen {
    fn note(&mut self, height: u64, id: Value, root: Value) {
        let head = (id, root);
        match self.heads.get(&height) {
            Some(other) if *other != head => {
                let what = format!("height {height} is {other:?} at one node and {head:?} at another");
                self.contradict(what);
            }
            Some(_) => {}
            None => {
                self.heads.insert(height, head);
                if self.heads.len() > HEIGHTS_MAX {
                    self.heads.pop_first();
                }
            }
        }
    }

    fn contradict(&mut self, what: String) {
        if self.contradictions.len() < FOUND_MAX {
            self.contradictions.push(what);
        }
    }
}

fn watch(node: SocketAddr, is_over: &AtomicBool, seen: &Mutex<Seen>) {
    let mut last = 0;
    while !is_over.load(Ordering::Relaxed) {
        // One that is away or stands still says nothing.
        if let Ok(head) = call(node, "chain_getHead", &json!({})) {
            let height = head["height"].as_str().and_then(|height| height.parse().ok()).expect("a height");
            let mut seen = seen.lock().expect("nobody panics with it");
            if height < last {
                seen.contradict(format!("{node} went back from height {last} to {height}"));
            }
            last = height;
            seen.note(height, head["blockHash"].clone(), head["stateRoot"].clone());
        }
        thread::sleep(EVERY);
    }
}

#[test]
fn the_witness_finds_two_blocks_at_one_height() {
    let mut seen = Seen::default();
    seen.note(1, json!("a"), json!("r"));
    seen.note(1, json!("a"), json!("r"));
    seen.note(2, json!("b"), json!("r"));
    assert!(seen.contradictions.is_empty());
    seen.note(1, json!("c"), json!("r"));
    seen.note(2, json!("b"), json!("s"));
    assert_eq!(seen.contradictions.len(), 2, "{:?}", seen.contradictions);
}
