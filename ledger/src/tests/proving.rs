//! Proofs as a client sees them: verified by `types` alone, and refused after every change of a byte.

use althing_types::{Ed25519, Hash, Height, StateKey, Summary, SummaryProof, decode, encode, encoded_len, leaf_hash};

use super::kit::{Chain, FUNDS, address, store, usd};
use crate::{Ledger, LedgerError, PROVEN_KEYS_MAX, ProvenState};

fn balance(account: u32) -> StateKey {
    StateKey::Balance(address(account), usd())
}

fn believed(chain: &Chain, proof: &SummaryProof) -> Summary {
    proof.verify(&Ed25519, &chain.genesis.committee()).expect("a good proof").into_inner()
}

fn check(chain: &Chain, keys: &[StateKey], proven: &ProvenState) {
    let summary = believed(chain, &proven.summary_proof);
    assert_eq!(summary.height, proven.height);
    for ((key, value), proof) in keys.iter().zip(&proven.values).zip(&proven.proofs) {
        assert_eq!(proof.verify(&summary.state_root, key, value.as_deref()), Ok(()), "{key:?}");
        assert!(proof.verify(&summary.state_root, key, Some(b"other")).is_err());
        if value.is_some() {
            assert!(proof.verify(&summary.state_root, key, None).is_err());
        }
    }
}

#[test]
fn values_and_absences_are_proven_at_every_height_that_a_certificate_covers() {
    let mut chain = Chain::new();
    let mut ledger = Ledger::open(store(), &chain.genesis).expect("a fresh store");
    let reader = ledger.reader();
    let keys: Vec<StateKey> = (0..40).map(balance).chain([StateKey::Asset(usd())]).collect();
    let unavailable = reader.prove(&keys).expect_err("no certificate yet");
    assert!(matches!(unavailable, LedgerError::ProofUnavailable { height: Height::ZERO }));
    for round in 0..12u32 {
        // Accounts are emptied, appear and come back.
        let (from, to) = (round % 8, 8 + round);
        let transfers =
            vec![chain.transfer(from, address(to), FUNDS / 2), chain.transfer(to, address(from), FUNDS / 2)];
        let kept = if round % 3 == 0 { transfers } else { transfers[..1].to_vec() };
        chain.certify = round % 4 != 1;
        chain.commit(&mut ledger, vec![(0, kept)]);
    }
    let head = ledger.head();
    let certified = head.certified.expect("some block has a certificate");
    assert_eq!(certified, Height::new(11), "block 12 carries the summary of block 11");
    for height in 1..=certified.get() {
        let proven = reader.prove_at(&keys, Height::new(height)).expect("covered");
        check(&chain, &keys, &proven);
        for (account, value) in (0..40).zip(&proven.values) {
            let held = reader.balances(&address(account), Height::new(height)).expect("readable");
            assert_eq!(value.as_ref().map(|bytes| decode(bytes, 16)), held.first().map(|(_, amount)| Ok(*amount)));
        }
    }
    assert_eq!(reader.prove(&keys).expect("covered").height, certified);
    assert!(matches!(reader.prove_at(&keys, Height::new(12)), Err(LedgerError::ProofUnavailable { .. })));
    assert!(matches!(reader.prove_at(&keys, Height::ZERO), Err(LedgerError::ProofUnavailable { .. })));
    assert!(matches!(reader.prove_at(&keys, Height::new(13)), Err(LedgerError::HeightInFuture { .. })));
    let many = vec![balance(0); PROVEN_KEYS_MAX + 1];
    assert!(matches!(reader.prove(&many), Err(LedgerError::TooMany { .. })));
}

#[test]
fn a_certificate_is_needed_at_or_above_the_block_that_carries_a_result() {
    let mut chain = Chain::new();
    let mut ledger = Ledger::open(store(), &chain.genesis).expect("a fresh store");
    let reader = ledger.reader();
    let transfer = chain.transfer(0, address(9), 5);
    chain.commit(&mut ledger, vec![(0, vec![transfer])]);
    assert_eq!(ledger.head().certified, None, "nobody carries the result of block 1 yet");
    chain.certify = false;
    chain.commit(&mut ledger, vec![]);
    chain.commit(&mut ledger, vec![]);
    assert_eq!(ledger.head().certified, None, "block 2 carries it and has no certificate, nor has one above");
    assert!(matches!(reader.prove_at(&[], Height::new(1)), Err(LedgerError::ProofUnavailable { .. })));
    chain.certify = true;
    chain.commit(&mut ledger, vec![]);
    assert_eq!(ledger.head().certified, Some(Height::new(3)));
    let proven = reader.prove_at(&[balance(9)], Height::new(1)).expect("covered by block 4");
    assert_eq!(proven.summary_proof.chain.headers.len(), 3);
    check(&chain, &[balance(9)], &proven);
    drop(ledger);
}

