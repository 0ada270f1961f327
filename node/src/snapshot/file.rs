//! Writing a snapshot into a file and reading it, part by part: what is in memory at once is one part.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use althing_genesis::{DOCUMENT_BYTES_MAX, Genesis};
use althing_ledger::{LedgerError, PlacedReceipt, RECEIPTS_MAX, Reader, snapshot_ranges, tree_key_above};
use althing_storage::OrderedStore;
use althing_types::{DecodeError, Hash, Height, List, decode, encode};
use sha2::{Digest as _, Sha256};

use super::{MAGIC, Part, SnapshotError, Summary, VERSION};
use crate::replica::archive;

/// Kinds of records.
const GENESIS: u8 = 1;
const BASE: u8 = 2;
const RUN: u8 = 3;
const RECEIPTS: u8 = 4;
const CHUNK: u8 = 5;
const END: u8 = 6;
/// Bytes of a record at most, but for the genesis document: those of an answer between nodes, and the key of a chunk.
const RECORD_BYTES_MAX: usize = (1 << 20) + 32;
/// Bytes of the last record.
const END_BYTES: usize = 1 + 4 + 32 + 8 + 32 + 8 + 32;

/// Writes a snapshot.
#[derive(Debug)]
pub struct SnapshotWriter<W> {
    out: W,
    digest: Sha256,
}

impl<W: Write> SnapshotWriter<W> {
    /// Writes the newest snapshot that a ledger has to hand out, in the order in which it can be verified. `progress` is told
    /// which part of the key space of the state is written, in 65,536ths.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Nothing`], and what disk and ledger say.
    pub fn write<S: OrderedStore>(
        out: W,
        path: &Path,
        genesis: &Genesis,
        reader: &Reader<S>,
        mut progress: impl FnMut(u16),
    ) -> Result<(W, Summary), SnapshotError> {
        let io = |source| SnapshotError::Io { action: "write", path: path.to_owned(), source };
        let base = reader.snapshot_base(genesis.params())?.ok_or(SnapshotError::Nothing)?;
        let (height, floor, summary) = (base.height(), base.floor.height, base.proof.summary);
        let mut writer = Self { out, digest: Sha256::new() };
        writer.bytes(MAGIC).map_err(io)?;
        writer.bytes(&VERSION.to_le_bytes()).map_err(io)?;
        writer.record(GENESIS, genesis.document().to_json().as_bytes()).map_err(io)?;
        writer.record(BASE, &encode(&base)).map_err(io)?;
        let (mut above, mut is_followed) = (floor, false);
        while !is_followed {
            let run = archive::run_above(reader, above)?.ok_or(SnapshotError::Nothing)?;
            let last = run.blocks.last().map(|block| block.header.height);
            above = last.filter(|last| *last > above).ok_or(SnapshotError::Nothing)?;
            is_followed = run.blocks.iter().any(|block| block.body.results.contains(&summary));
            writer.record(RUN, &encode(&run)).map_err(io)?;
        }
        let mut from = (floor.next(), 0);
        while let receipts = reader.snapshot_receipts(from, height)?
            && let Some(last) = receipts.last()
        {
            from = (last.height, last.index.saturating_add(1));
            writer.record(RECEIPTS, &encode(&receipts)).map_err(io)?;
        }
        let mut entries = 0u64;
        for (mut from, to) in snapshot_ranges() {
            loop {
                let chunk = reader.snapshot_chunk(height, (&from, &to))?;
                // What is damaged here should show here, and not where it is needed.
                chunk.verify(&summary.state_root, &from).map_err(|_| LedgerError::Corrupt { what: "the state" })?;
                entries = entries.saturating_add(u64::try_from(chunk.entries.len()).unwrap_or(u64::MAX));
                progress(chunk.to.as_bytes().first_chunk().map_or(0, |bytes| u16::from_be_bytes(*bytes)));
                writer.record(CHUNK, &[from.as_bytes(), &encode(&chunk)[..]].concat()).map_err(io)?;
                match tree_key_above(&chunk.to).filter(|next| *next <= to) {
                    Some(next) => from = next,
                    None => break,
                }
            }
        }
        let digest = Hash::new(writer.digest.clone().finalize().into());
        let end = Summary { chain: genesis.hash(), height, state_root: summary.state_root, entries, digest };
        writer.record(END, &encode(&end)).map_err(io)?;
        writer.out.flush().map_err(io)?;
        Ok((writer.out, end))
    }

    fn record(&mut self, kind: u8, payload: &[u8]) -> io::Result<()> {
        let length = u32::try_from(payload.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        self.bytes(&[kind])?;
        self.bytes(&length.to_le_bytes())?;
        self.bytes(payload)
    }

    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        self.out.write_all(bytes)
    }
}

/// A snapshot in a file that is being read.
#[derive(Debug)]
pub struct SnapshotFile {
    input: BufReader<File>,
    path: PathBuf,
    end: Summary,
    digest: Sha256,
    read: u64,
    bytes: u64,
}

