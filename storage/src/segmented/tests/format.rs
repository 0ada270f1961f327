//! The bytes on disk, fixed: expected values were computed by an independent implementation of the layout and of
//! CRC-32C. A change here is a change of the format and needs a new version.

use super::super::frame::{Frame, Header, HeaderError, decode, encode_mark, encode_record};
use super::*;

const SALT: u64 = 0x1122_3344_5566_7788;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn header() -> Header {
    Header { base: true, identity: [0xab; 32], index: 3, first: Lsn::new(10), sealed: Lsn::new(12), salt: SALT }
}

#[test]
fn a_header_has_these_bytes() {
    let expected = concat!(
        "414c54484c4f470a0100000001000000abababababababababababababababab",
        "abababababababababababababababab03000000000000000a00000000000000",
        "0c00000000000000887766554433221100000000000000000000000000000000",
        "000000000000000000000000000000000000000000000000000000005cfea5c2",
    );
    assert_eq!(hex(&header().encode()), expected);
    assert_eq!(Header::decode(&header().encode()), Ok(header()));
}

#[test]
fn frames_have_these_bytes() {
    let mut record = Vec::new();
    encode_record(&mut record, SALT, Lsn::new(10), b"abc");
    assert_eq!(hex(&record), "03000001ffd1ddb9616263");
    let mut empty = Vec::new();
    encode_record(&mut empty, SALT, Lsn::new(11), b"");
    assert_eq!(hex(&empty), "00000001cc99e30d");
    assert_eq!(hex(&encode_mark(SALT, Lsn::new(11), 147)), "10000002453a176b0b000000000000009300000000000000");
}

#[test]
fn a_record_is_bound_to_its_position_and_to_its_segment() {
    let mut record = Vec::new();
    encode_record(&mut record, SALT, Lsn::new(10), b"abc");
    assert_eq!(decode(&record, 0, SALT, Lsn::new(9)), Frame::Record(b"abc"));
    assert!(matches!(decode(&record, 0, SALT, Lsn::new(10)), Frame::Bad(_)));
    assert!(matches!(decode(&record, 0, SALT + 1, Lsn::new(9)), Frame::Bad(_)));
}

#[test]
fn a_mark_that_counts_other_records_is_bad() {
    let mark = encode_mark(SALT, Lsn::new(11), 0);
    assert_eq!(decode(&mark, 0, SALT, Lsn::new(11)), Frame::Mark);
    assert!(matches!(decode(&mark, 0, SALT, Lsn::new(12)), Frame::Bad(_)));
}

#[test]
fn headers_with_impossible_fields_are_refused() {
    let zero = Header { first: Lsn::ZERO, ..header() };
    assert!(matches!(Header::decode(&zero.encode()), Err(HeaderError::Corrupt(_))));
    assert!(matches!(Header::decode(&[]), Err(HeaderError::Corrupt(_))));
}
