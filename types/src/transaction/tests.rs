//! Transactions: every kind of bad input has its own refusal, and nothing but the exact bytes verifies.

use super::*;
use crate::keys::SecretKey;
use crate::policy::WeightedKey;

const CHAIN: Hash = Hash::new([0xc4; 32]);

fn secret(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn body(sender: Address, action: Action) -> TransactionBody {
    TransactionBody {
        chain: CHAIN,
        sender,
        replay: Replay::Expiring { valid_until: TimeMs::new(60_000), salt: 1 },
        gas_limit: 100_000,
        sponsor: None,
        action,
        trees: List::empty(),
        memo: Bytes::default(),
        ext: List::empty(),
    }
}

fn transfer(amount: u128) -> Action {
    let asset = AssetId::of_genesis(&"USD".parse().expect("valid"));
    Action::Transfer { asset, to: Address::new([9; 32]), amount }
}

fn proof(who: Address, reveal: Option<AuthPolicy>, signers: &[SecretKey], hash: &Hash) -> AuthProof {
    let mut sigs: Vec<(PublicKey, Signature)> = signers.iter().map(|key| (key.public_key(), key.sign(hash))).collect();
    sigs.sort();
    AuthProof { who, reveal, sigs: List::new(sigs).expect("few") }
}

fn signed(action: Action) -> SignedTransaction {
    let policy = AuthPolicy::Key(secret(1).public_key());
    let body = body(Address::of_policy(&policy), action);
    let auth = proof(body.sender, Some(policy), &[secret(1)], &body.sign_hash());
    SignedTransaction::V1 { body, auth: List::new(vec![auth]).expect("one") }
}

fn refused(change: impl FnOnce(&mut TransactionBody)) -> TransactionError {
    let SignedTransaction::V1 { mut body, auth } = signed(transfer(5));
    change(&mut body);
    SignedTransaction::V1 { body, auth }.check_form(&CHAIN).expect_err("must be refused")
}

#[test]
fn a_signed_transfer_round_trips_and_verifies() {
    let transaction = signed(transfer(5));
    let bytes = transaction.to_bytes();
    let again = SignedTransaction::from_bytes(&bytes, &CHAIN).expect("well formed");
    assert_eq!(again, transaction);
    assert!(again.verify().is_ok());
}

#[test]
fn every_flipped_byte_is_refused_or_fails_to_verify() {
    let bytes = signed(transfer(5)).to_bytes();
    for place in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[place] ^= 1;
        let outcome = SignedTransaction::from_bytes(&bad, &CHAIN).and_then(SignedTransaction::verify);
        assert!(outcome.is_err(), "byte {place}");
    }
}

