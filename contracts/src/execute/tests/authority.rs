//! Who may act: policies in records and revealed ones, sponsors, frozen accounts.

use super::*;

#[test]
fn the_record_s_policy_decides_and_else_the_revealed_one() {
    let who = address(1);
    let (old, new) = (Some(key_policy(1)), key_policy(2));
    // Whether a record with the new policy exists, what is revealed, whose keys sign, and whether that suffices.
    let table: [(bool, Option<AuthPolicy>, &[u8], bool); 9] = [
        (false, old.clone(), &[1], true),
        (false, None, &[1], false),
        (false, old.clone(), &[2], false),
        (false, old.clone(), &[1, 2], false),
        (true, None, &[2], true),
        (true, old.clone(), &[2], true),
        (true, old, &[1], false),
        (true, None, &[1], false),
        (true, None, &[1, 2], false),
    ];
    for (recorded, reveal, seeds, suffices) in table {
        let mut world = World::of(&[who]);
        if recorded {
            world.record(who, &new, &[], 0);
        }
        let what = format!("recorded {recorded}, revealed {}, signed by {seeds:?}", reveal.is_some());
        let outcome =
            world.try_execute(&Draft::of(1, transfer(address(5), "USD", 1)).sender(who, reveal, seeds).sign());
        match suffices {
            true => assert_eq!(executed(outcome).receipt.status, Status::Ok, "{what}"),
            false => assert_eq!(outcome, Outcome::Skipped(SkipReason::Unauthorized), "{what}"),
        }
    }
}

#[test]
fn a_revealed_key_that_is_no_point_gives_nobody_authority() {
    let policy = AuthPolicy::Key(
        (2..=255)
            .map(|low| PublicKey::Ed25519([low; 32]))
            .find(|key| key.check().is_err())
            .expect("half of all are none"),
    );
    let who = Address::of_policy(&policy);
    let world = World::of(&[who]);
    let transaction = Draft::of(1, transfer(address(5), "USD", 1)).sender(who, Some(policy), &[1]).sign();
    assert_eq!(transaction.check_form(&CHAIN), Ok(()), "its form is not what is wrong with it");
    assert_eq!(world.try_execute(&transaction), Outcome::Skipped(SkipReason::Unauthorized));
}

#[test]
fn a_threshold_needs_enough_of_its_own_keys() {
    let policy = threshold(3, &[(1, 1), (2, 2), (3, 1)]);
    let who = Address::of_policy(&policy);
    let world = World::of(&[who]);
    let draft = Draft::of(1, transfer(address(5), "USD", 1));
    let table: [(&[u8], bool); 6] =
        [(&[1, 2], true), (&[2, 3], true), (&[1, 2, 3], true), (&[1, 3], false), (&[2], false), (&[1, 2, 9], false)];
    for (seeds, suffices) in table {
        let outcome = world.try_execute(&draft.clone().sender(who, Some(policy.clone()), seeds).sign());
        assert_eq!(outcome == Outcome::Skipped(SkipReason::Unauthorized), !suffices, "{seeds:?}");
    }
}

#[test]
fn the_sponsor_must_sign_too_and_pays_nothing_yet() {
    let (sender, payer) = (address(1), address(2));
    let mut world = World::of(&[sender, payer]);
    let draft = Draft::of(1, transfer(address(5), "USD", 1));
    let good = draft.clone().sponsor(payer, Some(key_policy(2)), &[2]);
    for bad in [
        draft.clone().sponsor(payer, None, &[2]),
        draft.clone().sponsor(payer, Some(key_policy(2)), &[1]),
        good.clone().sender(sender, Some(key_policy(1)), &[2]),
    ] {
        assert_eq!(world.try_execute(&bad.sign()), Outcome::Skipped(SkipReason::Unauthorized));
    }
    let mut unsigned = good.clone();
    unsigned.auth.pop();
    assert_eq!(world.try_execute(&unsigned.sign()), Outcome::Skipped(SkipReason::Unauthorized));
    let receipt = world.execute(&good.sign());
    assert_eq!((receipt.status, receipt.fee, world.balance(payer, "USD")), (Status::Ok, 0, 1_000));
    let mut own = draft;
    own.body.sponsor = Some(Sponsorship { payer: sender, max_fee: 1 });
    assert_eq!(world.execute(&own.sign()).status, Status::Ok);
}

