//! Protocols of Airlock as small models that are checked exhaustively: every order in which their
//! steps can happen, not a sample of them.
//!
//! [`lease`] is the model of how replicas agree on what was taken away; the prose that it belongs
//! to is `docs/revocation.md`. `cargo test -p airlock-models -- --nocapture` checks it and prints
//! how many states there are, and for each wrong variant how it goes wrong.

pub mod lease;
