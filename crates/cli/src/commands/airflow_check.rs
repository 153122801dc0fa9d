//! What a look at an Airflow found, a line each.

use airlock_contract::wire::{AirflowAspect, AirflowCheck, FindingOutcome};

use crate::output;

/// Prints the findings.
pub(crate) fn print(check: &AirflowCheck) -> anyhow::Result<()> {
    for finding in &check.findings {
        let mark = match finding.outcome {
            FindingOutcome::Ok => "ok    ",
            FindingOutcome::Wrong => "WRONG ",
            FindingOutcome::Skipped => "-     ",
        };
        output::text(&format!("{mark} {}: {}\n", name(finding.aspect), output::harmless(&finding.message)))?;
    }
    Ok(())
}

/// How many found something wrong.
pub(crate) fn faults(check: &AirflowCheck) -> usize {
    check.findings.iter().filter(|finding| finding.outcome == FindingOutcome::Wrong).count()
}

const fn name(aspect: AirflowAspect) -> &'static str {
    match aspect {
        AirflowAspect::Attachment => "attachment",
        AirflowAspect::RemoteExecution => "remote execution",
        AirflowAspect::Reachability => "API server",
        AirflowAspect::Version => "version",
        AirflowAspect::Clock => "clock",
        AirflowAspect::EdgeApi => "edge API",
        AirflowAspect::Trust => "trust",
        AirflowAspect::Components => "components",
    }
}