#[test]
fn every_flipped_byte_of_an_answer_is_refused() {
    let mut chain = Chain::new();
    let mut ledger = Ledger::open(store(), &chain.genesis).expect("a fresh store");
    let transfer = chain.transfer(0, address(9), 5);
    chain.commit(&mut ledger, vec![(0, vec![transfer])]);
    chain.commit(&mut ledger, vec![]);
    let proven = ledger.reader().prove(&[balance(9)]).expect("covered");
    let committee = chain.genesis.committee();
    let accepted = |summary_proof: &[u8], state_proof: &[u8]| {
        let summary_proof = decode::<SummaryProof>(summary_proof, summary_proof.len()).ok()?;
        let summary = summary_proof.verify(&Ed25519, &committee).ok()?;
        let state_proof = decode::<althing_types::StateProof>(state_proof, state_proof.len()).ok()?;
        state_proof.verify(&summary.state_root, &balance(9), Some(&encode(&5u128))).ok()
    };
    let (summary, state) = (encode(&proven.summary_proof), encode(&proven.proofs[0]));
    assert!(accepted(&summary, &state).is_some());
    for place in 0..summary.len() {
        let mut bad = summary.clone();
        bad[place] ^= 1;
        assert!(accepted(&bad, &state).is_none(), "byte {place} of the summary's proof");
    }
    for place in 0..state.len() {
        let mut bad = state.clone();
        bad[place] ^= 1;
        assert!(accepted(&summary, &bad).is_none(), "byte {place} of the state's proof");
    }
}

#[test]
fn transactions_and_receipts_are_proven_in_the_order_of_execution() {
    let mut chain = Chain::new();
    let mut ledger = Ledger::open(store(), &chain.genesis).expect("a fresh store");
    let batch = |chain: &mut Chain, from: u32, count: u32| -> Vec<_> {
        (0..count).map(|amount| chain.transfer(from, address(9), u128::from(amount) + 1)).collect()
    };
    let batches = vec![
        (0, batch(&mut chain, 0, 3)),
        (2, batch(&mut chain, 2, 2)),
        (0, batch(&mut chain, 0, 1)),
        (3, batch(&mut chain, 3, 1)),
    ];
    let originals: Vec<_> = batches.iter().flat_map(|(_, batch)| batch.clone()).collect();
    let committed = chain.commit(&mut ledger, batches);
    let reader = ledger.reader();
    assert!(matches!(
        reader.prove_transaction(&committed.included[0].id),
        Err(LedgerError::ProofUnavailable { height }) if height == Height::new(1)
    ));
    chain.commit(&mut ledger, vec![]);
    for included in &committed.included {
        let proven = reader.prove_transaction(&included.id).expect("readable").expect("executed");
        let summary = believed(&chain, &proven.summary_proof);
        assert_eq!((proven.located.index, proven.transaction_proof.index), (included.index, included.index));
        let original = originals.iter().find(|it| it.id() == included.id).expect("one of them");
        assert_eq!(proven.located.bytes, original.to_bytes());
        let leaf = leaf_hash(&proven.located.bytes);
        assert_eq!(proven.transaction_proof.verify(&leaf, &summary.tx_root), Ok(()));
        let leaf = leaf_hash(&encode(&proven.located.receipt));
        assert_eq!(proven.receipt_proof.verify(&leaf, &summary.receipts_root), Ok(()));
        assert!(proven.receipt_proof.verify(&leaf, &summary.tx_root).is_err());
        assert!(encoded_len(&proven.summary_proof) < 2_048);
    }
    assert_eq!(reader.prove_transaction(&Hash::ZERO).expect("readable"), None);
    assert_eq!(reader.prove_receipt(Height::new(1), 99).expect("readable"), None);
}

#[test]
fn all_of_the_state_is_proven_range_by_range() {
    let mut chain = Chain::new();
    let mut ledger = Ledger::open(store(), &chain.genesis).expect("a fresh store");
    for round in 0..4u32 {
        let transfers = (0..8).map(|from| chain.transfer(from, address(100 + 8 * round + from), 5)).collect();
        chain.commit(&mut ledger, vec![(0, transfers)]);
    }
    chain.commit(&mut ledger, Vec::new());
    let (reader, height) = (ledger.reader(), Height::new(4));
    let (mut from, highest) = (Hash::ZERO, Hash::new([0xff; 32]));
    let mut leaves = Vec::new();
    loop {
        let range = reader.prove_range(height, (&from, &highest), 7).expect("covered");
        let summary = believed(&chain, &range.summary_proof);
        assert_eq!(summary.height, height);
        assert_eq!(range.proof.verify(&summary.state_root, &from, &range.to, &range.leaves), Ok(()));
        leaves.extend(range.leaves);
        if range.to == highest {
            break;
        }
        // The last byte of no key here is the highest one.
        let mut next = *range.to.as_bytes();
        next[31] += 1;
        from = Hash::new(next);
    }
    // 32 new accounts, eight old ones, and the asset.
    assert_eq!(leaves.len(), 41);
    let keys: Vec<Hash> = leaves.iter().map(|leaf| leaf.key).collect();
    for account in (0..8).chain(100..132) {
        assert!(keys.contains(&balance(account).tree_key()), "{account}");
    }
    let reversed = reader.prove_range(height, (&highest, &Hash::ZERO), 7).expect("covered");
    let summary = believed(&chain, &reversed.summary_proof);
    assert!(reversed.proof.verify(&summary.state_root, &highest, &Hash::ZERO, &reversed.leaves).is_err());
}
