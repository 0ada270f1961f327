//! A development network in a temporary folder, made by the command line as a user would make it, and its accounts.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::SystemTime;

use althing_genesis::{DevRole, Genesis, dev_key};
use althing_types::{
    Action, Address, AssetId, AuthPolicy, AuthProof, Bytes, Hash, List, Replay, SecretKey, SignedTransaction, Tag,
    TimeMs, TransactionBody,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::{Home, program};
use super::rpc::{CallError, call};

/// What the keys of the network are derived from.
const SEED: &str = "cluster";
/// Funded accounts, unless a test needs more.
const ACCOUNTS: u16 = 3;
/// More gas than a transfer with one signature needs.
const GAS_LIMIT: u64 = 100_000;
/// How long a transaction of these tests is valid.
const VALID_FOR_MS: u64 = 300_000;

/// A network whose nodes are not running yet.
#[derive(Debug)]
pub(crate) struct Network {
    /// Its genesis document.
    pub(crate) genesis: Genesis,
    folder: TempDir,
    /// The first of the ports of its public windows.
    rpc_port: u16,
    /// How long a transaction is valid, in milliseconds.
    valid_for_ms: u64,
}

impl Network {
    /// Makes a network of so many validators.
    pub(crate) fn new(validators: u16) -> Self {
        Self::with_observers(validators, 0)
    }

    /// Makes a network of so many validators and observers.
    pub(crate) fn with_observers(validators: u16, observers: u16) -> Self {
        Self::with(validators, observers, ACCOUNTS, true)
    }

    /// Makes a network of so many validators, with the fast path on or off.
    pub(crate) fn with_fast_path(validators: u16, fast_path: bool) -> Self {
        Self::with(validators, 0, ACCOUNTS, fast_path)
    }

    /// Makes a network of so many validators and funded accounts.
    pub(crate) fn with_accounts(validators: u16, accounts: u16) -> Self {
        Self::with(validators, 0, accounts, true)
    }

    /// Makes a network of so many validators, of which a transaction can be ordered for so many milliseconds.
    pub(crate) fn with_window(validators: u16, window_ms: u32) -> Self {
        Self::with_window_and(validators, window_ms, 0, 0)
    }

    /// The same with observers, and with so many more accounts, whose keys nobody has.
    pub(crate) fn with_window_and(validators: u16, window_ms: u32, observers: u16, accounts: u32) -> Self {
        let made = Self::with(validators, observers, ACCOUNTS, true);
        let path = made.folder.path().join("devnet/genesis.json");
        let mut document: serde_json::Value =
            serde_json::from_slice(&fs::read(&path).expect("it is there")).expect("it is JSON");
        document["tx"]["maxWindowMs"] = window_ms.into();
        let symbol = made.symbol();
        let more = (0..accounts).map(|number| {
            let key = SecretKey::from_seed(Hash::of(Tag::DevKey, &number).as_bytes()).public_key();
            json!({ "publicKey": key.to_string(), "balances": { symbol: "1" } })
        });
        document["accounts"].as_array_mut().expect("a list").extend(more);
        fs::write(&path, document.to_string()).expect("it can be written");
        let genesis = Genesis::parse(&fs::read(&path).expect("it is there")).expect("it is valid");
        // Clocks and blocks may differ a little.
        Self { genesis, valid_for_ms: u64::from(window_ms) / 2, ..made }
    }

    fn with(validators: u16, observers: u16, accounts: u16, fast_path: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let devnet = folder.path().join("devnet");
        let mut command = program();
        command.args(["genesis", "new", "--dev", "--seed", SEED, "--validators", &validators.to_string()]);
        command.args(["--observers", &observers.to_string(), "--accounts", &accounts.to_string()]);
        // What is the default is left to the program.
        command.args((!fast_path).then_some("--fast-path=off"));
        // The validators are met at the first ports; the windows of all nodes have the ports after those.
        let p2p_port = free_ports(2 * validators + observers);
        command.args(["--p2p-base-port", &p2p_port.to_string(), "--dir"]);
        let made = command.arg(&devnet).output().expect("the program can be started");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let document = fs::read(devnet.join("genesis.json")).expect("the document is there");
        let genesis = Genesis::parse(&document).expect("it is valid");
        Self { genesis, folder, rpc_port: p2p_port + validators, valid_for_ms: VALID_FOR_MS }
    }

    /// Where the files of a validator are.
    pub(crate) fn home(&self, index: u16) -> Home {
        let devnet = self.folder.path().join("devnet");
        Home {
            genesis: devnet.join("genesis.json"),
            key: Some(devnet.join(format!("keys/DEV-validator-{index}.pem"))),
            node_key: devnet.join(format!("keys/DEV-node-{index}.pem")),
            folder: self.folder.path().join(format!("node-{index}")),
            rpc: self.rpc(index),
            data: None,
            mounts: None,
            namespace: None,
        }
    }

    /// Where the files of an observer are.
    pub(crate) fn observer_home(&self, index: u16) -> Home {
        let devnet = self.folder.path().join("devnet");
        Home {
            genesis: devnet.join("genesis.json"),
            key: None,
            node_key: devnet.join(format!("keys/DEV-observer-{index}.pem")),
            folder: self.folder.path().join(format!("observer-{index}")),
            rpc: self.rpc(u16::try_from(self.genesis.validators().len()).expect("few") + index),
            data: None,
            mounts: None,
            namespace: None,
        }
    }

    fn rpc(&self, place: u16) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.rpc_port + place).into()
    }

    /// The network's own asset.
    pub(crate) fn asset(&self) -> AssetId {
        AssetId::of_genesis(&self.genesis.first_asset().expect("a development network has one").symbol)
    }

    /// The symbol of that asset.
    pub(crate) fn symbol(&self) -> &str {
        self.genesis.first_asset().expect("a development network has one").symbol.as_str()
    }

    /// The key of a funded account.
    pub(crate) fn account_key(index: u32) -> SecretKey {
        dev_key(SEED, DevRole::Account, index)
    }

    /// The keys of a validator: the one that votes, and the one of its node.
    pub(crate) fn validator_keys(index: u32) -> [SecretKey; 2] {
        [DevRole::Validator, DevRole::Node].map(|role| dev_key(SEED, role, index))
    }

    /// The address of a funded account.
    pub(crate) fn account(index: u32) -> Address {
        Address::of_policy(&AuthPolicy::Key(Self::account_key(index).public_key()))
    }

    /// An address as text.
    pub(crate) fn text(&self, address: Address) -> String {
        address.to_text(self.genesis.prefix())
    }

    /// The body of a transfer from a funded account.
    pub(crate) fn transfer_body(&self, from: u32, to: Address, amount: u128, salt: u64) -> TransactionBody {
        TransactionBody {
            chain: self.genesis.hash(),
            sender: Self::account(from),
            replay: Replay::Expiring { valid_until: TimeMs::new(wall_ms() + self.valid_for_ms), salt },
            gas_limit: GAS_LIMIT,
            sponsor: None,
            action: Action::Transfer { asset: self.asset(), to, amount },
            trees: List::empty(),
            memo: Bytes::default(),
            ext: List::empty(),
        }
    }

    /// A signed transfer from a funded account.
    pub(crate) fn transfer(&self, from: u32, to: Address, amount: u128, salt: u64) -> SignedTransaction {
        sign(self.transfer_body(from, to, amount, salt), &Self::account_key(from))
    }

    /// What an account holds of the network's asset, by a node's word.
    pub(crate) fn balance(&self, node: SocketAddr, address: Address) -> u128 {
        let account = call(node, "account_get", &json!({ "address": self.text(address) })).expect("it answers");
        account["balances"][self.symbol()].as_str().map_or(0, |amount| amount.parse().expect("a number"))
    }
}

