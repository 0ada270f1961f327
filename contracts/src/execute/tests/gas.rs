//! What transactions are charged. The figures are frozen: a change of one is a change of the protocol.

use super::*;
use crate::{GAS_PER_BODY_BYTE, GAS_PER_READ, GAS_PER_SIGNATURE, GAS_PER_TRANSFER, GAS_PER_WRITE};

#[test]
fn prices_are_frozen() {
    let prices = [GAS_PER_SIGNATURE, GAS_PER_BODY_BYTE, GAS_PER_TRANSFER, GAS_PER_READ, GAS_PER_WRITE];
    assert_eq!(prices, [20_000, 10, 5_000, 4_000, 12_000]);
}

#[test]
fn what_transactions_cost_is_frozen() {
    let pay = transfer(address(2), "USD", 1);
    let set = Action::SetPolicy { policy: key_policy(2) };
    let two = batch(vec![pay.clone(), set.clone()]);
    let sponsored = Draft::of(1, pay.clone()).sponsor(address(3), Some(key_policy(3)), &[3]);
    let table = [
        ("a transfer", Draft::of(1, pay.clone()), 26_830),
        ("a transfer in a lane", Draft::of(1, pay).sequence(0, 0), 42_790),
        ("a policy", Draft::of(1, set), 37_370),
        ("both in a batch", Draft::of(1, two), 43_230),
        ("a sponsored transfer", sponsored, 47_310),
    ];
    for (what, draft, gas) in table {
        let mut world = World::of(&[address(1)]);
        let signed = draft.sign();
        assert_eq!(gas_required(&signed), gas, "{what}");
        assert_eq!(world.execute(&draft.gas_limit(gas).sign()).gas_used, gas, "{what}");
    }
}

#[test]
fn a_limit_below_the_price_is_used_up_and_nothing_is_done() {
    let draft = Draft::of(1, batch(vec![transfer(address(2), "USD", 1); 2])).sequence(0, 0);
    let required = gas_required(&draft.sign());
    for gas_limit in [0, 1, required - 5_001, required - 1] {
        let world = World::of(&[address(1)]);
        let Execution { receipt, writes } = executed(world.try_execute(&draft.clone().gas_limit(gas_limit).sign()));
        assert_eq!((receipt.status, receipt.gas_used), (Status::OutOfGas, gas_limit));
        assert!(receipt.events.is_empty());
        assert!(writes.keys().eq([&StateKey::Account(address(1))]), "the sequence number is used");
    }
}

#[test]
fn a_failed_batch_is_charged_up_to_the_action_that_failed() {
    let pay = transfer(address(2), "USD", 600);
    let alone = gas_required(&Draft::of(1, batch(vec![pay.clone(); 4])).sign());
    let mut world = World::of(&[address(1)]);
    let receipt = world.execute(&Draft::of(1, batch(vec![pay; 4])).sign());
    assert_eq!((receipt.status, receipt.gas_used), (Status::Insufficient, alone - 2 * GAS_PER_TRANSFER));
}

#[test]
fn a_frozen_sender_is_charged_for_what_came_before_its_action() {
    let draft = Draft::of(1, transfer(address(2), "USD", 1));
    let mut world = World::of(&[address(1)]);
    world.record(address(1), &key_policy(1), &[], Account::FROZEN);
    assert_eq!(world.execute(&draft.sign()).gas_used, gas_required(&draft.sign()) - GAS_PER_TRANSFER);
}

#[test]
fn a_limit_above_the_chain_s_is_skipped() {
    let world = World::of(&[address(1)]);
    let max = ChainParams::DEFAULT.limits.transaction_gas_max;
    let draft = Draft::of(1, transfer(address(2), "USD", 1)).gas_limit(max);
    assert_eq!(executed(world.try_execute(&draft.sign())).receipt.status, Status::Ok);
    let above = draft.gas_limit(max + 1).sign();
    assert_eq!(world.try_execute(&above), Outcome::Skipped(SkipReason::GasLimit { max }));
}

#[test]
fn surplus_signatures_are_not_charged_but_must_be_covered() {
    let policy = threshold(2, &[(1, 1), (2, 1), (3, 1)]);
    let who = Address::of_policy(&policy);
    let world = World::of(&[who]);
    let draft = Draft::of(1, transfer(address(5), "USD", 1)).sender(who, Some(policy.clone()), &[1, 2]);
    let with_two = gas_required(&draft.sign());
    let with_three = |draft: Draft| draft.sender(who, Some(policy.clone()), &[1, 2, 3]).sign();
    let required = gas_required(&with_three(draft.clone()));
    assert_eq!(required, with_two + GAS_PER_SIGNATURE);
    for gas_limit in [with_two, required - 1] {
        let outcome = world.try_execute(&with_three(draft.clone().gas_limit(gas_limit)));
        assert_eq!(outcome, Outcome::Skipped(SkipReason::SurplusSignatures { required }));
    }
    let receipt = executed(world.try_execute(&with_three(draft.clone().gas_limit(required)))).receipt;
    assert_eq!((receipt.status, receipt.gas_used), (Status::Ok, with_two));
    let receipt = executed(world.try_execute(&with_three(draft.gas_limit(with_two - 1)))).receipt;
    assert_eq!((receipt.status, receipt.gas_used), (Status::OutOfGas, with_two - 1));
}

#[test]
fn signatures_and_revealed_policies_add_no_bytes_to_the_price() {
    let draft = Draft::of(1, transfer(address(5), "USD", 1));
    let without_reveal = draft.clone().sender(address(1), None, &[1]);
    assert_eq!(gas_required(&draft.sign()), gas_required(&without_reveal.sign()));
}
