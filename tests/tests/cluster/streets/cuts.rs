//! Four validators between which the network fails in every way that is named: cut in halves, deaf or mute on one side,
//! flapping, losing a third of all packets, late and out of order, and with nodes that stand still meanwhile. Nothing is
//! final without a quorum, nothing forks, nothing that was promised is lost, and it goes on when the trouble is over.
//!
//! The figures are 5 s after a partition and 10 s after the rest; the tests allow three times as much, because the
//! machine that runs them may run other tests beside. What was measured is printed.

use std::thread;
use std::time::Duration;

use althing_types::{Address, Hash};

use super::Streets;
use super::audit::Audit;
use crate::cluster::load::Load;
use crate::cluster::network::{status, submit};
use crate::cluster::nodes::{AMOUNT, VALIDATORS, eventually, height_of, is_final, transfer};
use crate::cluster::process::now;

/// How long it may take until something is final after two halves meet again: three times the figure.
const HEAL_MAX: Duration = Duration::from_secs(15);
/// The same after any other trouble.
const RECOVERY_MAX: Duration = Duration::from_secs(30);
/// Until then blocks that were under way when a cut came may still become final.
const UNDER_WAY: Duration = Duration::from_secs(1);
/// How many clients send at the same time.
const CLIENTS: usize = 4;
/// How long each rests after a transfer, so that what is tested is trouble and not throughput.
const REST: Duration = Duration::from_millis(20);

/// Validators with clients and a witness. The clients talk to those nodes only.
struct Scene {
    streets: Streets,
    load: Load,
    audit: Audit,
    probe: Address,
    probes: u64,
}

impl Scene {
    /// Nothing if this machine has not what it takes.
    fn set(seed: u8, clients_at: std::ops::Range<usize>) -> Option<Self> {
        let streets = Streets::start(VALIDATORS, u64::from(seed))?;
        let all = streets.nodes.all();
        let (receiver, probe) = (Address::new([seed; 32]), Address::new([seed + 100; 32]));
        let load = Load::start_at_ease(&streets.network, &all[clients_at], CLIENTS, receiver, REST);
        let audit = Audit::start(&all);
        transfer(&streets.network, all[0], probe, 0);
        Some(Self { streets, load, audit, probe, probes: 1 })
    }

    /// Sends a transfer to a node, and returns at once.
    fn send(&mut self, node: usize) -> Hash {
        let transaction = self.streets.network.transfer(2, self.probe, AMOUNT, self.probes);
        self.probes += 1;
        submit(self.streets.nodes.rpc(node), &transaction, "none").expect("it is taken in");
        transaction.id()
    }

    /// How long it takes from now until these are final at all nodes.
    fn until_final(&self, ids: &[Hash], longest: Duration) -> Duration {
        let (began, nodes) = (now(), &self.streets.nodes);
        let all_final = || ids.iter().all(|id| nodes.all().iter().all(|node| is_final(*node, id)));
        let logs = || (0..usize::from(VALIDATORS)).map(|index| nodes.log(index)).collect::<Vec<_>>().join("\n---\n");
        assert!(eventually(longest, all_final), "not final after {:?}:\n{}", began.elapsed(), logs());
        began.elapsed()
    }

    /// Sends a transfer to each node, and returns how long it takes until all of them are final at all.
    fn recover(&mut self) -> Duration {
        let began = now();
        let ids: Vec<Hash> = (0..usize::from(VALIDATORS)).map(|node| self.send(node)).collect();
        self.until_final(&ids, RECOVERY_MAX);
        began.elapsed()
    }

    /// All is well again: checks what was promised and what was seen, and says how much that was.
    fn settle(self) -> String {
        let nodes = &self.streets.nodes;
        let promises = self.load.settle(&self.streets.network, nodes);
        let found = self.audit.contradictions(nodes.rpc(0));
        assert!(found.is_empty(), "{}", found.join("; "));
        for node in nodes.all() {
            let moved = AMOUNT * u128::from(self.probes);
            assert!(eventually(RECOVERY_MAX, || self.streets.network.balance(node, self.probe) == moved));
        }
        let (carried, lost) = self.streets.switch.counts();
        format!("{} transfers were final; {carried} packets were carried, {lost} lost", promises.finals())
    }
}

/// Cuts the network in halves for so long, and returns how long it takes until both halves' transfers are final.
fn halves(scene: &mut Scene, lasts: Duration) -> Duration {
    scene.streets.switch.cut(&[0, 1], &[2, 3]);
    let ids = [scene.send(0), scene.send(2)];
    thread::sleep(UNDER_WAY);
    let heights = |scene: &Scene| scene.streets.nodes.all().into_iter().map(height_of).collect::<Vec<_>>();
    let before = heights(scene);
    thread::sleep(lasts - UNDER_WAY);
    assert_eq!(heights(scene), before, "a half made blocks final");
    for node in scene.streets.nodes.all() {
        let is_final = |id: &Hash| status(node, id).is_ok_and(|status| status["status"] == "finalized");
        assert!(!ids.iter().any(is_final), "a half made a transfer final");
    }
    scene.streets.switch.heal();
    scene.until_final(&ids, HEAL_MAX)
}

