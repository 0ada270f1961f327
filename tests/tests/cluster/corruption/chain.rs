//! A small real chain, and the folder of one of its validators in several states: as it was killed, some blocks earlier, and
//! as it was stopped first.

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use althing_types::{Address, Hash};
use tempfile::TempDir;

use super::super::dice::Dice;
use super::super::network::Network;
use super::super::nodes::{Nodes, VALIDATORS, transfer};
use super::super::process::Home;
use super::super::repair::repair;
use super::Cell;
use super::faults::{Kind, Others, damage};
use super::judge::{Subject, Verdict};

/// The validator whose files are damaged.
const SUBJECT: usize = 3;
/// Whose files are put in their place.
const OTHER: usize = 2;
/// How many accounts receive.
const RECEIVERS: u64 = 3;

/// Three validators that run, and what the fourth one left when it was killed.
pub(super) struct Chain {
    network: Network,
    nodes: Nodes,
    /// The data folder of the subject as it was killed.
    whole: PathBuf,
    others: Rc<Others>,
    /// All transactions, each final.
    ids: Vec<Hash>,
    /// Whether the subject has voted since the copy of its folder was made.
    is_spoiled: bool,
    _folder: TempDir,
}

impl Chain {
    /// Makes a chain whose validators have tables, a write-ahead log and both logs.
    pub(super) fn make() -> Self {
        let network = Network::new(VALIDATORS);
        let nodes = Nodes::start(&network);
        let folder = tempfile::tempdir().expect("a folder");
        let place = |name: &str| folder.path().join(name);
        let others = Rc::new(Others { foreign: place("foreign"), older: place("older"), first: place("first") });
        let mut chain =
            Self { whole: place("whole"), network, nodes, others, ids: Vec::new(), is_spoiled: false, _folder: folder };
        let data = |index: usize| chain.network.home(u16::try_from(index).expect("small")).folder.join("data");
        let (subject, other) = (data(SUBJECT), data(OTHER));
        // A clean stop writes tables.
        for round in 0..2 {
            chain.send(6);
            chain.nodes.stop(SUBJECT);
            if round == 0 {
                copy(&subject, &chain.others.first);
            }
            chain.nodes.restart(SUBJECT);
            chain.nodes.wait_connected();
        }
        chain.send(4);
        // The write-ahead log of this one begins later than that of the subject.
        chain.nodes.kill(OTHER);
        chain.nodes.restart(OTHER);
        chain.nodes.wait_connected();
        copy(&subject, &chain.others.older);
        chain.send(8);
        copy(&other, &chain.others.foreign);
        chain.nodes.kill(SUBJECT);
        copy(&subject, &chain.whole);
        chain
    }

    /// What becomes of the subject without any damage.
    pub(super) fn judge_whole(&mut self) -> Verdict {
        let home = self.lay_out();
        self.subject(&home, false).verdict(|| {})
    }

    /// What becomes of the subject with this damage. Also says what was done to which file, and, where it was done at rest,
    /// how `althing repair --check` ends.
    pub(super) fn judge(&mut self, cell: Cell, dice: &mut Dice) -> (String, Option<i32>, Verdict) {
        if self.is_spoiled {
            *self = Self::make();
        }
        let home = self.lay_out();
        let data = home.folder.join("data");
        // Whether votes are cast where files that have to do with votes and batches, or with how far the ledger is, were hit.
        let goes_on = !matches!(cell.kind, Kind::Table | Kind::Version);
        let (mut what, others) = (String::new(), self.others.clone());
        let mut checked = None;
        let mut hit = || what = damage(&data, &others, cell.kind, cell.fault, cell.place, dice);
        let verdict = if cell.under_it {
            self.subject(&home, false).verdict(hit)
        } else {
            hit();
            checked = repair(&home, &["--check"]).status.code();
            let verdict = self.subject(&home, goes_on).verdict(|| {});
            self.is_spoiled = goes_on && matches!(verdict, Verdict::Harmless(_));
            verdict
        };
        (what, checked, verdict)
    }

    /// Puts the folder of the subject back as it was.
    fn lay_out(&self) -> Home {
        let home = self.network.home(u16::try_from(SUBJECT).expect("small"));
        let data = home.folder.join("data");
        if data.exists() {
            fs::remove_dir_all(&data).expect("nobody uses it");
        }
        copy(&self.whole, &data);
        fs::write(home.folder.join("stderr.log"), "").expect("it can be written");
        home
    }

    fn subject<'a>(&'a mut self, home: &'a Home, goes_on: bool) -> Subject<'a> {
        let salt = self.ids.len() as u64;
        let receivers = (0..RECEIVERS).map(receiver).collect();
        let (network, reference) = (&self.network, self.nodes.rpc(0));
        Subject { network, reference, home, ids: &mut self.ids, receivers, salt, goes_on }
    }

    /// So many transfers, by each node in turn.
    fn send(&mut self, count: usize) {
        for _ in 0..count {
            let salt = self.ids.len() as u64;
            let node = self.nodes.rpc(self.ids.len() % usize::from(VALIDATORS));
            self.ids.push(transfer(&self.network, node, receiver(salt), salt));
        }
    }
}

/// Who receives the transfer with this salt.
pub(super) fn receiver(salt: u64) -> Address {
    Address::new([u8::try_from(70 + salt % RECEIVERS).expect("small"); 32])
}

/// Copies a folder with all that is in it. A node may write there meanwhile: what it adds later is not copied.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("it is there") {
        let path = entry.expect("readable").path();
        let place = to.join(path.file_name().expect("it has a name"));
        if path.is_dir() {
            copy(&path, &place);
        } else {
            fs::copy(&path, place).expect("copied");
        }
    }
}