/// Signs for an account that never set a policy.
pub(crate) fn sign(body: TransactionBody, key: &SecretKey) -> SignedTransaction {
    let signature = key.sign(&body.sign_hash());
    let proof = AuthProof {
        who: body.sender,
        reveal: Some(AuthPolicy::Key(key.public_key())),
        sigs: List::truncated(vec![(key.public_key(), signature)]),
    };
    SignedTransaction::V1 { body, auth: List::truncated(vec![proof]) }
}

/// Submits a transaction, and waits as long as `wait_until` says.
pub(crate) fn submit(node: SocketAddr, transaction: &SignedTransaction, wait_until: &str) -> Result<Value, CallError> {
    let bytes = format!("0x{}", const_hex::encode(transaction.to_bytes()));
    call(node, "tx_submit", &json!({ "tx": bytes, "waitUntil": wait_until, "timeoutMs": 20_000 }))
}

/// What a node says about a transaction.
pub(crate) fn status(node: SocketAddr, id: &Hash) -> Result<Value, CallError> {
    call(node, "tx_get", &json!({ "txId": id.to_string() }))
}

/// Wall time in milliseconds.
#[expect(clippy::disallowed_methods, reason = "real processes need real time")]
pub(crate) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is later than 1970");
    u64::try_from(since.as_millis()).expect("it is a while until then")
}

/// The first of so many ports in a row that nobody uses, below those that the system hands out by itself and those
/// that `althing testnet` draws. Tests that run at the same time look in different places.
fn free_ports(count: u16) -> u16 {
    const FIRST: u16 = 12_000;
    const LAST: u16 = 20_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let places = (LAST - FIRST) / 32;
    let start = u16::try_from(std::process::id() % u32::from(places)).expect("small");
    for _ in 0..places {
        let place = (start + NEXT.fetch_add(1, Ordering::Relaxed)) % places;
        let first = FIRST + place * 32;
        let listen = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        if (first..first + count).map(listen).collect::<Result<Vec<_>, _>>().is_ok() {
            return first;
        }
    }
    panic!("no {count} ports in a row are free");
}
