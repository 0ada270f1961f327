//! Carries messages between the nodes of one chain.
