//! Transfers, changes of policy, batches and their events.

use super::*;
use althing_types::{EVENTS_MAX, Event, Text};

fn event(index: u32, name: &str, topics: Vec<Hash>, data: Vec<u8>) -> Event {
    let (name, topics) = (Text::new(name).expect("short"), List::new(topics).expect("few"));
    Event { index, contract: Address::new([0; 32]), name, topics, data: Bytes::new(data).expect("short") }
}

fn transfer_event(index: u32, from: Address, to: Address, symbol: &str, amount: u128) -> Event {
    let topics = vec![Hash::new(*from.as_bytes()), Hash::new(*to.as_bytes()), *asset(symbol).as_hash()];
    event(index, "transfer", topics, amount.to_le_bytes().to_vec())
}

#[test]
fn a_transfer_moves_two_balances_and_nothing_else() {
    let (from, to) = (address(1), address(2));
    let world = World::of(&[from]);
    let transaction = Draft::of(1, transfer(to, "USD", 300)).sign();
    let Execution { receipt, writes } = executed(world.try_execute(&transaction));
    let balance = |who| StateKey::Balance(who, asset("USD"));
    assert_eq!(writes, WriteSet::from([(balance(from), encode_balance(700)), (balance(to), encode_balance(300))]));
    assert_eq!((receipt.tx_id, receipt.status), (transaction.id(), Status::Ok));
    assert_eq!((receipt.fee, receipt.return_hash), (0, Hash::ZERO));
    assert_eq!(receipt.events.to_vec(), [transfer_event(0, from, to, "USD", 300)]);
}

#[test]
fn a_balance_of_zero_is_deleted() {
    let (from, to) = (address(1), address(2));
    let mut world = World::of(&[from]);
    world.execute(&Draft::of(1, transfer(to, "USD", 1_000)).sign());
    assert!(!world.0.contains_key(&StateKey::Balance(from, asset("USD"))));
    assert_eq!(world.balance(to, "USD"), 1_000);
}

#[test]
fn a_transfer_that_cannot_be_made_says_why() {
    let (from, to) = (address(1), address(2));
    let mut world = World::of(&[from]);
    world.hold(to, "EUR", u128::MAX);
    let table = [
        ("more than the balance", transfer(to, "USD", 1_001), Status::Insufficient),
        ("the largest amount", transfer(to, "USD", u128::MAX), Status::Insufficient),
        ("to itself, more than the balance", transfer(from, "USD", 1_001), Status::Insufficient),
        ("no such asset", transfer(to, "GBP", 1), Status::NoAsset),
        ("no such asset, to itself", transfer(from, "GBP", 1), Status::NoAsset),
        ("the recipient's balance is full", transfer(to, "EUR", 1), Status::Overflow),
        ("all of it", transfer(to, "USD", 1_000), Status::Ok),
    ];
    for (what, action, expected) in table {
        let Execution { receipt, writes } = executed(world.try_execute(&Draft::of(1, action).sign()));
        assert_eq!(receipt.status, expected, "{what}");
        assert_eq!(writes.is_empty() && receipt.events.is_empty(), expected != Status::Ok, "{what}");
    }
}

#[test]
fn a_transfer_to_oneself_needs_the_balance_and_changes_nothing() {
    let world = World::of(&[address(1)]);
    let Execution { receipt, writes } =
        executed(world.try_execute(&Draft::of(1, transfer(address(1), "USD", 1_000)).sign()));
    assert_eq!((receipt.status, writes.len(), receipt.events.len()), (Status::Ok, 0, 1));
}

#[test]
fn a_policy_is_replaced_and_the_rest_of_the_record_stays() {
    let who = address(1);
    let policy = threshold(2, &[(3, 1), (4, 1)]);
    let action = Action::SetPolicy { policy: policy.clone() };
    let lanes = [(4, 9)];
    let mut world = World::default();
    world.record(who, &key_policy(1), &lanes, !Account::FROZEN);
    let receipt = world.execute(&Draft::of(1, action.clone()).sign());
    let data = Address::of_policy(&policy).as_bytes().to_vec();
    assert_eq!(receipt.events.to_vec(), [event(0, "setPolicy", vec![Hash::new(*who.as_bytes())], data)]);
    let mut expected = World::default();
    expected.record(who, &policy, &lanes, !Account::FROZEN);
    assert_eq!(world, expected);

    let mut without_record = World::default();
    without_record.execute(&Draft::of(1, action).sign());
    expected.record(who, &policy, &[], 0);
    assert_eq!(without_record, expected);
}

#[test]
fn a_policy_and_a_sequence_number_change_one_record() {
    let who = address(1);
    let mut world = World::default();
    let action = Action::SetPolicy { policy: key_policy(2) };
    world.execute(&Draft::of(1, action).sequence(3, 0).sign());
    let mut expected = World::default();
    expected.record(who, &key_policy(2), &[(3, 1)], 0);
    assert_eq!(world, expected);
}

