//! Archives with one thing changed, by somebody without keys, by a validator alone, and by a quorum.

use althing_types::{
    Action, Address, AuthPolicy, Batch, BatchHead, Bytes, Committee, Epoch, Finalize, Hash, Header, Height, List,
    SecretKey, SignedBatch, SignedTransaction, Summary, TimeMs, TransactionBody, Validator, ValidatorSet, View,
};

use super::kit::{
    BARE, Chain, EACH, HEIGHTS, Signing as _, archive_of, certificate, network, open, sentence, sign, verify,
};
use crate::audit::AuditError;

/// Changes the transactions of a batch, and leaves its signature.
fn change_batch(signed: &mut SignedBatch, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let mut transactions: Vec<Vec<u8>> = signed.batch.transactions.iter().map(|bytes| bytes.to_vec()).collect();
    change(&mut transactions);
    let bytes = transactions.into_iter().map(|bytes| Bytes::new(bytes).expect("short")).collect();
    signed.batch.transactions = List::new(bytes).expect("as many as before");
}

fn decoded(chain: &Chain, bytes: &[u8]) -> SignedTransaction {
    SignedTransaction::from_bytes(bytes, &chain.genesis.hash()).expect("a transaction")
}

/// The body of a transaction with another amount.
fn with_amount(transaction: &SignedTransaction, amount: u128) -> TransactionBody {
    let mut body = transaction.body().clone();
    if let Action::Transfer { amount: given, .. } = &mut body.action {
        *given = amount;
    }
    body
}

/// Which account of the network signed a transaction.
fn sender(transaction: &SignedTransaction) -> u32 {
    let key = transaction.auth()[0].sigs[0].0;
    let sender = Address::of_policy(&AuthPolicy::Key(key));
    (0..8).find(|index| super::kit::address(*index) == sender).expect("one of the network")
}

#[test]
fn the_chain_as_it_is_verifies() {
    let chain = Chain::new();
    let report = chain.verify().expect("nothing is wrong");
    let batches = 2 * (HEIGHTS - 1);
    let transactions = batches * u64::try_from(EACH).expect("small");
    let all = report.all;
    assert_eq!((all.blocks, all.certificates, all.batches), (HEIGHTS, HEIGHTS - 1, batches));
    assert_eq!((all.transactions, all.executed), (transactions, transactions));
    assert_eq!(all.signatures, transactions + batches + 3 * (HEIGHTS - 1));
    assert_eq!((report.height.get(), report.last.get(), report.uncovered), (HEIGHTS, HEIGHTS, 0));
    assert_eq!(report.state_root, chain.state_root, "the node and the audit come to one state");
    assert_eq!((report.now, report.resumed_above, report.results_to.get()), (all, None, HEIGHTS - 1));
}

#[test]
fn a_flipped_signature_of_a_transaction_names_it_and_its_key() {
    let mut chain = Chain::new();
    let before = chain.entry(2).batches[1].batch.transactions[1].to_vec();
    let transaction = decoded(&chain, &before);
    change_batch(&mut chain.entry(2).batches[1], |all| *all[1].last_mut().expect("bytes") ^= 1);
    let (id, key) = (transaction.id(), transaction.auth()[0].sigs[0].0);
    let expected =
        format!("height 2: transaction 1 of batch 2 of lane 2 ({id}): the signature of key {key} does not verify");
    assert_eq!(chain.sentence(), expected);
}

#[test]
fn a_changed_amount_is_found_with_the_old_signature_and_with_a_new_one() {
    let mut chain = Chain::new();
    let transaction = decoded(&chain, &chain.entries[1].batches[0].batch.transactions[0]);
    let body = with_amount(&transaction, 5_000);
    let SignedTransaction::V1 { auth, .. } = transaction.clone();
    let unsigned = SignedTransaction::V1 { body: body.clone(), auth };
    change_batch(&mut chain.entry(2).batches[0], |all| all[0] = unsigned.to_bytes());
    let (id, key) = (unsigned.id(), transaction.auth()[0].sigs[0].0);
    let expected =
        format!("height 2: transaction 0 of batch 2 of lane 0 ({id}): the signature of key {key} does not verify");
    assert_eq!(chain.sentence(), expected);
    // The sender signs the new amount; the owner of the lane never signed it.
    let signed = sign(body, sender(&transaction));
    change_batch(&mut chain.entry(2).batches[0], |all| all[0] = signed.to_bytes());
    assert_eq!(chain.sentence(), "height 2: batch 2 of lane 0: the owner of lane 0 did not sign the batch");
}

