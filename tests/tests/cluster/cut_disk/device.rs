//! What the disk under test remembers: sectors that are safe, sectors that were written since the last flush, and in
//! which way it fails. Pure but for the file that holds the safe sectors.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::super::dice::Dice;

/// Bytes that a disk writes whole or not at all.
pub(crate) const SECTOR: usize = 512;

/// How the disk behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// As a disk should.
    Works,
    /// It has no power: nothing is answered but with an error, and nothing changes.
    Off,
    /// Writes fail.
    FailsWrites,
    /// Flushes fail; what was written before may be there or not.
    FailsFlushes,
    /// Reads fail.
    FailsReads,
}

/// What happened to the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Flushes that it carried out.
    pub(crate) flushes: u64,
    /// Sectors that were not flushed when the power went, and were there afterwards.
    pub(crate) kept: u64,
    /// Sectors that were not flushed when the power went, and were lost.
    pub(crate) lost: u64,
    /// Requests that were answered with an error while the disk had power.
    pub(crate) failed: u64,
}

/// A cut of the power that is to come.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// Writes and flushes until then, at least.
    requests: u64,
    /// How many of a hundred sectors that are not flushed by then are there afterwards.
    kept_percent: u8,
}

/// A disk.
#[derive(Debug)]
pub(crate) struct Device {
    safe: File,
    bytes: u64,
    unflushed: BTreeMap<u64, [u8; SECTOR]>,
    mood: Mood,
    /// Requests that pass although they are of the kind that is to fail.
    passing: u64,
    cut: Option<Cut>,
    dice: Dice,
    /// How often it is open.
    pub(crate) users: u32,
    /// What happened to it.
    pub(crate) counts: Counts,
}

impl Device {
    /// A disk whose safe sectors are those of a file. What a cut keeps follows from the seed.
    pub(crate) fn new(safe: File, seed: u64) -> io::Result<Self> {
        let bytes = safe.metadata()?.len();
        let (unflushed, dice, counts) = (BTreeMap::new(), Dice::new(seed), Counts::default());
        Ok(Self { safe, bytes, unflushed, mood: Mood::Works, passing: 0, cut: None, dice, users: 0, counts })
    }

    /// How much it holds.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How it behaves.
    pub(crate) const fn mood(&self) -> Mood {
        self.mood
    }

    /// Cuts the power after so many writes and flushes, as soon as there is something that is not flushed, and keeps
    /// about so many of a hundred sectors of that.
    pub(crate) const fn cut_after(&mut self, requests: u64, kept_percent: u8) {
        self.cut = Some(Cut { requests, kept_percent });
    }

    /// Cuts the power that was to be cut later.
    ///
    /// # Errors
    ///
    /// What the file of safe sectors says.
    pub(crate) fn cut_now(&mut self) -> io::Result<()> {
        let Some(cut) = self.cut.take() else { return Ok(()) };
        self.mood = Mood::Off;
        self.lose(cut.kept_percent)
    }

    /// Fails as it is told, once so many requests of that kind have passed.
    pub(crate) const fn fail(&mut self, mood: Mood, passing: u64) {
        (self.mood, self.passing) = (mood, passing);
    }

    /// Works again. A disk that failed to flush has lost some of what it was given; one without power has lost it
    /// already.
    ///
    /// # Errors
    ///
    /// What the file of safe sectors says.
    pub(crate) fn mend(&mut self) -> io::Result<()> {
        let failed_to_flush = self.mood == Mood::FailsFlushes;
        self.mood = Mood::Works;
        if failed_to_flush { self.lose(50) } else { Ok(()) }
    }

    /// Reads; what is beyond the end is not there.
    ///
    /// # Errors
    ///
    /// An error of the disk that it plays, or of the file of safe sectors.
    pub(crate) fn read(&mut self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        self.refuse_when(Mood::FailsReads)?;
        let left = usize::try_from(self.bytes.saturating_sub(at)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length.min(left)];
        self.safe.read_exact_at(&mut bytes, at)?;
        let end = at + bytes.len() as u64;
        let first = at / SECTOR as u64;
        for (sector, content) in self.unflushed.range(first..end.div_ceil(SECTOR as u64)) {
            let start = sector * SECTOR as u64;
            let (from, to) = (start.max(at), (start + SECTOR as u64).min(end));
            let place = |at: u64, base: u64| usize::try_from(at - base).expect("within the buffer");
            bytes[place(from, at)..place(to, at)].copy_from_slice(&content[place(from, start)..place(to, start)]);
        }
        Ok(bytes)
    }

    /// Writes whole sectors, which are not safe yet.
    ///
    /// # Errors
    ///
    /// An error of the disk that it plays; a write of something else than sectors.
    pub(crate) fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.count_down()?;
        self.refuse_when(Mood::FailsWrites)?;
        let (sectors, rest) = bytes.as_chunks::<SECTOR>();
        let is_whole = at.is_multiple_of(SECTOR as u64) && rest.is_empty();
        if !is_whole || at + bytes.len() as u64 > self.bytes {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.unflushed.extend((at / SECTOR as u64..).zip(sectors.iter().copied()));
        Ok(())
    }

