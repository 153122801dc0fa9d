//! Gathers the Rust samples of the documentation, so that `src/bin/rust-samples.rs` is made of them.

#[path = "src/samples.rs"]
#[allow(unreachable_pub, reason = "it is a module of the library too")]
mod samples;

use std::{env, fmt::Write, fs, io, path::PathBuf};

#[expect(clippy::disallowed_methods, reason = "cargo tells a build script its folder like this")]
fn main() -> io::Result<()> {
    let folder = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    let (mut modules, mut table) = (String::new(), String::new());
    for (operation, page) in samples::pages() {
        let code =
            samples::sample(page, "Rust").ok_or_else(|| io::Error::other(format!("{operation} has no sample")))?;
        let file = folder.join(format!("{operation}.rs"));
        fs::write(&file, code)?;
        let run = "pub(super) fn run() -> super::Outcome { main() }";
        _ = writeln!(modules, "#[allow(non_snake_case)]\nmod {operation} {{ include!({file:?}); {run} }}");
        _ = writeln!(table, "    ({operation:?}, {operation}::run),");
    }
    let table = format!("const SAMPLES: &[Sample] = &[\n{table}];\n");
    fs::write(folder.join("rust_samples.rs"), modules + &table)
}