#[test]
fn swapped_transactions_are_found_and_also_if_the_owner_signs_them() {
    let mut chain = Chain::new();
    change_batch(&mut chain.entry(5).batches[1], |all| all.swap(0, 2));
    assert_eq!(chain.sentence(), "height 5: batch 5 of lane 2: the owner of lane 2 did not sign the batch");
    let batch = chain.entries[4].batches[1].batch.clone();
    let signed = chain.genesis.sign_batch(batch);
    chain.entry(5).batches[1] = signed;
    assert_eq!(chain.sentence(), "height 5: the last batch of lane 2 is not the one that the block names");
}

#[test]
fn the_batch_of_another_lane_and_a_missing_and_a_surplus_one_are_named() {
    let mut chain = Chain::new();
    let other = chain.entry(4).batches[1].clone();
    chain.entry(4).batches[0] = other;
    assert_eq!(chain.sentence(), "height 4: batch 4 of lane 2 stands where batch 4 of lane 0 is due");
    let mut chain = Chain::new();
    chain.entry(4).batches.pop();
    assert_eq!(chain.sentence(), "height 4: nothing stands where batch 4 of lane 2 is due");
    let mut chain = Chain::new();
    let surplus = chain.entry(4).batches[1].clone();
    chain.entry(5).batches.push(surplus);
    assert_eq!(chain.sentence(), "height 5: batch 4 of lane 2 is there, and the block does not order it");
}

#[test]
fn a_batch_that_its_own_lane_signed_for_another_is_refused() {
    let mut chain = Chain::new();
    let Batch { epoch, seq, .. } = chain.entries[1].batches[0].batch;
    let head = BatchHead { epoch, lane: 0, seq, digest: chain.entries[1].batches[0].batch.digest() };
    // The owner of lane 1 signs in the place of lane 0.
    let signature = chain.genesis.validator(1).sign(&head.sign_hash(&chain.genesis.hash()));
    chain.entry(2).batches[0].signature = signature;
    assert_eq!(chain.sentence(), "height 2: batch 2 of lane 0: the owner of lane 0 did not sign the batch");
}

#[test]
fn a_dropped_block_is_missed_also_if_the_next_is_renumbered() {
    let mut chain = Chain::new();
    chain.entries.remove(3);
    assert_eq!(chain.sentence(), "height 4 is missing: the block of height 5 stands in its place");
    let below = chain.entries[2].block.header.id();
    for entry in &mut chain.entries[3..] {
        let height = entry.block.header.height.get() - 1;
        entry.block.header.height = Height::new(height);
    }
    let named = chain.entries[3].block.header.parent;
    let expected =
        format!("height 4: the block names {named} as its parent, and the block of the height below is {below}");
    assert_eq!(chain.sentence(), expected);
}

#[test]
fn a_forged_header_is_not_the_one_that_was_certified() {
    let mut chain = Chain::new();
    let named = chain.entries[4].block.header.id();
    let later = chain.entries[4].block.header.time.plus(1);
    chain.entry(5).block.header.time = later;
    let found = chain.entries[4].block.header.id();
    let expected = format!("height 5: the certificate is for the block {named}, and the block here is {found}");
    assert_eq!(chain.sentence(), expected);
    // Where a block has no certificate of its own, the one above does not stand on it.
    let mut chain = Chain::new();
    let later = chain.entry(BARE).block.header.time.plus(1);
    chain.entry(BARE).block.header.time = later;
    let (named, below) = (chain.entries[3].block.header.parent, chain.entries[2].block.header.id());
    let expected =
        format!("height 4: the block names {named} as its parent, and the block of the height below is {below}");
    assert_eq!(chain.sentence(), expected);
}

