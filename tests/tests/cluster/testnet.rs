//! `althing testnet` as a user and as a script meet it: what it prints, what it leaves behind, and that nothing of it
//! survives its supervisor, however that ends.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use althing_node::testnet::{NodeState, Options, Testnet, log};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::{now, program};
use super::rpc::call;

/// Validators of the networks that only a few things are done to.
const FEW: u16 = 1;
/// Validators of the network that is looked at closely.
const SEVERAL: u16 = 4;
/// How long something outside of the test may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A folder for a network. Whatever runs there is ended with it.
struct Place {
    home: TempDir,
    dir: PathBuf,
}

impl Place {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let dir = home.path().join("net");
        Self { home, dir }
    }

    /// A command about this network.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command.arg("testnet").args(arguments).arg("--dir").arg(&self.dir).current_dir(self.home.path());
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program can be started")
    }

    /// What a command that must succeed writes, as JSON.
    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--output", "json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("one JSON value")
    }

    /// The exit code, symbol and message of a command that must fail.
    fn refusal(&self, arguments: &[&str]) -> (i32, String, String) {
        refusal(&self.run(&[arguments, &["--output", "json"]].concat()))
    }

    /// Starts a network of so many validators in the background.
    fn up(&self, validators: u16) -> Value {
        self.json(&["up", "--validators", &validators.to_string(), "--base-port", "0", "--detach"])
    }

    /// Starts one in the foreground, and returns when it is ready.
    fn foreground(&self) -> (Child, Value) {
        let few = FEW.to_string();
        let mut command = self.command(&["up", "--validators", &few, "--base-port", "0", "--output", "json"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program can be started");
        let mut reader = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut ready = String::new();
        while !ready.ends_with("\n}\n") && reader.read_line(&mut ready).is_ok_and(|read| read > 0) {}
        (child, serde_json::from_str(&ready).expect("it says when it is ready"))
    }

    /// The process that runs the network, by the record in its folder.
    fn supervisor(&self) -> u32 {
        let record = fs::read(self.dir.join("run.json")).expect("it runs");
        let record: Value = serde_json::from_slice(&record).expect("JSON");
        u32::try_from(record["supervisor"]["pid"].as_u64().expect("a number")).expect("a process number")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A test that failed half way leaves nothing behind; one that did not has taken its network down.
        let _down = self.run(&["down", "--quiet"]);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn refusal(output: &Output) -> (i32, String, String) {
    let error: Value = serde_json::from_slice(&output.stderr).expect("one JSON value");
    let error = &error["error"];
    let word = |name: &str| error[name].as_str().unwrap_or("(none)").to_owned();
    (output.status.code().expect("it ended by itself"), word("symbol"), word("message"))
}

/// Says that this machine cannot show what a test asks, past the capture of test output.
fn skipped(why: &str) {
    writeln!(std::io::stderr(), "\nskipped: {why}").expect("standard error can be written");
}

fn pids(network: &Value) -> Vec<u32> {
    let nodes = network["nodes"].as_array().expect("a list");
    nodes.iter().map(|node| u32::try_from(node["pid"].as_u64().expect("it runs")).expect("a process number")).collect()
}

fn rpc(network: &Value, index: usize) -> SocketAddr {
    let url = network["nodes"][index]["rpc"].as_str().and_then(|url| url.strip_prefix("http://")).expect("a URL");
    url.parse().expect("an address")
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).expect("a process number")).expect("not 0"), signal).expect("ours");
}

/// Whether a process runs. One that only waits to be collected does not.
fn is_alive(pid: u32) -> bool {
    let known = Pid::from_raw(i32::try_from(pid).expect("a process number")).expect("not 0");
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    test_kill_process(known).is_ok() && !stat.contains(") Z ")
}

