//! The power fails under real nodes: one that is a chain of its own, so that every acknowledgement rests on its disk
//! alone, and one of four. What was acknowledged is there afterwards, and the validator contradicts nothing that it
//! signed.
//!
//! The disk is one of the test's own ([`super::cut_disk`]). `make test` cuts the power ten times, `make power-cuts` as
//! often as it is told. What is lost follows from a seed; what is being written when the power goes does not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use althing_types::Address;
use serde_json::json;

use super::cut_disk::CutDisk;
use super::dice::Dice;
use super::load::{Broken, Load};
use super::long_run::{self, number};
use super::network::{Network, submit};
use super::nodes::{AMOUNT, Nodes, VALIDATORS, eventually, is_final};
use super::process::{Home, now};
use super::rpc::call;

/// The variable of the environment that `make power-cuts` sets.
const CUTS: &str = "ALTHING_POWER_CUTS";
/// How often the power is cut when nobody says so.
const FEW: u64 = 10;
/// The disk, in MiB: both logs and the store reserve 64 at first, and hundreds of lives fill it.
const DISK_MIB: u64 = 768;
/// How many clients send at the same time.
const CLIENTS: usize = 8;
/// How long each rests after a transfer.
const REST: Duration = Duration::from_millis(5);
/// How long there is power at least, and how much longer at most, so that the cuts meet different moments.
const LIFE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(400));
/// How long it may take until something is final after a node is ready again: three times the figure.
const RETURN_MAX: Duration = Duration::from_secs(15);
/// The time between two lines of progress.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// Where the clients' money goes, and that of the questions in between.
const RECEIVER: Address = Address::new([51; 32]);
const PROBE: Address = Address::new([53; 32]);

/// The fields go away in this order: nobody uses the disk any more when it goes, and its folder is there until then.
struct Power {
    nodes: Nodes,
    disk: CutDisk,
    network: Arc<Network>,
    /// The node on the disk.
    place: usize,
    dice: Dice,
    /// Cuts after which a line was gone that nobody had synced.
    lines_lost: u64,
    next_line: Instant,
}

impl Power {
    /// Starts a network of so many validators, the last of them on such a disk; why not, if there can be none.
    fn start(validators: u16, seed: u64) -> Result<Self, String> {
        let network = Arc::new(Network::new(validators));
        let (home, disk) = home_on_disk(&network, validators - 1, seed)?;
        let mut homes: Vec<Home> = (0..validators - 1).map(|index| network.home(index)).collect();
        homes.push(home);
        let nodes = Nodes::start_at(homes);
        let (place, dice) = (usize::from(validators) - 1, Dice::new(seed));
        Ok(Self { network, disk, nodes, place, dice, lines_lost: 0, next_line: now() + LINE_EVERY })
    }

    /// Lets all live for a moment, cuts the power of the node, gives it back, and waits until a new transfer is final
    /// there.
    fn cut(&mut self, number: u64) {
        thread::sleep(LIFE.0 + self.dice.up_to(LIFE.1));
        let line = number.to_string();
        self.disk.jot(&line);
        self.disk.cut();
        self.nodes.kill(self.place);
        self.disk.restart();
        self.nodes.restart(self.place);
        self.lines_lost += u64::from(!self.disk.jotted().contains(&line));
        let node = self.nodes.rpc(self.place);
        let transaction = self.network.transfer(2, PROBE, AMOUNT, number);
        let mut is_taken = false;
        let goes_on = eventually(RETURN_MAX, || {
            is_taken = is_taken || submit(node, &transaction, "none").is_ok();
            is_taken && is_final(node, &transaction.id())
        });
        assert!(goes_on, "cut {number}: nothing is final {RETURN_MAX:?} later: {}", self.nodes.log(self.place));
    }

    /// Says how far it is, from time to time.
    fn progress(&mut self, cuts: u64, load: &Load) {
        if now() >= self.next_line {
            self.next_line = now() + LINE_EVERY;
            let acknowledged = load.promised();
            let (validators, counts) = (self.nodes.all().len(), self.disk.counts());
            let line =
                format!("{validators} validators, {cuts} cuts: {acknowledged} transactions acknowledged, {counts:?}");
            long_run::say(CUTS, &line);
        }
    }

