//! What waits to be written to one peer in one class: bounded in frames and bytes, and empty while there is no way out.
//!
//! Any thread puts frames in and never waits; one writer takes them out in their order. Every frame that goes in and is
//! not handed to the writer is counted as dropped, those that a lost connection leaves behind as well.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::class::{Class, Overflow, queue_limits};

/// Shared among all who are to get it, and never copied per peer before it is written.
pub use althing_types::Frame;

/// Why a frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// There is no connection to the peer, or it does not share streams of this class with us, or nobody knows it.
    #[error("the peer is not connected for frames of this class; send again when it is")]
    NotConnected,
    /// So much waits for the peer that there is no room; it was counted as dropped.
    #[error("too much waits for this peer already; send again later")]
    Full,
    /// It is longer than a frame of its class may be.
    #[error("the frame is longer than {bytes_max} bytes; split it")]
    TooLong {
        /// What is allowed.
        bytes_max: usize,
    },
}

/// The queue of one peer and class.
#[derive(Debug)]
pub(crate) struct Queue {
    class: Class,
    inner: Mutex<Inner>,
    arrived: Notify,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Inner {
    is_open: bool,
    frames: VecDeque<Frame>,
    bytes: usize,
}

impl Queue {
    /// A closed queue.
    pub(crate) fn new(class: Class) -> Self {
        Self { class, inner: Mutex::default(), arrived: Notify::new(), dropped: AtomicU64::new(0) }
    }

    /// Lets frames in from now on.
    pub(crate) fn open(&self) {
        self.lock().is_open = true;
    }

    /// Lets none in any more and drops those inside. Says how many that were.
    pub(crate) fn close(&self) -> u64 {
        let mut inner = self.lock();
        let left = u64::try_from(inner.frames.len()).unwrap_or(u64::MAX);
        *inner = Inner::default();
        self.dropped.fetch_add(left, Ordering::Relaxed);
        left
    }

    /// Puts a frame in. Says how many frames were dropped for it, itself included if it is refused as too much.
    pub(crate) fn push(&self, frame: Frame) -> (Result<(), SendError>, u64) {
        let bytes_max = self.class.frame_bytes_max();
        if frame.len() > bytes_max {
            return (Err(SendError::TooLong { bytes_max }), 0);
        }
        let limits = queue_limits(self.class);
        let mut inner = self.lock();
        if !inner.is_open {
            return (Err(SendError::NotConnected), 0);
        }
        let mut dropped = 0;
        while inner.frames.len() >= limits.frames_max || inner.bytes.saturating_add(frame.len()) > limits.bytes_max {
            match limits.overflow {
                Overflow::DropNewest => {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                    return (Err(SendError::Full), 1);
                }
                Overflow::DropOldest if inner.take().is_some() => dropped += 1,
                Overflow::DropOldest => break,
            }
        }
        inner.bytes = inner.bytes.saturating_add(frame.len());
        inner.frames.push_back(frame);
        drop(inner);
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
        self.arrived.notify_one();
        (Ok(()), dropped)
    }

    /// Waits for frames and takes the first, and as many more as stay below `bytes_max` together. Never empty.
    pub(crate) async fn take(&self, bytes_max: usize) -> Vec<Frame> {
        loop {
            let frames = self.lock().take_up_to(bytes_max);
            if !frames.is_empty() {
                return frames;
            }
            self.arrived.notified().await;
        }
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().frames.is_empty()
    }

    /// Frames that were dropped so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn take(&mut self) -> Option<Frame> {
        let frame = self.frames.pop_front()?;
        self.bytes = self.bytes.saturating_sub(frame.len());
        Some(frame)
    }

    fn take_up_to(&mut self, bytes_max: usize) -> Vec<Frame> {
        let mut frames: Vec<Frame> = self.take().into_iter().collect();
        let mut bytes = frames.iter().map(|frame| frame.len()).sum::<usize>();
        while let Some(next) = self.frames.front() {
            bytes = bytes.saturating_add(next.len());
            if bytes > bytes_max {
                break;
            }
            frames.extend(self.take());
        }
        frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(byte: u8, length: usize) -> Frame {
        vec![byte; length].into()
    }

    fn first_bytes(queue: &Queue) -> Vec<u8> {
        queue.lock().frames.iter().map(|frame| frame[0]).collect()
    }

    #[test]
    fn a_closed_queue_takes_nothing_and_counts_what_it_leaves_behind() {
        let queue = Queue::new(Class::Votes);
        assert_eq!(queue.push(frame(1, 1)), (Err(SendError::NotConnected), 0));
        queue.open();
        for _ in 0..3 {
            assert_eq!(queue.push(frame(1, 1)), (Ok(()), 0));
        }
        assert_eq!((queue.close(), queue.dropped()), (3, 3));
        assert_eq!(queue.push(frame(1, 1)), (Err(SendError::NotConnected), 0));
        queue.open();
        assert!(queue.is_empty(), "what was left behind does not come back");
    }

    #[test]
    fn full_queues_drop_the_oldest_or_the_newest_by_count_and_by_bytes() {
        for (class, count, length) in [
            (Class::Votes, 1_024, 10),
            (Class::Votes, 64, 64 * 1_024),
            (Class::Proposals, 64, 10),
            (Class::Proposals, 8, 1_024 * 1_024),
            (Class::Data, 4_096, 10),
            (Class::Data, 32, 512 * 1_024),
            (Class::Sync, 8, 1_024 * 1_024),
        ] {
            let queue = Queue::new(class);
            queue.open();
            for _ in 0..count {
                assert_eq!(queue.push(frame(1, length)), (Ok(()), 0), "{}", class.name());
            }
            let last = queue.push(frame(2, length));
            let mut expected = vec![1; count];
            if matches!(class, Class::Votes | Class::Proposals) {
                assert_eq!(last, (Ok(()), 1), "{}", class.name());
                expected[count - 1] = 2;
            } else {
                assert_eq!(last, (Err(SendError::Full), 1), "{}", class.name());
            }
            assert_eq!((first_bytes(&queue), queue.dropped()), (expected, 1), "{}", class.name());
        }
    }

    #[test]
    fn a_big_frame_pushes_out_as_many_old_ones_as_it_needs_and_no_more() {
        let queue = Queue::new(Class::Proposals);
        queue.open();
        for n in 0..16 {
            assert_eq!(queue.push(frame(n, 512 * 1_024)), (Ok(()), 0));
        }
        assert_eq!(queue.push(frame(16, 1_024 * 1_024)), (Ok(()), 2));
        assert_eq!(first_bytes(&queue), (2..=16).collect::<Vec<u8>>());
    }

    #[test]
    fn frames_are_taken_in_order_and_small_ones_together() {
        let queue = Queue::new(Class::Data);
        queue.open();
        for (byte, length) in [(1, 100), (2, 100), (3, 1_000), (4, 5_000), (5, 1)] {
            assert_eq!(queue.push(frame(byte, length)), (Ok(()), 0));
        }
        let mut taken = Vec::new();
        while !queue.is_empty() {
            let frames = futures::executor::block_on(queue.take(1_200));
            taken.push(frames.iter().map(|frame| frame[0]).collect::<Vec<u8>>());
        }
        assert_eq!(taken, [vec![1, 2, 3], vec![4], vec![5]]);
        assert_eq!(queue.lock().bytes, 0);
    }
}