/// What Linux says about a process; elsewhere that it stands still.
fn stat(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_else(|_| ") T ".to_owned())
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = now() + PATIENCE;
    while !is_so() {
        assert!(now() < end, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Asserts that nothing of a network is left: no process, and no port that is taken.
fn assert_gone(network: &Value) {
    for pid in pids(network) {
        until("a node ends", || !is_alive(pid));
    }
    for (index, node) in network["nodes"].as_array().expect("a list").iter().enumerate() {
        let p2p: SocketAddr = node["p2p"].as_str().expect("an address").parse().expect("an address");
        for address in [rpc(network, index), p2p] {
            // Another network may look whether it is free at this very moment.
            until(&format!("{address} is free"), || TcpListener::bind(address).is_ok());
        }
    }
}

/// Moves whole dollars from the first account to the second one with the printed key, by the command line.
fn send(network: &Value, whole: u32) {
    let word = |value: &Value| value.as_str().expect("text").to_owned();
    let mut command = program();
    command.args(["send", "--rpc", &word(&network["nodes"][0]["rpc"]), "--key", &word(&network["accounts"][0]["key"])]);
    command.args(["--to", &word(&network["accounts"][1]["address"]), "--amount", &format!("{whole}.00")]);
    let sent = command.output().expect("the program can be started");
    assert!(sent.status.success(), "{}", text(&sent.stderr));
}

fn balance(network: &Value, node: usize) -> u128 {
    let question = json!({ "address": network["accounts"][1]["address"] });
    let account = call(rpc(network, node), "account_get", &question).expect("it answers");
    account["balances"]["USD"].as_str().expect("it is funded").parse().expect("a number")
}

#[test]
fn a_network_in_the_background_is_described_used_resumed_and_taken_down() {
    let place = Place::new();
    let network = place.up(SEVERAL);
    assert_eq!(network["schemaVersion"], 1);
    assert_eq!(network["dir"], json!(place.dir));
    assert_eq!(network["nodes"].as_array().map(Vec::len), Some(usize::from(SEVERAL)));
    for (index, node) in network["nodes"].as_array().expect("a list").iter().enumerate() {
        assert_eq!(node["name"], format!("validator-{index}"));
        assert_eq!(node["role"], "validator");
        assert!(Path::new(node["home"].as_str().expect("a path")).is_dir());
        let status = call(rpc(&network, index), "node_status", &json!({})).expect("it is ready");
        assert_eq!(status["genesisHash"], network["genesisHash"]);
        assert_eq!(status["chainId"], network["chainId"]);
    }
    let funded = balance(&network, 0);
    send(&network, 3);
    for index in 0..usize::from(SEVERAL) {
        until("the transfer arrives", || balance(&network, index) == funded + 300);
    }
    assert_eq!(place.json(&["down"])["wasRunning"], true);
    assert_gone(&network);

    let resumed = place.json(&["up", "--detach"]);
    assert_eq!(resumed["genesisHash"], network["genesisHash"], "it is the same chain");
    assert_eq!(balance(&resumed, 0), funded + 300, "what was final is there");
    send(&resumed, 1);
    place.json(&["down"]);
    assert_gone(&resumed);
    assert_eq!(place.json(&["down"])["wasRunning"], false, "once more is no error");
    let stopped = place.run(&["status", "--output", "json"]);
    assert_eq!(stopped.status.code(), Some(9));
    assert_eq!(serde_json::from_slice::<Value>(&stopped.stdout).expect("JSON")["nodes"][0]["state"], "stopped");
}

#[test]
fn nothing_survives_a_supervisor_that_is_killed_not_even_a_paused_node() {
    let place = Place::new();
    let network = place.up(FEW);
    signal(place.supervisor(), Signal::KILL);
    assert_gone(&network);

    // Paused twice, so that what ended the first pause could end the second one.
    let again = place.json(&["up", "--detach"]);
    assert_eq!(again["genesisHash"], network["genesisHash"]);
    for command in ["pause", "resume", "pause"] {
        place.json(&[command, "0"]);
    }
    until("it stands still", || stat(pids(&again)[0]).contains(") T "));
    signal(place.supervisor(), Signal::KILL);
    assert_gone(&again);
    assert_eq!(place.json(&["down"])["wasRunning"], false);
    assert!(!place.dir.join("run.json").exists(), "nothing is left to clean");
}

/// Nodes with their homes in this folder.
fn nodes_in(dir: &Path) -> Vec<u32> {
    let home = format!("{}/node-", dir.display());
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let command = |pid: u32| text(&fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default());
    numbers.filter(|pid| command(*pid).contains(&home) && is_alive(*pid)).collect()
}

#[test]
fn whatever_a_start_that_is_killed_has_started_is_gone_before_the_next_one_begins() {
    for started in 0..SEVERAL {
        let place = Place::new();
        let several = SEVERAL.to_string();
        let mut command = place.command(&["up", "--validators", &several, "--base-port", "0", "--quiet"]);
        let mut starting = command.stdout(Stdio::null()).spawn().expect("the program can be started");
        let log = place.dir.join(format!("node-{started}/log.txt"));
        let end = now() + PATIENCE;
        // Without a pause: the moment in which a node runs and is not recorded is short.
        while !log.exists() {
            assert!(now() < end, "it starts its nodes");
            std::thread::yield_now();
        }
        starting.kill().expect("ours");
        starting.wait().expect("ours");
        // At once: what was started just now has not seen yet that it is alone.
        let network = place.json(&["up", "--detach"]);
        let mut expected = pids(&network);
        expected.sort_unstable();
        if Path::new("/proc/self").exists() {
            let mut found = nodes_in(&place.dir);
            found.sort_unstable();
            assert_eq!(found, expected, "killed when node {started} was started");
        }
        place.json(&["down"]);
        assert_gone(&network);
    }
}

#[test]
fn ctrl_c_and_the_end_of_the_terminal_take_a_network_in_the_foreground_down() {
    for asked in [Signal::INT, Signal::TERM, Signal::HUP] {
        let place = Place::new();
        let (mut child, network) = place.foreground();
        signal(child.id(), asked);
        until("it ends", || child.try_wait().expect("ours").is_some());
        let status = child.wait().expect("ours");
        assert_eq!(status.code(), Some(0), "{asked:?}");
        for pid in pids(&network) {
            assert!(!is_alive(pid), "{asked:?}: a node is left when the command returns");
        }
        assert_gone(&network);
    }
}

/// Stands still as a node that hangs, not as one that is paused: whoever owns it does not know.
fn hang(network: &Value) {
    signal(pids(network)[0], Signal::STOP);
    until("it stands still", || stat(pids(network)[0]).contains(") T "));
}

#[test]
fn a_network_that_ends_says_so_until_a_second_ctrl_c_kills_what_is_left_of_it() {
    let place = Place::new();
    let (mut child, network) = place.foreground();
    hang(&network);
    signal(child.id(), Signal::INT);
    until("it takes no more commands", || !place.dir.join("control.sock").exists());
    for command in [&["status"][..], &["up"], &["up", "--detach"], &["kill", "0"]] {
        let (code, symbol, message) = place.refusal(command);
        assert_eq!((code, symbol.as_str()), (75, "TESTNET_IN_USE"), "{command:?}: {message}");
        assert!(message.ends_with("is ending"), "{message}");
    }
    let mut down = place.command(&["down", "--quiet"]).stdout(Stdio::null()).spawn().expect("it can be started");
    std::thread::sleep(Duration::from_millis(500));
    assert!(down.try_wait().expect("ours").is_none(), "it waits for the end");
    assert!(child.try_wait().expect("ours").is_none() && is_alive(pids(&network)[0]), "the node has its time");
    let asked = now();
    signal(child.id(), Signal::INT);
    assert_eq!(child.wait().expect("ours").code(), Some(0));
    assert!(down.wait().expect("ours").success());
    assert!(now() - asked < Duration::from_secs(5), "nothing is waited for any more: {:?}", now() - asked);
    assert!(!is_alive(pids(&network)[0]));
    assert_gone(&network);
    assert!(!place.dir.join("run.json").exists(), "it ended in order but for the node");
}

/// Whether the process behind this socket says within two seconds what it runs.
fn answers(socket: &Path) -> bool {
    let mut stream = UnixStream::connect(socket).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(2))).expect("ours");
    stream.write_all(br#"{"command":"view"}"#).expect("it reads");
    stream.shutdown(Shutdown::Write).expect("ours");
    stream.read(&mut [0; 1]).is_ok_and(|read| read == 1)
}

#[test]
fn a_third_ctrl_c_ends_even_a_process_that_hangs() {
    let place = Place::new();
    let (mut child, network) = place.foreground();
    assert!(answers(&place.dir.join("control.sock")));
    // A log that is to be put aside into something that nobody reads: whoever opens that waits.
    let home = place.dir.join("node-0");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, home.join("log.1.txt"), rustix::fs::FileType::Fifo, mode, 0).expect("new");
    let log = fs::File::options().append(true).open(home.join("log.txt")).expect("there");
    log.set_len(log::LOG_BYTES_MAX + 1).expect("there is room for a hole");
    until("it hangs", || !answers(&place.dir.join("control.sock")));
    for _ in 0..2 {
        signal(child.id(), Signal::INT);
        // Signals of one kind that come too fast are one.
        std::thread::sleep(Duration::from_millis(300));
        assert!(child.try_wait().expect("ours").is_none(), "the first two leave it time");
    }
    signal(child.id(), Signal::INT);
    until("it ends", || child.try_wait().expect("ours").is_some());
    assert_eq!(child.wait().expect("ours").code(), Some(130));
    assert_gone(&network);
}

#[test]
fn a_port_in_use_is_named_and_nothing_is_left_running() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("it has one").port().min(65_420).to_string();
    for detach in [&["--detach"][..], &[]] {
        let (code, symbol, message) = place.refusal(&[&["up", "-n", "1", "--base-port", &port], detach].concat());
        assert_eq!((code, symbol.as_str()), (75, "PORT_IN_USE"), "{message}");
        assert!(message.contains(&port) && message.contains("validator-0"), "{message}");
        assert!(!place.dir.exists(), "nothing was made");
    }
}

