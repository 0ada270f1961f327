//! The command line as a user meets it: the binary is run, and what it writes and how it ends is looked at.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const TIME: &str = "2026-11-21T00:00:00Z";

/// A folder to run in. Files are named relative to it, and the home folder is inside it.
struct Bench {
    folder: TempDir,
}

/// How a run ended.
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { folder: tempfile::tempdir().expect("a folder") };
        bench.secret("pw", "correct horse battery staple\n");
        bench
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_althing"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_clear().env("ALTHING_HOME", "home");
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        Run::of(self.command(arguments).output().expect("the binary runs"))
    }

    /// Runs what must succeed.
    fn good(&self, arguments: &[&str]) -> String {
        let run = self.run(arguments);
        assert_eq!(run.code, 0, "{arguments:?}: {}", run.stderr);
        run.stdout
    }

    /// Runs what must succeed, with JSON.
    fn json(&self, arguments: &[&str]) -> Value {
        let stdout = self.good(&[arguments, &["--output", "json"]].concat());
        let value: Value = serde_json::from_str(&stdout).expect("one JSON value");
        assert_eq!(value["schemaVersion"], 1, "{value}");
        value
    }

    /// Runs what must fail, in both formats, and returns the sentence and hint for people.
    fn bad(&self, arguments: &[&str], code: i32, symbol: &str) -> String {
        let human = self.run(arguments);
        assert_eq!(human.code, code, "{arguments:?}: {}{}", human.stdout, human.stderr);
        assert_eq!(human.stdout, "", "{arguments:?}");
        let json = self.run(&[arguments, &["--output=json"]].concat());
        assert_eq!((json.code, json.stdout.as_str()), (code, ""), "{arguments:?}");
        let error: Value = serde_json::from_str(&json.stderr).expect("one JSON value");
        assert_eq!(error["error"]["symbol"], symbol, "{error}");
        assert!(error["error"]["message"].is_string() && error["error"].get("hint").is_some(), "{error}");
        human.stderr
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("ours");
    }

    fn secret(&self, name: &str, text: &str) {
        self.write(name, text);
        self.chmod(name, 0o600);
    }

    fn chmod(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).expect("ours");
    }

    fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).expect("there").permissions().mode() & 0o777
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("there")
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// A development network of four validators.
    fn devnet(&self, dir: &str, seed: &str) -> Value {
        self.json(&["genesis", "new", "--dev", "--seed", seed, "--dir", dir, "--genesis-time", TIME])
    }

    /// Keys and entry of one organisation.
    fn organisation(&self, index: u32, chain_id: &str) -> String {
        let (validator, node) = (format!("org-{index}-validator"), format!("org-{index}-node"));
        self.good(&["key", "new", &validator, "--role", "validator", "--password-file", "pw", "--quiet"]);
        self.good(&["key", "new", &node, "--role", "node", "--insecure-no-password", "--quiet"]);
        let entry = self.entry(index, chain_id);
        let file = format!("org-{index}.json");
        self.write(&file, &entry);
        file
    }

    fn entry(&self, index: u32, chain_id: &str) -> String {
        let (validator, node) = (format!("org-{index}-validator"), format!("org-{index}-node"));
        let (name, address) = (format!("org-{index}"), format!("/dns/v1.org-{index}.example/tcp/26700"));
        let keys = ["--validator-key", &validator, "--node-key", &node, "--password-file", "pw"];
        let rest = ["genesis", "entry", "--chain-id", chain_id, "--name", &name, "--p2p", &address];
        self.good(&[&rest[..], &keys[..]].concat())
    }
}

impl Run {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().expect("no signal"),
            stdout: String::from_utf8(output.stdout).expect("text"),
            stderr: String::from_utf8(output.stderr).expect("text"),
        }
    }
}

