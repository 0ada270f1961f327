//! Reads an archive as a stream. No length in the file makes it take more memory than the record may have, and no height
//! holds more than the chain allows a block.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use althing_genesis::Genesis;
use althing_types::{
    Block, Body, DecodeError, Finalization, Hash, Header, Height, LimitParams, SignedBatch, decode, encoded_len,
};
use borsh::{BorshDeserialize, BorshSerialize};

use super::{ARCHIVE_VERSION, END, END_BYTES, End, GENESIS, MAGIC, RANGE, RANGE_BYTES, Range, bytes_max};
use crate::audit::fault::{AuditError, Fault};
use crate::audit::source::{Entry, Part, Source, running};

/// Bytes that are read from the file at once.
const BUFFER_BYTES: usize = 1 << 20;

/// An archive that is being read.
#[derive(Debug)]
pub struct Archive<R = BufReader<File>> {
    input: R,
    path: PathBuf,
    range: Range,
    limits: LimitParams,
    /// The last height that was read whole.
    height: Option<Height>,
    seen: End,
    /// The record that ended the height before.
    next: Option<Record>,
    is_over: bool,
}

/// One record.
#[derive(Debug)]
struct Record {
    kind: u8,
    payload: Vec<u8>,
}

impl Archive {
    /// Opens an archive of the chain of this document.
    ///
    /// # Errors
    ///
    /// [`AuditError::Io`] if the file cannot be read, else a fault: it is no archive, is cut off, or is of another chain.
    pub fn open(path: &Path, genesis: &Genesis) -> Result<Self, AuditError> {
        let file = File::open(path);
        let file = file.map_err(|source| AuditError::Io { action: "open", path: path.to_owned(), source })?;
        Self::begin(BufReader::with_capacity(BUFFER_BYTES, file), path, genesis)
    }
}

impl<R: Read> Archive<R> {
    /// Reads what stands before the first height. The path is for messages only.
    pub fn begin(input: R, path: &Path, genesis: &Genesis) -> Result<Self, AuditError> {
        let nothing = Range { chain: Hash::ZERO, first: Height::ZERO, last: Height::ZERO };
        let seen = End { blocks: 0, batches: 0, digest: genesis.hash() };
        let limits = genesis.params().limits;
        let path = path.to_owned();
        let mut archive = Self { input, path, range: nothing, limits, height: None, seen, next: None, is_over: false };
        archive.read_preamble()?;
        let document = archive.expect(GENESIS, "the genesis document")?;
        let range = archive.expect(RANGE, "the range of heights")?;
        let range: Range = archive.value(&range, RANGE_BYTES, "the range of heights")?;
        if range.chain != genesis.hash() {
            return Err(Fault::OtherChain { found: range.chain, expected: genesis.hash() }.into());
        }
        let told = Genesis::parse(&document).map(|told| told.hash());
        if told.as_ref().ok() != Some(&range.chain) {
            let what = "the genesis document in it is not the one that its range names".to_owned();
            return Err(archive.malformed(what));
        }
        if range.first == Height::ZERO || range.first > range.last {
            return Err(archive.malformed(format!("it names the heights {} to {}", range.first, range.last)));
        }
        archive.range = range;
        Ok(archive)
    }

    fn read_preamble(&mut self) -> Result<(), AuditError> {
        let (mut magic, mut version) = ([0; MAGIC.len()], [0; 4]);
        self.fill(&mut magic)?;
        if magic != *MAGIC {
            return Err(self.malformed("it does not begin as an archive does".to_owned()));
        }
        self.fill(&mut version)?;
        let found = u32::from_le_bytes(version);
        if found == ARCHIVE_VERSION {
            return Ok(());
        }
        Err(self.malformed(format!("it has the version {found}, this program reads version {ARCHIVE_VERSION}")))
    }

    /// The payload of the next record, which must be of this kind.
    fn expect(&mut self, kind: u8, what: &str) -> Result<Vec<u8>, AuditError> {
        let record = self.record()?;
        if record.kind == kind { Ok(record.payload) } else { Err(self.misplaced(&record, what)) }
    }

    /// The next record, if its kind is known and its length is one that the kind may have.
    fn record(&mut self) -> Result<Record, AuditError> {
        if let Some(record) = self.next.take() {
            return Ok(record);
        }
        let (mut kind, mut length) = ([0], [0; 4]);
        self.fill(&mut kind)?;
        self.fill(&mut length)?;
        let [kind] = kind;
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        match bytes_max(kind) {
            Some(max) if length <= max => {
                let payload = self.payload(length)?;
                Ok(Record { kind, payload })
            }
            Some(max) => Err(self.malformed(format!("a record of kind {kind} with {length} bytes, {max} are allowed"))),
            None => Err(self.malformed(format!("a record of the kind {kind}, which there is not"))),
        }
    }

