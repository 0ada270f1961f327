//! The folder of a network: made once, resumed as it is, held by one, and never taken for what it is not.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command};

use super::*;

fn options(dir: &Path) -> Options {
    Options { base_port: Some(0), validators: Some(2), accounts: Some(2), ..Options::kept("althing", dir) }
}

fn sleeper() -> Child {
    Command::new("sleep").arg("60").spawn().expect("there is a program that sleeps")
}

#[test]
fn a_network_is_made_once_and_then_resumed_with_other_ports() {
    let home = tempfile::tempdir().expect("a folder");
    let dir = home.path().join("net");
    let made = Folder::take(&options(&dir)).expect("new");
    let (hash, ports) = (made.genesis.hash(), made.ports.clone());
    assert_eq!(made.genesis.validators().len(), 2);
    drop(made);
    let resumed = Folder::take(&Options { base_port: Some(0), ..Options::kept("althing", &dir) }).expect("resumed");
    assert_eq!(resumed.genesis.hash(), hash, "it is the same chain");
    assert_ne!(resumed.ports, ports, "free ports are drawn");
    for (entry, ports) in resumed.genesis.document().validators.iter().zip(&resumed.ports) {
        assert_eq!(entry.p2p_addr, format!("/ip4/127.0.0.1/tcp/{}", ports.p2p), "the document knows them");
    }
    assert!(resumed.layout.key(DevRole::Account, 1).exists() && resumed.layout.key(DevRole::Node, 1).exists());
}

#[test]
fn a_new_folder_is_another_chain_with_the_same_keys() {
    let home = tempfile::tempdir().expect("a folder");
    let first = Folder::take(&options(&home.path().join("a"))).expect("new");
    std::thread::sleep(Duration::from_millis(2));
    let second = Folder::take(&options(&home.path().join("b"))).expect("new");
    assert_ne!(first.genesis.hash(), second.genesis.hash());
    let keys = |folder: &Folder| folder.genesis.validators().iter().map(|validator| validator.key).collect::<Vec<_>>();
    assert_eq!(keys(&first), keys(&second));
}

#[test]
fn a_network_that_was_made_otherwise_is_refused_by_the_option() {
    let home = tempfile::tempdir().expect("a folder");
    drop(Folder::take(&options(home.path())).expect("new"));
    let other = options(home.path());
    let cases = [
        (Options { validators: Some(3), ..other.clone() }, "--validators"),
        (Options { accounts: Some(3), ..other.clone() }, "--accounts"),
        (Options { seed: Some("other".to_owned()), ..other.clone() }, "--seed"),
        (Options { is_ephemeral: true, ..other }, "removed at the end"),
    ];
    for (options, named) in cases {
        let error = Folder::take(&options).expect_err(named);
        assert!(matches!(error, TestnetError::Differs { .. }) && error.to_string().contains(named), "{error}");
    }
}

#[test]
fn one_process_holds_a_folder() {
    let home = tempfile::tempdir().expect("a folder");
    let held = Folder::take(&options(home.path())).expect("new");
    assert!(matches!(Folder::take(&options(home.path())), Err(TestnetError::InUse { .. })));
    drop(held);
    Folder::take(&options(home.path())).expect("it is free again");
}

#[test]
fn a_folder_with_other_files_is_refused_and_left_alone() {
    let home = tempfile::tempdir().expect("a folder");
    fs::write(home.path().join("letter.txt"), "dear").expect("ours");
    assert!(matches!(Folder::take(&options(home.path())), Err(TestnetError::Foreign { .. })));
    assert_eq!(fs::read_dir(home.path()).expect("there").count(), 1);
    assert!(matches!(Layout::existing(home.path()), Err(TestnetError::NoTestnet { .. })));
}

#[test]
fn of_a_network_that_cannot_be_made_nothing_stays() {
    let home = tempfile::tempdir().expect("a folder");
    let taken = std::net::TcpListener::bind(ports::local(0)).expect("a free port");
    let port = taken.local_addr().expect("it has one").port().min(super::super::options::BASE_PORT_MAX);
    let dir = home.path().join("net");
    let refused = Folder::take(&Options { base_port: Some(port), ..options(&dir) });
    assert!(matches!(refused, Err(TestnetError::PortInUse { .. })), "{refused:?}");
    assert!(!dir.exists());
}

