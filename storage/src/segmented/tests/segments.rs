//! Damage to a log of several segments: everything but its end had been durable.

use super::super::frame::HEADER_BYTES;
use super::*;

/// A log of several segments, its records, and the length in use of each finished segment.
fn several() -> (Image, Vec<Vec<u8>>, Vec<(u64, u64)>) {
    let folder = TempDir::new().expect("a temporary folder");
    let (mut log, _) = open(folder.path(), 400);
    let all = records(0, 30);
    for batch in all.chunks(2) {
        append_all(&mut log, batch);
        log.sync().expect("the log syncs");
    }
    assert!(log.older.len() >= 3, "the log must span several segments");
    (image(folder.path()), all, log.older.clone())
}

#[test]
fn records_are_found_across_segments() {
    let (image, all, _) = several();
    assert_eq!(open_and_go_on(&image), all);
}

#[test]
fn any_damage_to_a_finished_segment_is_corruption() {
    let (image, _, finished) = several();
    for (index, used) in finished {
        let name = segment_name(index);
        for offset in 0..image[&name].len() {
            let mut damaged = image.clone();
            damaged.get_mut(&name).expect("the segment")[offset] ^= 0x10;
            assert_corrupt(open_image(&damaged), &format!("byte {offset} of segment {index}"));
        }
        for end in 0..usize::try_from(used).expect("a small segment") {
            let mut damaged = image.clone();
            damaged.get_mut(&name).expect("the segment").truncate(end);
            assert_corrupt(open_image(&damaged), &format!("segment {index} cut at {end}"));
            let mut damaged = image.clone();
            damaged.get_mut(&name).expect("the segment")[end.max(HEADER_BYTES)..].fill(0);
            // The last bytes of a mark are zero anyway.
            if damaged != image {
                assert_corrupt(open_image(&damaged), &format!("segment {index} with zeros from {end}"));
            }
        }
    }
}

#[test]
fn bytes_behind_the_end_of_a_finished_segment_are_corruption() {
    // A segment that was finished early, because the limit was lowered, keeps the reserved zeros behind its end.
    let folder = TempDir::new().expect("a temporary folder");
    let (mut log, _) = open(folder.path(), 600);
    append_all(&mut log, &records(0, 3));
    log.sync().expect("the log syncs");
    drop(log);
    let (mut log, _) = open(folder.path(), 200);
    append_all(&mut log, &records(3, 3));
    log.sync().expect("the log syncs");
    let used = usize::try_from(log.older[0].1).expect("a small segment");
    let mut image = image(folder.path());
    assert_eq!(open_and_go_on(&image), records(0, 6));
    let bytes = image.get_mut(&segment_name(1)).expect("the segment");
    bytes.resize(600, 0);
    for offset in used..600 {
        let mut damaged = image.clone();
        damaged.get_mut(&segment_name(1)).expect("the segment")[offset] = 1;
        assert_corrupt(open_image(&damaged), &format!("a byte at {offset}"));
    }
}

#[test]
fn a_missing_segment_before_the_last_is_corruption_and_is_named() {
    let (image, _, finished) = several();
    for (index, _) in finished {
        let mut damaged = image.clone();
        damaged.remove(&segment_name(index));
        match open_image(&damaged) {
            Err(LogError::Corrupt { file, reason: "the segment is missing", .. }) => {
                assert!(file.ends_with(segment_name(index)), "{}", file.display());
            }
            other => panic!("segment {index} is missing, not {other:?}"),
        }
    }
}

#[test]
fn a_segment_under_another_name_is_corruption() {
    let folder = TempDir::new().expect("a temporary folder");
    drop(open(folder.path(), 400));
    let bytes = image(folder.path())[&segment_name(1)].clone();
    assert_corrupt(open_image(&Image::from([(segment_name(2), bytes)])), "a renamed segment");
}

#[test]
fn segments_under_each_others_names_are_corruption() {
    let (image, _, _) = several();
    let mut swapped = image.clone();
    swapped.insert(segment_name(2), image[&segment_name(3)].clone());
    swapped.insert(segment_name(3), image[&segment_name(2)].clone());
    assert_corrupt(open_image(&swapped), "swapped segments");
}

#[test]
fn a_segment_that_repeats_records_is_corruption() {
    let (image, _, _) = several();
    // A second segment from another life of the log, whole in itself, that does not continue the count of the first.
    let folder = TempDir::new().expect("a temporary folder");
    let (mut log, _) = open(folder.path(), 400);
    for batch in records(0, 40).chunks(3) {
        append_all(&mut log, batch);
        log.sync().expect("the log syncs");
    }
    drop(log);
    let mut mixed = image.clone();
    mixed.insert(segment_name(2), self::image(folder.path())[&segment_name(2)].clone());
    assert_corrupt(open_image(&mixed), "a segment of another life");
}

#[test]
fn a_crash_while_the_next_segment_is_created_loses_nothing() {
    let (image, all, finished) = several();
    let last = segment_name(finished.last().expect("a finished segment").0 + 1);
    // The last segment may be there with its header only, be unnamed, or be cut anywhere in its temporary file.
    let whole = image[&last].clone();
    let mut without = image.clone();
    without.remove(&last);
    let kept = open_image(&without).expect("the log opens without its last segment");
    assert_eq!(kept, all[..kept.len()]);
    for end in 0..=HEADER_BYTES {
        let mut crashed = without.clone();
        crashed.insert(last.replace(".log", ".tmp"), whole[..end].to_vec());
        assert_eq!(open_and_go_on(&crashed), kept);
    }
    let mut crashed = without.clone();
    crashed.insert(last, whole[..HEADER_BYTES].to_vec());
    assert_eq!(open_and_go_on(&crashed), kept);
}
