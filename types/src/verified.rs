//! A value whose signatures were verified. It cannot be made otherwise, so a room that asks for it cannot be fooled.

use std::ops::Deref;

/// A value that passed its verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// Only the verifying functions of this crate call this.
    pub(crate) const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
