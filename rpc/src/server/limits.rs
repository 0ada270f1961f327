//! The bounds of the server, in one place (`decisions.md` section 2).

use std::time::Duration;

/// Bounds. Times are those after which the server gives up on a peer or on itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request at most. 2 MiB.
    pub request_bytes_max: u32,
    /// Bytes of an answer at most. 8 MiB.
    pub response_bytes_max: u32,
    /// Calls in a batch at most, and what they may cost together. 100.
    pub batch_cost_max: u32,
    /// Sockets at most. 256.
    pub connections_max: usize,
    /// Sockets of one address at most, loopback excepted; of IPv6 one network of 64 bits. 16.
    pub connections_per_address_max: usize,
    /// Messages that wait for the reader of one WebSocket at most. 256.
    pub socket_messages_max: u32,
    /// Calls in flight of one WebSocket at most; beyond it nothing more is read. 64.
    pub socket_calls_max: usize,
    /// Bytes of the calls in flight of one WebSocket, beyond which nothing more is read. 4 MiB.
    pub socket_bytes_max: usize,
    /// Subscriptions of one WebSocket at most. 16.
    pub socket_subscriptions_max: u32,
    /// Calls that wait for a transaction at most, in all. 1,024.
    pub waiters_max: usize,
    /// Reads of the store that run at once. 16.
    pub reads_max: usize,
    /// How long a read may take, and how long one waits for its turn. 10 s.
    pub read_time: Duration,
    /// How long a peer may take to send a header; an idle connection counts as one that does. 10 s.
    pub header_time: Duration,
    /// How long a peer may take to send a body. 10 s.
    pub body_time: Duration,
    /// How long a peer may take to take an answer. 60 s.
    pub write_time: Duration,
    /// How long a batch may take. 60 s.
    pub batch_time: Duration,
    /// How long a subscription waits for its reader before it says `lagged`. 5 s.
    pub lag_time: Duration,
    /// How long `account_get` waits for `minHeight`. 2 s.
    pub min_height_time: Duration,
    /// How long calls under way may go on when the server stops. 3 s.
    pub stop_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes_max: 2 << 20,
            response_bytes_max: 8 << 20,
            batch_cost_max: 100,
            connections_max: 256,
            connections_per_address_max: 16,
            socket_messages_max: 256,
            socket_calls_max: 64,
            socket_bytes_max: 4 << 20,
            socket_subscriptions_max: 16,
            waiters_max: 1_024,
            reads_max: 16,
            read_time: Duration::from_secs(10),
            header_time: Duration::from_secs(10),
            body_time: Duration::from_secs(10),
            write_time: Duration::from_secs(60),
            batch_time: Duration::from_secs(60),
            lag_time: Duration::from_secs(5),
            min_height_time: Duration::from_secs(2),
            stop_time: Duration::from_secs(3),
        }
    }
}