/// On a disk with little room: a network cannot be made, in a folder of its own or in a temporary one, and then can. Each
/// line begins with what it says; the disk is seen by this script only, so it takes its network down itself.
const FULL_DISK: &str = r#"
mount -t tmpfs -o size=40k none "$DISK" || { echo "refused"; exit; }
trap '"$PROGRAM" testnet down --dir "$DISK/net" --quiet >/dev/null 2>&1' EXIT
up() { "$PROGRAM" testnet up --detach --validators 1 --accounts 40 --base-port 0 --output json "$@" 2>&1 >/dev/null; }
said=$(up --dir "$DISK/net"); echo "first: $? $said"
said=$(TMPDIR="$DISK" up --ephemeral); echo "temporary: $? $said"
echo "left:" $(ls -A "$DISK")
mount -o remount,size=512m "$DISK"
said=$(up --dir "$DISK/net"); echo "second: $? $said"
said=$("$PROGRAM" testnet down --dir "$DISK/net" 2>&1); echo "down: $? $said"
"#;

#[test]
fn a_start_that_found_the_disk_full_is_not_in_the_way_of_the_next_one() {
    let place = Place::new();
    fs::create_dir(&place.dir).expect("ours");
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", FULL_DISK]).env("DISK", &place.dir).stdin(Stdio::null());
    let ran = command.env("PROGRAM", env!("CARGO_BIN_EXE_althing-under-test")).output();
    let shown = match ran {
        Ok(output) => text(&output.stdout),
        Err(error) => return skipped(&format!("there is no `unshare` for a disk of one's own: {error}")),
    };
    if shown.is_empty() || shown.starts_with("refused") {
        return skipped("a disk of one's own needs Linux and its administrator");
    }
    let line = |name: &str| shown.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("(nothing)").trim();
    for name in ["first:", "temporary:"] {
        assert!(line(name).starts_with("1 ") && line(name).contains("No space left"), "{shown}");
    }
    assert_eq!(line("left:"), "", "{shown}");
    assert!(line("second:").starts_with('0') && line("down:").starts_with("0 the testnet is down"), "{shown}");
}