    /// Makes all safe that was written.
    ///
    /// # Errors
    ///
    /// An error of the disk that it plays, or of the file of safe sectors.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.count_down()?;
        self.refuse_when(Mood::FailsFlushes)?;
        self.counts.flushes += 1;
        while let Some((sector, content)) = self.unflushed.pop_first() {
            self.safe.write_all_at(&content, sector * SECTOR as u64)?;
        }
        Ok(())
    }

    /// Counts a request towards the cut that is to come, which waits for the first moment at which it can do harm.
    fn count_down(&mut self) -> io::Result<()> {
        match &mut self.cut {
            Some(Cut { requests: 0, .. }) if !self.unflushed.is_empty() => self.cut_now(),
            Some(cut) => {
                cut.requests = cut.requests.saturating_sub(1);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Refuses a request that fails in this mood, and everything without power.
    fn refuse_when(&mut self, mood: Mood) -> io::Result<()> {
        if self.mood == mood && self.passing > 0 {
            self.passing -= 1;
            return Ok(());
        }
        self.counts.failed += u64::from(self.mood == mood);
        if self.mood == mood || self.mood == Mood::Off { Err(io::Error::other("the disk fails")) } else { Ok(()) }
    }

    /// Makes some of the sectors that are not flushed safe, in any selection, and forgets the others.
    fn lose(&mut self, kept_percent: u8) -> io::Result<()> {
        for (sector, content) in std::mem::take(&mut self.unflushed) {
            if self.dice.percent(kept_percent) {
                self.counts.kept += 1;
                self.safe.write_all_at(&content, sector * SECTOR as u64)?;
            } else {
                self.counts.lost += 1;
            }
        }
        Ok(())
    }
}

#[test]
fn what_is_flushed_survives_a_cut_and_of_the_rest_as_much_as_was_drawn() {
    let file = tempfile::tempfile().expect("a file");
    file.set_len(100 * SECTOR as u64).expect("there is room");
    for (kept_percent, kept) in [(0, 0..=0), (50, 20..=80), (100, 100..=100)] {
        let mut device = Device::new(file.try_clone().expect("a handle"), 7).expect("it has a length");
        device.write(0, &[1; 100 * SECTOR]).expect("it works");
        device.flush().expect("it works");
        device.write(0, &[2; 100 * SECTOR]).expect("it works");
        assert_eq!(device.read(300, 9).expect("it works"), [2; 9], "what is not flushed is read");
        device.cut_after(0, kept_percent);
        assert!(device.flush().is_err(), "the power is gone before the flush");
        assert!(device.read(0, 1).is_err() && device.write(0, &[3; SECTOR]).is_err());
        device.mend().expect("there is room");
        let read = device.read(0, 100 * SECTOR).expect("it works");
        let news = read.iter().step_by(SECTOR).filter(|byte| **byte == 2).count();
        assert!(kept.contains(&news), "{news} of 100 were kept");
        assert!(read.chunks(SECTOR).all(|sector| sector.iter().all(|byte| *byte == sector[0])), "a sector is torn");
        assert_eq!(device.counts, Counts { flushes: 1, kept: news as u64, lost: 100 - news as u64, failed: 0 });
    }
}

#[test]
fn each_failure_is_of_its_own_kind_and_ends_with_it() {
    let file = tempfile::tempfile().expect("a file");
    file.set_len(SECTOR as u64).expect("there is room");
    let mut device = Device::new(file, 1).expect("it has a length");
    for mood in [Mood::FailsReads, Mood::FailsWrites, Mood::FailsFlushes, Mood::Off] {
        device.fail(mood, 0);
        let fails = [device.read(0, 1).is_err(), device.write(0, &[1; SECTOR]).is_err(), device.flush().is_err()];
        let expected = [Mood::FailsReads, Mood::FailsWrites, Mood::FailsFlushes].map(|fails| mood == fails);
        assert_eq!(fails, if mood == Mood::Off { [true; 3] } else { expected }, "{mood:?}");
        device.mend().expect("there is room");
        assert!(device.read(0, 1).is_ok() && device.write(0, &[1; SECTOR]).is_ok() && device.flush().is_ok());
    }
    assert_eq!(device.counts.failed, 3);
    device.fail(Mood::FailsReads, 2);
    assert_eq!([0; 4].map(|at| device.read(at, 1).is_ok()), [true, true, false, false]);
    device.mend().expect("there is room");
    assert!(device.write(1, &[1; SECTOR]).is_err() && device.write(0, &[1; 5]).is_err(), "no whole sectors");
    assert!(device.write(SECTOR as u64, &[1; SECTOR]).is_err(), "beyond the end");
}