#[test]
fn every_field_of_a_header_that_a_chain_fixes_is_held_against_it() {
    let one = Hash::new([1; 32]);
    type Forge = fn(&mut Header, Hash);
    let forgeries: [(&str, Forge); 6] = [
        ("chain", |header, one| header.chain = one),
        ("epoch", |header, _| header.epoch = Epoch::new(1)),
        ("next validator set", |header, one| header.next_validators = one),
        ("validator set", |header, one| header.validators = one),
        ("chain parameters", |header, one| header.params = one),
        ("time", |header, _| header.time = TimeMs::ZERO),
    ];
    for (field, forge) in forgeries {
        let mut chain = Chain::new();
        forge(&mut chain.entry(BARE).block.header, one);
        assert_eq!(chain.sentence(), format!("height 3: the header's {field} is not as this chain has it"));
    }
}

#[test]
fn forged_results_and_lanes_do_not_belong_to_the_header() {
    let mut chain = Chain::new();
    let mut results = chain.entry(2).block.body.results.clone().into_inner();
    results[0].state_root = Hash::new([7; 32]);
    chain.entry(2).block.body.results = List::truncated(results);
    assert_eq!(chain.sentence(), "height 2: the results of the body are not those that the header commits to");
    let mut chain = Chain::new();
    let mut lanes = chain.entry(2).block.body.lanes.clone().into_inner();
    lanes[0].tip = Hash::new([7; 32]);
    chain.entry(2).block.body.lanes = List::truncated(lanes);
    assert_eq!(chain.sentence(), "height 2: the lane tips of the body are not those that the header commits to");
}

#[test]
fn results_that_a_quorum_certified_and_that_are_wrong_are_found_by_executing_again() {
    let honest = Chain::new();
    let wrong = Hash::new([7; 32]);
    type Forge = fn(&mut Summary, Hash);
    let forgeries: [(&str, Forge); 3] = [
        ("state root", |summary, wrong| summary.state_root = wrong),
        ("transaction root", |summary, wrong| summary.tx_root = wrong),
        ("receipts root", |summary, wrong| summary.receipts_root = wrong),
    ];
    for (field, forge) in forgeries {
        let chain = Chain::with(&|height, body| {
            if height == 5 {
                let mut results = body.results.clone().into_inner();
                forge(results.last_mut().expect("it carries two"), wrong);
                body.results = List::truncated(results);
            }
        });
        let truth = honest.entries[4].block.body.results[1];
        let executed = match field {
            "state root" => truth.state_root,
            "transaction root" => truth.tx_root,
            _ => truth.receipts_root,
        };
        let expected = format!(
            "height 5: the block carries the {field} {wrong} of height 4, and executing it again gives {executed}"
        );
        assert_eq!(chain.sentence(), expected);
    }
}

#[test]
fn results_out_of_order_break_a_rule_whoever_certified_them() {
    type Forge = fn(&mut Vec<Summary>);
    let forgeries: [Forge; 3] =
        [|results| results.swap(0, 1), |results| results[1].height = Height::new(9), |results| results.truncate(1)];
    for forge in forgeries {
        let chain = Chain::with(&|height, body| {
            if height == 5 {
                let mut results = body.results.clone().into_inner();
                forge(&mut results);
                body.results = List::truncated(results);
            }
        });
        let rule = "that results are carried once, in order, and up to the executed height";
        assert_eq!(chain.sentence(), format!("height 5: the block breaks the rule {rule}"));
    }
}

/// A vote for the block of a height.
fn vote(chain: &Chain, height: usize, epoch: Epoch) -> Finalize {
    Finalize { epoch, view: View::new(50), digest: chain.entries[height - 1].block.header.id() }
}

#[test]
fn a_certificate_with_too_few_votes_is_none() {
    let mut chain = Chain::new();
    let committee = chain.genesis.committee();
    let three: Vec<Validator> = committee.set.validators()[..3].to_vec();
    let small = Committee { set: ValidatorSet::new(three, 0, false).expect("a set"), ..committee };
    let forged = certificate(vote(&chain, 4, Epoch::ZERO), &small, |index| chain.genesis.validator(index));
    chain.entry(4).finalization = Some(forged);
    assert_eq!(chain.sentence(), "height 4: the certificate does not verify: 2 signers, the quorum is 3");
}