#[test]
fn a_second_up_shows_the_network_that_runs() {
    let place = Place::new();
    let network = place.up(FEW);
    assert_eq!(network["wasStarted"], true);
    for detach in [&["--detach"][..], &[]] {
        let again = place.json(&[&["up"], detach].concat());
        assert_eq!(again["wasStarted"], false);
        assert_eq!(pids(&again), pids(&network));
    }
    place.json(&["down"]);
    let (code, symbol, message) = place.refusal(&["up", "--detach", "--validators", "7"]);
    assert_eq!((code, symbol.as_str()), (2, "USAGE"), "{message}");
    assert!(message.contains("--validators"), "{message}");
}

#[test]
fn a_node_is_paused_resumed_killed_and_restarted_by_name_and_its_log_is_shown() {
    let place = Place::new();
    let network = place.up(FEW);
    let state = || place.json_of_status();
    assert_eq!(place.json(&["pause", "validator-0"])["state"], "paused");
    assert_eq!(state()["nodes"][0]["state"], "paused");
    until("it stands still", || stat(pids(&network)[0]).contains(") T "));
    assert_eq!(place.refusal(&["pause", "0"]).1, "NODE_STATE");
    assert_eq!(place.json(&["resume", "0"])["state"], "running");
    assert_eq!(place.refusal(&["resume", "0"]).1, "NODE_STATE");
    assert_eq!(place.json(&["kill", "0"])["state"], "killed");
    assert!(!is_alive(pids(&network)[0]));
    assert_eq!(place.refusal(&["kill", "0"]).1, "NODE_STATE");
    let restarted = place.json(&["restart", "0"]);
    assert_eq!(restarted["state"], "running");
    let status = state();
    assert_eq!(status["nodes"][0]["pid"], restarted["pid"]);
    assert!(status["nodes"][0]["stateRoot"].as_str().is_some_and(|root| root.starts_with("0x")), "{status}");
    assert_ne!(pids(&status), pids(&network), "it is another process");
    // One that runs is ended in order first.
    assert_ne!(place.json(&["restart", "validator-0"])["pid"], restarted["pid"]);

    let (code, symbol, message) = place.refusal(&["kill", "validator-9"]);
    assert_eq!((code, symbol.as_str()), (6, "UNKNOWN_NODE"));
    assert!(message.contains("validator-0"), "{message}");
    let log = place.json(&["logs", "validator-0", "-n", "5"]);
    assert_eq!(log["lines"].as_array().map(Vec::len), Some(5), "{log}");
    assert_eq!(place.refusal(&["logs", "x"]).1, "UNKNOWN_NODE");
    follow(&place);
    place.json(&["down"]);
    assert_eq!(place.refusal(&["kill", "0"]).1, "TESTNET_NOT_RUNNING");
}