#[test]
fn a_development_network_follows_from_its_seed() {
    let bench = Bench::new();
    let one = bench.devnet("one", "a");
    let two = bench.devnet("two", "a");
    let other = bench.devnet("other", "b");
    assert_eq!(one["genesisHash"], two["genesisHash"]);
    assert_ne!(one["genesisHash"], other["genesisHash"]);
    assert_eq!(bench.read("one/genesis.json"), bench.read("two/genesis.json"));
    assert_eq!(bench.read("one/keys/DEV-node-3.pem"), bench.read("two/keys/DEV-node-3.pem"));
    assert_eq!((bench.mode("one/keys"), bench.mode("one/keys/DEV-validator-0.pem")), (0o700, 0o600));
    assert_eq!(one["chainId"], "dev");
    let account = &one["accounts"][0];
    let shown = bench.json(&["key", "show", account["key"].as_str().expect("a file"), "--prefix", "talt"]);
    assert_eq!((&shown["address"], &shown["dev"]), (&account["address"], &Value::Bool(true)));
    let validated = bench.json(&["genesis", "validate", "one/genesis.json"]);
    assert_eq!(validated["genesisHash"], one["genesisHash"]);
    assert_eq!(validated["validators"].as_array().map(Vec::len), Some(4));
    assert!(validated["warnings"][0].as_str().expect("one").contains("development"));
    let hash = bench.good(&["genesis", "hash", "one/genesis.json"]);
    assert_eq!(hash.trim_end(), one["genesisHash"]);
}

#[test]
fn a_development_network_of_another_moment_is_another_chain() {
    let bench = Bench::new();
    let now = bench.json(&["genesis", "new", "--dev", "--dir", "now", "--validators", "1"]);
    let then = bench.json(&["genesis", "new", "--dev", "--dir", "then", "--validators", "1", "--genesis-time", TIME]);
    assert_ne!(now["genesisHash"], then["genesisHash"]);
    assert_eq!(bench.read("now/keys/DEV-account-0.pem"), bench.read("then/keys/DEV-account-0.pem"));
    let wide = ["genesis", "new", "--dev", "--dir", "wide", "--p2p-base-port", "65534"];
    assert!(bench.bad(&wide, 78, "GENESIS_INVALID").contains("validators[2].p2pAddr"));
    assert!(!bench.path("wide").exists(), "nothing is written for an invalid document");
}

#[test]
fn a_ceremony_of_four_organisations() {
    let bench = Bench::new();
    let files: Vec<String> = (1..=4).map(|index| bench.organisation(index, "acme-1")).collect();
    let holder = bench.json(&["key", "new", "holder", "--password-file", "pw", "--prefix", "acme"]);
    let holding = format!("{}=USD:1000000,EUR:5", holder["address"].as_str().expect("text"));
    let mut new = vec!["genesis", "new", "--chain-id", "acme-1", "--genesis-time", TIME, "--address-prefix", "acme"];
    files.iter().for_each(|file| new.extend(["--validator", file]));
    new.extend(["--asset", "USD:2:US dollar", "--asset", "EUR:2:Euro", "--account", &holding, "--out", "genesis.json"]);
    let made = bench.json(&new);
    let hash = made["genesisHash"].as_str().expect("text").to_owned();
    assert!(bench.bad(&new, 1, "FILE_EXISTS").contains("genesis.json exists already"));

    let shown = bench.json(&["genesis", "show", "genesis.json"]);
    assert_eq!(shown["accounts"][0]["balances"]["USD"], "1000000");
    assert_eq!((&shown["quorums"]["faulty"], &shown["quorums"]["notarize"]), (&1.into(), &3.into()));
    assert_eq!(shown["params"]["consensus"]["deltaMs"], 250);

    bench.good(&["genesis", "sign", "genesis.json", "--key", "org-1-validator", "--password-file", "pw"]);
    let detached = ["--key", "org-2-validator", "--password-file", "pw", "--detached"];
    let approval = bench.good(&[&["genesis", "sign", "genesis.json"], &detached[..]].concat());
    bench.write("approval.json", &approval);
    let added = bench.json(&["genesis", "sign", "genesis.json", "--add", "approval.json"]);
    assert_eq!((&added["approvals"], &added["genesisHash"]), (&2.into(), &Value::from(hash.as_str())));
    let again = ["genesis", "sign", "genesis.json", "--key", "org-1-validator", "--password-file", "pw"];
    bench.bad(&again, 1, "ALREADY_APPROVED");
    bench.bad(&["genesis", "sign", "genesis.json", "--key", "org-1-node"], 7, "KEY_ROLE");
    let validated = bench.json(&["genesis", "validate", "genesis.json"]);
    assert_eq!(validated["genesisHash"], hash.as_str());
    let warning = validated["warnings"][0].as_str().expect("one");
    assert!(warning.contains("org-3") && warning.contains("org-4") && !warning.contains("org-1,"), "{warning}");
    let human = bench.run(&["genesis", "validate", "genesis.json"]);
    assert!(human.stdout.contains(&hash) && human.stderr.contains("warning: not approved yet"), "{}", human.stderr);
    assert_eq!(bench.run(&["genesis", "validate", "genesis.json", "--quiet"]).stderr, "");
}

