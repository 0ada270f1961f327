//! Many validators in one process, each of them the real core of agreement, driven through what a network, a disk, a
//! clock and a faulty validator may do to them.

pub mod explore;
