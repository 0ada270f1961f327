//! Power loss and damage in the segment at the end of the log.

use super::super::frame::{HEADER_BYTES, MARK_BYTES, encode_mark};
use super::*;

const SECTOR_BYTES: usize = 512;

/// A log of one segment with synced records, and a sync that the power did not let finish.
struct Torn {
    synced: Vec<Vec<u8>>,
    /// All records, the unsynced ones at the end.
    all: Vec<Vec<u8>>,
    /// What the disk certainly holds: everything up to the last sync that returned, and not its mark.
    certain: Vec<u8>,
    /// What it would hold after that sync, with its mark.
    marked: Vec<u8>,
    /// What it would hold if everything written since had reached it.
    written: Vec<u8>,
    /// Where the certain part ends.
    synced_end: usize,
    /// Where the unsynced part ends.
    written_end: usize,
}

impl Torn {
    fn new(synced: Vec<Vec<u8>>, unsynced: Vec<Vec<u8>>, per_sync: usize) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let (mut log, _) = open(folder.path(), 1 << 20);
        for batch in synced.chunks(per_sync) {
            append_all(&mut log, batch);
            log.sync().expect("the log syncs");
        }
        let bytes = || fs::read(folder.path().join(segment_name(1))).expect("the segment is there");
        let used = |log: &SegmentedLog| usize::try_from(log.segment.used).expect("a small log");
        let (marked, synced_end) = (bytes(), used(&log) - MARK_BYTES);
        let mut certain = marked.clone();
        certain[synced_end..].fill(0);
        append_all(&mut log, &unsynced);
        log.sync().expect("the log syncs");
        let (mut written, written_end) = (bytes(), used(&log) - MARK_BYTES);
        written[written_end..].fill(0);
        // The reserved space is shortened: one page of zeros stands for all of it.
        let mut files = [certain, marked, written];
        files.iter_mut().for_each(|file| file.resize(written_end + 4096, 0));
        let [certain, marked, written] = files;
        let all = [synced.clone(), unsynced].concat();
        Self { synced, all, certain, marked, written, synced_end, written_end }
    }

    fn small() -> Self {
        Self::new(records(0, 9), records(9, 5), 3)
    }

    /// Opens these bytes: every synced record must be there, and nothing but a prefix of the unsynced ones besides.
    fn check(&self, bytes: &[u8], what: &str) -> usize {
        let found = open_and_go_on(&one_segment(bytes));
        assert!(found.len() >= self.synced.len(), "{what}: lost synced records, found {}", found.len());
        assert_eq!(found, self.all[..found.len()], "{what}: records differ");
        found.len()
    }
}

fn one_segment(bytes: &[u8]) -> Image {
    Image::from([(segment_name(1), bytes.to_vec())])
}

#[test]
fn a_tail_cut_at_any_offset_keeps_every_synced_record() {
    let torn = Torn::small();
    assert_eq!(torn.check(&torn.certain, "nothing but the synced part"), torn.synced.len());
    assert_eq!(torn.check(&torn.written, "everything written"), torn.all.len());
    for end in torn.synced_end..=torn.written_end {
        torn.check(&torn.written[..end], &format!("cut at {end}"));
        let mut zeroed = torn.written.clone();
        zeroed[end..].fill(0);
        torn.check(&zeroed, &format!("zeros from {end}"));
    }
}

#[test]
fn a_flipped_byte_in_the_unsynced_part_keeps_every_synced_record() {
    let torn = Torn::small();
    for offset in torn.synced_end..torn.written.len() {
        for flip in [0x01, 0xff] {
            // The reserved zeros behind the data need only a sample.
            if offset > torn.written_end + 40 && offset % 97 != 0 {
                continue;
            }
            let mut bytes = torn.written.clone();
            bytes[offset] ^= flip;
            torn.check(&bytes, &format!("byte {offset} flipped by {flip:#x}"));
        }
    }
}

#[test]
fn a_hole_in_the_unsynced_part_keeps_every_synced_record() {
    let torn = Torn::small();
    for start in torn.synced_end..torn.written_end {
        for length in [1, 4, 8, 24, 60] {
            let mut bytes = torn.written.clone();
            let end = (start + length).min(torn.written_end);
            bytes[start..end].fill(0);
            torn.check(&bytes, &format!("hole {start}..{end}"));
        }
    }
}

#[test]
fn any_mixture_of_old_and_new_sectors_keeps_every_synced_record() {
    let big = |from: usize| (from..from + 12).map(|number| vec![number as u8 + 1; 37 + number * 61]).collect();
    let mut counts = std::collections::BTreeSet::new();
    for seed in 0..300_u64 {
        let torn = Torn::new(big(0), big(12), 1 + seed as usize % 5);
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut bytes = torn.certain.clone();
        for start in (0..bytes.len()).step_by(SECTOR_BYTES) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            if random >> 32 & 3 != 0 {
                let end = (start + SECTOR_BYTES).min(bytes.len());
                bytes[start..end].copy_from_slice(&torn.written[start..end]);
            }
        }
        counts.insert(torn.check(&bytes, &format!("seed {seed}")));
    }
    assert!(counts.len() > 5, "the mixtures must differ in what they keep: {counts:?}");
}