#[test]
fn what_is_approved_is_shown() {
    let bench = Bench::new();
    let recovery: Vec<String> = (0..3)
        .map(|index| {
            let key = bench.json(&["key", "new", &format!("r{index}"), "--insecure-no-password"]);
            key["publicKey"].as_str().expect("text").to_owned()
        })
        .collect();
    let mut new = vec!["genesis", "new", "--dev", "--dir", "net", "--accounts", "23", "--recovery-need", "2"];
    recovery.iter().for_each(|key| new.extend(["--recovery-key", key]));
    bench.good(&new);
    let shown = bench.good(&["genesis", "show", "net/genesis.json"]);
    let value = bench.json(&["genesis", "show", "net/genesis.json"]);
    let validators = value["validators"].as_array().expect("a list").iter();
    let keys = validators.map(|validator| validator["nodeKey"].as_str().expect("text").to_owned());
    for key in keys.chain(recovery.clone()) {
        assert!(shown.contains(&key), "{key} is missing in {shown}");
    }
    for line in ["2 of 3 operators", "consensus.k ", "tx.maxWindowMs ", "limits.blockGasMax "] {
        assert!(shown.contains(line), "{line} is missing in {shown}");
    }
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert!(shown.lines().any(|line| words(line) == ["accounts", "23"]), "{shown}");
    assert!(shown.ends_with("… and 3 more; --output json shows all\n"), "{shown}");
    assert_eq!(value["accounts"].as_array().map(Vec::len), Some(23));
}

#[test]
fn signatures_that_do_not_verify_have_an_exit_code_of_their_own() {
    let bench = Bench::new();
    let files: Vec<String> = (1..=4).map(|index| bench.organisation(index, "acme-1")).collect();
    let mut new = vec!["genesis", "new", "--chain-id", "acme-2"];
    files.iter().for_each(|file| new.extend(["--validator", file]));
    let complaint = bench.bad(&new, 10, "GENESIS_INVALID");
    assert!(complaint.contains("validators[0].proof: the validator key has not signed"), "{complaint}");
    new[3] = "acme-1";
    new.extend(["--out", "genesis.json"]);
    bench.good(&new);
    bench.good(&["genesis", "sign", "genesis.json", "--key", "org-1-validator", "--password-file", "pw"]);
    bench.write("moved.json", &bench.read("genesis.json").replace("\"k\": 32", "\"k\": 33"));
    let complaint = bench.bad(&["genesis", "validate", "moved.json"], 10, "GENESIS_SIGNATURE");
    assert!(complaint.contains("signatures[0].signature"), "{complaint}");
}

#[test]
fn invalid_documents_name_the_field() {
    let bench = Bench::new();
    bench.devnet("net", "a");
    let good = bench.read("net/genesis.json");
    for (old, new, path) in [
        ("\"fastPath\": true", "\"fastPath\": 1", "consensus.fastPath: invalid type: integer"),
        ("\"deltaMs\": 250", "\"deltaMs\": 250, \"deltaNs\": 1", "consensus.deltaNs: unknown field"),
        ("\"USD\": \"1000000000000\"", "\"GBP\": \"1\"", "accounts[0].balances.GBP"),
    ] {
        bench.write("bad.json", &good.replacen(old, new, 1));
        for command in ["validate", "hash", "show"] {
            let complaint = bench.bad(&["genesis", command, "bad.json"], 78, "GENESIS_INVALID");
            assert!(complaint.starts_with("error: bad.json: ") && complaint.contains(path), "{complaint}");
            assert!(complaint.contains("\nhelp: "), "{complaint}");
        }
    }
    assert!(bench.bad(&["genesis", "show", "none.json"], 6, "FILE_NOT_FOUND").contains("there is no file none.json"));
    bench.bad(&["genesis", "show", "net"], 1, "IO");
}

