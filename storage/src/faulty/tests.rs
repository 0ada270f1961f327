//! Tests of the twin: it must lose no more and no less than the log on disk may lose.

use proptest::prelude::*;

use super::*;

fn record(number: u8) -> Vec<u8> {
    vec![number; usize::from(number % 5)]
}

fn with(plan: FaultPlan, synced: u8, unsynced: u8) -> FaultyLog {
    let mut log = FaultyLog::new(plan);
    for number in 0..synced + unsynced {
        if number == synced {
            log.sync().expect("synced");
        }
        log.append(&record(number)).expect("appended");
    }
    log
}

fn numbers(count: u8) -> Vec<Vec<u8>> {
    (0..count).map(record).collect()
}

#[track_caller]
fn assert_refuses(log: &mut FaultyLog) {
    assert!(matches!(log.append(b"x"), Err(LogError::Poisoned)));
    assert!(matches!(log.sync(), Err(LogError::Poisoned)));
    assert!(matches!(log.replace(&[]), Err(LogError::Poisoned)));
}

#[test]
fn a_crash_keeps_synced_records_and_every_possible_prefix_of_the_others() {
    let mut lengths = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let mut log = with(FaultPlan::default(), 4, 3);
        let found = log.crash(seed);
        assert!(found.len() >= 4);
        assert_eq!(found, numbers(7)[..found.len()]);
        assert_eq!(log.durable(), Lsn::new(found.len() as u64));
        assert_refuses(&mut log);
        assert_eq!(log.reopen(), found);
        assert_eq!(log.append(b"next").expect("open again"), log.durable().next());
        lengths.insert(found.len());
    }
    assert_eq!(lengths, (4..=7).collect());
}

#[test]
fn the_same_seed_gives_the_same_crash() {
    let log = with(FaultPlan::default(), 2, 60);
    assert_eq!(log.clone().crash(11), log.clone().crash(11));
    let mut once = log.clone();
    let found = once.crash(11);
    assert_eq!(once.crash(12), found, "a second crash changes nothing");
}

#[test]
fn a_crash_loses_all_or_keeps_all_when_so_planned() {
    for seed in 0..20 {
        let lose = FaultPlan { unsynced: Unsynced::Lose, ..FaultPlan::default() };
        assert_eq!(with(lose, 4, 3).crash(seed), numbers(4));
        let keep = FaultPlan { unsynced: Unsynced::Keep, ..FaultPlan::default() };
        assert_eq!(with(keep, 4, 3).crash(seed), numbers(7));
    }
}

#[test]
fn the_end_of_the_process_alone_loses_what_was_buffered() {
    let mut log = with(FaultPlan { unsynced: Unsynced::Keep, ..FaultPlan::default() }, 4, 3);
    assert_eq!(log.reopen(), numbers(4));
    assert_eq!(log.append(b"x").expect("appended"), Lsn::new(5));
}

#[test]
fn the_planned_append_fails_and_poisons() {
    let mut log = FaultyLog::new(FaultPlan { fail_append: Some(2), ..FaultPlan::default() });
    log.append(b"a").expect("the first append works");
    assert!(log.append(b"b").expect_err("planned").is_fatal());
    assert_refuses(&mut log);
    assert!(log.durable_records().is_empty());
    log.reopen();
    log.append(b"c").expect("the fault does not come again");
}

#[test]
fn the_planned_sync_fails_and_what_waited_may_survive() {
    let plan = FaultPlan { fail_sync: Some(2), ..FaultPlan::default() };
    let mut lengths = std::collections::BTreeSet::new();
    for seed in 0..100 {
        let mut log = with(plan.clone(), 2, 2);
        assert!(matches!(log.sync(), Err(LogError::Io { operation: "sync", .. })));
        assert_refuses(&mut log);
        assert_eq!(log.durable_records(), numbers(2));
        assert_eq!(log.durable(), Lsn::new(2));
        lengths.insert(log.crash(seed).len());
    }
    assert_eq!(lengths, (2..=4).collect());
}

#[test]
fn a_planned_failure_of_a_compaction_leaves_the_old_log_or_the_new_one() {
    let plan = FaultPlan { fail_replace: Some(1), ..FaultPlan::default() };
    let base = vec![b"base".to_vec()];
    let (mut old, mut new) = (0, 0);
    for seed in 0..100 {
        let mut log = with(plan.clone(), 3, 1);
        assert!(log.replace(&base).expect_err("planned").is_fatal());
        assert_refuses(&mut log);
        let found = log.crash(seed);
        if found == base {
            new += 1;
            assert_eq!(log.durable(), Lsn::new(5));
        } else {
            old += 1;
            assert!(found == numbers(3) || found == numbers(4));
        }
    }
    assert!(old > 20 && new > 20, "both outcomes must occur: {old} and {new}");
}

#[test]
fn limits_are_refused_without_poison_and_do_not_count_as_calls() {
    let mut log = FaultyLog::new(FaultPlan { total_bytes: 30, fail_append: Some(2), ..FaultPlan::default() });
    log.append(&[0; 10]).expect("appended");
    assert!(matches!(log.append(&[0; 20]), Err(LogError::Full { bytes: 46, bytes_max: 30 })));
    assert!(matches!(log.replace(&[vec![0; 23]]), Err(LogError::Full { .. })));
    assert!(matches!(log.append(&vec![0; crate::RECORD_BYTES_MAX + 1]), Err(LogError::RecordTooLarge { .. })));
    assert_eq!(log.bytes(), 18);
    assert!(matches!(log.append(b"x"), Err(LogError::Io { .. })), "this is the second call");
}

#[test]
fn a_twin_that_is_never_synced_commits_like_the_log_on_disk() {
    let mut log = FaultyLog::new(FaultPlan::default());
    for _ in 0..5 {
        log.append(&vec![1; crate::RECORD_BYTES_MAX]).expect("appended");
    }
    assert_eq!(log.durable(), Lsn::new(4));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_calls_and_crashes_keeps_what_was_synced(
        calls in prop::collection::vec((0..8_u8, any::<u64>()), 0..80),
    ) {
        let mut log = FaultyLog::new(FaultPlan::default());
        let (mut synced, mut all, mut lsn) = (Vec::new(), Vec::new(), 0_u64);
        for (kind, seed) in calls {
            match kind {
                0..=3 => {
                    let record = seed.to_le_bytes()[..(seed % 9) as usize].to_vec();
                    lsn += 1;
                    prop_assert_eq!(log.append(&record).expect("appended"), Lsn::new(lsn));
                    all.push(record);
                }
                4..=5 => {
                    prop_assert_eq!(log.sync().expect("synced"), Lsn::new(lsn));
                    synced.clone_from(&all);
                }
                6 => {
                    let base = vec![seed.to_le_bytes().to_vec(), Vec::new()];
                    lsn += 2;
                    prop_assert_eq!(log.replace(&base).expect("compacted"), Lsn::new(lsn));
                    (synced, all) = (base.clone(), base);
                }
                _ => {
                    let found = log.crash(seed);
                    prop_assert!(found.len() >= synced.len() && all.starts_with(&found));
                    prop_assert_eq!(&log.reopen(), &found);
                    lsn -= (all.len() - found.len()) as u64;
                    (synced, all) = (found.clone(), found);
                }
            }
            prop_assert_eq!(log.durable_records(), &synced[..]);
            prop_assert_eq!(log.durable(), Lsn::new(lsn - (all.len() - synced.len()) as u64));
            let counted: usize = all.iter().map(|record| record.len() + 8).sum();
            prop_assert_eq!(log.bytes(), counted as u64);
        }
    }
}