#[test]
fn a_flipped_byte_before_the_last_mark_is_corruption() {
    let torn = Torn::small();
    for offset in 0..torn.synced_end {
        for flip in [0x01, 0x80, 0xff] {
            let mut bytes = torn.marked.clone();
            bytes[offset] ^= flip;
            assert_corrupt(open_image(&one_segment(&bytes)), &format!("byte {offset} flipped by {flip:#x}"));
        }
    }
}

#[test]
fn a_hole_before_the_last_mark_is_corruption() {
    let torn = Torn::small();
    for start in HEADER_BYTES..torn.synced_end - 1 {
        for length in [4, 8, 30, 100] {
            let mut bytes = torn.marked.clone();
            let end = (start + length).min(torn.synced_end);
            bytes[start..end].fill(0);
            if bytes != torn.marked {
                assert_corrupt(open_image(&one_segment(&bytes)), &format!("hole {start}..{end}"));
            }
        }
    }
}

#[test]
fn corruption_is_reported_with_the_place_where_reading_stopped() {
    let torn = Torn::new(vec![vec![1; 10], vec![2; 10]], Vec::new(), 1);
    let mut bytes = torn.marked.clone();
    let second = HEADER_BYTES + RECORD_OVERHEAD_BYTES + 10 + MARK_BYTES;
    bytes[second + RECORD_OVERHEAD_BYTES + 3] ^= 1;
    match open_image(&one_segment(&bytes)) {
        Err(LogError::Corrupt { file, offset, reason }) => {
            assert!(file.ends_with(segment_name(1)));
            assert_eq!((offset, reason), (second as u64, "the checksum of a record is wrong"));
        }
        other => panic!("corruption was expected, not {other:?}"),
    }
}

#[test]
fn damage_to_the_last_mark_alone_loses_nothing() {
    let torn = Torn::small();
    for offset in torn.synced_end..torn.synced_end + MARK_BYTES {
        let mut bytes = torn.marked.clone();
        bytes[offset] ^= 0x55;
        assert_eq!(torn.check(&bytes, &format!("byte {offset} of the mark")), torn.synced.len());
    }
}

#[test]
fn records_that_an_opening_has_shown_are_protected_like_synced_ones() {
    let torn = Torn::small();
    let folder = restore(&one_segment(&torn.written));
    let (log, found) = open(folder.path(), 1 << 13);
    assert_eq!(found, torn.all);
    drop(log);
    let mut opened = image(folder.path());
    opened.get_mut(&segment_name(1)).expect("the segment")[torn.written_end - 1] ^= 1;
    assert_corrupt(open_image(&opened), "damage to a record that was shown");
}

#[test]
fn a_remnant_of_a_torn_tail_never_becomes_part_of_the_log() {
    let torn = Torn::new(records(1, 2), vec![vec![9; 16], vec![8; 16], vec![7; 16]], 1);
    // The first unsynced record is lost, the two behind it are whole: a record of the same length, written in its
    // place, must not bring them back.
    let mut bytes = torn.written.clone();
    let first = torn.synced_end + MARK_BYTES;
    bytes[first..first + 8].fill(0);
    let folder = restore(&one_segment(&bytes));
    let (mut log, found) = open(folder.path(), 1 << 13);
    assert_eq!(found, torn.synced);
    let settled = fs::read(folder.path().join(segment_name(1))).expect("the segment");
    log.append(&[9; 16]).expect("the record is appended");
    log.sync().expect("the log syncs");
    drop(log);
    let mut bytes = fs::read(folder.path().join(segment_name(1))).expect("the segment");
    // The mark does not reach the disk, so that what was there before shows again.
    let mark = first + 24..first + 24 + MARK_BYTES;
    bytes[mark.clone()].copy_from_slice(&settled[mark]);
    let found = open_and_go_on(&one_segment(&bytes));
    assert_eq!(found, torn.all[..torn.synced.len() + 1]);
}

#[test]
fn bytes_in_a_record_do_not_pass_for_a_mark() {
    let lengths: usize = records(0, 3).iter().map(|record| record.len() + RECORD_OVERHEAD_BYTES).sum();
    // Where the payload of the unsynced record will begin, and a mark that would be right there but for the salt.
    let start = HEADER_BYTES + lengths + 3 * MARK_BYTES + RECORD_OVERHEAD_BYTES;
    let forged = encode_mark(0, Lsn::new(3), start as u64).to_vec();
    let torn = Torn::new(records(0, 3), vec![forged.clone()], 1);
    assert_eq!(torn.written[start..start + MARK_BYTES], forged);
    let mut bytes = torn.written.clone();
    bytes[start - 1] ^= 1;
    assert_eq!(torn.check(&bytes, "a forged mark"), torn.synced.len());
}

#[test]
fn a_copy_of_a_true_mark_at_another_place_proves_nothing() {
    let torn = Torn::small();
    let mark = torn.marked[torn.synced_end..torn.synced_end + MARK_BYTES].to_vec();
    let mut bytes = torn.written.clone();
    bytes[torn.written_end - 1] ^= 1;
    bytes[torn.written_end + 100..torn.written_end + 100 + MARK_BYTES].copy_from_slice(&mark);
    torn.check(&bytes, "a copied mark");
}
