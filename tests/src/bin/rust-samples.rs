//! Runs the Rust sample of the operation that it is told, as it stands on the operation's page.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "samples are for programs of other people")]

include!(concat!(env!("OUT_DIR"), "/rust_samples.rs"));

type Outcome = Result<(), Box<dyn std::error::Error>>;
/// An operation, and what runs its sample.
type Sample = (&'static str, fn() -> Outcome);

fn main() -> Outcome {
    let operation = std::env::args().nth(1).ok_or("name an operation")?;
    let (_, run) = SAMPLES.iter().find(|(name, _)| *name == operation).ok_or("there is no such sample")?;
    run()
}
