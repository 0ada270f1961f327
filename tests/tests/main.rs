//! The one test binary that sees every room. The path of a module is its category: `tidy` holds the house rules
//! against the repository itself. What a single room can test alone stays in that room.

mod conformance;
mod simulation;
mod tidy;
