//! Texts of the document that stand for numbers, times and names, each in exactly one form.

use althing_types::TimeMs;

use crate::error::Fault;

/// Characters of a foreign text that an error repeats.
const EXCERPT_CHARS_MAX: usize = 48;

/// Bytes in the name of a chain or participant at most. It appears in file names, metrics and terminals.
const NAME_BYTES_MAX: usize = 48;

/// The beginning of a foreign text, for an error.
pub(crate) fn excerpt(text: &str) -> String {
    let mut start: String = text.chars().take(EXCERPT_CHARS_MAX).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    start
}

/// Reads an amount: a decimal integer without sign, leading zero or point.
pub fn parse_amount(text: &str) -> Option<u128> {
    let amount: u128 = text.parse().ok()?;
    (amount.to_string() == text).then_some(amount)
}

/// Reads a number of 64 bits that stands in quotation marks.
pub(crate) fn parse_u64(text: &str) -> Result<u64, Fault> {
    let max = u128::from(u64::MAX);
    let number = parse_amount(text).and_then(|number| u64::try_from(number).ok());
    number.ok_or_else(|| Fault::Integer { given: excerpt(text), max })
}

/// Reads an RFC 3339 instant in UTC with seconds or milliseconds: `2026-11-21T00:00:00Z`, `2026-11-21T00:00:00.250Z`.
/// Other offsets, other precisions, leap seconds and years before 1970 have no form here.
pub fn parse_time(text: &str) -> Option<TimeMs> {
    let instant: jiff::Timestamp = text.parse().ok()?;
    let time = TimeMs::new(u64::try_from(instant.as_millisecond()).ok()?);
    let is_form = text == time_text(time) || text == format!("{instant:.3}");
    is_form.then_some(time)
}

/// The text of an instant: with milliseconds if they are not zero. Instants after the year 9999 have none; theirs is
/// empty.
pub fn time_text(time: TimeMs) -> String {
    let instant = i64::try_from(time.get()).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    match instant {
        Some(instant) if time.get().is_multiple_of(1000) => format!("{instant:.0}"),
        Some(instant) => format!("{instant:.3}"),
        None => String::new(),
    }
}

/// Checks the name of a chain or participant.
pub(crate) fn check_name(text: &str) -> Result<(), Fault> {
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    let rest = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if begins && rest && text.len() <= NAME_BYTES_MAX { Ok(()) } else { Err(Fault::Name { given: excerpt(text) }) }
}

/// Checks a text for people.
pub(crate) fn check_label(text: &str, max: usize) -> Result<(), Fault> {
    let is_seen = |c: char| !c.is_control() && !is_invisible(c);
    let is_good = !text.is_empty() && text.len() <= max && text.trim() == text && text.chars().all(is_seen);
    if is_good { Ok(()) } else { Err(Fault::Label { given: excerpt(text), max }) }
}

/// Characters that people do not see, or that reorder what they see: two texts that look alike must not differ in them.
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Reads `0x` and `2 × N` lower-case hexadecimal digits.
pub(crate) fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], Fault> {
    let bytes = text.strip_prefix("0x").and_then(|digits| const_hex::decode_to_array::<_, N>(digits).ok());
    let bytes = bytes.filter(|bytes| const_hex::encode_prefixed(bytes) == text);
    bytes.ok_or(Fault::Hex { digits: N.saturating_mul(2) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_one_form() {
        assert_eq!(parse_amount("0"), Some(0));
        assert_eq!(parse_amount(&u128::MAX.to_string()), Some(u128::MAX));
        for bad in ["", "+1", "01", "1.0", " 1", "1_000", "-1", "340282366920938463463374607431768211456", "1e3"] {
            assert_eq!(parse_amount(bad), None, "{bad}");
        }
        assert!(parse_u64("18446744073709551616").is_err());
    }

    #[test]
    fn times_have_two_forms_and_no_more() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-21T00:00:00Z", 1_795_219_200_000),
            ("2026-11-21T00:00:00.000Z", 1_795_219_200_000),
            ("2026-11-21T00:00:00.025Z", 1_795_219_200_025),
        ] {
            assert_eq!(parse_time(text), Some(TimeMs::new(ms)), "{text}");
            assert_eq!(parse_time(&time_text(TimeMs::new(ms))), Some(TimeMs::new(ms)), "{text}");
        }
        for bad in [
            "",
            "2026-11-21",
            "2026-11-21T00:00:00",
            "2026-11-21 00:00:00Z",
            "2026-11-21t00:00:00z",
            "2026-11-21T00:00:00+00:00",
            "2026-11-21T01:00:00+01:00",
            "2026-11-21T00:00:00.1Z",
            "2026-11-21T00:00:00.0001Z",
            "2026-11-21T23:59:60Z",
            "2026-02-30T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "2026-11-21T00:00:00Z[UTC]",
        ] {
            assert_eq!(parse_time(bad), None, "{bad}");
        }
        assert_eq!(time_text(TimeMs::new(u64::MAX)), "");
    }

    #[test]
    fn names_and_labels_have_a_form() {
        for bad in ["", "-a", "1a", "A", "a_b", "a b", "é", &"a".repeat(49)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        assert!(check_name(&"a".repeat(48)).is_ok());
        for bad in ["", " a", "a\n", "a\u{7}b", "abcde"] {
            assert!(check_label(bad, 4).is_err(), "{bad:?}");
        }
        assert!(check_label("é é", 5).is_ok());
        for bad in [
            '\u{ad}',
            '\u{61c}',
            '\u{115f}',
            '\u{180e}',
            '\u{200b}',
            '\u{200f}',
            '\u{2028}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{fff9}',
            '\u{e0001}',
            '\u{e0100}',
        ] {
            assert!(check_label(&format!("a{bad}b"), 64).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn hexadecimal_text_is_lower_case() {
        assert_eq!(parse_hex::<2>("0xab01"), Ok([0xab, 1]));
        for bad in ["0xAB01", "ab01", "0xab0", "0xab0102", "0X0101", "0x0xab"] {
            assert!(parse_hex::<2>(bad).is_err(), "{bad}");
        }
    }
}
