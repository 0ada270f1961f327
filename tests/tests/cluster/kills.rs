//! Four validators under load, killed without a warning again and again: one of them, then two, one more, then all
//! four. After each time the network goes on, and at the end every transfer that was acknowledged is there once, on all
//! of them.
//!
//! `make test` does it for forty cycles, `make kill-cycles` for as many as it is told. Whom it hits and when follows
//! from a seed; what the machine makes of it in real time does not.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use althing_types::Address;

use super::dice::Dice;
use super::load::Load;
use super::long_run::{self, number};
use super::network::{Network, submit};
use super::nodes::{AMOUNT, Nodes, VALIDATORS, eventually, is_final};
use super::process::now;

/// The variable of the environment that `make kill-cycles` sets.
const CYCLES: &str = "ALTHING_KILL_CYCLES";
/// How often somebody is killed when nobody says so.
const FEW: u64 = 40;
/// How many are killed, cycle by cycle: one, more than may fail, one, all.
const VICTIMS: [usize; 4] = [1, 2, 1, 4];
/// How many clients send at the same time.
const CLIENTS: usize = 8;
/// How long each rests after a transfer: what thousands of cycles promise is kept in memory and checked at the end.
const REST: Duration = Duration::from_millis(20);
/// How long all live at least, and how much longer at most, so that the kills meet different moments.
const LIFE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(300));
/// How long those that were killed stay away at most.
const AWAY_MAX: Duration = Duration::from_millis(300);
/// How long it may take until something is final after a quorum is back: three times the figure.
const RETURN_MAX: Duration = Duration::from_secs(15);
/// The time between two lines of progress.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// Where the clients' money goes, and that of the questions in between.
const RECEIVER: Address = Address::new([32; 32]);
const PROBE: Address = Address::new([33; 32]);

struct Kills {
    network: Arc<Network>,
    nodes: Nodes,
    dice: Dice,
    probes: u64,
    returns: Vec<Duration>,
    next_line: Instant,
}

impl Kills {
    /// Lets all live for a moment, kills some, and waits until the network goes on: without one that was killed alone,
    /// else with all.
    fn cycle(&mut self, count: usize) {
        thread::sleep(LIFE.0 + self.dice.up_to(LIFE.1));
        let victims = self.dice.some(count, usize::from(VALIDATORS));
        self.nodes.kill_these(&victims);
        thread::sleep(self.dice.up_to(AWAY_MAX));
        if let [victim] = victims[..] {
            self.next_final((victim + 1) % usize::from(VALIDATORS));
        }
        self.nodes.restart_all();
        self.next_final(victims[0]);
    }

    /// Waits until a new transfer is final at the node that took it.
    fn next_final(&mut self, place: usize) {
        let (began, node) = (now(), self.nodes.rpc(place));
        let transaction = self.network.transfer(2, PROBE, AMOUNT, self.probes);
        self.probes += 1;
        let mut is_taken = false;
        let goes_on = eventually(RETURN_MAX, || {
            is_taken = is_taken || submit(node, &transaction, "none").is_ok();
            is_taken && is_final(node, &transaction.id())
        });
        let logs = || (0..usize::from(VALIDATORS)).map(|index| self.nodes.log(index)).collect::<Vec<_>>();
        assert!(goes_on, "nothing is final at node {place} after {RETURN_MAX:?}:\n{}", logs().join("\n---\n"));
        self.returns.push(began.elapsed());
    }

    /// Says how far it is, from time to time.
    fn progress(&mut self, cycles: u64, load: &Load) {
        if now() < self.next_line {
            return;
        }
        self.next_line = now() + LINE_EVERY;
        let longest = self.returns.iter().max().expect("there was a cycle");
        let acknowledged = load.promised();
        long_run::say(
            CYCLES,
            &format!("{cycles} cycles: {acknowledged} transactions acknowledged, at most {longest:.1?}"),
        );
    }

    /// Ends the load, and counts what was acknowledged and is lost.
    #[expect(clippy::print_stdout, reason = "what a test measured is shown with --nocapture")]
    fn settle(mut self, cycles: u64, load: Load) {
        self.nodes.wait_connected();
        let (promises, all) = (load.end(), self.nodes.all());
        let broken = promises.broken(&self.network, &all);
        self.nodes.check_agreement();
        self.returns.sort();
        let (median, longest) = (self.returns[self.returns.len() / 2], self.returns[self.returns.len() - 1]);
        println!(
            "{} transactions acknowledged, {} of them as final; the next one final after {median:.2?}, at most {longest:.2?}",
            promises.count(),
            promises.finals(),
        );
        println!("{cycles} cycles, {} acknowledged transactions lost", broken.lost());
        assert!(broken.is_none(), "{broken}");
        assert!(promises.finals() > 0, "it shows nothing without transfers");
        let moved = AMOUNT * u128::from(self.probes);
        for node in all {
            assert_eq!(self.network.balance(node, PROBE), moved, "{node} lost what was final, or executed it twice");
        }
    }
}

#[test]
fn under_load_one_two_and_all_four_are_killed_again_and_again_and_nothing_acknowledged_is_lost() {
    let cycles = number(CYCLES).unwrap_or(FEW);
    assert!(cycles > 0, "{CYCLES} is 0; give at least 1");
    let network = Arc::new(Network::new(VALIDATORS));
    let nodes = Nodes::start(&network);
    let load = Load::start_at_ease(&network, &nodes.all(), CLIENTS, RECEIVER, REST);
    let mut kills = Kills {
        network,
        nodes,
        dice: Dice::new(0x6b11),
        probes: 0,
        returns: Vec::new(),
        next_line: now() + LINE_EVERY,
    };
    for (cycle, count) in (1..=cycles).zip(VICTIMS.into_iter().cycle()) {
        kills.cycle(count);
        kills.progress(cycle, &load);
    }
    kills.settle(cycles, load);
}
