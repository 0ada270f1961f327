//! The network as a value: up when it is made, down when it is dropped.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use althing_genesis::{DevRole, Genesis, dev_key};
use althing_types::{Address, AuthPolicy};

use super::error::TestnetError;
use super::folder::{Folder, io_error};
use super::identity::ProcessId;
use super::log;
use super::naming;
use super::options::Options;
use super::patience::Patience;
use super::ports::local;
use super::probe::Probe;
use super::process::{NodeProcess, how};
use super::view::{AccountView, NodeAnswer, NodeState, NodeStatus, NodeView, View};

/// How long the nodes may take to end in order before they are killed.
const ENDING_MAX: Duration = Duration::from_secs(10);
/// Lines of a log that explain a failure.
const LOG_LINES: usize = 15;

/// How far a start is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Nodes that are ready.
    pub ready: usize,
    /// Nodes that are waited for.
    pub of: usize,
}

/// A network that runs. Dropping it takes it down.
#[derive(Debug)]
pub struct Testnet {
    folder: Folder,
    program: PathBuf,
    ready_timeout: Duration,
    processes: Vec<Option<NodeProcess>>,
    control: Option<PathBuf>,
    /// Why the record does not say what runs, where it does not.
    unrecorded: Option<String>,
    probe: Probe,
    is_down: bool,
}

impl Testnet {
    /// Makes a network or resumes the one in the folder, and returns when all nodes are ready: they answer, and each is
    /// connected to all others.
    ///
    /// # Errors
    ///
    /// See [`TestnetError`]. Nothing is left running.
    pub fn up(options: Options) -> Result<Self, TestnetError> {
        Self::up_watched(options, &mut |_| true)
    }

    /// The same, telling how far it is several times a second. When `goes_on` says no, all is taken down.
    ///
    /// # Errors
    ///
    /// See [`TestnetError`]. Nothing is left running.
    pub fn up_watched(options: Options, goes_on: &mut dyn FnMut(Progress) -> bool) -> Result<Self, TestnetError> {
        let probe = Probe::new()?;
        let folder = Folder::take(&options)?;
        let mut testnet = Self {
            processes: folder.ports.iter().map(|_| None).collect(),
            folder,
            program: options.program,
            ready_timeout: options.ready_timeout,
            control: None,
            unrecorded: None,
            probe,
            is_down: false,
        };
        testnet.record()?;
        let all: Vec<usize> = (0..testnet.processes.len()).collect();
        // What fails here takes the rest down as it is dropped.
        for index in &all {
            testnet.start(*index)?;
            // Each at once: whoever comes after this process was killed must know them.
            testnet.record()?;
        }
        testnet.wait_ready(&all, goes_on)?;
        Ok(testnet)
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        self.folder.layout.path()
    }

    /// The genesis document.
    pub const fn genesis(&self) -> &Genesis {
        &self.folder.genesis
    }

    /// The nodes, by index.
    pub fn nodes(&mut self) -> Vec<NodeView> {
        (0..self.processes.len()).map(|index| self.node(index)).collect()
    }

    /// The funded accounts, by index.
    pub fn accounts(&self) -> Vec<AccountView> {
        let description = &self.folder.description;
        let account = |index: u16| {
            let key = dev_key(&description.seed, DevRole::Account, u32::from(index)).public_key();
            let address = Address::of_policy(&AuthPolicy::Key(key)).to_text(self.folder.genesis.prefix());
            AccountView { address, key: self.folder.layout.key(DevRole::Account, index) }
        };
        (0..description.accounts).map(account).collect()
    }

    /// The network as callers see it.
    pub fn view(&mut self) -> View {
        View {
            dir: self.dir().to_path_buf(),
            chain_id: self.genesis().chain_id().to_owned(),
            genesis_hash: self.genesis().hash().to_string(),
            genesis: self.folder.layout.genesis(),
            nodes: self.nodes(),
            accounts: self.accounts(),
        }
    }