#[test]
fn a_frozen_account_is_denied_and_may_still_receive() {
    let (frozen, other) = (address(1), address(2));
    let mut world = World::of(&[frozen, other]);
    world.record(frozen, &key_policy(1), &[], Account::FROZEN);
    let sends = Draft::of(1, transfer(other, "USD", 1));
    let changes = Draft::of(1, Action::SetPolicy { policy: key_policy(3) });
    let pays = Draft::of(2, transfer(other, "USD", 1)).sponsor(frozen, None, &[1]);
    let is_paid_for = sends.clone().sponsor(other, Some(key_policy(2)), &[2]);
    for draft in [sends.clone(), changes, pays, is_paid_for] {
        let Execution { receipt, writes } = executed(world.try_execute(&draft.sign()));
        assert_eq!((receipt.status, writes.len()), (Status::Denied, 0));
    }
    let receives = Draft::of(2, transfer(frozen, "USD", 1));
    assert_eq!(world.execute(&receives.sign()).status, Status::Ok);
    world.execute(&sends.sequence(0, 0).sign());
    let mut expected = world.clone();
    expected.record(frozen, &key_policy(1), &[(0, 1)], Account::FROZEN);
    assert_eq!(world, expected, "the number is used and the account stays frozen");
}

#[test]
fn a_flag_of_another_meaning_does_not_freeze() {
    let mut world = World::of(&[address(1)]);
    world.record(address(1), &key_policy(1), &[], !Account::FROZEN);
    assert_eq!(world.execute(&Draft::of(1, transfer(address(2), "USD", 1)).sign()).status, Status::Ok);
}

/// Everything that somebody can make of a body with signatures of the keys 1 to 4 and a stranger's.
fn variants(draft: &Draft, policies: &[AuthPolicy]) -> Vec<SignedTransaction> {
    let seeds = [1u8, 2, 3, 4, 9];
    let mut variants = Vec::new();
    for bits in 1u32..1 << seeds.len() {
        let chosen: Vec<u8> = (0..seeds.len()).filter(|i| bits >> i & 1 == 1).map(|i| seeds[i]).collect();
        for reveal in policies.iter().cloned().map(Some).chain([None]) {
            variants.push(draft.clone().sender(draft.body.sender, reveal, &chosen).sign());
        }
    }
    variants
}

#[test]
fn other_signatures_lead_to_the_same_execution_or_to_none() {
    let policy = threshold(3, &[(1, 3), (2, 1), (3, 1), (4, 1)]);
    let who = Address::of_policy(&policy);
    let pay = Draft::of(1, transfer(address(5), "USD", 1)).sender(who, None, &[]);
    let fail = Draft::of(1, transfer(address(5), "USD", 9_999)).sender(who, None, &[]).sequence(2, 0);
    let mut most = 0;
    let other = threshold(2, &[(1, 1), (2, 1), (3, 2), (4, 1)]);
    for recorded in [None, Some(&policy), Some(&other)] {
        let mut world = World::of(&[who]);
        if let Some(policy) = recorded {
            world.record(who, policy, &[], 0);
        }
        for draft in [&pay, &fail] {
            let price = crate::gas::known_gas(&draft.body, 0);
            for signatures_covered in 0..=5 {
                let draft = draft.clone().gas_limit(price + signatures_covered * 20_000);
                let outcomes = variants(&draft, std::slice::from_ref(&policy))
                    .into_iter()
                    .map(|variant| world.try_execute(&variant));
                let executions: Vec<Outcome> =
                    outcomes.filter(|outcome| matches!(outcome, Outcome::Executed(_))).collect();
                assert!(!executions.is_empty(), "some set of keys satisfies the policy");
                most = most.max(executions.len());
                assert!(executions.iter().all(|execution| *execution == executions[0]), "{executions:?}");
            }
        }
    }
    assert!(most > 8, "many sets of keys satisfy the policy");
}
