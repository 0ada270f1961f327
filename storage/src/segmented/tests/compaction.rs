//! Power loss at each point of a compaction.

use super::super::frame::HEADER_BYTES;
use super::*;

/// The files before and after a compaction, and the records of both.
struct Compaction {
    before: Image,
    after: Image,
    old: Vec<Vec<u8>>,
    new: Vec<Vec<u8>>,
}

impl Compaction {
    fn run() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let (mut log, _) = open(folder.path(), 300);
        let old = records(0, 20);
        for batch in old.chunks(2) {
            append_all(&mut log, batch);
            log.sync().expect("the log syncs");
        }
        let before = image(folder.path());
        let new = records(100, 6);
        assert_eq!(log.replace(&new).expect("the log is compacted"), Lsn::new(26));
        let after = image(folder.path());
        assert!(before.len() > 3, "there must be several old segments");
        assert_eq!(after.len(), 1, "only the new segment may remain");
        Self { before, after, old, new }
    }

    fn base(&self) -> (&String, &Vec<u8>) {
        self.after.first_key_value().expect("the new segment")
    }
}

#[test]
fn a_crash_before_the_rename_leaves_the_old_log() {
    let compaction = Compaction::run();
    let (name, bytes) = compaction.base();
    let temporary = name.replace(".log", ".tmp");
    for end in 0..=bytes.len() {
        let mut crashed = compaction.before.clone();
        crashed.insert(temporary.clone(), bytes[..end].to_vec());
        assert_eq!(open_and_go_on(&crashed), compaction.old, "temporary file cut at {end}");
    }
}

#[test]
fn an_opening_deletes_the_temporary_file_and_the_superseded_segments() {
    let compaction = Compaction::run();
    let (name, bytes) = compaction.base();
    let mut crashed = compaction.before.clone();
    crashed.insert(name.replace(".log", ".tmp"), bytes.clone());
    let folder = restore(&crashed);
    drop(open(folder.path(), 300));
    assert_eq!(image(folder.path()), compaction.before);

    let mut crashed = compaction.before.clone();
    crashed.insert(name.clone(), bytes.clone());
    let folder = restore(&crashed);
    drop(open(folder.path(), 300));
    assert_eq!(image(folder.path()), compaction.after);
}

#[test]
fn a_crash_after_the_rename_leaves_the_new_log_whichever_old_segments_are_gone() {
    let compaction = Compaction::run();
    let old: Vec<_> = compaction.before.iter().collect();
    for kept in 0..1_u32 << old.len() {
        let survivors = old.iter().enumerate().filter(|(place, _)| kept >> place & 1 == 1);
        let mut crashed = compaction.after.clone();
        crashed.extend(survivors.map(|(_, (name, bytes))| ((*name).clone(), (*bytes).clone())));
        assert_eq!(open_and_go_on(&crashed), compaction.new, "old segments {kept:b}");
    }
}

#[test]
fn a_damaged_base_is_corruption_wherever_the_damage_is() {
    let compaction = Compaction::run();
    let (name, bytes) = compaction.base();
    let used = HEADER_BYTES + compaction.new.iter().map(|record| record.len() + 8).sum::<usize>();
    for offset in 0..used {
        let mut flipped = bytes.clone();
        flipped[offset] ^= 4;
        assert_corrupt(open_image(&Image::from([(name.clone(), flipped)])), &format!("byte {offset} flipped"));
        let mut cut = bytes.clone();
        cut.truncate(offset);
        assert_corrupt(open_image(&Image::from([(name.clone(), cut)])), &format!("cut at {offset}"));
    }
}

#[test]
fn positions_go_on_after_a_compaction_and_after_the_next_opening() {
    let folder = TempDir::new().expect("a temporary folder");
    let (mut log, _) = open(folder.path(), 300);
    append_all(&mut log, &records(0, 3));
    assert_eq!(log.replace(&records(5, 2)).expect("compacted"), Lsn::new(5), "unsynced records have used positions");
    assert_eq!(log.append(b"x").expect("appended"), Lsn::new(6));
    assert_eq!(log.sync().expect("synced"), Lsn::new(6));
    assert_eq!(log.replace(&[]).expect("compacted"), Lsn::new(6));
    drop(log);
    let (mut log, found) = open(folder.path(), 300);
    assert!(found.is_empty());
    assert_eq!(log.durable(), Lsn::new(6));
    assert_eq!(log.append(b"y").expect("appended"), Lsn::new(7));
}

#[test]
fn a_large_base_is_written_in_pieces_and_read_back_whole() {
    let folder = TempDir::new().expect("a temporary folder");
    let (mut log, _) = open(folder.path(), 1 << 16);
    let base: Vec<_> = (0..7_u8).map(|number| vec![number; 600_000]).collect();
    log.replace(&base).expect("the log is compacted");
    log.append(b"next").expect("appended");
    log.sync().expect("synced");
    drop(log);
    let (_, found) = open(folder.path(), 1 << 16);
    assert_eq!(found[..7], base);
    assert_eq!(found[7..], [b"next".to_vec()]);
}
