//! What makes a batch good, and who is to blame where it is not.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "a test that goes wrong should stop where it does"
)]

use althing_types::{ChainParams, Ed25519, Epoch, List, Signature, encode};

use super::*;
use crate::tests::rig::{Ask, bottom, check, committee, run, sign_batch, signed_batch};
use crate::{DataMessage, SharedBatch};

fn good() -> SignedBatch {
    signed_batch(4, 2, bottom(2), &[Ask::expiring(1, 1), Ask::expiring(1, 2)])
}

/// The error of a batch that its owner signed after a change.
fn signed_with(change: impl FnOnce(&mut Batch)) -> BatchError {
    let mut batch = good().batch;
    change(&mut batch);
    check(4, sign_batch(4, batch)).expect_err("must be refused").error().clone()
}

#[test]
fn a_good_batch_is_taken_apart() {
    let (signed, asks) = (good(), [Ask::expiring(1, 1), Ask::expiring(1, 2)]);
    let batch = check(4, signed.clone()).expect("a good batch");
    assert_eq!(batch.digest(), signed.batch.digest());
    assert_eq!(batch.tip(), LaneTip { lane: 2, seq: 1, tip: batch.digest() });
    assert_eq!(batch.head(), signed.batch.head());
    assert_eq!(batch.ids().to_vec(), asks.iter().map(|ask| ask.verified().id()).collect::<Vec<_>>());
    assert_eq!(batch.transactions().to_vec(), asks.iter().map(Ask::signed).collect::<Vec<_>>());
    let size = Share { bytes: encode(&signed).len() as u64, transactions: 2, gas: 60_000 };
    assert_eq!(batch.size(), size);
}

#[test]
fn what_its_owner_signed_wrongly_is_the_owners_fault() {
    let bad_signature = |batch: &mut Batch| {
        let SignedTransaction::V1 { body, auth } = Ask::expiring(1, 1).signed();
        let mut auth = auth.into_inner();
        let (key, _) = auth[0].sigs[0];
        auth[0].sigs = List::truncated(vec![(key, Signature::new([1; 64]))]);
        let transaction = SignedTransaction::V1 { body, auth: List::truncated(auth) };
        let bytes = althing_types::Bytes::new(transaction.to_bytes()).expect("short");
        batch.transactions = List::truncated(vec![bytes]);
    };
    let of = |asks: &[Ask]| signed_batch(4, 2, bottom(2), asks).batch.transactions;
    let greedy = Ask { gas_limit: 100_000_001, ..Ask::expiring(1, 1) };
    let heavy = |salt| Ask { gas_limit: 100_000_000, ..Ask::expiring(1, salt) };
    let errors = [
        signed_with(|batch| batch.chain = Hash::ZERO),
        signed_with(|batch| batch.seq = 0),
        signed_with(|batch| batch.seq = 2),
        signed_with(|batch| batch.previous = batch.chain),
        signed_with(|batch| batch.transactions = List::empty()),
        signed_with(bad_signature),
        signed_with(|batch| batch.transactions = List::truncated(vec![Default::default()])),
        signed_with(|batch| batch.transactions = of(&[greedy])),
        signed_with(|batch| batch.transactions = of(&[heavy(1), heavy(2)])),
        signed_with(|batch| batch.transactions = of(&[Ask::expiring(1, 1), Ask::expiring(2, 1), Ask::expiring(1, 1)])),
    ];
    let names: Vec<&str> = errors.iter().map(BatchError::name).collect();
    let expected = [
        "a batch for another chain",
        "a batch with an impossible link",
        "a batch with an impossible link",
        "a batch with an impossible link",
        "a batch without a transaction",
        "a batch with an invalid transaction",
        "a batch with an invalid transaction",
        "a batch with a transaction beyond the gas limit",
        "a batch beyond its lane's share",
        "a batch with one transaction twice",
    ];
    assert_eq!(names, expected);
    assert!(errors.iter().all(|error| error.fault() == Fault::Owner));
    assert!(matches!(errors[9], BatchError::Twice { index: 2 }));
}

