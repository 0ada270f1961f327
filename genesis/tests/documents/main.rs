//! Genesis documents from outside the room: what is accepted, what is refused and where, and what the hash covers.

mod differences;
mod hash;
mod properties;
mod refused;
mod sample;
