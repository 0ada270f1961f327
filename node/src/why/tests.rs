//! Stalls that are induced, and what is said about each: cause, who, and remedy.
