//! Writes an archive, height by height. What is in memory at once is one height.

use std::io::{self, Write};

use althing_genesis::Genesis;
use althing_types::{Hash, Height, encode};

use super::{ARCHIVE_VERSION, END, End, GENESIS, MAGIC, RANGE, Range};
use crate::audit::source::{Entry, Part, parts, running};

/// An archive that is being written.
#[derive(Debug)]
pub struct ArchiveWriter<W> {
    out: W,
    end: End,
}

impl<W: Write> ArchiveWriter<W> {
    /// Begins an archive of these heights.
    pub fn begin(mut out: W, genesis: &Genesis, first: Height, last: Height) -> io::Result<Self> {
        let chain = genesis.hash();
        out.write_all(MAGIC)?;
        out.write_all(&ARCHIVE_VERSION.to_le_bytes())?;
        let mut writer = Self { out, end: End { blocks: 0, batches: 0, digest: chain } };
        writer.record(GENESIS, genesis.document().to_json().as_bytes())?;
        writer.record(RANGE, &encode(&Range { chain, first, last }))?;
        Ok(writer)
    }

    /// Writes the next height.
    pub fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        for (part, payload) in parts(entry) {
            self.record(part.number(), &payload)?;
            self.end.digest = running(&self.end.digest, part, &payload);
            match part {
                Part::Header => self.end.blocks = self.end.blocks.saturating_add(1),
                Part::Batch => self.end.batches = self.end.batches.saturating_add(1),
                Part::Body | Part::Finalization => {}
            }
        }
        Ok(())
    }

    /// Writes the end. Returns what was written to, and the digest of the archive.
    pub fn finish(mut self) -> io::Result<(W, Hash)> {
        let end = encode(&self.end);
        self.record(END, &end)?;
        self.out.flush()?;
        Ok((self.out, self.end.digest))
    }

    fn record(&mut self, kind: u8, payload: &[u8]) -> io::Result<()> {
        let length = u32::try_from(payload.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        self.out.write_all(&[kind])?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(payload)
    }
}
