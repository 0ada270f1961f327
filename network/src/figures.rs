//! The metrics of this room, with their names in one place. They are reported from what happened and never read.

use std::time::Duration;

use metrics::{Counter, Histogram, counter, gauge, histogram};

use crate::class::Class;
use crate::receiver::Topic;

/// Counters that are touched for every frame, looked up once.
#[derive(Clone)]
pub(crate) struct Figures {
    frames_in: [Counter; Class::COUNT],
    frames_out: [Counter; Class::COUNT],
    bytes_in: [Counter; Class::COUNT],
    bytes_out: [Counter; Class::COUNT],
    dropped: [Counter; Class::COUNT],
    round_trip: Histogram,
}

impl Figures {
    /// Looks the counters up. The process's recorder must be in place by then, or they count for nobody.
    pub(crate) fn new() -> Self {
        let frames = |way: &'static str| {
            Class::ALL.map(|class| counter!("althing_p2p_frames_total", "class" => class.name(), "direction" => way))
        };
        let bytes = |way: &'static str| {
            Class::ALL.map(|class| counter!("althing_p2p_bytes_total", "class" => class.name(), "direction" => way))
        };
        Self {
            frames_in: frames("in"),
            frames_out: frames("out"),
            bytes_in: bytes("in"),
            bytes_out: bytes("out"),
            dropped: Class::ALL.map(|class| counter!("althing_p2p_frames_dropped_total", "class" => class.name())),
            round_trip: histogram!("althing_p2p_round_trip_seconds"),
        }
    }

    /// A frame came in.
    pub(crate) fn frame_in(&self, class: Class, bytes: u64) {
        self.frames_in[class.index()].increment(1);
        self.bytes_in[class.index()].increment(bytes);
    }

    /// Frames were written.
    pub(crate) fn frames_out(&self, class: Class, frames: u64, bytes: u64) {
        self.frames_out[class.index()].increment(frames);
        self.bytes_out[class.index()].increment(bytes);
    }

    /// Frames were dropped before they were written.
    pub(crate) fn dropped(&self, class: Class, frames: u64) {
        if frames > 0 {
            self.dropped[class.index()].increment(frames);
        }
    }

    /// A ping came back.
    pub(crate) fn round_trip(&self, took: Duration) {
        self.round_trip.record(took.as_secs_f64());
    }
}

/// How many peers can be used.
pub(crate) fn connected(peers: u32) {
    gauge!("althing_p2p_peers_connected").set(peers);
}

/// A connection was refused; `reason` is one of a few words.
pub(crate) fn refused(reason: &'static str) {
    counter!("althing_p2p_refused_total", "reason" => reason).increment(1);
}

/// We dialled a peer.
pub(crate) fn dialled() {
    counter!("althing_p2p_dials_total").increment(1);
}

/// Something of ours panicked; `place` is one of a few words.
pub(crate) fn panicked(place: &'static str) {
    counter!("althing_p2p_panics_total", "place" => place).increment(1);
}

/// A message of ours was not published.
pub(crate) fn unpublished(topic: Topic) {
    counter!("althing_p2p_gossip_unpublished_total", "topic" => topic.name()).increment(1);
}

/// A peer was told that too many of its requests are under way.
pub(crate) fn request_refused() {
    counter!("althing_p2p_requests_refused_total").increment(1);
}

/// A message of a peer was not passed on; `why` is one of a few words.
pub(crate) fn not_passed_on(why: &'static str) {
    counter!("althing_p2p_gossip_not_passed_on_total", "reason" => why).increment(1);
}
