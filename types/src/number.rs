//! Numbers that must not be mixed up: heights, views, epochs, times and validator indices.
//!
//! There is no arithmetic between them beyond what is named here; every step saturates, so that a hostile number can
//! stall nobody but its sender.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident($inner:ty);)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
        pub struct $name($inner);

        impl $name {
            /// The number zero.
            pub const ZERO: Self = Self(0);

            /// A number of this kind.
            pub const fn new(value: $inner) -> Self { Self(value) }

            /// The bare number.
            pub const fn get(self) -> $inner { self.0 }

            /// The next one; the largest stays where it is.
            pub const fn next(self) -> Self { Self(self.0.saturating_add(1)) }

            /// The one before; zero stays where it is.
            pub const fn previous(self) -> Self { Self(self.0.saturating_sub(1)) }

            /// This number and `count` more, at most the largest.
            pub const fn plus(self, count: $inner) -> Self { Self(self.0.saturating_add(count)) }

            /// How far this number is above `other`, or zero.
            pub const fn above(self, other: Self) -> $inner { self.0.saturating_sub(other.0) }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
    )+};
}

numbers! {
    /// Position of a block in the chain. Genesis is height 0.
    Height(u64);
    /// An attempt to agree on a block, within one epoch. The first is 1; 0 stands for the epoch's start.
    View(u64);
    /// A span of views with one validator set. The first is 0.
    Epoch(u64);
    /// Wall time in milliseconds since 1970-01-01T00:00:00Z.
    TimeMs(u64);
    /// Time of a monotonic clock in microseconds; its origin is arbitrary and differs between processes.
    Monotonic(u64);
    /// A validator's place in its set, ascending by public key.
    ValidatorIndex(u16);
}

impl Monotonic {
    /// This moment and `ms` milliseconds.
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms.saturating_mul(1000)))
    }
}

impl ValidatorIndex {
    /// The index as a place in a slice.
    pub fn to_usize(self) -> usize {
        usize::from(self.0)
    }
}
