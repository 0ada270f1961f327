//! The entrance of an observer that knows how high the chain is: what it says while it is far behind.

use althing_genesis::{DevNetwork, DevRole, Genesis, dev_key};
use althing_ledger::{Ledger, SPACES};
use althing_storage::RocksOptions;
use althing_types::{
    Action, Address, AssetId, AuthPolicy, AuthProof, Bytes, Height, List, Replay, SignedTransaction, TimeMs,
    TransactionBody,
};

use super::*;
use crate::shell::clock::Clock;
use crate::shell::forwarding::tests::way;
use crate::shell::stop::Stop;

const SEED: &str = "entrance";

fn genesis() -> Genesis {
    let network = DevNetwork {
        chain_id: "entrance-test".to_owned(),
        seed: SEED.to_owned(),
        validators: 4,
        observers: 1,
        accounts: 1,
        p2p_base_port: 26_700,
        time: TimeMs::new(1_790_000_000_000),
    };
    network.build().expect("it is valid")
}

/// A transfer from a funded account, or from one that nobody knows.
fn transfer(genesis: &Genesis, from: u32, clock: Clock) -> SignedTransaction {
    let key = dev_key(SEED, DevRole::Account, from);
    let policy = AuthPolicy::Key(key.public_key());
    let body = TransactionBody {
        chain: genesis.hash(),
        sender: Address::of_policy(&policy),
        replay: Replay::Expiring { valid_until: TimeMs::new(clock.now().wall.get() + 60_000), salt: 1 },
        gas_limit: 100_000,
        sponsor: None,
        action: Action::Transfer {
            asset: AssetId::of_genesis(&genesis.first_asset().expect("it has one").symbol),
            to: Address::new([3; 32]),
            amount: 5,
        },
        trees: List::empty(),
        memo: Bytes::default(),
        ext: List::empty(),
    };
    let sigs = List::truncated(vec![(key.public_key(), key.sign(&body.sign_hash()))]);
    let proof = AuthProof { who: body.sender, reveal: Some(policy), sigs };
    SignedTransaction::V1 { body, auth: List::truncated(vec![proof]) }
}

/// What an observer at genesis answers to a transaction while certificates show the chain to be so high.
async fn answer_at(horizon: u64, bytes: impl FnOnce(&Genesis, Clock) -> Vec<u8>) -> ApiError {
    let (genesis, folder) = (genesis(), tempfile::tempdir().expect("a folder"));
    let store = RocksStore::open(folder.path(), SPACES, RocksOptions::default()).expect("it opens");
    let ledger = Ledger::open(Arc::new(store), &genesis).expect("it opens");
    let (clock, stop, reader) = (Clock::start(), Stop::new(), ledger.reader());
    let intake = Intake::new(reader.clone(), genesis.hash(), *genesis.params(), clock);
    let thread = intake.start(stop.clone());
    let (network, forwarding) = way(Vec::new(), Height::new(horizon)).await;
    let (tracker, way) = (Arc::new(Tracker::new()), Way::Forwarding(forwarding));
    let entrance = Entrance { reader, intake, tracker, way, stop };
    let error = entrance.submit(bytes(&genesis, clock)).await.expect_err("nobody is there to take anything");
    entrance.intake.close();
    thread.join().expect("it ends in order");
    network.stop().await;
    error
}

#[tokio::test]
async fn a_node_that_is_far_behind_refuses_nothing_by_its_old_state() {
    let poor = |genesis: &Genesis, clock: Clock| transfer(genesis, 77, clock).to_bytes();
    assert_eq!(answer_at(16, poor).await.code, ErrorCode::TxInsufficientBalance);
    let error = answer_at(17, poor).await;
    assert_eq!((error.code, error.code.is_retryable()), (ErrorCode::Syncing, true));
    assert_eq!(error.retry_after_ms, Some(1_000));
}

#[tokio::test]
async fn a_node_that_is_far_behind_refuses_what_no_state_would_take_and_takes_what_its_own_takes() {
    let forged = |genesis: &Genesis, clock: Clock| {
        let mut bytes = transfer(genesis, 0, clock).to_bytes();
        let last = bytes.last_mut().expect("it has bytes");
        *last ^= 1;
        bytes
    };
    assert_eq!(answer_at(1_000, forged).await.code, ErrorCode::TxBadSignature);
    let good = |genesis: &Genesis, clock: Clock| transfer(genesis, 0, clock).to_bytes();
    assert_eq!(answer_at(1_000, good).await.code, ErrorCode::NoValidator, "it passed the doors");
}
