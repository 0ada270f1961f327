//! Why a genesis document is refused: the path of the field, and what is wrong with it.

use althing_types::{AddressError, KeyError, PolicyError, QuorumError, SetError, SymbolError};

/// A text of the document's author, such as a field's name, in a form that does nothing to a terminal.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_graphic() || c == ' ' {
            shown.push(c);
        } else {
            shown.extend(c.escape_unicode());
        }
    }
    shown
}

/// A document is refused. The first fault that is met is reported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {fault}", visible(path))]
pub struct GenesisError {
    /// The field, such as `validators[2].nodeKey`; `document` for the text as a whole.
    pub path: String,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What can be wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The document is larger than we read.
    #[error("{length} bytes, at most {max} are allowed")]
    TooLong {
        /// Bytes in the document.
        length: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// Not JSON, not the type that the field has, or a field that does not exist.
    #[error("{}", visible(reason))]
    Json {
        /// What the parser met, with line and column.
        reason: String,
    },
    /// A field that every document has is not there.
    #[error("the field is missing")]
    Missing,
    /// The same name stands twice in one object.
    #[error("the field stands twice in the same object")]
    RepeatedField,
    /// The document has a form that this version does not read.
    #[error("schema {given} is unknown, this version reads schema {known}")]
    Schema {
        /// The document's schema.
        given: u32,
        /// Ours.
        known: u32,
    },
    /// Not the form of a chain's or participant's name.
    #[error("a name is 1 to 48 lower-case letters, digits or hyphens that begin with a letter, not {given:?}")]
    Name {
        /// The text as given, shortened.
        given: String,
    },
    /// A text for people is empty, too long, or holds control characters, invisible ones or spaces at its ends.
    #[error(
        "1 to {max} bytes of text without control characters, invisible ones and spaces at the ends, not {given:?}"
    )]
    Label {
        /// The text as given, shortened.
        given: String,
        /// Bytes allowed.
        max: usize,
    },
    /// Not an instant in the one accepted form.
    #[error("a time is like 2026-11-21T00:00:00Z or 2026-11-21T00:00:00.000Z, from 1970 to 9999, not {given:?}")]
    Time {
        /// The text as given, shortened.
        given: String,
    },
    /// An integer in text is not in its one form.
    #[error("a decimal integer without sign, leading zero or point, at most {max}, in quotation marks; not {given:?}")]
    Integer {
        /// The text as given, shortened.
        given: String,
        /// The largest number that fits.
        max: u128,
    },
    /// A number is outside its range.
    #[error("{given} is out of range, {min} to {max} is possible")]
    Range {
        /// The number.
        given: u64,
        /// The least.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// A number must not be larger than that of another field.
    #[error("{given} is more than {other}, which is {limit}")]
    Above {
        /// The number.
        given: u64,
        /// The other field.
        other: &'static str,
        /// Its value.
        limit: u64,
    },
    /// There are too few or too many entries.
    #[error("{count} entries, {min} to {max} are possible")]
    Count {
        /// How many there are.
        count: usize,
        /// The least.
        min: usize,
        /// The most.
        max: usize,
    },
    /// More faults should be tolerated than can be.
    #[error(transparent)]
    TooManyFaults(QuorumError),
    /// No fault would be tolerated although there are enough validators.
    #[error(
        "0 tolerates no fault although {n} validators can tolerate {max}: write 1 to {max}, or make it a dev network"
    )]
    NoFaults {
        /// Validators.
        n: u16,
        /// Faults that they can tolerate.
        max: u16,
    },
    /// Three validators are no better than one, and cost more.
    #[error("3 validators tolerate no fault and halt when one leader is down: use 4 or more, or make it a dev network")]
    ThreeValidators,
    /// The validators are no set.
    #[error(transparent)]
    Set(SetError),
    /// What may stand only once stands again.
    #[error("stands already at {first}")]
    Repeated {
        /// The path where it stands first.
        first: String,
    },
    /// A public key is not acceptable.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Not a signature's or proof's text.
    #[error("0x followed by {digits} lower-case hexadecimal digits is needed")]
    Hex {
        /// Digits that are needed.
        digits: usize,
    },
    /// A binding proof does not verify.
    #[error(
        "the {whose} key has not signed this binding of validator key and node key for chain {chain_id:?}; \
         make the entry anew with `althing genesis entry`"
    )]
    Proof {
        /// `validator` or `node`.
        whose: &'static str,
        /// The chain's name.
        chain_id: String,
    },
    /// An approval does not verify.
    #[error("this is no signature of validator {name:?} over the genesis hash {hash}")]
    Approval {
        /// The validator's name.
        name: String,
        /// The genesis hash, as text.
        hash: String,
    },
    /// An approval by somebody who is no validator.
    #[error("no validator is named {given:?}")]
    UnknownValidator {
        /// The name as given, shortened.
        given: String,
    },
    /// Not a network address in the form that is read.
    #[error(
        "an address is like /ip4/192.0.2.7/tcp/26700, /ip6/2001:db8::7/tcp/26700 or /dns/host.example/tcp/26700: {reason}"
    )]
    P2p {
        /// What is wrong.
        reason: &'static str,
    },
    /// An address prefix or an address is malformed or belongs to another chain.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// An account does not say whose it is.
    #[error("one of address, publicKey and policy is needed")]
    NoOwner,
    /// An account has two policies.
    #[error("publicKey and policy exclude each other")]
    TwoOwners,
    /// The address is not that of the key or policy beside it.
    #[error("the key or policy beside it has the address {derived}")]
    OtherAddress {
        /// The address of the key or policy.
        derived: String,
    },
    /// A policy is contradictory.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// An asset's symbol is malformed.
    #[error(transparent)]
    Symbol(#[from] SymbolError),
    /// A balance of an asset that the document does not name.
    #[error("no asset of this document has the symbol {given:?}")]
    UnknownAsset {
        /// The symbol as given, shortened.
        given: String,
    },
    /// An amount of nothing.
    #[error("an amount of zero is written by leaving the balance out")]
    ZeroAmount,
    /// All balances of an asset together do not fit.
    #[error("with this balance the supply of {symbol} exceeds 2^128 - 1")]
    Supply {
        /// The asset.
        symbol: String,
    },
}

impl Fault {
    /// This fault of the field at `path`.
    pub(crate) fn at(self, path: impl Into<String>) -> GenesisError {
        GenesisError { path: path.into(), fault: self }
    }

    /// Whether a signature is well formed and does not verify.
    pub const fn is_signature(&self) -> bool {
        matches!(self, Self::Proof { .. } | Self::Approval { .. })
    }
}