/// Something that a network cannot be made over: a folder where the document belongs.
fn obstacle(dir: &Path) -> PathBuf {
    fs::create_dir_all(dir.join(GENESIS)).expect("new");
    fs::write(dir.join(LOCK), "").expect("new");
    dir.join(GENESIS)
}

#[test]
fn a_network_that_failed_half_way_keeps_its_lock_beside_what_is_left_and_is_made_later() {
    let home = tempfile::tempdir().expect("a folder");
    let dir = home.path().join("net");
    let in_the_way = obstacle(&dir);
    let refused = Folder::take(&options(&dir)).expect_err("there is a folder in the way");
    assert!(matches!(refused, TestnetError::File(_)), "{refused:?}");
    assert!(!dir.join(KEYS).exists() && dir.join(LOCK).exists(), "the keys are gone and the folder is ours");
    Layout::existing(&dir).expect("ours").clean().expect("nothing runs");
    fs::remove_dir(in_the_way).expect("empty");
    drop(Folder::take(&options(&dir)).expect("it is made now"));
}

#[test]
fn of_a_network_that_fails_after_its_keys_nothing_stays() {
    let home = tempfile::tempdir().expect("a folder");
    let dir = home.path().join("net");
    let layout = Layout::of(&dir).expect("a path");
    let _lock = layout.lock(&|| Ok(files::create_folder(&dir, Access::Secret)?)).expect("free");
    let ports = ports::choose(0, 2).expect("there are free ports");
    layout.make(&new(&options(&dir)), &ports).expect("keys and document");
    assert!(dir.join(KEYS).exists() && dir.join(GENESIS).exists());
    fs::create_dir(layout.home(0)).expect("ours");
    layout.unmake();
    assert!(dir.join(GENESIS).exists(), "a node has run here");
    fs::remove_dir(layout.home(0)).expect("ours");
    layout.unmake();
    assert!(!dir.exists());
}

#[test]
fn whoever_waits_for_a_lock_that_is_removed_takes_the_one_that_others_find() {
    let home = tempfile::tempdir().expect("a folder");
    let layout = Layout::of(home.path()).expect("a path");
    let first = layout.lock(&|| Ok(())).expect("free");
    let waiting = layout.clone();
    let waiting = std::thread::spawn(move || waiting.lock(&|| Ok(())));
    // It waits for half a second; now it has surely begun.
    std::thread::sleep(Duration::from_millis(100));
    fs::remove_file(layout.at(LOCK)).expect("ours");
    drop(first);
    let _held = waiting.join().expect("no panic").expect("it is free now");
    assert!(layout.at(LOCK).exists(), "others find it");
    assert!(matches!(layout.lock(&|| Ok(())), Err(TestnetError::InUse { .. })), "one holds it");
}

#[test]
fn whoever_waits_while_a_network_is_removed_makes_another_one() {
    let home = tempfile::tempdir().expect("a folder");
    let dir = home.path().join("net");
    let first = Folder::take(&Options { is_ephemeral: true, ..options(&dir) }).expect("new");
    let hash = first.genesis.hash();
    let waiting = options(&dir);
    let waiting = std::thread::spawn(move || Folder::take(&waiting));
    std::thread::sleep(Duration::from_millis(100));
    first.close().expect("ours");
    drop(first);
    let second = waiting.join().expect("no panic").expect("the folder is free");
    assert_ne!(second.genesis.hash(), hash);
    assert!(!second.description.is_ephemeral && dir.join(DESCRIPTION).exists() && dir.join(LOCK).exists());
}

#[test]
fn what_a_supervisor_left_behind_is_ended_and_nothing_else() {
    let home = tempfile::tempdir().expect("a folder");
    let folder = Folder::take(&options(home.path())).expect("new");
    let (mut orphan, mut stranger) = (sleeper(), sleeper());
    let known = ProcessId::of(orphan.id()).expect("it runs");
    // A process that has the number of one that ended long ago.
    let recycled = serde_json::json!({ "pid": stranger.id(), "started": "long ago" });
    let recycled: ProcessId = serde_json::from_value(recycled).expect("JSON");
    folder.record(None, &[Some(known.clone()), Some(recycled)]).expect("ours");
    drop(folder);
    let collected = std::thread::spawn(move || orphan.wait().expect("ours"));
    drop(Folder::take(&options(home.path())).expect("resumed"));
    assert!(!known.is_alive());
    assert!(!collected.join().expect("no panic").success(), "it was killed");
    // Had somebody else's process been killed, it would not have ended by this.
    ProcessId::of(stranger.id()).expect("it runs").signal(Signal::TERM).expect("ours");
    assert_eq!(stranger.wait().expect("ours").signal(), Some(Signal::TERM.as_raw()));
}

