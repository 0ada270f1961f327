//! Whether an answer about the state is to be proven, and in which form: `false`, `true` or `"ics23"`.
//!
//! It was a truth value first, and remains one for everybody who needs no other form.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What is asked for with `prove`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Prove {
    /// `false`: nothing.
    #[default]
    No,
    /// `true`: our own proofs, of presence and of absence.
    Compact,
    /// `"ics23"`: these, and beside those of presence the same in the form of ICS-23, for foreign verifiers.
    Ics23,
}

/// How the third form is written.
const ICS23: &str = "ics23";

impl Serialize for Prove {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::No => serializer.serialize_bool(false),
            Self::Compact => serializer.serialize_bool(true),
            Self::Ics23 => serializer.serialize_str(ICS23),
        }
    }
}

impl<'de> Deserialize<'de> for Prove {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Told by the first byte: nothing is kept to be read twice, however long it is.
        deserializer.deserialize_any(ProveVisitor)
    }
}

struct ProveVisitor;

impl Visitor<'_> for ProveVisitor {
    type Value = Prove;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "true, false or \"{ICS23}\"")
    }

    fn visit_bool<E: Error>(self, is_asked: bool) -> Result<Prove, E> {
        Ok(if is_asked { Prove::Compact } else { Prove::No })
    }

    fn visit_str<E: Error>(self, form: &str) -> Result<Prove, E> {
        if form == ICS23 { Ok(Prove::Ics23) } else { Err(E::invalid_value(Unexpected::Str(form), &self)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_read_as_it_is_written_and_nothing_else_is() {
        for (form, text) in [(Prove::No, "false"), (Prove::Compact, "true"), (Prove::Ics23, "\"ics23\"")] {
            assert_eq!(serde_json::to_string(&form).expect("JSON"), text);
            assert_eq!(serde_json::from_str::<Prove>(text).expect("a form"), form);
        }
        assert_eq!(serde_json::from_str::<Option<Prove>>("null").expect("none"), None);
        for text in ["\"ICS23\"", "\"true\"", "\"\"", "1", "[true]", "{}"] {
            let error = serde_json::from_str::<Prove>(text).expect_err(text).to_string();
            assert!(error.contains("true, false or \"ics23\""), "{error}");
        }
    }
}
