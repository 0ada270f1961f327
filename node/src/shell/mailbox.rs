//! A queue between threads, with two doors: what this process owes itself, and what comes from outside.
//!
//! What comes from outside is refused when the queue is full, so that it is bounded. What threads of this process
//! report to each other is never refused, because each such report answers something that the receiver asked for and
//! is bounded by that; and a thread that waited to deliver a report could wait for one that waits for it.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// Why nothing was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The queue is full; it may have room in a moment.
    Full,
    /// The receiver ended, or is about to.
    Closed,
}

/// What a receiver found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mail<T> {
    /// Messages in the order of their arrival at each door, those of this process first.
    Some(Vec<T>),
    /// Nothing came in time.
    Nothing,
    /// The mailbox was closed and is empty.
    Closed,
}

/// The queue. Shared by reference among its senders and its one receiver.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    queues: Mutex<Queues<T>>,
    arrived: Condvar,
    outside_max: usize,
}

#[derive(Debug)]
struct Queues<T> {
    inside: VecDeque<T>,
    outside: VecDeque<T>,
    closed: bool,
}

impl<T> Mailbox<T> {
    /// An empty queue that takes in so many messages from outside.
    pub(crate) const fn new(outside_max: usize) -> Self {
        let queues = Queues { inside: VecDeque::new(), outside: VecDeque::new(), closed: false };
        Self { queues: Mutex::new(queues), arrived: Condvar::new(), outside_max }
    }

    /// Takes in a report of another thread of this process. After the end it is dropped: nobody needs it any more.
    pub(crate) fn post(&self, message: T) {
        let mut queues = self.lock();
        if !queues.closed {
            queues.inside.push_back(message);
            self.arrived.notify_one();
        }
    }

    /// Takes in something from outside, if there is room.
    pub(crate) fn offer(&self, message: T) -> Result<(), Refused> {
        let mut queues = self.lock();
        if queues.closed {
            return Err(Refused::Closed);
        }
        if queues.outside.len() >= self.outside_max {
            return Err(Refused::Full);
        }
        queues.outside.push_back(message);
        self.arrived.notify_one();
        Ok(())
    }

    /// Waits until there is something or the time is over, and takes at most `max` messages.
    pub(crate) fn take(&self, timeout: Option<Duration>, max: usize) -> Mail<T> {
        let mut queues = self.lock();
        if queues.is_empty() && !queues.closed {
            queues = match timeout {
                None => self.arrived.wait_while(queues, |queues| queues.is_empty() && !queues.closed),
                Some(timeout) => self
                    .arrived
                    .wait_timeout_while(queues, timeout, |queues| queues.is_empty() && !queues.closed)
                    .map(|(queues, _)| queues)
                    .map_err(|poisoned| std::sync::PoisonError::new(poisoned.into_inner().0)),
            }
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        if queues.is_empty() {
            return if queues.closed { Mail::Closed } else { Mail::Nothing };
        }
        let from_inside = queues.inside.len().min(max);
        let from_outside = queues.outside.len().min(max - from_inside);
        let mut messages: Vec<T> = queues.inside.drain(..from_inside).collect();
        messages.extend(queues.outside.drain(..from_outside));
        Mail::Some(messages)
    }

    /// Refuses whatever comes from now on. What is in the queue can still be taken.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }

    /// How many messages wait, for metrics.
    pub(crate) fn len(&self) -> usize {
        let queues = self.lock();
        queues.inside.len() + queues.outside.len()
    }

    /// A sender that panicked left the queues whole: each push is one step.
    fn lock(&self) -> MutexGuard<'_, Queues<T>> {
        self.queues.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<T> Queues<T> {
    fn is_empty(&self) -> bool {
        self.inside.is_empty() && self.outside.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn what_comes_from_outside_is_refused_beyond_the_bound_and_reports_are_not() {
        let mailbox = Mailbox::new(2);
        assert_eq!(mailbox.offer(1), Ok(()));
        assert_eq!(mailbox.offer(2), Ok(()));
        assert_eq!(mailbox.offer(3), Err(Refused::Full));
        mailbox.post(4);
        assert_eq!(mailbox.len(), 3);
        assert_eq!(mailbox.take(None, 10), Mail::Some(vec![4, 1, 2]));
        assert_eq!(mailbox.offer(3), Ok(()));
    }

    #[test]
    fn at_most_so_many_are_taken_at_once() {
        let mailbox = Mailbox::new(8);
        for message in 0..5 {
            mailbox.post(message);
        }
        assert_eq!(mailbox.take(None, 2), Mail::Some(vec![0, 1]));
        assert_eq!(mailbox.take(None, 9), Mail::Some(vec![2, 3, 4]));
    }

    #[test]
    fn a_receiver_waits_for_the_time_given_and_no_longer() {
        let mailbox: Mailbox<u8> = Mailbox::new(1);
        assert_eq!(mailbox.take(Some(Duration::from_millis(1)), 1), Mail::Nothing);
    }

    #[test]
    fn a_waiting_receiver_is_woken() {
        let mailbox = Mailbox::new(1);
        thread::scope(|scope| {
            let receiver = scope.spawn(|| mailbox.take(None, 1));
            mailbox.post(7);
            assert_eq!(receiver.join().expect("it does not panic"), Mail::Some(vec![7]));
        });
    }

    #[test]
    fn after_the_end_what_is_there_can_be_taken_and_nothing_comes_in() {
        let mailbox = Mailbox::new(2);
        mailbox.post(1);
        mailbox.close();
        mailbox.post(2);
        assert_eq!(mailbox.offer(3), Err(Refused::Closed));
        assert_eq!(mailbox.take(None, 9), Mail::Some(vec![1]));
        assert_eq!(mailbox.take(None, 9), Mail::Closed);
    }
}