#[test]
fn two_halves_make_nothing_final_and_go_on_when_they_meet_again() {
    let Some(mut scene) = Scene::set(61, 0..4) else { return };
    // Shorter and longer than it takes to give up a silent connection.
    for lasts in [3, 12].map(Duration::from_secs) {
        let healed = halves(&mut scene, lasts);
        println!("after a cut of {lasts:?}: final everywhere after {healed:?}");
    }
    println!("{}", scene.settle());
}

#[test]
fn a_validator_that_is_deaf_and_then_mute_holds_nobody_up_and_catches_up() {
    let Some(mut scene) = Scene::set(62, 0..3) else { return };
    let (others, lasts) = ([0, 1, 2], Duration::from_secs(5));
    for what in ["deaf", "mute"] {
        let switch = &scene.streets.switch;
        match what {
            "deaf" => switch.change(&others, &[3], |way| way.is_cut = true),
            _ => switch.change(&[3], &others, |way| way.is_cut = true),
        }
        let began = now();
        while began.elapsed() < lasts {
            let id = scene.send(0);
            let node = scene.streets.nodes.rpc(1);
            assert!(eventually(RECOVERY_MAX, || is_final(node, &id)), "three stand still beside one that is {what}");
        }
        println!("beside one that is {what}: the last final after {:?}", began.elapsed());
        scene.streets.switch.heal();
        println!("after it: {:?}", scene.recover());
    }
    println!("{}", scene.settle());
}

#[test]
fn a_network_that_flaps_every_second_goes_on_at_the_latest_when_it_ends() {
    let Some(mut scene) = Scene::set(63, 0..4) else { return };
    for _ in 0..5 {
        scene.streets.switch.cut(&[0, 1], &[2, 3]);
        thread::sleep(Duration::from_secs(1));
        scene.streets.switch.heal();
        thread::sleep(Duration::from_secs(1));
    }
    let promised = scene.load.promised();
    println!("{promised} transfers in ten seconds of flapping; after it: {:?}", scene.recover());
    println!("{}", scene.settle());
}

#[test]
fn with_a_third_of_all_packets_lost_it_goes_on_at_the_latest_when_that_ends() {
    let Some(mut scene) = Scene::set(64, 0..4) else { return };
    let before = scene.streets.switch.counts();
    scene.streets.switch.change_all(|way| way.lost_percent = 30);
    thread::sleep(Duration::from_secs(8));
    let after = scene.streets.switch.counts();
    scene.streets.switch.heal();
    let (carried, lost) = (after.0 - before.0, after.1 - before.1);
    let recovered = scene.recover();
    println!("{} transfers, {carried} packets carried, {lost} lost; after it: {recovered:?}", scene.load.promised());
    assert!((20..=40).contains(&(100 * lost / (carried + lost))), "{lost} of {} were lost", carried + lost);
    println!("{}", scene.settle());
}

#[test]
fn with_packets_late_twice_and_out_of_order_it_goes_on_meanwhile() {
    let Some(mut scene) = Scene::set(65, 0..4) else { return };
    scene.streets.switch.change_all(|way| {
        (way.delay, way.jitter) = (Duration::from_millis(20), Duration::from_millis(40));
        way.doubled_percent = 20;
    });
    let took: Vec<Duration> = (0..5).map(|_| scene.recover()).collect();
    println!("a transfer at each of four nodes, final at all: {took:?}");
    scene.streets.switch.heal();
    println!("after it: {:?}", scene.recover());
    println!("{}", scene.settle());
}

#[test]
fn nodes_that_stand_still_while_the_network_is_cut_go_on_with_the_others() {
    let Some(mut scene) = Scene::set(66, 0..2) else { return };
    let streets = &scene.streets;
    // The half without a quorum stands still, and then a node of the other half as well.
    streets.switch.cut(&[3], &[0, 1, 2]);
    streets.nodes.pause(3);
    let id = scene.send(0);
    let node = scene.streets.nodes.rpc(0);
    assert!(eventually(RECOVERY_MAX, || is_final(node, &id)), "three of four stand still");
    scene.streets.nodes.pause(2);
    thread::sleep(UNDER_WAY);
    let (height, waiting) = (height_of(node), scene.send(0));
    thread::sleep(Duration::from_secs(10));
    assert_eq!(height_of(node), height, "two of four made blocks final");
    assert!(!is_final(node, &waiting), "two of four made a transfer final");
    scene.streets.switch.heal();
    scene.streets.nodes.resume(2);
    let began = now();
    assert!(eventually(RECOVERY_MAX, || is_final(node, &waiting)), "nothing is final with three of four");
    println!("with the third back: final after {:?}", began.elapsed());
    scene.streets.nodes.resume(3);
    println!("with the fourth back: {:?}", scene.recover());
    println!("{}", scene.settle());
}
