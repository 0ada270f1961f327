//! Random trouble without end: four real validators under clients, one misfortune after the other, and after each the
//! question whether the network makes a new transfer final. `make test` does it for some twenty seconds, `make soak` for
//! as many minutes as it is told.
//!
//! Which misfortunes come follows from the seed; what the machine makes of them in real time does not.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use althing_types::Address;

use super::Streets;
use super::audit::Audit;
use crate::cluster::dice::Dice;
use crate::cluster::load::Load;
use crate::cluster::long_run::{self, number};
use crate::cluster::network::submit;
use crate::cluster::nodes::{AMOUNT, VALIDATORS, eventually, is_final};
use crate::cluster::process::now;

/// The variables of the environment that `make soak` sets.
const MINUTES: &str = "ALTHING_SOAK_MINUTES";
const SEED: &str = "ALTHING_SOAK_SEED";
/// How long it lasts when nobody says so.
const SHORT: Duration = Duration::from_secs(20);
/// How long one misfortune lasts: the shortest, and how much longer it may be. It is sometimes longer than the time after
/// which a silent connection is given up.
const LASTS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(11));
/// How long all is well afterwards at most.
const CALM: Duration = Duration::from_secs(3);
/// How long it may take until a new transfer is final after a misfortune: three times the figure.
const RECOVERY_MAX: Duration = Duration::from_secs(30);
/// The time between two lines of progress.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// How many clients send at the same time.
const CLIENTS: usize = 8;
/// How long each rests after a transfer: hours of them are kept in memory and checked at the end.
const REST: Duration = Duration::from_millis(100);
/// Where the clients' money goes, and that of the questions in between.
const RECEIVER: Address = Address::new([71; 32]);
const PROBE: Address = Address::new([72; 32]);

/// What can happen. Places are those of validators.
#[derive(Clone, Debug)]
enum Misfortune {
    /// These two hear and are heard by each other only, and so are the others.
    Halves(Vec<usize>),
    /// One is cut off.
    Alone(usize),
    /// One hears nobody.
    Deaf(usize),
    /// Nobody hears one.
    Mute(usize),
    /// Of one way, from the first to the second, nothing arrives.
    OneWay(usize, usize),
    /// Halves that meet and part again every second.
    Flapping(Vec<usize>),
    /// So many of a hundred packets are lost.
    Lossy(u8),
    /// Packets are late, out of order and doubled.
    Late(Duration, Duration, u8),
    /// These stand still.
    Standstill(Vec<usize>),
    /// These are killed and start again at its end.
    Killed(Vec<usize>),
}

struct Soak {
    streets: Streets,
    load: Load,
    audit: Audit,
    dice: Dice,
    began: Instant,
    lines: u32,
    misfortunes: u64,
    probes: u64,
    longest: Duration,
}

impl Misfortune {
    fn draw(dice: &mut Dice) -> Self {
        let nodes = usize::from(VALIDATORS);
        let one = |dice: &mut Dice| dice.some(1, nodes)[0];
        let ms = |dice: &mut Dice, below: u64| Duration::from_millis(dice.below(below));
        match dice.below(12) {
            0 => Self::Halves(dice.some(2, nodes)),
            1 => Self::Alone(one(dice)),
            2 => Self::Deaf(one(dice)),
            3 => Self::Mute(one(dice)),
            4 => {
                let two = dice.some(2, nodes);
                Self::OneWay(two[0], two[1])
            }
            5 => Self::Flapping(dice.some(2, nodes)),
            6 => Self::Lossy(u8::try_from(5 + dice.below(36)).expect("small")),
            7 => Self::Late(ms(dice, 100), ms(dice, 100), u8::try_from(dice.below(30)).expect("small")),
            8 => Self::Standstill(dice.some(1, nodes)),
            9 => Self::Standstill(dice.some(2, nodes)),
            10 => Self::Killed(dice.some(1, nodes)),
            _ => {
                let count = usize::try_from(1 + dice.below(4)).expect("small");
                Self::Killed(dice.some(count, nodes))
            }
        }
    }
}

impl Soak {
    /// Lets it happen, for so long.
    fn suffer(&mut self, misfortune: &Misfortune, lasts: Duration) {
        let others = |these: &[usize]| -> Vec<usize> {
            (0..usize::from(VALIDATORS)).filter(|node| !these.contains(node)).collect()
        };
        let (switch, nodes) = (&self.streets.switch, &mut self.streets.nodes);
        match misfortune {
            Misfortune::Halves(two) => switch.cut(two, &others(two)),
            Misfortune::Alone(one) => switch.cut(&[*one], &others(&[*one])),
            Misfortune::Deaf(one) => switch.change(&others(&[*one]), &[*one], |way| way.is_cut = true),
            Misfortune::Mute(one) => switch.change(&[*one], &others(&[*one]), |way| way.is_cut = true),
            Misfortune::OneWay(from, to) => switch.change(&[*from], &[*to], |way| way.is_cut = true),
            Misfortune::Flapping(two) => {
                let end = now() + lasts;
                while now() < end {
                    switch.cut(two, &others(two));
                    thread::sleep(Duration::from_secs(1));
                    switch.heal();
                    thread::sleep(Duration::from_secs(1));
                }
                return;
            }
            Misfortune::Lossy(percent) => switch.change_all(|way| way.lost_percent = *percent),
            Misfortune::Late(delay, jitter, doubled) => switch.change_all(|way| {
                (way.delay, way.jitter, way.doubled_percent) = (*delay, *jitter, *doubled);
            }),
            Misfortune::Standstill(these) => these.iter().for_each(|node| nodes.pause(*node)),
            Misfortune::Killed(these) => these.iter().for_each(|node| nodes.kill(*node)),
        }
        thread::sleep(lasts);
        switch.heal();
        match misfortune {
            Misfortune::Standstill(these) => these.iter().for_each(|node| nodes.resume(*node)),
            Misfortune::Killed(_) => nodes.restart_all(),
            _ => {}
        }
    }

