//! How the parts of a sentence read: spans of time, lists of names, hashes.

use althing_rpc::api::{Decimal, WhyParty, WhyReason};
use althing_types::{Hash, Monotonic};

use super::facts::Facts;

/// Characters of a hash that tell two apart: `0x` and eight digits.
const HASH_CHARS: usize = 10;

/// A span of time as people say it.
pub(super) fn span(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// Things one after the other: `a`, `a and b`, `a, b and c`.
pub(super) fn list<T: AsRef<str>>(items: &[T]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

/// The names of parties one after the other.
pub(super) fn names(who: &[WhyParty]) -> String {
    list(&who.iter().map(|party| party.name.as_str()).collect::<Vec<_>>())
}

/// The beginning of a hash.
pub(super) fn short(hash: &Hash) -> String {
    let text: String = hash.to_string().chars().take(HASH_CHARS).collect();
    format!("{text}…")
}

/// How long ago a moment was, in milliseconds.
pub(super) const fn ago_ms(facts: &Facts, moment: Monotonic) -> u64 {
    facts.now_us().saturating_sub(moment.get()) / 1_000
}

/// The node that was asked, as a party.
pub(super) fn this_node(facts: &Facts, text: impl Into<String>) -> WhyParty {
    party(&facts.name, WhyReason::ThisNode, text, None)
}

/// A party without an address.
pub(super) fn party(name: &str, reason: WhyReason, text: impl Into<String>, since_ms: Option<u64>) -> WhyParty {
    WhyParty { name: name.to_owned(), reason, text: text.into(), address: None, since_ms: since_ms.map(Decimal) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_lists_read_as_people_say_them() {
        let spans = [999, 119_000, 840_000, 7_260_000, 180_000_000].map(span);
        assert_eq!(spans, ["0 s", "119 s", "14 min", "2 h 1 min", "2 d 2 h"]);
        let lists = [&["a"][..], &["a", "b"], &["a", "b", "c"]].map(list);
        assert_eq!(lists, ["a", "a and b", "a, b and c"]);
        assert_eq!(short(&Hash::new([0x9f; 32])), "0x9f9f9f9f…");
    }
}
