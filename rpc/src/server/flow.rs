//! Back-pressure of one connection: who does not take answers, or has much under way, is not read from.
//!
//! The library that drives a WebSocket starts a task for every message that it reads, without a bound. The bound is
//! made here, below it: the socket reads nothing while answers wait to be taken, or while calls in flight are many or
//! large. A message that was read already is carried out, so the bounds are exceeded by what fits one buffer.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};

use super::limits::Limits;

/// The state of one connection that reading depends on.
#[derive(Debug)]
pub(super) struct Flow {
    calls_max: usize,
    bytes_max: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    calls: usize,
    bytes: usize,
    is_blocked: bool,
    reader: Option<Waker>,
}

/// A call in flight, until its answer has been handed to the socket.
#[derive(Debug)]
pub(super) struct InFlight {
    flow: Arc<Flow>,
    bytes: usize,
}

impl Flow {
    /// Nothing is under way.
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            calls_max: limits.socket_calls_max,
            bytes_max: limits.socket_bytes_max,
            state: Mutex::new(State::default()),
        }
    }

    /// A call of so many bytes was read.
    pub(super) fn enter(self: &Arc<Self>, bytes: usize) -> InFlight {
        self.change(|state| {
            state.calls += 1;
            state.bytes += bytes;
        });
        InFlight { flow: self.clone(), bytes }
    }

    /// Whether answers wait because the peer does not take them.
    pub(super) fn set_blocked(&self, is_blocked: bool) {
        self.change(|state| state.is_blocked = is_blocked);
    }

    /// Whether the socket may read. If not, the task is woken when it may.
    pub(super) fn may_read(&self, cx: &Context<'_>) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let open = self.is_open(&state);
        state.reader = (!open).then(|| cx.waker().clone());
        open
    }

    const fn is_open(&self, state: &State) -> bool {
        !state.is_blocked && state.calls < self.calls_max && state.bytes < self.bytes_max
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        if self.is_open(&state)
            && let Some(reader) = state.reader.take()
        {
            drop(state);
            reader.wake();
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let bytes = self.bytes;
        self.flow.change(|state| {
            state.calls = state.calls.saturating_sub(1);
            state.bytes = state.bytes.saturating_sub(bytes);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow() -> Arc<Flow> {
        Arc::new(Flow::new(&Limits { socket_calls_max: 2, socket_bytes_max: 100, ..Limits::default() }))
    }

    fn may_read(flow: &Flow) -> bool {
        flow.may_read(&Context::from_waker(Waker::noop()))
    }

    #[test]
    fn reading_stops_at_the_bound_of_calls_and_goes_on_below_it() {
        let flow = flow();
        let first = flow.enter(1);
        assert!(may_read(&flow));
        let _second = flow.enter(1);
        assert!(!may_read(&flow));
        drop(first);
        assert!(may_read(&flow));
    }

    #[test]
    fn reading_stops_at_the_bound_of_bytes() {
        let flow = flow();
        let large = flow.enter(100);
        assert!(!may_read(&flow));
        drop(large);
        assert!(may_read(&flow));
    }

    #[test]
    fn reading_stops_while_answers_wait() {
        let flow = flow();
        flow.set_blocked(true);
        assert!(!may_read(&flow));
        flow.set_blocked(false);
        assert!(may_read(&flow));
    }
}
