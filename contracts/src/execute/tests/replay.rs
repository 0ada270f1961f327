//! Expiry and sequence lanes: when a transaction is executed, and when it is skipped.

use super::*;

fn outcome(world: &World, replay: Replay) -> Result<Status, SkipReason> {
    match world.try_execute(&Draft::of(1, transfer(address(2), "USD", 1)).replay(replay).sign()) {
        Outcome::Executed(execution) => Ok(execution.receipt.status),
        Outcome::Skipped(reason) => Err(reason),
    }
}

#[test]
fn an_expiring_transaction_has_its_window() {
    let world = World::of(&[address(1)]);
    let window_ms = u64::from(ChainParams::DEFAULT.transactions.max_window_ms);
    let table = [
        (0, Err(SkipReason::Expired)),
        (NOW_MS - 1, Err(SkipReason::Expired)),
        (NOW_MS, Ok(Status::Ok)),
        (NOW_MS + window_ms, Ok(Status::Ok)),
        (NOW_MS + window_ms + 1, Err(SkipReason::TooFarAhead)),
        (u64::MAX, Err(SkipReason::TooFarAhead)),
    ];
    for (valid_until, expected) in table {
        let replay = Replay::Expiring { valid_until: TimeMs::new(valid_until), salt: 3 };
        assert_eq!(outcome(&world, replay), expected, "{valid_until}");
    }
}

#[test]
fn a_number_executes_only_as_the_next_of_its_lane() {
    let mut world = World::of(&[address(1)]);
    world.record(address(1), &key_policy(1), &[(2, 5), (8, u64::MAX)], 0);
    let table = [
        (2, 4, Err(SkipReason::SequenceUsed { next: 5 })),
        (2, 0, Err(SkipReason::SequenceUsed { next: 5 })),
        (2, 5, Ok(Status::Ok)),
        (2, 6, Err(SkipReason::SequenceAhead { next: 5 })),
        (2, u64::MAX, Err(SkipReason::SequenceAhead { next: 5 })),
        (0, 0, Ok(Status::Ok)),
        (u32::MAX, 0, Ok(Status::Ok)),
        (0, 1, Err(SkipReason::SequenceAhead { next: 0 })),
        (8, u64::MAX, Err(SkipReason::LaneEnded)),
        (8, u64::MAX - 1, Err(SkipReason::SequenceUsed { next: u64::MAX })),
    ];
    for (lane, seq, expected) in table {
        assert_eq!(outcome(&world, Replay::Sequence { lane, seq }), expected, "lane {lane}, number {seq}");
    }
}

#[test]
fn every_execution_advances_its_lane_and_makes_the_record() {
    let who = address(1);
    let mut world = World::of(&[who]);
    let steps = [(7, 0, 1), (3, 0, 9_999), (7, 1, 9_999), (7, 2, 1), (5, 0, 1)];
    for (lane, seq, amount) in steps {
        let transaction = Draft::of(1, transfer(address(2), "USD", amount)).sequence(lane, seq).sign();
        let status = if amount == 1 { Status::Ok } else { Status::Insufficient };
        assert_eq!(world.execute(&transaction).status, status);
        let next = seq + 1;
        assert_eq!(world.try_execute(&transaction), Outcome::Skipped(SkipReason::SequenceUsed { next }));
    }
    let mut expected = world.clone();
    expected.record(who, &key_policy(1), &[(3, 1), (5, 1), (7, 3)], 0);
    assert_eq!(world, expected);
}

#[test]
fn an_expiring_transaction_makes_no_record() {
    let mut world = World::of(&[address(1)]);
    world.execute(&Draft::of(1, transfer(address(2), "USD", 1)).sign());
    assert_eq!((world.account(address(1)), world.account(address(2))), (None, None));
}

#[test]
fn a_seventeenth_lane_has_no_room() {
    let who = address(1);
    let mut world = World::of(&[who]);
    for lane in 0..16 {
        assert_eq!(
            world.execute(&Draft::of(1, transfer(who, "USD", 1)).sequence(lane * 2, 0).sign()).status,
            Status::Ok
        );
    }
    for lane in [1, 99] {
        assert_eq!(outcome(&world, Replay::Sequence { lane, seq: 0 }), Err(SkipReason::LanesFull));
    }
    assert_eq!(outcome(&world, Replay::Sequence { lane: 30, seq: 1 }), Ok(Status::Ok));
}

#[test]
fn reasons_have_their_own_numbers_and_texts() {
    let next = 3;
    let reasons = [
        SkipReason::Expired,
        SkipReason::TooFarAhead,
        SkipReason::Unauthorized,
        SkipReason::SequenceUsed { next },
        SkipReason::SequenceAhead { next },
        SkipReason::LanesFull,
        SkipReason::LaneEnded,
        SkipReason::GasLimit { max: 1 },
        SkipReason::SurplusSignatures { required: 1 },
    ];
    assert!(reasons.iter().map(|reason| reason.number()).eq(1..=9));
    let texts: std::collections::BTreeSet<String> = reasons.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), reasons.len());
}
