//! How figures are printed.

use std::{io::Write, time::Duration};

use crate::load::{Figures, WARM_UP};

/// What each row is measured for, and the names of the columns.
pub(crate) fn write_header(out: &mut impl Write, time: Duration) -> std::io::Result<()> {
    writeln!(out, "each row   {} s, after {} s of warm-up\n", time.as_secs(), WARM_UP.as_secs())?;
    writeln!(
        out,
        "{:<44}{:>11}{:>11}{:>11}{:>8}{:>12}{:>12}",
        "", "requests/s", "p50 us", "p99 us", "errors", "server us", "client us"
    )?;
    out.flush()
}

/// Every error ends the program, so a row that is printed had none.
pub(crate) fn write_row(out: &mut impl Write, name: &str, figures: &Figures) -> std::io::Result<()> {
    let rate = figures.requests as f64 / figures.elapsed.as_secs_f64();
    let (p50, p99) = (count(figures.p50.as_micros()), count(figures.p99.as_micros()));
    let (server, client) = (figures.each(figures.server_cpu), figures.each(figures.client_cpu));
    let rate = count(rate.round() as u64);
    writeln!(out, "{name:<44}{rate:>11}{p50:>11}{p99:>11}{:>8}{server:>12.1}{client:>12.1}", 0)?;
    out.flush()
}

/// A number with a comma after each three digits.
pub(crate) fn count(number: impl ToString) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
