//! A queue between threads, with three doors: what this process owes itself, what other validators say, and what
//! comes from outside.
//!
//! What threads of this process report to each other is never refused and comes first, because each such report answers
//! something that the receiver asked for and is bounded by that; and a thread that waited to deliver a report could wait
//! for one that waits for it. What validators say is bounded by each sender's budget where it comes in, and they are
//! served in turn, so that one who says much delays nobody else. What comes from outside is refused when the queue is
//! full, and has a part of each turn for itself.

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
    /// Messages in the order of their arrival at each door, and of each validator's: those of this process first.
    Some(Vec<T>),
    /// Nothing came in time.
    Nothing,
    /// The mailbox was closed and is empty.
    Closed,
}

/// Of the messages that are taken at once, those from outside may be one in so many although validators have more to
/// say.
const OUTSIDE_PART: usize = 4;

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
    /// What each validator said, by its place.
    senders: Vec<VecDeque<T>>,
    /// The messages in all of these.
    said: usize,
    /// Whose turn it was last.
    turn: usize,
    outside: VecDeque<T>,
    closed: bool,
}

impl<T> Mailbox<T> {
    /// An empty queue that takes in so many messages from outside, and what no other validator says.
    pub(crate) fn new(outside_max: usize) -> Self {
        Self::with_senders(outside_max, 0)
    }

    /// An empty queue that takes in so many messages from outside, and what so many validators say.
    pub(crate) fn with_senders(outside_max: usize, senders: usize) -> Self {
        let senders = (0..senders).map(|_| VecDeque::new()).collect();
        let queues =
            Queues { inside: VecDeque::new(), senders, said: 0, turn: 0, outside: VecDeque::new(), closed: false };
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

    /// Takes in what a validator said, behind what it said before. After the end it is dropped, and so it is if there is
    /// no such place.
    pub(crate) fn post_from(&self, sender: usize, message: T) {
        let mut queues = self.lock();
        if queues.closed {
            return;
        }
        if let Some(queue) = queues.senders.get_mut(sender) {
            queue.push_back(message);
            queues.said += 1;
            self.arrived.notify_one();
        }
    }

    /// The same, if the validator has less than so many messages waiting.
    pub(crate) fn offer_from(&self, sender: usize, message: T, max: usize) -> Result<(), Refused> {
        let waiting = self.lock().senders.get(sender).map_or(0, VecDeque::len);
        if waiting >= max {
            return Err(Refused::Full);
        }
        self.post_from(sender, message);
        Ok(())
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
        let mut messages: Vec<T> = queues.inside.drain(..from_inside).collect();
        let left = max - from_inside;
        let kept_for_outside = queues.outside.len().min(left / OUTSIDE_PART);
        let from_senders = queues.said.min(left - kept_for_outside);
        messages.extend((0..from_senders).map_while(|_| queues.next_said()));
        let from_outside = queues.outside.len().min(left - from_senders);
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
        queues.inside.len() + queues.said + queues.outside.len()
    }

    /// A sender that panicked left the queues whole: each push is one step.
    fn lock(&self) -> MutexGuard<'_, Queues<T>> {
        self.queues.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<T> Queues<T> {
    fn is_empty(&self) -> bool {
        self.inside.is_empty() && self.said == 0 && self.outside.is_empty()
    }

    /// The next message of the validator whose turn it is among those that said something.
    fn next_said(&mut self) -> Option<T> {
        for _ in 0..self.senders.len() {
            self.turn = (self.turn + 1) % self.senders.len();
            if let Some(message) = self.senders.get_mut(self.turn).and_then(VecDeque::pop_front) {
                self.said -= 1;
                return Some(message);
            }
        }
        None
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
    fn validators_are_served_in_turn_however_much_one_of_them_says() {
        let mailbox = Mailbox::with_senders(1, 3);
        (0..5).for_each(|message| mailbox.post_from(1, 10 + message));
        mailbox.post_from(2, 20);
        mailbox.post_from(0, 30);
        mailbox.post(1);
        assert_eq!(mailbox.len(), 8);
        assert_eq!(mailbox.take(None, 4), Mail::Some(vec![1, 10, 20, 30]));
        assert_eq!(mailbox.take(None, 9), Mail::Some(vec![11, 12, 13, 14]), "and what one says stays in its order");
        mailbox.post_from(7, 40);
        assert_eq!(mailbox.len(), 0, "nobody has that place");
    }

    #[test]
    fn those_outside_have_their_part_although_validators_say_more_than_can_be_taken() {
        let mailbox = Mailbox::with_senders(9, 1);
        (0..20).for_each(|message| mailbox.post_from(0, message));
        (100..105).for_each(|message| assert_eq!(mailbox.offer(message), Ok(())));
        assert_eq!(mailbox.take(None, 8), Mail::Some(vec![0, 1, 2, 3, 4, 5, 100, 101]));
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
