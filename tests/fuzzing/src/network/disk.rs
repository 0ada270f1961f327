//! A log on a disk that writes when it is told to, and forgets what it had not written when the power goes.

use std::collections::VecDeque;

/// Something that is to be written.
#[derive(Clone, Debug)]
enum Write<L, R> {
    Append(L, R),
    Replace(L, Vec<R>),
}

/// A log.
#[derive(Clone, Debug)]
pub(crate) struct Disk<L, R> {
    durable: Vec<R>,
    waiting: VecDeque<Write<L, R>>,
}

impl<L, R> Default for Disk<L, R> {
    fn default() -> Self {
        Self { durable: Vec::new(), waiting: VecDeque::new() }
    }
}

impl<L, R: Clone> Disk<L, R> {
    /// Adds a record, soon.
    pub(crate) fn append(&mut self, lsn: L, record: R) {
        self.waiting.push_back(Write::Append(lsn, record));
    }

    /// Replaces the whole log, soon.
    pub(crate) fn replace(&mut self, lsn: L, records: Vec<R>) {
        self.waiting.push_back(Write::Replace(lsn, records));
    }

    /// How much waits.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Writes so much of what waits; the last place that is durable now, if anything was written.
    pub(crate) fn write(&mut self, count: usize) -> Option<L> {
        let mut last = None;
        for _ in 0..count {
            match self.waiting.pop_front() {
                Some(Write::Append(lsn, record)) => {
                    self.durable.push(record);
                    last = Some(lsn);
                }
                Some(Write::Replace(lsn, records)) => {
                    self.durable = records;
                    last = Some(lsn);
                }
                None => break,
            }
        }
        last
    }

    /// The power goes, after so much of what waits was written without anybody learning of it.
    pub(crate) fn crash(&mut self, written: usize) {
        self.write(written);
        self.waiting.clear();
    }

    /// What the log holds.
    pub(crate) fn records(&self) -> &[R] {
        &self.durable
    }
}
