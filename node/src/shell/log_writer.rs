//! The thread that owns an append-only log: it writes what it is handed, syncs once for all that waits, and reports
//! how far the log is durable.
//!
//! An error of the disk ends the process: whoever goes on after a failed sync may forget what it has said.

use std::sync::Arc;
use std::thread::JoinHandle;

use althing_storage::{AppendLog as _, LogError, SegmentedLog};

use super::mailbox::{Mail, Mailbox};
use super::stop::{Stop, spawn};
use super::telemetry::log_synced;

/// Records that are written before a sync at most.
const RECORDS_PER_SYNC_MAX: usize = 4_096;

/// What the thread is asked to do. A place is the asker's own name for it.
#[derive(Debug)]
pub(crate) enum LogCommand<L, R> {
    /// Add a record.
    Append {
        /// The place.
        lsn: L,
        /// The record.
        record: R,
    },
    /// Replace the whole log.
    Replace {
        /// The place that stands for the replacement.
        lsn: L,
        /// All that the log holds afterwards.
        records: Vec<R>,
    },
}

/// A log, its thread's queue, and how its records become bytes.
pub(crate) struct LogWriter<L, R> {
    /// The thread's name, which is the log's.
    pub(crate) name: &'static str,
    /// The log.
    pub(crate) log: SegmentedLog,
    /// What is to be done.
    pub(crate) commands: Arc<Mailbox<LogCommand<L, R>>>,
    /// Bytes of a record.
    pub(crate) encode: fn(&R) -> Vec<u8>,
    /// Told the last place that is durable, after each sync.
    pub(crate) durable: Box<dyn Fn(L) + Send>,
}

impl<L: Send + 'static, R: Send + 'static> LogWriter<L, R> {
    /// Starts the thread. It ends when its queue is closed and empty.
    pub(crate) fn start(mut self, stop: Stop) -> JoinHandle<()> {
        spawn(self.name, stop.clone(), move || {
            if let Err(error) = self.run() {
                stop.disk_failed(self.name, &error);
            }
        })
    }

    #[expect(clippy::disallowed_methods, reason = "this is the shell: it measures how long a sync takes")]
    fn run(&mut self) -> Result<(), LogError> {
        while let Mail::Some(commands) = self.commands.take(None, RECORDS_PER_SYNC_MAX) {
            let (began, records) = (std::time::Instant::now(), commands.len());
            let mut last = None;
            for command in commands {
                last = Some(self.carry_out(command)?);
            }
            self.log.sync()?;
            log_synced(self.name, began.elapsed(), records);
            if let Some(last) = last {
                (self.durable)(last);
            }
        }
        Ok(())
    }

    fn carry_out(&mut self, command: LogCommand<L, R>) -> Result<L, LogError> {
        match command {
            LogCommand::Append { lsn, record } => {
                self.log.append(&(self.encode)(&record))?;
                Ok(lsn)
            }
            LogCommand::Replace { lsn, records } => {
                self.log.replace(&records.iter().map(self.encode).collect::<Vec<_>>())?;
                Ok(lsn)
            }
        }
    }
}