/// Something that has the log of a node, as a node that its supervisor had no time to record.
fn unrecorded(layout: &Layout) -> Child {
    fs::create_dir_all(layout.home(1)).expect("new");
    let log = log::hold(&layout.home(1), Duration::ZERO).expect("new").expect("nobody has it");
    Command::new("sleep").arg("60").stdout(log).spawn().expect("there is a program that sleeps")
}

#[test]
fn a_node_that_nobody_recorded_is_waited_for() {
    let home = tempfile::tempdir().expect("a folder");
    let folder = Folder::take(&options(home.path())).expect("new");
    let mut node = unrecorded(&folder.layout);
    let known = ProcessId::of(node.id()).expect("it runs");
    folder.record(None, &[None, None]).expect("ours");
    drop(folder);
    let ending = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        node.kill().expect("ours");
        node.wait().expect("ours")
    });
    drop(Folder::take(&options(home.path())).expect("resumed"));
    assert!(!known.is_alive(), "it was waited for");
    ending.join().expect("no panic");
}

#[test]
fn a_node_that_nobody_recorded_and_that_does_not_end_is_named_by_its_folder() {
    let home = tempfile::tempdir().expect("a folder");
    let layout = Layout::of(home.path()).expect("a path");
    let mut node = unrecorded(&layout);
    let refused = layout.wait_for_unknown(Duration::from_millis(50)).expect_err("it sleeps for long");
    node.kill().expect("ours");
    node.wait().expect("ours");
    assert!(refused.to_string().contains("node-1"), "{refused}");
    layout.wait_for_unknown(Duration::ZERO).expect("it is gone");
}

#[test]
fn an_ephemeral_network_is_removed_when_it_is_closed() {
    let folder = Folder::take(&Options::temporary("althing", 1)).expect("new");
    let dir = folder.layout.path().to_path_buf();
    assert!(dir.join("genesis.json").exists());
    folder.close().expect("ours");
    assert!(!dir.exists());
}

#[test]
fn an_ephemeral_network_that_was_left_behind_is_kept_by_whoever_resumes_it_as_one_to_keep() {
    let home = tempfile::tempdir().expect("a folder");
    let dir = home.path().join("net");
    let ephemeral = Options { is_ephemeral: true, ..options(&dir) };
    let left = Folder::take(&ephemeral).expect("new");
    let hash = left.genesis.hash();
    // Its process is killed.
    drop(left);
    let resumed = Folder::take(&ephemeral).expect("resumed");
    assert!(resumed.description.is_ephemeral, "it is as it was");
    drop(resumed);
    let kept = Folder::take(&options(&dir)).expect("resumed");
    assert_eq!(kept.genesis.hash(), hash);
    kept.close().expect("ours");
    drop(kept);
    Layout::existing(&dir).expect("it is kept").clean().expect("nothing runs");
    assert!(dir.join(DESCRIPTION).exists(), "it is kept");
}

#[test]
fn bounds_are_said() {
    let home = tempfile::tempdir().expect("a folder");
    let options = options(&home.path().join("net"));
    for (options, named) in [
        (Options { validators: Some(0), ..options.clone() }, "1 to 16"),
        (Options { validators: Some(17), ..options.clone() }, "1 to 16"),
        (Options { accounts: Some(1_001), ..options.clone() }, "1 to 1000"),
        (Options { seed: Some("x".repeat(257)), ..options.clone() }, "256 bytes"),
        (Options { base_port: Some(80), ..options }, "1024 to 65420"),
    ] {
        assert!(Folder::take(&options).expect_err(named).to_string().contains(named), "{named}");
    }
}

#[test]
fn a_socket_with_a_long_path_is_elsewhere() {
    let short = Layout("/a".into()).socket();
    assert!(short.starts_with("/a"));
    let long = Layout(format!("/{}", "x".repeat(200)).into()).socket();
    assert!(long.as_os_str().len() <= SOCKET_PATH_BYTES_MAX, "{}", long.display());
}