#[test]
fn many_batches_at_once_are_judged_as_each_alone() {
    let lanes = [0, 1, 2, 3].map(|lane| {
        let asks: Vec<Ask> = (1..=u64::from(lane) + 1).map(|salt| Ask::expiring(1, salt)).collect();
        Arc::new(signed_batch(4, lane, bottom(lane), &asks))
    });
    let at_once =
        |batches: Vec<Arc<SignedBatch>>| check_batches(batches, &committee(4), &ChainParams::DEFAULT.limits, &Ed25519);
    let alone = lanes.iter().map(|signed| check(4, (**signed).clone()).expect("a good batch"));
    assert_eq!(at_once(lanes.to_vec()).expect("good batches"), alone.collect::<Vec<_>>());
    assert_eq!(at_once(Vec::new()), Ok(Vec::new()));
    // The last transaction of the third is signed by somebody else.
    let mut batch = lanes[2].batch.clone();
    let SignedTransaction::V1 { body, auth } = Ask::expiring(1, 3).signed();
    let mut auth = auth.into_inner();
    let (key, _) = auth[0].sigs[0];
    auth[0].sigs = List::truncated(vec![(key, Signature::new([1; 64]))]);
    let forged = SignedTransaction::V1 { body, auth: List::truncated(auth) };
    let mut transactions = batch.transactions.clone().into_inner();
    transactions[2] = althing_types::Bytes::new(forged.to_bytes()).expect("short");
    batch.transactions = List::truncated(transactions);
    let bad = Arc::new(sign_batch(4, batch));
    let rejected = at_once(vec![lanes[0].clone(), lanes[1].clone(), bad.clone(), lanes[3].clone()]);
    let rejected = rejected.expect_err("one is bad");
    assert!(matches!(rejected.error(), BatchError::Transaction { index: 2, .. }), "{rejected}");
    assert_eq!((rejected.place().lane, rejected.signed()), (2, &bad));
    let mut unsigned = (*lanes[3]).clone();
    unsigned.signature = lanes[2].signature;
    let rejected = at_once(vec![lanes[0].clone(), Arc::new(unsigned)]).expect_err("its owner did not sign it");
    assert_eq!(rejected.error(), &BatchError::Signature { lane: 3 });
}

#[test]
fn what_its_owner_did_not_sign_is_the_messengers_fault_whatever_is_in_it() {
    let mut forged = good();
    forged.batch.transactions = List::empty();
    let rejected = check(4, forged).expect_err("the signature is of another batch");
    assert_eq!((rejected.error(), rejected.error().fault()), (&BatchError::Signature { lane: 2 }, Fault::Messenger));

    let mut batch = good().batch;
    batch.lane = 4;
    let signed = SignedBatch { batch, signature: good().signature };
    let rejected = check(4, signed).expect_err("no such lane");
    assert_eq!((rejected.error(), rejected.error().fault()), (&BatchError::Lane { lane: 4 }, Fault::Messenger));
}

#[test]
fn another_epoch_is_nobodys_fault() {
    let error = signed_with(|batch| batch.epoch = Epoch::new(3));
    assert_eq!((error.fault(), error), (Fault::Nobody, BatchError::Epoch { given: 3, expected: 0 }));
}

#[test]
fn a_batch_may_take_exactly_a_lanes_share() {
    let signed = Arc::new(good());
    let size = check(4, good()).expect("a good batch").size();
    let limits = |bytes: u64, transactions: u64, gas: u64| LimitParams {
        block_bytes_max: (bytes * 4) as u32,
        block_transactions_max: (transactions * 4) as u32,
        block_gas_max: gas * 4,
        ..ChainParams::DEFAULT.limits
    };
    let checked = |limits| check_batch(Arc::clone(&signed), &committee(4), &limits, &Ed25519).is_ok();
    assert!(checked(limits(size.bytes, size.transactions, size.gas)));
    assert!(!checked(limits(size.bytes - 1, size.transactions, size.gas)));
    assert!(!checked(limits(size.bytes, size.transactions - 1, size.gas)));
    assert!(!checked(limits(size.bytes, size.transactions, size.gas - 1)));
}

#[test]
fn a_batch_may_have_half_a_mebibyte_and_no_more() {
    let asks: Vec<Ask> = (0..1_150).map(|salt| Ask { memo: 200, ..Ask::expiring(1, salt) }).collect();
    let one = check(4, signed_batch(4, 2, bottom(2), &asks[..1])).expect("small").size().bytes;
    let two = check(4, signed_batch(4, 2, bottom(2), &asks[..2])).expect("small").size().bytes;
    let max = (512 * 1024 - one) / (two - one) + 1;
    assert!(check(4, signed_batch(4, 2, bottom(2), &asks[..max as usize])).is_ok());
    let rejected = check(4, signed_batch(4, 2, bottom(2), &asks[..=max as usize])).expect_err("too large");
    assert!(matches!(rejected.error(), BatchError::TooLarge { .. }));
}

#[test]
fn messages_round_trip_and_refuse_what_follows() {
    let batch = SharedBatch(Arc::new(good()));
    let range = crate::Range { lane: 1, first: 2, last: 3, tip: Hash::ZERO };
    let tips = List::truncated(run(bottom(2), 1, 0).iter().map(CheckedBatch::tip).collect());
    let acks = crate::Acks { epoch: Epoch::ZERO, tips, executed: althing_types::Height::new(7) };
    let messages = [
        DataMessage::Batch(batch.clone()),
        DataMessage::Acks(acks),
        DataMessage::GetBatches { epoch: Epoch::ZERO, range },
        DataMessage::Batches(List::truncated(vec![batch.clone(), batch])),
    ];
    for (tag, message) in messages.into_iter().enumerate() {
        let mut bytes = encode(&message);
        assert_eq!(usize::from(bytes[0]), tag);
        assert_eq!(DataMessage::from_bytes(&bytes), Ok(message));
        bytes.push(0);
        assert!(DataMessage::from_bytes(&bytes).is_err());
    }
    assert!(DataMessage::from_bytes(&[4]).is_err());
    assert!(DataMessage::from_bytes(&vec![0; crate::FRAME_BYTES_MAX + 1]).is_err());
}