#[test]
fn a_batch_sees_its_own_writes() {
    let (a, b) = (address(1), address(2));
    let mut world = World::of(&[a]);
    let to_all = vec![transfer(b, "USD", 600), transfer(b, "USD", 400), transfer(b, "EUR", 5)];
    let receipt = world.execute(&Draft::of(1, batch(to_all)).sign());
    assert_eq!(receipt.status, Status::Ok);
    assert_eq!((world.balance(a, "USD"), world.balance(b, "USD"), world.balance(b, "EUR")), (0, 1_000, 5));
    assert!(receipt.events.iter().map(|event| event.index).eq(0..3));
    assert_eq!(receipt.events[2], transfer_event(2, a, b, "EUR", 5));
}

#[test]
fn a_batch_that_fails_undoes_all_its_actions() {
    let policy = Action::SetPolicy { policy: key_policy(9) };
    let parts = vec![policy, transfer(address(2), "USD", 600), transfer(address(2), "USD", 600)];
    let world = World::of(&[address(1)]);
    let Execution { receipt, writes } = executed(world.try_execute(&Draft::of(1, batch(parts)).sign()));
    assert_eq!(receipt.status, Status::Insufficient);
    assert!(writes.is_empty() && receipt.events.is_empty());
}

#[test]
fn the_largest_batch_fits_its_receipt() {
    let mut world = World::of(&[address(1)]);
    let receipt = world.execute(&Draft::of(1, batch(vec![transfer(address(2), "USD", 1); 64])).sign());
    assert_eq!((receipt.status, receipt.events.len()), (Status::Ok, EVENTS_MAX));
    assert_eq!(world.balance(address(2), "USD"), 64);
}

#[test]
fn a_change_of_policy_binds_the_next_transaction() {
    let who = address(1);
    let mut world = World::of(&[who]);
    world.execute(&Draft::of(1, Action::SetPolicy { policy: key_policy(2) }).sign());
    let pay = Draft::of(1, transfer(address(3), "USD", 1));
    assert_eq!(world.try_execute(&pay.sign()), Outcome::Skipped(SkipReason::Unauthorized));
    assert_eq!(world.execute(&pay.sender(who, None, &[2]).sign()).status, Status::Ok);
}

#[test]
fn reserved_actions_are_not_active() {
    let world = World::of(&[address(1)]);
    let action = Action::Govern(Bytes::default());
    let inside = batch(vec![transfer(address(2), "USD", 1), action.clone()]);
    for action in [action, inside] {
        let Execution { receipt, writes } = executed(world.try_execute(&Draft::of(1, action).sign()));
        assert_eq!((receipt.status, writes.len()), (Status::NotActive, 0));
    }
}

#[test]
fn touched_accounts_ascend_and_stand_once() {
    let parts = vec![transfer(address(2), "USD", 1), transfer(address(2), "EUR", 1), transfer(address(1), "EUR", 1)];
    let draft = Draft::of(1, batch(parts)).sponsor(address(3), None, &[3]);
    let mut expected = vec![address(1), address(2), address(3)];
    expected.sort();
    assert_eq!(crate::touched_accounts(&draft.sign()), expected);
    assert_eq!(crate::touched_accounts(&Draft::of(1, batch(Vec::new())).sign()), [address(1)]);
}

/// A state of which the read of this number, counted from 1, fails.
struct Broken<'a>(&'a World, std::cell::Cell<usize>);

impl StateRead for Broken<'_> {
    type Error = StateKey;

    fn read(&self, key: &StateKey) -> Result<Option<Vec<u8>>, StateKey> {
        self.1.set(self.1.get().wrapping_sub(1));
        if self.1.get() == 0 { Err(key.clone()) } else { Ok(self.0.0.get(key).cloned()) }
    }
}

#[test]
fn a_read_that_fails_leaves_no_outcome() {
    let (from, to) = (address(1), address(2));
    let world = World::of(&[from]);
    let actions = vec![transfer(to, "USD", 1), Action::SetPolicy { policy: key_policy(3) }];
    let transaction = Draft::of(1, batch(actions)).sign();
    let context = BlockContext { height: Height::new(7), time: TimeMs::new(NOW_MS), params: ChainParams::DEFAULT };
    let failed = (1..9).map_while(|read| {
        execute(&transaction, transaction.id(), &context, &Broken(&world, std::cell::Cell::new(read))).err()
    });
    let usd = asset("USD");
    let balance = |who| StateKey::Balance(who, usd);
    let account = StateKey::Account(from);
    assert!(failed.eq([account.clone(), StateKey::Asset(usd), balance(from), balance(to), account]));
}