#[test]
fn truncated_and_trailing_bytes_are_refused() {
    let bytes = signed(transfer(5)).to_bytes();
    for length in 0..bytes.len() {
        assert!(SignedTransaction::from_bytes(&bytes[..length], &CHAIN).is_err());
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(matches!(SignedTransaction::from_bytes(&longer, &CHAIN), Err(TransactionError::Decode(_))));
}

#[test]
fn each_mistake_has_its_own_refusal() {
    assert!(matches!(refused(|body| body.chain = Hash::ZERO), TransactionError::WrongChain { .. }));
    assert!(matches!(refused(|body| body.action = transfer(0)), TransactionError::Empty { .. }));
    assert!(matches!(refused(|body| body.action = Action::Batch(List::empty())), TransactionError::Empty { .. }));
    assert_eq!(refused(|body| body.sender = Address::new([1; 32])), TransactionError::Signers);
    let payer = Address::new([2; 32]);
    assert_eq!(refused(|body| body.sponsor = Some(Sponsorship { payer, max_fee: 1 })), TransactionError::Signers);
    let extension = Extension { id: 1, bytes: Bytes::default() };
    assert_eq!(
        refused(|body| body.ext = List::truncated(vec![extension])),
        TransactionError::Reserved { field: "ext" }
    );
    let unreachable = AuthPolicy::Threshold { need: 1, keys: List::empty() };
    assert!(matches!(
        refused(|body| body.action = Action::SetPolicy { policy: unreachable }),
        TransactionError::Policy(_)
    ));
}

#[test]
fn reserved_actions_decode_and_are_refused_by_name() {
    let contract = Address::new([3; 32]);
    let reserved = [
        (Action::Call { contract, method: Text::default(), args: Bytes::default() }, "call"),
        (Action::Deploy { code: Bytes::default(), salt: Hash::ZERO, init: Bytes::default(), admin: None }, "deploy"),
        (Action::Upgrade { contract, code: Bytes::default(), migrate: Bytes::default() }, "upgrade"),
        (
            Action::Role(RoleGrant { grant: true, to: contract, role: 1, scope: Bytes::default(), expires: None }),
            "role",
        ),
        (Action::Govern(Bytes::default()), "govern"),
    ];
    for (action, name) in reserved {
        let batch = Action::Batch(List::truncated(vec![transfer(1), action.clone()]));
        for action in [action, batch] {
            let bytes = signed(action).to_bytes();
            let outcome = SignedTransaction::from_bytes(&bytes, &CHAIN);
            assert_eq!(outcome, Err(TransactionError::NotEnabled { name }));
        }
    }
}

#[test]
fn a_batch_inside_a_batch_does_not_decode() {
    let inner = Action::Batch(List::truncated(vec![transfer(1)]));
    let outer = Action::Batch(List::truncated(vec![inner]));
    assert!(decode::<Action>(&encode(&outer), 4096).is_err());
    // However deep the nesting claims to be, the decoder goes down one level only.
    let deep: Vec<u8> = std::iter::repeat_n([0u8, 1, 0, 0, 0], 100_000).flatten().collect();
    assert!(decode::<Action>(&deep, deep.len()).is_err());
}

#[test]
fn an_authority_tree_is_bounded_in_depth() {
    let leaf =
        |subs| AuthNode { contract: Address::new([1; 32]), method: Text::default(), args_hash: Hash::ZERO, subs };
    let mut tree = leaf(List::empty());
    for _ in 1..TREE_DEPTH_MAX {
        tree = leaf(List::truncated(vec![tree]));
    }
    assert!(decode::<AuthNode>(&encode(&tree), 4096).is_ok());
    tree = leaf(List::truncated(vec![tree]));
    assert!(decode::<AuthNode>(&encode(&tree), 4096).is_err());
}

#[test]
fn a_threshold_account_signs_with_several_keys() {
    let mut keys: Vec<WeightedKey> =
        (1..=3).map(|seed| WeightedKey { key: secret(seed).public_key(), weight: 1 }).collect();
    keys.sort();
    let policy = AuthPolicy::Threshold { need: 2, keys: List::truncated(keys) };
    let body = body(Address::of_policy(&policy), transfer(1));
    let auth = proof(body.sender, Some(policy), &[secret(1), secret(3)], &body.sign_hash());
    let transaction = SignedTransaction::V1 { body, auth: List::truncated(vec![auth]) };
    assert_eq!(transaction.check_form(&CHAIN), Ok(()));
    assert!(transaction.verify().is_ok());
}

#[test]
fn a_revealed_policy_must_be_the_account_s() {
    let transaction = signed(transfer(1));
    let mut proof = transaction.auth()[0].clone();
    proof.reveal = Some(AuthPolicy::Key(secret(2).public_key()));
    let body = transaction.body().clone();
    let forged = SignedTransaction::V1 { body, auth: List::truncated(vec![proof]) };
    assert_eq!(forged.check_form(&CHAIN), Err(TransactionError::Reveal));
}

#[test]
fn a_revealed_key_that_is_no_point_signs_nothing_and_is_no_new_policy() {
    let keys = (2..=255u8).map(|low| PublicKey::Ed25519([low; 32]));
    let key = keys.into_iter().find(|key| key.check().is_err()).expect("half of all are none");
    let policy = AuthPolicy::Key(key);
    let body = body(Address::of_policy(&policy), transfer(1));
    let mut auth = proof(body.sender, Some(policy.clone()), &[secret(1)], &body.sign_hash());
    let signature = auth.sigs[0].1;
    auth.sigs = List::truncated(vec![(key, signature)]);
    let transaction = SignedTransaction::V1 { body, auth: List::truncated(vec![auth]) };
    assert_eq!(transaction.check_form(&CHAIN), Ok(()));
    assert_eq!(transaction.verify(), Err(TransactionError::BadSignature { key }));
    let refusal = signed(Action::SetPolicy { policy }).check_form(&CHAIN);
    assert!(matches!(refusal, Err(TransactionError::Policy(_))), "{refusal:?}");
}

#[test]
fn the_id_does_not_depend_on_signatures_and_the_bytes_hash_does() {
    let one = signed(transfer(1));
    let body = one.body().clone();
    let other_auth = proof(body.sender, None, &[secret(1)], &body.sign_hash());
    let other = SignedTransaction::V1 { body, auth: List::truncated(vec![other_auth]) };
    assert_eq!(one.id(), other.id());
    assert_ne!(one.bytes_hash(), other.bytes_hash());
}

#[test]
fn many_are_verified_at_once_and_the_bad_ones_are_named() {
    let mut transactions: Vec<SignedTransaction> = (1..30u128).map(|amount| signed(transfer(amount))).collect();
    let SignedTransaction::V1 { body, .. } = &mut transactions[7];
    body.gas_limit += 1;
    let verdicts = SignedTransaction::verify_many(transactions);
    let bad: Vec<usize> = verdicts.iter().enumerate().filter(|(_, v)| v.is_err()).map(|(i, _)| i).collect();
    assert_eq!(bad, [7]);
}

#[test]
fn a_transaction_may_not_be_larger_than_its_kind() {
    let actions = |count| Action::Batch(List::truncated(vec![transfer(1); count]));
    assert_eq!(signed(actions(BATCH_ACTIONS_MAX)).check_form(&CHAIN), Ok(()));
    let args = Bytes::new(vec![0; TRANSACTION_BYTES_MAX]).expect("fits");
    let huge = signed(Action::Call { contract: Address::new([1; 32]), method: Text::default(), args });
    assert!(matches!(huge.check_form(&CHAIN), Err(TransactionError::TooLarge { .. })));
}
