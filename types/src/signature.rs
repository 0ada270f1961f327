//! Verification of Ed25519 signatures: the only file of the project that asks a library whether a signature is good.
//!
//! Transactions follow ZIP-215, where a batch accepts exactly what single verification accepts; a library whose batch
//! and single rules differ would split the chain. Votes, batches and key bindings follow the stricter rule that
//! OpenSSL and browsers apply as well, so that every certificate that we accept verifies there too
//! (`decisions.md` 1.6). Both refuse keys that [`PublicKey::check_form`] refuses.

use std::convert::Infallible;

use ed25519_zebra::{VerificationKey, VerificationKeyBytes, batch};
use rand_core::{TryCryptoRng, TryRng};
use sha2::{Digest as _, Sha512};

use crate::hash::Hash;
use crate::keys::{PublicKey, Signature};

/// Something signed: who, what and with which signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedItem {
    /// The key that should have signed.
    pub key: PublicKey,
    /// The sign hash (see [`Hash::to_sign`]).
    pub hash: Hash,
    /// The signature.
    pub signature: Signature,
}

/// Below this size halves of a failing batch are verified one by one: a batch of two costs more than two singles.
const BISECT_MIN: usize = 4;

/// Verifies one signature under ZIP-215. The same verdict as [`verify_batch`] of it alone.
pub fn verify_one(item: &SignedItem) -> bool {
    item.key.check_form().is_ok()
        && VerificationKey::try_from(*item.key.as_bytes())
            .and_then(|key| key.verify(&native(&item.signature), item.hash.as_bytes()))
            .is_ok()
}

/// Verifies many signatures under ZIP-215 at once, about half the cost of one by one from 64 items on.
/// True exactly if [`verify_one`] is true for every item; true for none.
///
/// The coefficients are drawn from SHA-512 over all items, so the verdict is a function of the bytes alone.
pub fn verify_batch(items: &[SignedItem]) -> bool {
    if items.iter().any(|item| item.key.check_form().is_err()) {
        return false;
    }
    let mut verifier = batch::Verifier::new();
    for item in items {
        let key = VerificationKeyBytes::from(*item.key.as_bytes());
        verifier.queue((key, native(&item.signature), item.hash.as_bytes()));
    }
    verifier.verify(Coefficients::over(items)).is_ok()
}

/// The verdict on each of many signatures under ZIP-215. One batch where all are good; bad ones cost a bisection, at
/// most about twice the single cost in all.
pub fn verify_each(items: &[SignedItem]) -> Vec<bool> {
    let mut verdicts = Vec::with_capacity(items.len());
    bisect(items, &mut verdicts);
    verdicts
}

fn bisect(items: &[SignedItem], verdicts: &mut Vec<bool>) {
    if items.len() < BISECT_MIN {
        verdicts.extend(items.iter().map(verify_one));
    } else if verify_batch(items) {
        verdicts.extend(std::iter::repeat_n(true, items.len()));
    } else {
        let (left, right) = items.split_at(items.len() / 2);
        bisect(left, verdicts);
        bisect(right, verdicts);
    }
}

/// Verifies one signature under the strict rule: no small-order R, no cofactor. For votes, batches and key bindings.
pub fn verify_strict(item: &SignedItem) -> bool {
    item.key.check_form().is_ok()
        && ed25519_dalek::VerifyingKey::from_bytes(item.key.as_bytes())
            .and_then(|key| key.verify_strict(item.hash.as_bytes(), &native(&item.signature)))
            .is_ok()
}

fn native(signature: &Signature) -> ed25519_dalek::Signature {
    ed25519_dalek::Signature::from_bytes(signature.as_bytes())
}

/// The coefficients of a batch: SHA-512(seed ‖ counter), with the seed over all items. Whoever crafts the items
/// cannot choose them.
struct Coefficients {
    seed: [u8; 64],
    counter: u64,
    block: [u8; 64],
    used: usize,
}

impl Coefficients {
    fn over(items: &[SignedItem]) -> Self {
        let mut hasher = Sha512::new();
        hasher.update(b"althing/batch-coefficients/v1");
        for item in items {
            hasher.update(item.key.as_bytes());
            hasher.update(item.hash.as_bytes());
            hasher.update(item.signature.as_bytes());
        }
        let block = [0; 64];
        Self { seed: hasher.finalize().into(), counter: 0, used: block.len(), block }
    }

    fn next_byte(&mut self) -> u8 {
        if self.used >= self.block.len() {
            let mut hasher = Sha512::new();
            hasher.update(self.seed);
            hasher.update(self.counter.to_le_bytes());
            self.block = hasher.finalize().into();
            self.counter = self.counter.saturating_add(1);
            self.used = 0;
        }
        let byte = self.block.get(self.used).copied().unwrap_or_default();
        self.used = self.used.saturating_add(1);
        byte
    }

    fn next_bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next_byte())
    }
}

impl TryRng for Coefficients {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.next_bytes()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.next_bytes()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for byte in bytes {
            *byte = self.next_byte();
        }
        Ok(())
    }
}

impl TryCryptoRng for Coefficients {}

#[cfg(test)]
mod tests;
