//! The documentation's table of metrics.

use super::{DESCRIBED, Described, process, readings};

const HEAD: &str = include_str!("document.md");

/// docs/metrics.md: every metric, from its declaration.
pub fn markdown() -> String {
    let own = DESCRIBED.iter().chain([
        &readings::BUILD,
        &readings::HELD,
        &readings::MOST,
        &readings::WAITING,
        &readings::LEASE,
    ]);
    let all = own.chain([&process::CPU, &process::MEMORY, &process::THREADS, &process::OPEN, &process::MOST_OPEN]);
    all.fold(HEAD.to_owned(), |text, metric| text + &row(metric))
}

fn row(metric: &Described) -> String {
    let suffix = match metric.kind {
        "counter" => "_total",
        "info" => "_info",
        _ => "",
    };
    let labels = metric.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
    format!("| `{}{suffix}` | {} | {labels} | {} |\n", metric.name, metric.kind, metric.help())
}