#[test]
fn what_is_done_to_a_node_is_no_failure_where_it_cannot_be_recorded() {
    let place = Place::new();
    place.up(FEW);
    // A file that the record is written to before it takes its name; a full disk refuses it as this does.
    let in_the_way = place.dir.join(format!(".run.json.{}.new", place.supervisor()));
    fs::create_dir(&in_the_way).expect("ours");
    let killed = place.json(&["kill", "0"]);
    assert_eq!(killed["state"], "killed");
    assert!(killed["warning"].as_str().is_some_and(|warning| warning.contains("run.json")), "{killed}");
    let restarted = place.json(&["restart", "0"]);
    assert_eq!(restarted["state"], "running", "{restarted}");
    assert!(restarted["warning"].is_string(), "{restarted}");
    assert!(text(&place.run(&["kill", "0"]).stderr).starts_with("warning: "), "people are told as well");
    place.json(&["restart", "0"]);
    fs::remove_dir(&in_the_way).expect("empty");
    let pid = place.json_of_status()["nodes"][0]["pid"].clone();
    assert!(pid.is_u64());
    until("it is recorded after all", || {
        let record: Value =
            serde_json::from_slice(&fs::read(place.dir.join("run.json")).unwrap_or_default()).unwrap_or_default();
        record["nodes"][0]["process"]["pid"] == pid
    });
    assert!(place.json(&["pause", "0"])["warning"].is_null(), "the warning is over");
    place.json(&["down"]);
}

