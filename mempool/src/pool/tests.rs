//! Admission, quotas, turns and numbers.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that goes wrong should stop where it does"
)]

use super::*;
use crate::candidate::{AdmitError, Candidate};
use crate::config::{POOL_BYTES_MAX, POOL_TRANSACTIONS_MAX, SENDER_PART};
use crate::tests::rig::{Ask, Random, WALL_MS};

fn terms() -> Terms {
    Terms {
        now: Monotonic::new(1_000_000),
        wall: TimeMs::new(WALL_MS),
        window_ms: 600_000,
        batch: Share { bytes: 512 * 1024, transactions: 5_000, gas: 125_000_000 },
        gas_max: 100_000_000,
        retry_after_ms: 250,
    }
}

fn admit(pool: &mut Pool, ask: &Ask) -> Result<(), AdmitError> {
    pool.admit(ask.candidate(), &terms()).map(drop)
}

fn until(valid_until: u64) -> Ask {
    let replay = Replay::Expiring { valid_until: TimeMs::new(valid_until), salt: 1 };
    Ask { replay, ..Ask::expiring(1, 1) }
}

/// The senders and numbers of what a batch takes.
fn taken(pool: &mut Pool, room: &Share) -> Vec<Replay> {
    pool.take(room).iter().map(|(_, transaction)| transaction.body().replay).collect()
}

fn everything() -> Share {
    room_of_batch(&terms().batch)
}

#[test]
fn each_kind_of_refusal_has_its_name() {
    let gas = |gas_limit| Ask { gas_limit, ..Ask::expiring(1, 1) };
    let over = WALL_MS + 600_001;
    let table = [
        (until(WALL_MS), None),
        (until(WALL_MS - 1), Some(AdmitError::Expired { valid_until: WALL_MS - 1, now: WALL_MS })),
        (until(over - 1), None),
        (until(over), Some(AdmitError::TooFarAhead { valid_until: over, max: over - 1 })),
        (gas(100_000_000), None),
        (gas(100_000_001), Some(AdmitError::GasLimit { gas_limit: 100_000_001, max: 100_000_000 })),
        (Ask::numbered(1, 1), None),
        (Ask::numbered(1, 0), Some(AdmitError::SequenceUsed { given: 0, next: 1 })),
        (Ask::numbered(1, 65), None),
        (Ask::numbered(1, 66), Some(AdmitError::SequenceTooFar { given: 66, next: 1 })),
        (Ask::numbered(1, u64::MAX), Some(AdmitError::SequenceTooFar { given: u64::MAX, next: 1 })),
    ];
    for (ask, expected) in table {
        assert_eq!(admit(&mut Pool::default(), &ask).err(), expected, "{ask:?}");
    }
}

#[test]
fn what_fits_no_batch_of_ours_is_refused() {
    let length = Ask::expiring(1, 1).candidate().bytes as u64;
    let exact = BATCH_FRAME_BYTES + ITEM_FRAME_BYTES + length;
    let with = |bytes, gas| Terms { batch: Share { bytes, transactions: 9, gas }, ..terms() };
    let offer = |terms: &Terms| Pool::default().admit(Ask::expiring(1, 1).candidate(), terms).err();
    assert_eq!(offer(&with(exact, 30_000)), None);
    let too_large = AdmitError::TooLarge { bytes: length as usize, max: length as usize - 1 };
    assert_eq!(offer(&with(exact - 1, 30_000)), Some(too_large));
    assert_eq!(offer(&with(exact, 29_999)), Some(AdmitError::GasLimit { gas_limit: 30_000, max: 29_999 }));
}

#[test]
fn what_a_batch_is_said_to_take_is_what_it_takes() {
    let mut pool = Pool::default();
    for sender in 0..5 {
        admit(&mut pool, &Ask { memo: sender as usize * 20, ..Ask::expiring(sender, 1) }).expect("room");
    }
    let counted = pool.ready.bytes + BATCH_FRAME_BYTES;
    let asks: Vec<Ask> = (0..5).map(|sender| Ask { memo: sender as usize * 20, ..Ask::expiring(sender, 1) }).collect();
    let batch = crate::tests::rig::signed_batch(4, 0, crate::tests::rig::bottom(0), &asks);
    assert_eq!(counted, althing_types::encoded_len(&batch) as u64);
}

/// A candidate that claims to be of any size and has a name of its own; the pool looks at no bytes.
fn claimed(like: &Candidate, name: u64, bytes: usize) -> Candidate {
    Candidate { id: althing_types::leaf_hash(&name.to_le_bytes()), bytes, ..like.clone() }
}

