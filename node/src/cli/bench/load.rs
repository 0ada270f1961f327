//! The transactions of a run, signed before they are due, on a thread of their own.
//!
//! Before the run begins, all are signed, or as many as memory is given for. Later ones are signed during the run, when
//! half of those are gone. One that would soon end to be valid is left out and another one is signed in its place.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use althing_client::{TransactionBuilder, sign_simple};
use althing_types::{Action, AssetId, Hash, Replay, TimeMs, TransactionBody};

use super::accounts::{Account, Accounts, pair};
use super::arguments::{Bank, Plan};
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::signing::{now, with_gas};

/// Signed transactions that wait at most: of some 350 bytes each they take 100 MB.
const READY_MAX: u64 = 262_144;
/// For how many transactions a second a run without a rate is prepared.
const UNKNOWN_PER_SECOND: u64 = 4_000;
/// Transactions that are handed over together.
const CHUNK: usize = 256;
/// How often the thread looks whether there is something to sign, and the command whether enough is signed.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a transaction is valid beyond the end of the run, in milliseconds: preparation and stragglers.
const VALID_AFTER_MS: u64 = 120_000;
/// How long it must still be valid when it is sent, in milliseconds.
const VALID_LEFT_MS: u64 = 30_000;
/// How far the clock of a node may be behind this one, in milliseconds: as far ahead a validity must not reach.
const SKEW_MS: u64 = 10_000;

/// A transaction that waits to be sent.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    pub(super) id: Hash,
    /// The canonical bytes.
    pub(super) bytes: Vec<u8>,
    valid_until: TimeMs,
}

/// The transactions.
pub(super) struct Load {
    queue: Arc<Mutex<Queue>>,
    first: u64,
    valid_left_ms: u64,
}

#[derive(Debug, Default)]
struct Queue {
    ready: VecDeque<Signed>,
    /// How many were signed.
    signed: u64,
    /// How many are to be signed.
    wanted: u64,
    /// Nobody takes any more.
    is_closed: bool,
    /// Why nothing more is signed.
    failure: Option<Failure>,
}

/// What the thread signs with.
struct Signing {
    chain: Hash,
    asset: AssetId,
    accounts: Accounts,
    valid_for_ms: u64,
    /// Makes the transactions of this run different from those of every other.
    salt: u64,
}

impl Load {
    /// Starts to sign.
    pub(super) fn start(plan: &Plan, accounts: Accounts, bank: &Bank) -> Result<Self, Failure> {
        let total = plan.rate.total(plan.duration_ms);
        let guess = UNKNOWN_PER_SECOND.saturating_mul(plan.duration_ms) / 1_000;
        let first = total.unwrap_or(guess).min(READY_MAX);
        let window_ms = u64::from(bank.chain.genesis.params().transactions.max_window_ms);
        let valid_for_ms = valid_for(window_ms, plan.duration_ms);
        let salt = getrandom::u64();
        let salt =
            salt.map_err(|error| Failure::new(Exit::Failed, "INTERNAL", format!("no random numbers: {error}")))?;
        let (chain, asset) = (bank.chain.genesis.hash(), bank.asset);
        let signing = Signing { chain, asset, accounts, valid_for_ms, salt };
        let queue = Arc::new(Mutex::new(Queue { wanted: total.unwrap_or(u64::MAX), ..Queue::default() }));
        let shared = queue.clone();
        let thread = thread::Builder::new().name("sign".to_owned()).spawn(move || signing.run(&shared, first));
        thread.map_err(|error| Failure::new(Exit::Failed, "IO", format!("no thread to sign on: {error}")))?;
        Ok(Self { queue, first, valid_left_ms: VALID_LEFT_MS.min(valid_for_ms / 4) })
    }