#[test]
fn a_node_that_ended_by_a_signal_or_with_a_code_is_shown_with_it() {
    let place = Place::new();
    let network = place.up(FEW);
    signal(pids(&network)[0], Signal::ABORT);
    until("it ends", || place.json_of_status()["nodes"][0]["state"] == "exited");
    let node = place.json_of_status()["nodes"][0].clone();
    assert_eq!((&node["exitSignal"], &node["exitCode"]), (&json!(Signal::ABORT.as_raw()), &Value::Null));
    let shown = text(&place.run(&["status"]).stdout);
    assert!(shown.contains(&format!("exited (signal {})", Signal::ABORT.as_raw())), "{shown}");

    let pid = u32::try_from(place.json(&["restart", "0"])["pid"].as_u64().expect("it runs")).expect("a process number");
    signal(pid, Signal::TERM);
    until("it ends", || place.json_of_status()["nodes"][0]["state"] == "exited");
    let node = place.json_of_status()["nodes"][0].clone();
    assert_eq!((&node["exitSignal"], &node["exitCode"]), (&Value::Null, &json!(0)));
    place.json(&["down"]);
}

/// Follows a log until something new is in it, and interrupts.
fn follow(place: &Place) {
    let mut following = place.command(&["logs", "0", "-n", "1", "-f"]);
    let mut following = following.stdout(Stdio::piped()).spawn().expect("the program can be started");
    let mut shown = BufReader::new(following.stdout.take().expect("it is piped"));
    let mut line = String::new();
    // The last line of the past; what comes now is followed.
    shown.read_line(&mut line).expect("ours");
    place.json(&["restart", "0"]);
    line.clear();
    shown.read_line(&mut line).expect("ours");
    assert!(!line.trim().is_empty());
    signal(following.id(), Signal::INT);
    assert!(following.wait().expect("ours").success());
}