#[test]
fn one_sender_gets_its_part_of_the_pool_and_no_more() {
    let mut pool = Pool::default();
    let ask = Ask::expiring(1, 1).candidate();
    let quota = Some(AdmitError::SenderQuota { retry_after_ms: 250 });
    for name in 0..(POOL_TRANSACTIONS_MAX / SENDER_PART) as u64 {
        assert_eq!(pool.admit(claimed(&ask, name, 100), &terms()), Ok(vec![]));
    }
    assert_eq!(pool.admit(claimed(&ask, 1 << 40, 100), &terms()).err(), quota);
    assert_eq!(admit(&mut pool, &Ask::expiring(2, 1)), Ok(()), "others are not touched");
    assert_eq!(admit(&mut pool, &Ask::numbered(1, 1)), Ok(()), "numbered ones have a quota of their own");

    let (mut pool, large) = (Pool::default(), 300_000);
    let fit = POOL_BYTES_MAX / SENDER_PART / large;
    for name in 0..fit as u64 {
        assert_eq!(pool.admit(claimed(&ask, name, large), &terms()), Ok(vec![]));
    }
    assert_eq!(pool.admit(claimed(&ask, 1 << 40, large), &terms()).err(), quota);
}

#[test]
fn one_sender_has_at_most_64_numbered_transactions() {
    let mut pool = Pool::default();
    for seq in 2..=65 {
        assert_eq!(admit(&mut pool, &Ask::numbered(1, seq)), Ok(()));
    }
    assert!(matches!(admit(&mut pool, &Ask::numbered(1, 1)), Err(AdmitError::SenderQuota { .. })));
}

#[test]
fn a_full_pool_refuses_and_puts_nothing_out() {
    let mut pool = Pool::default();
    let asks: Vec<Candidate> = (0..9).map(|sender| Ask::expiring(sender, 1).candidate()).collect();
    let full = Some(AdmitError::Full { retry_after_ms: 250 });
    for name in 0..POOL_TRANSACTIONS_MAX as u64 {
        assert_eq!(pool.admit(claimed(&asks[name as usize % 9], name, 100), &terms()), Ok(vec![]));
    }
    assert_eq!(pool.admit(claimed(&asks[0], 1 << 40, 100), &terms()).err(), full);
    assert_eq!((pool.count(), pool.bytes()), (POOL_TRANSACTIONS_MAX, POOL_TRANSACTIONS_MAX * 100));

    let (mut pool, large) = (Pool::default(), 300_000);
    let fit = (0..).take_while(|name| pool.admit(claimed(&asks[*name as usize % 9], *name, large), &terms()).is_ok());
    assert_eq!(fit.count(), POOL_BYTES_MAX / large);
    assert!(pool.bytes() <= POOL_BYTES_MAX);
}

#[test]
fn senders_take_turns_so_that_none_starves_another() {
    let mut pool = Pool::default();
    for salt in 0..20 {
        admit(&mut pool, &Ask::expiring(1, salt)).expect("room");
    }
    admit(&mut pool, &Ask::expiring(2, 100)).expect("room");
    admit(&mut pool, &Ask::expiring(3, 200)).expect("room");
    let room = Share { transactions: 6, ..everything() };
    let salts: Vec<u64> = taken(&mut pool, &room)
        .iter()
        .map(|replay| match replay {
            Replay::Expiring { salt, .. } => *salt,
            Replay::Sequence { .. } => panic!("there are none"),
        })
        .collect();
    assert!(salts.contains(&100) && salts.contains(&200), "{salts:?}");
    let own: Vec<u64> = salts.into_iter().filter(|salt| *salt < 100).collect();
    assert_eq!(own, vec![0, 1, 2, 3], "and each sender's leave in their order");
}

#[test]
fn a_transaction_that_found_no_room_begins_the_next_batch() {
    let mut pool = Pool::default();
    let heavy = Ask { gas_limit: 90_000_000, ..Ask::expiring(7, 1) };
    admit(&mut pool, &heavy).expect("room");
    let mut batches = 0;
    while pool.contains(&heavy.verified().id()) {
        for sender in 0..6 {
            for salt in 0..2 {
                let ask = Ask { gas_limit: 10_000_000, ..Ask::expiring(sender, batches * 10 + salt) };
                admit(&mut pool, &ask).expect("room");
            }
        }
        assert!(!pool.take(&Share { gas: 100_000_000, ..everything() }).is_empty());
        batches += 1;
        assert!(batches <= 2, "it starves");
    }
}

