//! Properties over random transactions: nothing is made or lost, failures leave nothing, and the same input gives the
//! same output.

use super::*;
use althing_types::decode;
use proptest::prelude::*;

const SYMBOLS: [&str; 3] = ["USD", "EUR", "GBP"];

fn some_transfer() -> impl Strategy<Value = Action> {
    let amount = prop_oneof![8 => 1..700u128, 1 => Just(u128::MAX)];
    // Of the third asset there is no record.
    let symbol = prop_oneof![8 => 0..2usize, 1 => Just(2)];
    (1..5u8, symbol, amount).prop_map(|(to, symbol, amount)| transfer(address(to), SYMBOLS[symbol], amount))
}

fn some_action() -> impl Strategy<Value = Action> {
    let policy = (1..5u8).prop_map(|seed| Action::SetPolicy { policy: key_policy(seed) });
    let single = prop_oneof![9 => some_transfer(), 1 => policy];
    prop_oneof![3 => single.clone(), 1 => prop::collection::vec(single, 1..5).prop_map(batch)]
}

fn some_replay() -> impl Strategy<Value = Replay> {
    let expiring = (NOW_MS - 5..NOW_MS + 90).prop_map(|at| Replay::Expiring { valid_until: TimeMs::new(at), salt: 0 });
    prop_oneof![expiring, (0..3u32, 0..4u64).prop_map(|(lane, seq)| Replay::Sequence { lane, seq })]
}

fn some_draft() -> impl Strategy<Value = Draft> {
    let gas_limit = prop_oneof![9 => Just(PLENTY), 1 => 0..60_000u64];
    (1..5u8, 1..5u8, some_action(), some_replay(), gas_limit).prop_map(|(sender, signer, action, replay, gas_limit)| {
        let draft = Draft::of(sender, action).replay(replay).gas_limit(gas_limit);
        // A signature of another key is good only if a change of policy made it so.
        let signer = if signer == 1 { 1 } else { sender };
        draft.sender(address(sender), Some(key_policy(sender)), &[signer])
    })
}

fn supply(world: &World, symbol: &str) -> u128 {
    let balances = world.0.iter().filter(|(key, _)| matches!(key, StateKey::Balance(_, id) if *id == asset(symbol)));
    balances.map(|(_, bytes)| decode_balance(bytes).expect("written by this room")).sum()
}

fn start() -> World {
    let mut world = World::of(&[address(1), address(2)]);
    world.record(address(2), &key_policy(2), &[(1, 1)], 0);
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_transaction_makes_or_loses_an_asset(drafts in prop::collection::vec(some_draft(), 1..30)) {
        let mut world = start();
        for draft in drafts {
            let transaction = draft.sign();
            prop_assert_eq!(transaction.check_form(&CHAIN), Ok(()));
            if let Outcome::Executed(execution) = world.try_execute(&transaction) {
                world.apply(execution.writes);
            }
            for symbol in ["USD", "EUR"] {
                prop_assert_eq!(supply(&world, symbol), 2_000);
            }
            prop_assert_eq!(supply(&world, "GBP"), 0);
            let zero = encode(&0u128);
            let mut balances = world.0.iter().filter(|(key, _)| matches!(key, StateKey::Balance(..)));
            prop_assert!(balances.all(|(_, bytes)| *bytes != zero));
        }
    }

    #[test]
    fn a_failed_transaction_writes_its_sequence_number_only(drafts in prop::collection::vec(some_draft(), 1..30)) {
        let mut world = start();
        for draft in drafts {
            let transaction = draft.sign();
            let Outcome::Executed(Execution { receipt, writes }) = world.try_execute(&transaction) else { continue };
            prop_assert!(receipt.gas_used <= draft.body.gas_limit);
            let before = world.clone();
            world.apply(writes.clone());
            if receipt.status == Status::Ok {
                prop_assert_eq!(receipt.gas_used, gas_required(&transaction));
                continue;
            }
            prop_assert!(receipt.events.is_empty());
            let Replay::Sequence { lane, seq } = draft.body.replay else {
                prop_assert!(writes.is_empty());
                continue;
            };
            let account = StateKey::Account(draft.body.sender);
            prop_assert!(writes.keys().eq([&account]));
            let (old, new) = (before.account(draft.body.sender), world.account(draft.body.sender));
            let Some(Account::V1 { policy, lanes, flags }) = new else { panic!("a record was written") };
            let number = lanes.iter().find(|entry| entry.lane == lane).map(|entry| entry.next);
            prop_assert_eq!(number, Some(seq + 1));
            let old = old.unwrap_or(Account::V1 { policy: policy.clone(), lanes: List::empty(), flags });
            let Account::V1 { policy: old_policy, lanes: old_lanes, flags: old_flags } = old;
            prop_assert_eq!((old_policy, old_flags), (policy, flags));
            let others = |lanes: &[AccountLane]| lanes.iter().copied().filter(|entry| entry.lane != lane).collect::<Vec<_>>();
            prop_assert_eq!(others(&old_lanes), others(&lanes));
        }
    }

    #[test]
    fn the_same_input_gives_the_same_output(draft in some_draft()) {
        let transaction = draft.sign();
        let again: SignedTransaction = decode(&transaction.to_bytes(), 100_000).expect("well formed");
        prop_assert_eq!(start().try_execute(&transaction), start().try_execute(&again));
    }
}