    /// Ends the load, checks that the cuts did harm, and returns what was acknowledged and is not true.
    #[expect(clippy::print_stdout, reason = "what a test measured is shown with --nocapture")]
    fn settle(&self, cuts: u64, load: Load) -> Broken {
        self.nodes.wait_connected();
        let (promises, all) = (load.end(), self.nodes.all());
        let broken = promises.broken(&self.network, &all);
        let counts = self.disk.counts();
        println!(
            "{} validators, {cuts} cuts: {} transactions acknowledged, {} of them as final; {} of {cuts} unsynced lines \
             lost, {} sectors lost and {} kept that were not flushed, {} flushes, {} checks of the file system",
            all.len(),
            promises.count(),
            promises.finals(),
            self.lines_lost,
            counts.lost,
            counts.kept,
            counts.flushes,
            self.disk.checks,
        );
        // A test whose disk loses nothing, or that has nothing to lose, shows nothing.
        assert!(promises.finals() > 0, "nothing was acknowledged");
        assert!(self.lines_lost > 0, "what nobody synced was there after each cut");
        assert!(counts.lost > 0, "no sector was ever lost");
        if broken.is_none() {
            self.check_whole(cuts, &all);
        }
        broken
    }

    /// Checks that the nodes agree, that all in between was executed once, and that nobody contradicted himself.
    fn check_whole(&self, cuts: u64, all: &[SocketAddr]) {
        self.nodes.check_agreement();
        for node in all {
            let moved = self.network.balance(*node, PROBE);
            assert_eq!(moved, AMOUNT * u128::from(cuts), "{node} lost what was final, or executed it twice");
            let evidence = call(*node, "evidence_list", &json!({})).expect("it answers");
            let accused = [&evidence["pending"], &evidence["items"]];
            assert_eq!(accused, [&json!([]); 2], "a validator contradicted itself after a cut");
        }
    }
}

/// A validator's home on a disk whose power can be cut; why not, if there can be none.
pub(crate) fn home_on_disk(network: &Network, index: u16, seed: u64) -> Result<(Home, CutDisk), String> {
    let mut home = network.home(index);
    let disk = CutDisk::make(&home.folder.join("machine"), DISK_MIB, seed)?;
    home.data = Some(disk.folder().join("data"));
    home.mounts = Some(disk.mounts.clone());
    Ok((home, disk))
}

/// Cuts the power of one of so many validators so often, under clients of all nodes, and returns what was acknowledged
/// and is not true; why there was no cut, if there can be none.
fn cut_again_and_again(validators: u16, cuts: u64) -> Result<Broken, String> {
    let mut power = Power::start(validators, 0xc0de + u64::from(validators))?;
    let load = Load::start_at_ease(&power.network, &power.nodes.all(), CLIENTS, RECEIVER, REST);
    for cut in 1..=cuts {
        power.cut(cut);
        power.progress(cut, &load);
    }
    Ok(power.settle(cuts, load))
}

#[test]
fn the_power_of_a_validator_alone_and_of_one_of_four_is_cut_again_and_again_and_nothing_acknowledged_is_lost() {
    let cuts = number(CUTS).unwrap_or(FEW);
    assert!(cuts > 1, "{CUTS} is {cuts}; give at least 2");
    // Alone, every acknowledgement rests on this disk. Among four, others could tell that votes were forgotten.
    let outcomes = cut_again_and_again(1, cuts.div_ceil(2)).and_then(|alone| {
        let among_four = cut_again_and_again(VALIDATORS, cuts / 2)?;
        Ok([alone, among_four])
    });
    let [alone, among_four] = match outcomes {
        Ok(outcomes) => outcomes,
        Err(why) => return crate::skipped(&why),
    };
    println!("{cuts} power cuts, {} acknowledged transactions lost", alone.lost() + among_four.lost());
    assert!(alone.is_none() && among_four.is_none(), "alone: {alone}; among four: {among_four}");
}