#[test]
fn numbered_transactions_leave_without_a_gap_and_in_order() {
    let mut pool = Pool::default();
    for seq in [4, 2, 1, 6] {
        admit(&mut pool, &Ask::numbered(1, seq)).expect("room");
    }
    let numbers = |seqs: &[u64]| seqs.iter().map(|seq| Replay::Sequence { lane: 0, seq: *seq }).collect::<Vec<_>>();
    assert_eq!(taken(&mut pool, &everything()), numbers(&[1, 2]));
    admit(&mut pool, &Ask::numbered(1, 3)).expect("room");
    assert_eq!(taken(&mut pool, &everything()), numbers(&[3, 4]));
    let used = AdmitError::SequenceUsed { given: 4, next: 5 };
    assert_eq!(admit(&mut pool, &Ask { memo: 1, ..Ask::numbered(1, 4) }), Err(used), "4 is on its way");
    let taken_by_another = AdmitError::SequenceUsed { given: 6, next: 5 };
    assert_eq!(admit(&mut pool, &Ask { memo: 1, ..Ask::numbered(1, 6) }), Err(taken_by_another));
}

#[test]
fn a_number_that_was_skipped_in_a_block_can_be_used_again() {
    let mut pool = Pool::default();
    admit(&mut pool, &Ask::numbered(1, 1)).expect("room");
    let left = pool.take(&everything());
    let body = left[0].1.body();
    pool.note_decided(body.sender, body.replay);
    assert_eq!(admit(&mut pool, &Ask::numbered(1, 1)), Ok(()), "the state still expects it");
}

#[test]
fn time_takes_out_what_is_over_and_what_waited_too_long() {
    let mut pool = Pool::default();
    for ask in [until(WALL_MS + 10), Ask::expiring(2, 2), Ask::numbered(3, 1), Ask::numbered(4, 2)] {
        admit(&mut pool, &ask).expect("room");
    }
    assert_eq!(pool.expire(TimeMs::new(WALL_MS + 10)), vec![]);
    assert_eq!(pool.expire(TimeMs::new(WALL_MS + 11)), vec![until(WALL_MS + 10).verified().id()]);
    let ends = terms().now.plus_ms(600_000);
    assert_eq!(pool.wait_ends(), Some(ends), "number 2 waits, number 1 of the other does not");
    assert_eq!(pool.give_up_waiting(ends), vec![Ask::numbered(4, 2).verified().id()]);
    assert_eq!(pool.count(), 2);
}

/// Adds up everything that the pool counts as it goes.
fn assert_consistent(pool: &Pool) {
    let ready = pool.entries.values().filter(|entry| entry.ticket.is_some());
    let expected = ready.fold(Share::default(), |sum, entry| sum.plus(&entry.size()));
    assert_eq!(pool.ready, expected);
    assert_eq!(pool.bytes, pool.entries.values().map(|entry| entry.bytes).sum::<usize>());
    let lines: usize = pool.senders.values().map(|sender| sender.ready.len()).sum();
    assert_eq!(lines as u64, expected.transactions);
    let waiting: usize = pool.sequences.values().map(|lane| lane.waiting.len()).sum();
    assert_eq!(waiting + lines, pool.entries.len());
    assert_eq!(pool.waits.len(), waiting);
    assert!(pool.ready_senders.iter().all(|sender| !pool.senders[sender].ready.is_empty()));
}

#[test]
fn the_pools_sums_hold_whatever_happens() {
    let asks: Vec<Ask> = (0..60u64)
        .map(|i| if i % 2 == 0 { Ask::expiring(i as u16 % 4, i) } else { Ask::numbered(i as u16 % 3, i / 4) })
        .collect();
    for seed in 0..20 {
        let (mut random, mut pool, mut flying) = (Random(seed), Pool::default(), Vec::new());
        for _ in 0..400 {
            let ask = random.pick(&asks);
            match random.below(8) {
                0..=3 if !pool.contains(&ask.verified().id()) => drop(admit(&mut pool, &ask)),
                4 => flying.extend(pool.take(&Share { transactions: random.below(6), ..everything() })),
                5 => drop(pool.decide(&[ask.verified().id()])),
                6 => {
                    for (_, transaction) in flying.drain(..) {
                        pool.note_decided(transaction.body().sender, transaction.body().replay);
                    }
                }
                7 => {
                    let (sender, next) = (ask.verified().body().sender, random.below(16));
                    drop(pool.learn_sequence(&crate::NextSequence { sender, lane: 0, next }));
                }
                _ => {}
            }
            assert_consistent(&pool);
        }
        pool.clear();
        assert_consistent(&pool);
        assert!(pool.senders.is_empty() && pool.ends.is_empty());
    }
}
