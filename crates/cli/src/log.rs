//! The log, on standard error.

use tracing_subscriber::EnvFilter;

use crate::settings::LogFormat;

/// Starts the log of this process, with what the filter lets through.
pub(crate) fn start(filter: &str, format: LogFormat) {
    let log = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(filter)).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(false).init(),
        LogFormat::Json => log.json().init(),
    }
}