    /// The index of a node by its name or number.
    ///
    /// # Errors
    ///
    /// [`TestnetError::UnknownNode`], with the names that there are.
    pub fn index_of(&self, node: &str) -> Result<usize, TestnetError> {
        naming::index_of(node, self.processes.len())
    }

    /// How the nodes are. One that does not answer within a second has no answer.
    pub fn status(&mut self) -> Vec<NodeStatus> {
        let views = self.nodes();
        let states: Vec<(NodeState, Option<ExitStatus>)> = self.processes.iter_mut().map(state).collect();
        let urls: Vec<Option<String>> = views
            .iter()
            .zip(&states)
            .map(|(view, (state, _))| (*state == NodeState::Running).then(|| view.rpc.clone()))
            .collect();
        let answers = self.probe.ask(&urls);
        let all = views.into_iter().zip(states).zip(answers);
        let status = |((node, (state, exited)), answer): ((_, (_, Option<ExitStatus>)), _)| NodeStatus {
            node,
            state,
            exit_code: exited.and_then(|status| status.code()),
            exit_signal: exited.and_then(|status| status.signal()),
            answer,
        };
        all.map(status).collect()
    }

    /// Ends a node without a warning, as a power failure would.
    ///
    /// # Errors
    ///
    /// If there is no such node, or it does not run.
    pub fn kill(&mut self, index: usize) -> Result<(), TestnetError> {
        let process = self.living(index, "start it again with `restart`")?;
        process.kill().map_err(|source| TestnetError::System { what: "the killing", source })?;
        self.record_later();
        Ok(())
    }

    /// Stops a node where it stands. Its sockets stay open and silent.
    ///
    /// # Errors
    ///
    /// If there is no such node, it does not run, or it is paused.
    pub fn pause(&mut self, index: usize) -> Result<(), TestnetError> {
        let process = self.living(index, "start it again with `restart`")?;
        if process.is_paused() {
            return Err(wrong_state(index, "is paused already", "let it go on with `resume`"));
        }
        process.pause().map_err(|source| TestnetError::System { what: "the pause", source })
    }

    /// Lets a paused node go on.
    ///
    /// # Errors
    ///
    /// If there is no such node, it does not run, or it is not paused.
    pub fn resume(&mut self, index: usize) -> Result<(), TestnetError> {
        let process = self.living(index, "start it again with `restart`")?;
        if !process.is_paused() {
            return Err(wrong_state(index, "is not paused", "pause it first"));
        }
        process.resume().map_err(|source| TestnetError::System { what: "the node again", source })
    }

    /// Starts a node again, after it was ended in order if it runs, and returns when it is ready: it answers, and is
    /// connected to all others that run.
    ///
    /// # Errors
    ///
    /// If there is no such node, or it does not become ready; then it is not running.
    pub fn restart(&mut self, index: usize) -> Result<(), TestnetError> {
        self.restart_watched(index, &mut |_| true)
    }