#[test]
fn a_node_that_cannot_start_is_reported_with_its_last_words_and_takes_all_down() {
    let place = Place::new();
    let network = place.up(FEW);
    place.json(&["down"]);
    let data = place.dir.join("node-0/data");
    fs::remove_dir_all(data.join("db")).expect("ours");
    let output = place.run(&["up", "--detach"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("validator-0 ended with exit code 78"), "{said}");
    assert!(said.contains("is gone or empty") && said.contains("log.txt"), "{said}");
    assert_gone(&network);
    assert_eq!(place.refusal(&["kill", "0"]).1, "TESTNET_NOT_RUNNING");
}

#[test]
fn a_network_that_cannot_be_left_alone_is_not_called_ready() {
    let place = Place::new();
    let network = place.up(FEW);
    place.json(&["down"]);
    let log = place.dir.join("supervisor.log");
    fs::remove_file(&log).expect("it was made");
    fs::create_dir(&log).expect("ours");
    let (code, symbol, message) = place.refusal(&["up", "--detach"]);
    assert_eq!((code, symbol.as_str()), (1, "IO"), "{message}");
    assert!(message.contains("supervisor.log"), "{message}");
    assert_gone(&network);
    assert_eq!(place.refusal(&["kill", "0"]).1, "TESTNET_NOT_RUNNING");
}

#[test]
fn a_folder_of_somebody_else_is_refused_and_one_without_a_network_is_said() {
    let place = Place::new();
    for command in [&["status"][..], &["down"], &["kill", "0"], &["logs", "0"]] {
        let (code, symbol, _) = place.refusal(command);
        assert_eq!((code, symbol.as_str()), (6, "TESTNET_NOT_FOUND"), "{command:?}");
    }
    fs::create_dir(&place.dir).expect("ours");
    fs::write(place.dir.join("letter.txt"), "dear").expect("ours");
    assert_eq!(place.refusal(&["up"]).1, "NOT_A_TESTNET");
    assert_eq!(fs::read_dir(&place.dir).expect("ours").count(), 1);
}

#[test]
fn a_path_that_is_no_text_is_refused_by_every_command() {
    let home = tempfile::tempdir().expect("a folder");
    let dir = home.path().join(OsStr::from_bytes(b"caf\xe9"));
    if let Err(error) = fs::create_dir(&dir) {
        return skipped(&format!("the file system refuses such a name: {error}"));
    }
    // A network that an earlier version made, as far as the commands look.
    let description = json!({
        "form": 1, "seed": "dev", "validators": 1, "accounts": 1, "basePort": 0, "isEphemeral": false,
    });
    fs::write(dir.join("testnet.json"), description.to_string()).expect("ours");
    for command in [&["up"][..], &["up", "--detach"], &["status"], &["down"], &["kill", "0"], &["logs", "0"]] {
        let mut program = program();
        program.arg("testnet").args(command).args(["--output", "json", "--dir"]).arg(&dir).stdin(Stdio::null());
        let (code, symbol, message) = refusal(&program.output().expect("the program can be started"));
        assert_eq!((code, symbol.as_str()), (2, "USAGE"), "{command:?}: {message}");
        assert!(message.contains("UTF-8"), "{message}");
    }
    assert_eq!(fs::read_dir(&dir).expect("ours").count(), 1, "nothing was made");
}

#[test]
fn the_demonstration_shows_one_state_and_keeps_nothing() {
    let temporary = tempfile::tempdir().expect("a folder");
    let mut command = program();
    command.args(["testnet", "demo", "--base-port", "0", "--validators", &SEVERAL.to_string(), "--output", "json"]);
    let output = command.env("TMPDIR", temporary.path()).stdin(Stdio::null()).output().expect("it can be started");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let nodes = shown["status"].as_array().expect("a list");
    assert_eq!(nodes.len(), usize::from(SEVERAL));
    assert!(nodes.iter().all(|node| node["stateRoot"] == nodes[0]["stateRoot"] && node["height"] != "0"), "{shown}");
    assert_gone(&shown);
    assert_eq!(fs::read_dir(temporary.path()).expect("ours").count(), 0, "nothing is kept");
}

#[test]
fn as_a_library_a_network_is_up_while_the_value_lives() {
    let mut testnet = Testnet::up(Options::temporary(env!("CARGO_BIN_EXE_althing-under-test"), FEW)).expect("ready");
    let dir = testnet.dir().to_path_buf();
    let pid = testnet.nodes()[0].pid.expect("it runs");
    testnet.kill(0).expect("it runs");
    assert!(!is_alive(pid));
    assert_eq!(testnet.status()[0].state, NodeState::Killed);
    testnet.restart(0).expect("ready again");
    let status = testnet.status();
    assert_eq!(status[0].answer.as_ref().map(|answer| answer.height.as_str()), Some("0"), "{status:?}");
    let pid = testnet.nodes()[0].pid.expect("it runs");
    drop(testnet);
    assert!(!is_alive(pid) && !dir.exists());
}

impl Place {
    fn json_of_status(&self) -> Value {
        let mut command = self.command(&["status", "--output", "json"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program can be started");
        let mut shown = String::new();
        child.stdout.take().expect("it is piped").read_to_string(&mut shown).expect("text");
        child.wait().expect("ours");
        serde_json::from_str(&shown).expect("JSON")
    }
}