#[test]
fn a_certificate_of_another_epoch_or_of_others_is_none() {
    let mut chain = Chain::new();
    let later = Committee { epoch: Epoch::new(1), ..chain.genesis.committee() };
    let forged = certificate(vote(&chain, 4, Epoch::new(1)), &later, |index| chain.genesis.validator(index));
    chain.entry(4).finalization = Some(forged);
    let why = "a certificate of epoch 1, the validators are those of epoch 0";
    assert_eq!(chain.sentence(), format!("height 4: the certificate does not verify: {why}"));
    let committee = chain.genesis.committee();
    let strangers = |index: u16| SecretKey::from_seed(&[u8::try_from(index).expect("small") + 1; 32]);
    let forged = certificate(vote(&chain, 4, Epoch::ZERO), &committee, strangers);
    chain.entry(4).finalization = Some(forged);
    let why = "the signature of validator 0 does not verify";
    assert_eq!(chain.sentence(), format!("height 4: the certificate does not verify: {why}"));
}

#[test]
fn a_flipped_vote_names_the_validator() {
    let mut chain = Chain::new();
    let committee = chain.genesis.committee();
    let key = |index| if index == 2 { SecretKey::from_seed(&[9; 32]) } else { chain.genesis.validator(index) };
    let forged = certificate(vote(&chain, 7, Epoch::ZERO), &committee, key);
    chain.entry(7).finalization = Some(forged);
    let why = "the signature of validator 2 does not verify";
    assert_eq!(chain.sentence(), format!("height 7: the certificate does not verify: {why}"));
}

#[test]
fn what_no_certificate_covers_is_not_final() {
    let mut chain = Chain::new();
    chain.entry(7).finalization = None;
    chain.verify().expect("the next one covers it");
    chain.entry(8).finalization = None;
    let why = "no certificate stands at or above them, so nothing shows that they are final";
    assert_eq!(chain.sentence(), format!("heights 7 to 8: {why}"));
}

#[test]
fn another_genesis_document_is_told_by_its_hash() {
    let chain = Chain::new();
    let other = network(1_000_001).build().expect("valid");
    let expected = format!(
        "this is the chain with genesis {}, and the genesis document given is {}",
        chain.genesis.hash(),
        other.hash()
    );
    assert_eq!(sentence(verify(&chain.archive(), &other)), expected);
}

#[test]
fn a_file_that_is_cut_anywhere_is_noticed() {
    let chain = Chain::new();
    let archive = chain.archive();
    for length in (0..archive.len()).step_by(41).chain([archive.len() - 1]) {
        let found = sentence(verify(&archive[..length], &chain.genesis));
        assert!(found.starts_with("the archive is cut off "), "{length}: {found}");
    }
    let found = sentence(verify(&archive[..archive.len() - 1], &chain.genesis));
    assert_eq!(found, "the archive is cut off after height 7: it should go on to height 8");
}

#[test]
fn a_file_that_goes_on_or_that_was_changed_anywhere_is_noticed() {
    let chain = Chain::new();
    let archive = chain.archive();
    let longer = [&archive[..], b"x"].concat();
    let found = sentence(verify(&longer, &chain.genesis));
    assert_eq!(found, "the archive is malformed after height 8: it goes on behind its end");
    let mut other = archive.clone();
    *other.last_mut().expect("bytes") ^= 1;
    assert!(sentence(verify(&other, &chain.genesis)).contains("the file was changed or damaged"));
    // What stands before the first height is the document, parts of which the genesis hash leaves out.
    let blocks = archive.len() - archive_of_blocks(&chain);
    for place in (blocks..archive.len()).step_by(53) {
        let mut other = archive.clone();
        other[place] ^= 0x10;
        let result = verify(&other, &chain.genesis);
        assert!(matches!(result, Err(AuditError::Fault(_))), "{place}: {result:?}");
    }
}

/// Bytes of the archive behind what stands before the first height.
fn archive_of_blocks(chain: &Chain) -> usize {
    let last = Height::new(HEIGHTS);
    let nothing = archive_of(&chain.genesis, &[], Height::new(1), last).len();
    chain.archive().len() - nothing + 53
}

#[test]
fn lengths_in_a_file_do_not_make_it_take_memory() {
    let chain = Chain::new();
    let mut archive = chain.archive();
    // The length of the first record.
    archive[21..25].copy_from_slice(&u32::MAX.to_le_bytes());
    let found = sentence(open(&archive, &chain.genesis));
    assert!(found.contains("4294967295 bytes, 67108864 are allowed"), "{found}");
}