    /// The same, as long as `goes_on` says so.
    ///
    /// # Errors
    ///
    /// If there is no such node, or it does not become ready; then it is not running.
    pub fn restart_watched(
        &mut self,
        index: usize,
        goes_on: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<(), TestnetError> {
        self.process(index)?;
        self.end(&[index], &mut || false);
        let ready = self.start(index).and_then(|()| {
            self.record_later();
            self.wait_ready(&[index], goes_on)
        });
        if ready.is_err() {
            self.end(&[index], &mut || true);
            self.record_later();
        }
        ready
    }

    /// What did not succeed beside what was asked for, as a sentence: the processes are recorded for whoever comes after
    /// this one was killed. That is tried again as the network is tended.
    pub fn warning(&self) -> Option<String> {
        self.unrecorded.as_ref().map(|why| format!("the processes of the testnet cannot be recorded for now: {why}"))
    }

    /// Looks after the logs and the record. Whoever keeps a network for long calls this about once a second.
    ///
    /// # Errors
    ///
    /// What the system says about a log.
    pub fn tend(&mut self) -> Result<(), TestnetError> {
        if self.unrecorded.is_some() {
            self.record_later();
        }
        for index in 0..self.processes.len() {
            let home = self.folder.layout.home(index);
            log::bound(&home, log::LOG_BYTES_MAX).map_err(io_error("bound the log in", &home))?;
        }
        for process in self.processes.iter_mut().flatten() {
            process.ended();
        }
        Ok(())
    }

    /// Takes the network down: the nodes end in order, and those that do not within a while are killed. A temporary
    /// folder is removed.
    ///
    /// # Errors
    ///
    /// If the folder cannot be tidied. The nodes are gone.
    pub fn down(self) -> Result<(), TestnetError> {
        self.down_unless(&mut || false)
    }

    /// The same; as soon as `is_impatient` says so, the rest is killed.
    ///
    /// # Errors
    ///
    /// If the folder cannot be tidied. The nodes are gone.
    pub fn down_unless(mut self, is_impatient: &mut dyn FnMut() -> bool) -> Result<(), TestnetError> {
        self.take_down(is_impatient)
    }

    /// Where the process that runs the network takes commands; recorded for others to find.
    pub(super) fn announce(&mut self, control: PathBuf) -> Result<(), TestnetError> {
        self.control = Some(control);
        self.record()
    }

    /// A path for that, which is free.
    pub(super) fn socket(&self) -> PathBuf {
        self.folder.layout.socket()
    }

    fn take_down(&mut self, is_impatient: &mut dyn FnMut() -> bool) -> Result<(), TestnetError> {
        if self.is_down {
            return Ok(());
        }
        self.is_down = true;
        let all: Vec<usize> = (0..self.processes.len()).collect();
        self.end(&all, is_impatient);
        self.folder.close()
    }

    fn end(&mut self, which: &[usize], is_impatient: &mut dyn FnMut() -> bool) {
        let mut ending: Vec<&mut NodeProcess> = Vec::new();
        for (index, process) in self.processes.iter_mut().enumerate() {
            ending.extend(process.as_mut().filter(|_| which.contains(&index)));
        }
        for process in &mut ending {
            process.ask_to_end();
        }
        let all_ended = || is_impatient() || ending.iter_mut().all(|process| process.ended().is_some());
        Patience::of(ENDING_MAX).until(all_ended);
        for process in ending {
            // One that cannot be killed is gone already.
            let _ended = process.kill();
        }
    }

    fn start(&mut self, index: usize) -> Result<(), TestnetError> {
        let process = NodeProcess::start(&self.program, &self.folder, index)?;
        if let Some(place) = self.processes.get_mut(index) {
            *place = Some(process);
        }
        Ok(())
    }

    /// Waits until these nodes answer and see all others that can answer.
    fn wait_ready(&mut self, which: &[usize], goes_on: &mut dyn FnMut(Progress) -> bool) -> Result<(), TestnetError> {
        let patience = Patience::of(self.ready_timeout);
        let mut asking = Vec::new();
        let mut result = Ok(());
        patience.until(|| {
            if let Some(error) = which.iter().find_map(|index| self.early_end(*index)) {
                result = Err(error);
                return true;
            }
            asking = self.unready(which);
            let progress = Progress { ready: which.len() - asking.len(), of: which.len() };
            if !goes_on(progress) {
                result = Err(TestnetError::Interrupted);
            }
            asking.is_empty() || result.is_err()
        });
        result?;
        let Some((first, _)) = asking.first() else { return Ok(()) };
        let waiting = asking.iter().map(|(index, why)| format!("{} ({why})", naming::node_name(*index)));
        Err(TestnetError::NotReady {
            patience: self.ready_timeout,
            waiting: waiting.collect(),
            log: self.last_lines(*first),
        })
    }

    /// Which of these nodes are not ready, and why.
    fn unready(&mut self, which: &[usize]) -> Vec<(usize, String)> {
        let views = self.nodes();
        let urls: Vec<Option<String>> =
            views.iter().enumerate().map(|(index, view)| which.contains(&index).then(|| view.rpc.clone())).collect();
        let running = self.processes.iter_mut().filter_map(Option::as_mut);
        let running = running.filter_map(|process| (process.ended().is_none() && !process.is_paused()).then_some(()));
        let others = u32::try_from(running.count().saturating_sub(1)).unwrap_or(u32::MAX);
        let answers = self.probe.ask(&urls);
        let why = |answer: Option<&NodeAnswer>| match answer {
            None => Some("it does not answer".to_owned()),
            Some(answer) => {
                let needed = answer.peers_expected.min(others);
                (answer.peers < needed).then(|| format!("{} of {needed} peers connected", answer.peers))
            }
        };
        let asked = which.iter().map(|index| (*index, answers.get(*index).and_then(Option::as_ref)));
        asked.filter_map(|(index, answer)| Some((index, why(answer)?))).collect()
    }

    fn early_end(&mut self, index: usize) -> Option<TestnetError> {
        let status = self.processes.get_mut(index)?.as_mut()?.ended()?;
        Some(TestnetError::Ended {
            node: naming::node_name(index),
            how: how(status),
            log: self.last_lines(index),
            path: log::path(&self.folder.layout.home(index)),
        })
    }

    fn last_lines(&self, index: usize) -> Vec<String> {
        // A log that cannot be read explains nothing; the failure itself is told.
        log::tail(&log::path(&self.folder.layout.home(index)), LOG_LINES).map(|(lines, _)| lines).unwrap_or_default()
    }

    fn process(&mut self, index: usize) -> Result<&mut Option<NodeProcess>, TestnetError> {
        let nodes = self.processes.len();
        let unknown = || TestnetError::UnknownNode {
            asked: index.to_string(),
            names: (0..nodes).map(naming::node_name).collect(),
        };
        self.processes.get_mut(index).ok_or_else(unknown)
    }

    fn living(&mut self, index: usize, remedy: &'static str) -> Result<&mut NodeProcess, TestnetError> {
        let process = self.process(index)?.as_mut();
        let living = process.and_then(|process| process.ended().is_none().then_some(process));
        living.ok_or_else(|| wrong_state(index, "is not running", remedy))
    }

    fn node(&mut self, index: usize) -> NodeView {
        let ports = self.folder.ports.get(index).copied();
        let (rpc, p2p) = ports.map_or((0, 0), |ports| (ports.rpc, ports.p2p));
        let process = self.processes.get_mut(index).and_then(Option::as_mut);
        NodeView {
            name: naming::node_name(index),
            role: "validator".to_owned(),
            rpc: format!("http://{}", local(rpc)),
            p2p: local(p2p),
            pid: process.and_then(NodeProcess::id).map(|id| id.pid),
            home: self.folder.layout.home(index),
        }
    }

    /// Records the processes if that is possible. What was asked for is done, whether it is or not.
    fn record_later(&mut self) {
        self.unrecorded = self.record().err().map(|error| error.to_string());
    }

    fn record(&mut self) -> Result<(), TestnetError> {
        let processes: Vec<Option<ProcessId>> =
            self.processes.iter_mut().map(|process| process.as_mut().and_then(NodeProcess::id)).collect();
        self.folder.record(self.control.as_deref(), &processes)
    }
}

impl Drop for Testnet {
    fn drop(&mut self) {
        // Nobody is left who could be told.
        let _down = self.take_down(&mut || false);
    }
}

/// What a node is, and how it ended if it did so by itself.
fn state(process: &mut Option<NodeProcess>) -> (NodeState, Option<ExitStatus>) {
    let Some(process) = process else { return (NodeState::Stopped, None) };
    match process.ended() {
        Some(status) if status.signal() == Some(rustix::process::Signal::KILL.as_raw()) => (NodeState::Killed, None),
        Some(status) => (NodeState::Exited, Some(status)),
        None if process.is_paused() => (NodeState::Paused, None),
        None => (NodeState::Running, None),
    }
}

fn wrong_state(index: usize, state: &str, remedy: &'static str) -> TestnetError {
    TestnetError::NodeState { node: naming::node_name(index), state: state.to_owned(), remedy }
}