#[test]
fn differences_have_an_exit_code() {
    let bench = Bench::new();
    bench.devnet("net", "a");
    let good = bench.read("net/genesis.json");
    bench.write("moved.json", &good.replace("/tcp/26702", "/tcp/30000"));
    bench.write("other.json", &good.replace("\"k\": 32", "\"k\": 64"));
    let same = bench.run(&["genesis", "diff", "net/genesis.json", "net/genesis.json"]);
    assert_eq!((same.code, same.stdout.as_str()), (0, ""));
    let moved = bench.run(&["genesis", "diff", "net/genesis.json", "moved.json"]);
    assert_eq!(moved.code, 1);
    assert!(moved.stdout.contains("validators[validator-2].p2pAddr"), "{}", moved.stdout);
    assert!(moved.stdout.contains("same chain") && !moved.stdout.contains("other chain"), "{}", moved.stdout);
    let other = bench.run(&["genesis", "diff", "net/genesis.json", "other.json", "--output", "json"]);
    assert_eq!(other.code, 1);
    let value: Value = serde_json::from_str(&other.stdout).expect("JSON");
    assert_eq!(value["differences"][0]["path"], "consensus.k");
    assert_eq!((&value["differences"][0]["changesHash"], &value["sameHash"]), (&true.into(), &false.into()));
}

#[test]
fn dev_keys_are_refused_outside_development() {
    let bench = Bench::new();
    bench.devnet("net", "a");
    let entry = [
        "genesis",
        "entry",
        "--chain-id",
        "acme-1",
        "--name",
        "a",
        "--p2p",
        "/ip4/10.0.0.1/tcp/1",
        "--validator-key",
        "net/keys/DEV-validator-0.pem",
        "--node-key",
        "net/keys/DEV-node-0.pem",
    ];
    assert!(bench.bad(&entry, 7, "KEY_DEV").contains("everybody can derive it"));
    bench.good(&[&entry[..], &["--dev"]].concat());
    // The mark stays with the key when it moves.
    bench.good(&["key", "import", "net/keys/DEV-validator-0.pem", "--name", "moved", "--insecure-no-password"]);
    let entry: Vec<&str> =
        entry.iter().map(|word| if word.contains("DEV-validator") { "moved" } else { word }).collect();
    bench.bad(&entry, 7, "KEY_DEV");
    bench.write("prod.json", &bench.read("net/genesis.json").replace("\"dev\": true", "\"dev\": false"));
    bench.bad(&["genesis", "sign", "prod.json", "--key", "moved"], 7, "KEY_DEV");
    bench.good(&["genesis", "sign", "net/genesis.json", "--key", "moved"]);
}

#[test]
fn entries_are_checked_where_they_are_made() {
    let bench = Bench::new();
    bench.organisation(1, "acme-1");
    let entry = |name: &'static str, address: &'static str, validator: &'static str, node: &'static str| {
        vec![
            "genesis",
            "entry",
            "--chain-id",
            "acme-1",
            "--password-file",
            "pw",
            "--name",
            name,
            "--p2p",
            address,
            "--validator-key",
            validator,
            "--node-key",
            node,
        ]
    };
    let (good, address) = ("org-1", "/ip4/10.0.0.1/tcp/1");
    let bad = entry("Org", address, "org-1-validator", "org-1-node");
    assert!(bench.bad(&bad, 78, "GENESIS_INVALID").contains("error: name: "));
    let bad = entry(good, "10.0.0.1:1", "org-1-validator", "org-1-node");
    assert!(bench.bad(&bad, 78, "GENESIS_INVALID").contains("error: p2pAddr: "));
    bench.bad(&entry(good, address, "org-1-validator", "org-1-validator"), 7, "KEY_ROLE");
    bench.bad(&entry(good, address, "org-1-node", "org-1-node"), 7, "KEY_ROLE");
    assert!(bench.bad(&entry(good, address, "nobody", "org-1-node"), 6, "FILE_NOT_FOUND").contains("key list"));
}