    /// So many bytes, none of which is reserved before those ahead of it are there.
    fn payload(&mut self, length: usize) -> Result<Vec<u8>, AuditError> {
        let mut payload = Vec::with_capacity(length.min(BUFFER_BYTES));
        let limit = u64::try_from(length).unwrap_or(u64::MAX);
        match self.input.by_ref().take(limit).read_to_end(&mut payload) {
            Ok(read) if read == length => Ok(payload),
            Ok(_) => Err(self.cut()),
            Err(source) => Err(self.unreadable(source)),
        }
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), AuditError> {
        match self.input.read_exact(bytes) {
            Err(source) if source.kind() == io::ErrorKind::UnexpectedEof => Err(self.cut()),
            outcome => outcome.map_err(|source| self.unreadable(source)),
        }
    }

    fn cut(&self) -> AuditError {
        let last = Some(self.range.last).filter(|last| *last > Height::ZERO);
        Fault::Cut { height: self.height, last }.into()
    }

    fn unreadable(&self, source: io::Error) -> AuditError {
        AuditError::Io { action: "read", path: self.path.clone(), source }
    }

    /// The next record as a part of a height.
    fn part<T: BorshSerialize + BorshDeserialize>(&mut self, part: Part, what: &str) -> Result<T, AuditError> {
        let payload = self.expect(part.number(), what)?;
        self.seen.digest = running(&self.seen.digest, part, &payload);
        self.value(&payload, payload.len(), what)
    }

    /// The next record as a part of a height, if it is such a part.
    fn part_if<T: BorshSerialize + BorshDeserialize>(
        &mut self,
        part: Part,
        what: &str,
    ) -> Result<Option<T>, AuditError> {
        let record = self.record()?;
        let is_meant = record.kind == part.number();
        self.next = Some(record);
        if is_meant { self.part(part, what).map(Some) } else { Ok(None) }
    }

    fn value<T: BorshSerialize + BorshDeserialize>(
        &self,
        payload: &[u8],
        max: usize,
        what: &str,
    ) -> Result<T, AuditError> {
        decode(payload, max).map_err(|error: DecodeError| Fault::undecodable(self.height, what, &error).into())
    }

    fn batches(&mut self) -> Result<Vec<SignedBatch>, AuditError> {
        let (mut batches, mut bytes) = (Vec::new(), 0usize);
        let most = usize::try_from(self.limits.block_bytes_max).unwrap_or(usize::MAX);
        while let Some(batch) = self.part_if::<SignedBatch>(Part::Batch, "a batch")? {
            bytes = bytes.saturating_add(encoded_len(&batch));
            if bytes > most {
                return Err(self.malformed(format!("the next height holds more than {most} bytes of batches")));
            }
            batches.push(batch);
        }
        Ok(batches)
    }

    fn end(&mut self) -> Result<(), AuditError> {
        let end = self.expect(END, "the end")?;
        let end: End = self.value(&end, END_BYTES, "the end")?;
        if end.digest != self.seen.digest {
            return Err(Fault::Digest { found: self.seen.digest, named: end.digest }.into());
        }
        if end != self.seen {
            let (blocks, batches) = (self.seen.blocks, self.seen.batches);
            return Err(self.malformed(format!(
                "it holds {blocks} blocks and {batches} batches, and names {} and {}",
                end.blocks, end.batches
            )));
        }
        let mut rest = [0];
        match self.input.read(&mut rest) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.malformed("it goes on behind its end".to_owned())),
            Err(source) => Err(self.unreadable(source)),
        }
    }

    fn malformed(&self, what: String) -> AuditError {
        Fault::Malformed { height: self.height, what }.into()
    }

    fn misplaced(&self, record: &Record, what: &str) -> AuditError {
        self.malformed(format!("a record of kind {} stands where {what} is due", record.kind))
    }
}

impl<R: Read + Send> Source for Archive<R> {
    fn first(&self) -> Height {
        self.range.first
    }

    fn last(&self) -> Height {
        self.range.last
    }

    fn kind(&self) -> &'static str {
        "archive"
    }

    fn may_end_uncovered(&self) -> bool {
        false
    }

    fn next_entry(&mut self) -> Result<Option<Entry>, AuditError> {
        if self.is_over {
            return Ok(None);
        }
        if self.height == Some(self.range.last) {
            self.end()?;
            self.is_over = true;
            return Ok(None);
        }
        let header: Header = self.part(Part::Header, "a header")?;
        let body: Body = self.part(Part::Body, "a body")?;
        let finalization: Option<Finalization> = self.part_if(Part::Finalization, "a certificate")?;
        let batches = self.batches()?;
        let due = self.height.map_or(self.range.first, Height::next);
        if header.height != due {
            return Err(Fault::Height { expected: due, found: header.height }.into());
        }
        self.height = Some(due);
        self.seen.blocks = self.seen.blocks.saturating_add(1);
        self.seen.batches = self.seen.batches.saturating_add(u64::try_from(batches.len()).unwrap_or(u64::MAX));
        let block = Block { header, body };
        Ok(Some(Entry { block, finalization, batches, stored: None, digest: self.seen.digest }))
    }
}