impl SnapshotFile {
    /// Opens a snapshot of the chain of this document.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Malformed`] or [`SnapshotError::OtherChain`], and what the disk says.
    pub fn open(path: &Path, genesis: &Genesis) -> Result<Self, SnapshotError> {
        let end = summary(path)?;
        if end.chain != genesis.hash() {
            return Err(SnapshotError::OtherChain { found: end.chain, expected: genesis.hash() });
        }
        let io = |source| SnapshotError::Io { action: "read", path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        let bytes = file.metadata().map_err(io)?.len();
        let input = BufReader::with_capacity(1 << 20, file);
        let mut opened = Self { input, path: path.to_owned(), end, digest: Sha256::new(), read: 0, bytes };
        opened.bytes(MAGIC.len() + 4)?;
        let (kind, _) = opened.record(DOCUMENT_BYTES_MAX)?;
        if kind != GENESIS {
            return Err(opened.malformed("it does not begin with a genesis document"));
        }
        Ok(opened)
    }

    /// What the file says about itself.
    pub const fn summary(&self) -> &Summary {
        &self.end
    }

    /// How far it is read, and how long it is, in bytes.
    pub const fn position(&self) -> (u64, u64) {
        (self.read, self.bytes)
    }

    /// The next part; none at the end, once the digest is found to be right.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Malformed`], and what the disk says.
    pub fn next_part(&mut self) -> Result<Option<Part>, SnapshotError> {
        let digest = self.digest.clone();
        let (kind, payload) = self.record(RECORD_BYTES_MAX)?;
        let path = self.path.clone();
        let broken = |error: DecodeError| SnapshotError::Malformed { path, what: error.to_string() };
        let part = match kind {
            BASE => Part::Base(Box::new(decode(&payload, RECORD_BYTES_MAX).map_err(broken)?)),
            RUN => Part::Run(Box::new(decode(&payload, RECORD_BYTES_MAX).map_err(broken)?)),
            RECEIPTS => {
                let receipts: List<PlacedReceipt, RECEIPTS_MAX> = decode(&payload, RECORD_BYTES_MAX).map_err(broken)?;
                Part::Receipts(receipts.into_inner())
            }
            CHUNK => {
                let Some((from, chunk)) = payload.split_first_chunk::<32>() else {
                    return Err(self.malformed("a part of the state without its place"));
                };
                Part::Chunk(Hash::new(*from), Box::new(decode(chunk, RECORD_BYTES_MAX).map_err(broken)?))
            }
            END if Hash::new(digest.finalize().into()) != self.end.digest => {
                return Err(self.malformed("its digest is not that of what stands in it: it is damaged"));
            }
            END if self.read < self.bytes => return Err(self.malformed("there is something behind its end")),
            END => return Ok(None),
            kind => return Err(self.malformed(&format!("a record of the unknown kind {kind}"))),
        };
        Ok(Some(part))
    }

    fn record(&mut self, bytes_max: usize) -> Result<(u8, Vec<u8>), SnapshotError> {
        let head = self.bytes(5)?;
        let (kind, length) = match head[..] {
            [kind, a, b, c, d] => (kind, u32::from_le_bytes([a, b, c, d])),
            _ => (0, 0),
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > bytes_max {
            return Err(self.malformed(&format!("a record of {length} bytes")));
        }
        Ok((kind, self.bytes(length)?))
    }

    fn bytes(&mut self, count: usize) -> Result<Vec<u8>, SnapshotError> {
        let mut bytes = Vec::new();
        let limit = u64::try_from(count).unwrap_or(u64::MAX);
        let read = (&mut self.input).take(limit).read_to_end(&mut bytes);
        read.map_err(|source| SnapshotError::Io { action: "read", path: self.path.clone(), source })?;
        if bytes.len() < count {
            return Err(self.malformed("it is cut off"));
        }
        self.digest.update(&bytes);
        self.read = self.read.saturating_add(limit);
        Ok(bytes)
    }

    fn malformed(&self, what: &str) -> SnapshotError {
        SnapshotError::Malformed { path: self.path.clone(), what: what.to_owned() }
    }
}

/// What a file says about itself: its first bytes and its last record are read, and nothing is verified.
///
/// # Errors
///
/// [`SnapshotError::Malformed`] if it is no snapshot or not whole, and what the disk says.
pub fn summary(path: &Path) -> Result<Summary, SnapshotError> {
    let io = |source| SnapshotError::Io { action: "read", path: path.to_owned(), source };
    let malformed = |what: &str| SnapshotError::Malformed { path: path.to_owned(), what: what.to_owned() };
    let mut file = File::open(path).map_err(io)?;
    let mut start = [0; MAGIC.len() + 4];
    let begins = file.read_exact(&mut start).is_ok() && start.starts_with(MAGIC);
    if !begins {
        return Err(malformed("it does not begin as a snapshot does"));
    }
    if !start.ends_with(&VERSION.to_le_bytes()) {
        return Err(malformed(&format!("this program reads version {VERSION} of the form, and it has another one")));
    }
    let mut end = [0; END_BYTES];
    let back = i64::try_from(END_BYTES).unwrap_or(i64::MAX);
    file.seek(SeekFrom::End(-back)).and_then(|_| file.read_exact(&mut end)).map_err(|_| malformed("it is cut off"))?;
    let (head, payload) = end.split_at(5);
    let length = u32::try_from(END_BYTES - 5).unwrap_or(u32::MAX).to_le_bytes();
    let summary: Option<Summary> = decode(payload, END_BYTES).ok();
    let summary = summary.filter(|_| head.first() == Some(&END) && head.ends_with(&length));
    summary
        .filter(|summary| summary.height > Height::ZERO)
        .ok_or_else(|| malformed("it is cut off, or damaged at its end"))
}