    /// Waits until so many are signed that the run can begin.
    pub(super) async fn ready(&self, output: &Output) -> Result<(), Failure> {
        let mut looks = 0u64;
        loop {
            let (signed, failure) = {
                let mut queue = lock(&self.queue);
                (queue.signed, queue.failure.take())
            };
            if let Some(failure) = failure {
                return Err(failure);
            }
            if signed >= self.first {
                output.note(&format!("{signed} transactions are signed"));
                return Ok(());
            }
            looks += 1;
            if looks.is_multiple_of(50) {
                output.note(&format!("{signed} of {} transactions are signed", self.first));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Takes up to so many; fewer where the thread is behind.
    pub(super) fn take(&self, most: usize) -> Vec<Signed> {
        let least = now().plus(self.valid_left_ms);
        let mut queue = lock(&self.queue);
        let mut taken = Vec::with_capacity(most.min(queue.ready.len()));
        while taken.len() < most
            && let Some(signed) = queue.ready.pop_front()
        {
            if signed.valid_until < least {
                queue.wanted = queue.wanted.saturating_add(1);
            } else {
                taken.push(signed);
            }
        }
        taken
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        lock(&self.queue).is_closed = true;
    }
}

impl Signing {
    fn run(&self, queue: &Mutex<Queue>, first: u64) {
        let accounts: Vec<Account> = (0..self.accounts.count()).map(|index| self.accounts.account(index)).collect();
        let gas_limit = with_gas(self.body(&accounts, 0), 1).gas_limit;
        let (mut number, mut is_filling) = (0u64, true);
        loop {
            let (ready, wanted, is_closed) = {
                let queue = lock(queue);
                (queue.ready.len() as u64, queue.wanted, queue.is_closed)
            };
            if is_closed {
                return;
            }
            // It is signed in stretches, so that a run which takes no more than was prepared is not disturbed.
            is_filling = if is_filling { ready < first } else { ready < first / 2 };
            if !is_filling || number >= wanted {
                thread::sleep(PAUSE);
                continue;
            }
            let numbers = number..wanted.min(number.saturating_add(CHUNK as u64));
            let chunk: Result<Vec<Signed>, Failure> =
                numbers.clone().map(|number| self.signed(&accounts, number, gas_limit)).collect();
            let mut queue = lock(queue);
            match chunk {
                Ok(chunk) => queue.ready.extend(chunk),
                Err(failure) => {
                    queue.failure = Some(failure);
                    return;
                }
            }
            number = numbers.end;
            queue.signed = number;
        }
    }

    fn signed(&self, accounts: &[Account], number: u64, gas_limit: u64) -> Result<Signed, Failure> {
        let mut body = self.body(accounts, number);
        body.gas_limit = gas_limit;
        let valid_until = match body.replay {
            Replay::Expiring { valid_until, .. } => valid_until,
            Replay::Sequence { .. } => TimeMs::new(u64::MAX),
        };
        let sender = pair(number, self.accounts.count()).0;
        let transaction = sign_simple(body, &at(accounts, sender).key)?;
        Ok(Signed { id: transaction.id(), bytes: transaction.to_bytes(), valid_until })
    }

    fn body(&self, accounts: &[Account], number: u64) -> TransactionBody {
        let (sender, receiver) = pair(number, self.accounts.count());
        let replay =
            Replay::Expiring { valid_until: now().plus(self.valid_for_ms), salt: self.salt.wrapping_add(number) };
        let action = Action::Transfer { asset: self.asset, to: at(accounts, receiver).address, amount: 1 };
        TransactionBuilder::new(self.chain, at(accounts, sender).address, replay, action).build()
    }
}

fn at(accounts: &[Account], index: u32) -> &Account {
    accounts.get(index as usize).expect("a pair is below the number of accounts")
}

/// How long the transactions of a run are valid, in milliseconds: as long as the run needs, and no longer than the chain
/// allows.
fn valid_for(window_ms: u64, duration_ms: u64) -> u64 {
    let longest = window_ms.saturating_sub(SKEW_MS.min(window_ms / 10));
    duration_ms.saturating_add(VALID_AFTER_MS).min(longest)
}

/// Nobody can panic between lock and unlock in a way that leaves half of something.
fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_are_valid_for_the_run_but_not_longer_than_the_chain_allows() {
        assert_eq!(valid_for(600_000, 30_000), 150_000);
        assert_eq!(valid_for(600_000, 3_600_000), 590_000);
        assert_eq!(valid_for(1_000, 30_000), 900);
    }

    #[test]
    fn what_would_soon_expire_is_left_out_and_signed_again() {
        let signed = |valid_until| Signed { id: Hash::ZERO, bytes: vec![], valid_until };
        let ready = VecDeque::from([signed(TimeMs::new(1)), signed(now().plus(60_000)), signed(now().plus(60_000))]);
        let queue = Arc::new(Mutex::new(Queue { ready, wanted: 3, ..Queue::default() }));
        let load = Load { queue, first: 3, valid_left_ms: VALID_LEFT_MS };
        assert_eq!(load.take(1).len(), 1);
        assert_eq!(lock(&load.queue).wanted, 4);
        assert_eq!(load.take(9).len(), 1);
    }
}