#[test]
fn keys_are_made_shown_listed_and_never_replaced() {
    let bench = Bench::new();
    let made = bench.json(&["key", "new", "alice", "--password-file", "pw"]);
    assert_eq!((bench.mode("home/keystore"), bench.mode("home/keystore/alice.pem")), (0o700, 0o600));
    let text = bench.read("home/keystore/alice.pem");
    assert!(text.starts_with(&format!("public-key: {}\n", made["publicKey"].as_str().expect("text"))), "{text}");
    assert!(text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    let shown = bench.json(&["key", "show", "alice"]);
    assert_eq!((&shown["publicKey"], &shown["address"]), (&made["publicKey"], &made["address"]));
    assert!(shown["address"].as_str().expect("text").starts_with("alt1"));
    assert_eq!(bench.json(&["key", "show", "home/keystore/alice.pem"])["publicKey"], made["publicKey"]);
    bench.bad(&["key", "new", "alice", "--insecure-no-password"], 1, "FILE_EXISTS");
    assert_eq!(bench.read("home/keystore/alice.pem"), text);

    let open = bench.run(&["key", "new", "v1", "--role", "validator", "--insecure-no-password"]);
    assert!(open.stderr.contains("in the clear"), "{}", open.stderr);
    let all = bench.json(&["key", "list"]);
    assert_eq!((&all["keys"][0]["name"], &all["keys"][1]["role"]), (&"alice".into(), &"validator".into()));
    assert_eq!(all["keys"][1]["address"], Value::Null);
    let human = bench.good(&["key", "list"]);
    assert!(human.starts_with("NAME") && human.lines().count() == 3, "{human}");
    bench.bad(&["key", "show", "bob"], 6, "FILE_NOT_FOUND");
    bench.bad(&["key", "new", "../bob", "--insecure-no-password"], 2, "USAGE");
    bench.bad(&["key", "new", "bob"], 7, "KEY_PASSWORD_MISSING");
    bench.bad(&["key", "new", "bob", "--role", "king"], 2, "USAGE");
}

#[test]
fn open_files_are_refused_with_the_remedy() {
    let bench = Bench::new();
    bench.good(&["key", "new", "alice", "--password-file", "pw"]);
    bench.chmod("home/keystore/alice.pem", 0o640);
    let complaint = bench.bad(&["key", "show", "alice"], 7, "KEY_PERMISSIONS");
    assert!(complaint.contains("mode 0640") && complaint.contains("chmod 600 home/keystore/alice.pem"), "{complaint}");
    bench.good(&["key", "new", "bob", "--password-file", "pw"]);
    let list = bench.json(&["key", "list"]);
    assert_eq!((&list["keys"][0]["name"], &list["unreadable"][0]["name"]), (&"bob".into(), &"alice".into()));
    bench.chmod("pw", 0o644);
    bench.bad(&["key", "new", "carol", "--password-file", "pw"], 7, "KEY_PERMISSIONS");
    assert!(!bench.path("home/keystore/carol.pem").exists());
}

#[test]
fn wrong_passwords_and_exchanged_keys_are_told_apart() {
    let bench = Bench::new();
    bench.secret("wrong", "incorrect\n");
    bench.secret("two-lines", "a\nb\n");
    bench.secret("empty", "\n");
    for name in ["alice", "bob"] {
        bench.good(&["key", "new", name, "--password-file", "pw"]);
    }
    let export = |name: &'static str, password: &'static str| {
        vec!["key", "export", name, "--to", "out.pem", "--insecure-no-password", "--open-with", password]
    };
    bench.bad(&export("alice", "wrong"), 7, "KEY_PASSWORD_WRONG");
    bench.bad(&export("alice", "two-lines"), 7, "KEY_PASSWORD_FILE");
    bench.bad(&export("alice", "empty"), 7, "KEY_PASSWORD_FILE");
    bench.bad(&export("alice", "none"), 6, "FILE_NOT_FOUND");
    bench.bad(&["key", "export", "alice", "--to", "out.pem", "--insecure-no-password"], 7, "KEY_PASSWORD_MISSING");
    let (alice, bob) = (bench.read("home/keystore/alice.pem"), bench.read("home/keystore/bob.pem"));
    let line = |text: &str| text.lines().next().expect("a line").to_owned();
    bench.secret("home/keystore/alice.pem", &alice.replace(&line(&alice), &line(&bob)));
    let complaint = bench.bad(&export("alice", "pw"), 7, "KEY_MISMATCH");
    assert!(complaint.contains("but the key inside is 0x"), "{complaint}");
    bench.secret("home/keystore/alice.pem", &alice.replace("-----END", "-----FIN"));
    bench.bad(&export("alice", "pw"), 7, "KEY_FORMAT");
    assert!(!bench.path("out.pem").exists());
}

#[test]
fn keys_leave_and_enter_the_keystore() {
    let bench = Bench::new();
    bench.secret("pw2", "another\n");
    let alice = bench.json(&["key", "new", "alice", "--password-file", "pw"]);
    let export = ["key", "export", "alice", "--open-with", "pw", "--to", "a.pem", "--password-file", "pw2"];
    bench.good(&export);
    assert_eq!(bench.mode("a.pem"), 0o600);
    bench.bad(&export, 1, "FILE_EXISTS");
    bench.good(&[&export[..], &["--force"]].concat());
    let import = ["key", "import", "a.pem", "--open-with", "pw2", "--insecure-no-password"];
    let copy = bench.json(&import);
    assert_eq!((&copy["name"], &copy["publicKey"]), (&"a".into(), &alice["publicKey"]));
    bench.bad(&[&import[..], &["--name", "x", "--role", "node"]].concat(), 7, "KEY_ROLE");

    let public = bench.good(&["key", "export", "alice", "--public"]);
    assert!(public.contains("-----BEGIN PUBLIC KEY-----") && !public.contains("PRIVATE"), "{public}");
    bench.write("public.pem", &public);
    assert_eq!(bench.json(&["key", "show", "public.pem"])["publicKey"], alice["publicKey"]);
    bench.bad(&["key", "import", "public.pem", "--insecure-no-password"], 7, "KEY_PUBLIC_ONLY");

    // RFC 8032, section 7.1, test 1.
    bench.secret("seed", "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60\n");
    let seeded = bench.json(&["key", "import", "--seed-hex-file", "seed", "--name", "rfc", "--insecure-no-password"]);
    assert_eq!(seeded["publicKey"], "0xd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    bench.secret("seed", "9d61\n");
    bench.bad(&["key", "import", "--seed-hex-file", "seed", "--name", "y", "--insecure-no-password"], 7, "KEY_FORMAT");
}

#[test]
fn openssl_reads_our_keys_and_we_read_its() {
    use std::io::Write as _;

    if Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_err() {
        // Past the capture of test output, so that `.ci/run` counts it as skipped.
        writeln!(std::io::stderr(), "\nskipped: openssl is not installed").expect("standard error can be written");
        return;
    }
    let bench = Bench::new();
    let openssl = |arguments: &[&str]| {
        let run = Command::new("openssl").args(arguments).current_dir(bench.folder.path()).output();
        let run = Run::of(run.expect("openssl runs"));
        assert_eq!(run.code, 0, "{arguments:?}: {}", run.stderr);
        run.stdout
    };
    let digits = |text: &str| text.chars().filter(char::is_ascii_hexdigit).collect::<String>();
    let public_of = |text: &str| digits(text.split_once("pub:").expect("a public key").1);
    let ours = bench.json(&["key", "new", "ours", "--password-file", "pw"]);
    let expected = ours["publicKey"].as_str().expect("text").trim_start_matches("0x").to_owned();
    let file = "home/keystore/ours.pem";
    let text = openssl(&["pkey", "-in", file, "-passin", "file:pw", "-noout", "-text"]);
    assert_eq!(public_of(&text), expected);
    bench.good(&["key", "export", "ours", "--to", "clear.pem", "--open-with", "pw", "--insecure-no-password"]);
    assert_eq!(public_of(&openssl(&["pkey", "-in", "clear.pem", "-noout", "-text"])), expected);
    bench.write("public.pem", &bench.good(&["key", "export", "ours", "--public"]));
    assert_eq!(public_of(&openssl(&["pkey", "-pubin", "-in", "public.pem", "-noout", "-text"])), expected);

    for cipher in [&[][..], &["-aes-256-cbc", "-pass", "file:pw"][..]] {
        openssl(&[&["genpkey", "-algorithm", "ed25519", "-out", "theirs.pem"], cipher].concat());
        let theirs = public_of(&openssl(&["pkey", "-in", "theirs.pem", "-passin", "file:pw", "-noout", "-text"]));
        bench.chmod("theirs.pem", 0o600);
        let name = format!("theirs-{}", cipher.len());
        let import = ["key", "import", "theirs.pem", "--open-with", "pw", "--insecure-no-password", "--name", &name];
        assert_eq!(bench.json(&import)["publicKey"], format!("0x{theirs}"));
    }
    openssl(&["genpkey", "-algorithm", "x25519", "-out", "other.pem"]);
    bench.chmod("other.pem", 0o600);
    bench.bad(&["key", "import", "other.pem", "--insecure-no-password"], 7, "KEY_FORMAT");
}

#[test]
fn usage_help_version_and_completions() {
    let bench = Bench::new();
    bench.bad(&["genesis", "colour"], 2, "USAGE");
    bench.bad(&["genesis", "new", "--dev"], 2, "USAGE");
    bench.bad(&["genesis", "new", "--chain-id", "a"], 2, "USAGE");
    bench.bad(&["genesis", "new", "--dev", "--dir", "x", "--validator", "y"], 2, "USAGE");
    bench.bad(&["genesis", "new", "--dev", "--dir", "x", "--genesis-time", "yesterday"], 2, "USAGE");
    bench.bad(&["key", "export", "alice"], 2, "USAGE");
    // No development network comes of the arguments for another one.
    let rest = ["--validator", "org-1.json", "--validator", "org-2.json"];
    bench.bad(&[&["genesis", "new", "--chain-id", "a", "--dir", "x"], &rest[..]].concat(), 2, "USAGE");
    bench.bad(&["genesis", "new", "--chain-id", "a", "--dir", "x", "--out", "y"], 2, "USAGE");
    bench.bad(&[&["genesis", "new", "--chain-id", "a", "--seed", "x"], &rest[..]].concat(), 2, "USAGE");
    assert!(!bench.path("x").exists() && !bench.path("y").exists());
    let help = bench.good(&["--help"]);
    assert!(help.contains("genesis") && help.contains("Exit codes"), "{help}");
    assert!(bench.good(&["genesis", "entry", "--help"]).contains("Example"));
    assert_eq!(bench.good(&["version"]), format!("althing {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(bench.json(&["version"])["version"], env!("CARGO_PKG_VERSION"));
    assert!(bench.good(&["--version"]).starts_with("althing "));
    for shell in ["bash", "zsh", "fish"] {
        assert!(bench.good(&["completions", shell]).contains("althing"), "{shell}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let bench = Bench::new();
    let mut child = bench.command(&["completions", "bash"]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    drop(child.stdout.take());
    let run = Run::of(child.wait_with_output().expect("it ends"));
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
}

#[test]
fn the_home_folder_is_an_option_and_reading_creates_nothing() {
    let bench = Bench::new();
    let elsewhere = bench.json(&["key", "list", "--home", "elsewhere"]);
    assert_eq!(elsewhere["keys"], Value::Array(Vec::new()));
    assert!(!Path::new(&bench.path("elsewhere")).exists(), "reading creates nothing");
    // An empty variable is as good as none: the keys are those of the user's own folder.
    bench.good(&["key", "new", "alice", "--insecure-no-password", "--home", "user/.althing"]);
    let mut list = bench.command(&["key", "list"]);
    let run = Run::of(list.env("ALTHING_HOME", "").env("HOME", bench.path("user")).output().expect("the binary runs"));
    assert!(run.code == 0 && run.stdout.contains("alice"), "{}{}", run.stdout, run.stderr);
    bench.bad(&["key", "new", "bob.pem", "--insecure-no-password"], 2, "USAGE");
}

#[test]
fn documents_come_through_pipes() {
    use std::io::Write as _;
    let bench = Bench::new();
    let made = bench.devnet("net", "a");
    let mut child = bench.command(&["genesis", "hash", "/dev/stdin"]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let mut pipe = child.stdin.take().expect("a pipe");
    // The reader waits for one who takes his time.
    std::thread::sleep(std::time::Duration::from_millis(200));
    pipe.write_all(bench.read("net/genesis.json").as_bytes()).expect("it reads");
    drop(pipe);
    let run = Run::of(child.wait_with_output().expect("it ends"));
    assert_eq!((run.code, run.stdout.trim_end()), (0, made["genesisHash"].as_str().expect("text")), "{}", run.stderr);
}