    /// Waits until a new transfer is final at the node that took it.
    fn recover(&mut self, misfortune: &Misfortune) {
        let place = usize::try_from(self.dice.below(u64::from(VALIDATORS))).expect("small");
        let (began, node) = (now(), self.streets.nodes.rpc(place));
        let transaction = self.streets.network.transfer(2, PROBE, AMOUNT, self.probes);
        self.probes += 1;
        let mut is_taken = false;
        let is_final = || {
            is_taken = is_taken || submit(node, &transaction, "none").is_ok();
            is_taken && is_final(node, &transaction.id())
        };
        let recovers = eventually(RECOVERY_MAX, is_final);
        let logs = || (0..usize::from(VALIDATORS)).map(|index| self.streets.nodes.log(index)).collect::<Vec<_>>();
        assert!(recovers, "after {misfortune:?} nothing is final at node {place}:\n{}", logs().join("\n---\n"));
        let took = began.elapsed();
        if took > self.longest {
            self.longest = took;
            say(&format!("after {misfortune:?} the next transfer took {took:.1?}, the longest so far"));
        }
    }

    fn run(&mut self, lasts: Duration) {
        while self.began.elapsed() < lasts {
            let misfortune = Misfortune::draw(&mut self.dice);
            let long = LASTS.0 + self.dice.up_to(LASTS.1);
            let left = lasts.saturating_sub(self.began.elapsed()).max(LASTS.0);
            self.suffer(&misfortune, long.min(left));
            self.misfortunes += 1;
            self.recover(&misfortune);
            self.progress();
            let calm = self.dice.up_to(CALM);
            thread::sleep(calm.min(lasts.saturating_sub(self.began.elapsed())));
        }
    }

    /// Says how far it is, from time to time.
    fn progress(&mut self) {
        if self.began.elapsed() < LINE_EVERY * self.lines {
            return;
        }
        self.lines = u32::try_from(self.began.elapsed().as_secs() / LINE_EVERY.as_secs()).expect("not that long") + 1;
        let (seconds, promised) = (self.began.elapsed().as_secs(), self.load.promised());
        let (carried, lost) = self.streets.switch.counts();
        say(&format!(
            "{seconds} s: {promised} transfers, {} faults, block {}, {carried} packets carried and {lost} lost",
            self.misfortunes,
            self.audit.height(),
        ));
    }

    /// Ends the load, and checks everything that was promised and seen.
    fn settle(self, lasts: Duration) {
        let (network, nodes) = (&self.streets.network, &self.streets.nodes);
        nodes.wait_connected();
        let transfers = self.load.promised();
        let promises = self.load.end();
        let broken = promises.broken(network, &nodes.all());
        nodes.check_agreement();
        let divergences = self.audit.contradictions(nodes.rpc(0));
        let moved = AMOUNT * u128::from(self.probes);
        let is_whole = |node: &SocketAddr| eventually(RECOVERY_MAX, || network.balance(*node, PROBE) == moved);
        assert!(nodes.all().iter().all(is_whole), "a question's transfer is lost or was executed twice");
        let minutes = format!("{}.{}", lasts.as_secs() / 60, lasts.as_secs() % 60 / 6);
        say(&format!(
            "soaked {} minutes: {transfers} transfers, {} faults, {} divergences, {} lost acknowledgements",
            minutes.trim_end_matches(".0"),
            self.misfortunes,
            divergences.len(),
            broken.lost(),
        ));
        say(&format!("the longest time from the end of a fault to the next final transfer: {:.1?}", self.longest));
        assert!(divergences.is_empty() && broken.is_none(), "{divergences:?} {broken}");
        assert!(transfers > 0, "it shows nothing without transfers");
    }
}

/// Writes a line past the capture of test output, if somebody asked for a long run.
fn say(line: &str) {
    long_run::say(MINUTES, line);
}

#[test]
fn four_validators_in_random_trouble_lose_nothing_and_never_disagree() {
    let lasts = number(MINUTES).map_or(SHORT, |minutes| Duration::from_secs(60 * minutes));
    let seed = number(SEED).unwrap_or(1);
    let Some(streets) = Streets::start(VALIDATORS, seed) else { return };
    let all = streets.nodes.all();
    let load = Load::start_at_ease(&streets.network, &all, CLIENTS, RECEIVER, REST);
    let audit = Audit::start(&all);
    let (dice, began) = (Dice::new(seed), now());
    let mut soak =
        Soak { streets, load, audit, dice, began, lines: 1, misfortunes: 0, probes: 0, longest: Duration::ZERO };
    soak.run(lasts);
    soak.settle(lasts);
}
