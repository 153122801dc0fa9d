//! When a Deployment sleeps.
//!
//! Only one for development does. A schedule puts it to sleep at one cron expression and wakes it
//! at the other; with several, it sleeps while any of them has it asleep. An override holds instead
//! of all schedules, until it ends. Nothing of this is kept: it follows from the settings and the
//! clock, so all replicas say the same, and none has to be up for a Deployment to wake.

use airlock_contract::{
    Time,
    wire::{
        DeploymentHibernationOverride, DeploymentHibernationOverrideRequest, DeploymentHibernationSchedule,
        DeploymentHibernationSpecRequest, DeploymentHibernationStatus, DeploymentSettings, HibernationEvent,
    },
};

use crate::{
    FieldError,
    cron::{Cron, Zone},
};

/// How many times of a schedule are looked at for its next change. Times at which it would both
/// sleep and wake change nothing, and there may be any number of them.
const TRIES: usize = 100;

/// The rules by which one Deployment sleeps.
#[derive(Clone, Debug, Default)]
pub struct Hibernation {
    is_for_development: bool,
    has_spec: bool,
    given: Option<Override>,
    schedules: Vec<Schedule>,
}

/// What holds instead of the schedules.
#[derive(Clone, Copy, Debug)]
struct Override {
    is_hibernating: bool,
    /// Absent when it holds until it is removed.
    until: Option<Time>,
}

impl Override {
    fn read(asked: &DeploymentHibernationOverrideRequest) -> Option<Self> {
        let until = match asked.override_until.as_deref() {
            None => None,
            // One whose end cannot be read does nothing, instead of holding for good.
            Some(until) => Some(until.parse().ok()?),
        };
        Some(Self { is_hibernating: asked.is_hibernating?, until })
    }

    fn holds(&self, now: Time) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}

/// When to sleep and when to wake.
#[derive(Clone, Debug)]
struct Schedule {
    sleep: Cron,
    wake: Cron,
}

impl Schedule {
    /// Reads a schedule.
    fn read(asked: &DeploymentHibernationSchedule) -> Option<Self> {
        let zone = zone(asked)?;
        let cron = |text: &str| Cron::parse(text, &zone).ok();
        Some(Self { sleep: cron(&asked.hibernate_at_cron)?, wake: cron(&asked.wake_at_cron)? })
    }

    /// Since when it has the Deployment asleep, if it has. At a time at which it would both sleep
    /// and wake, it wakes.
    fn asleep_since(&self, now: Time) -> Option<Time> {
        let slept = self.sleep.last(now)?;
        self.wake.last(now).is_none_or(|woke| woke < slept).then_some(slept)
    }

    /// When it next puts the Deployment to sleep, after a time at which it does not.
    fn next_sleep(&self, after: Time) -> Option<Time> {
        let first = self.sleep.next(after);
        let times = std::iter::successors(first, |at| self.sleep.next(*at));
        times.take(TRIES).find(|at| self.asleep_since(*at).is_some())
    }
}

impl Hibernation {
    /// The rules in a Deployment's settings. What cannot be read does nothing.
    pub fn of(settings: &DeploymentSettings) -> Self {
        let spec = spec_of(settings);
        if !is_for_development(settings) {
            return Self { has_spec: spec.is_some(), ..Self::default() };
        }
        let schedules = spec.and_then(|spec| spec.schedules.as_deref()).unwrap_or_default();
        let given = spec.and_then(|spec| spec.r#override.as_ref());
        Self {
            is_for_development: true,
            has_spec: spec.is_some(),
            given: given.and_then(Override::read),
            schedules: schedules.iter().filter(|schedule| schedule.is_enabled).filter_map(Schedule::read).collect(),
        }
    }

    /// Whether the Deployment sleeps.
    pub fn is_hibernating(&self, now: Time) -> bool {
        self.is_for_development
            && match self.held(now) {
                Some(held) => held.is_hibernating,
                None => self.is_asleep(now),
            }
    }

    /// Whether the Deployment sleeps, why, and when that changes; `None` for one that has no rules.
    pub fn status(&self, now: Time) -> Option<DeploymentHibernationStatus> {
        let is_hibernating = self.is_hibernating(now);
        let next = self.is_for_development.then(|| self.next_event(now)).flatten();
        let event = if is_hibernating { HibernationEvent::Wake } else { HibernationEvent::Hibernate };
        self.has_spec.then(|| DeploymentHibernationStatus {
            is_hibernating,
            next_event_at: next.map(|at| at.to_string()),
            next_event_type: next.map(|_| event),
            reason: Some(self.reason(now)),
        })
    }

    fn reason(&self, now: Time) -> String {
        let since = self.schedules.iter().filter_map(|schedule| schedule.asleep_since(now)).min();
        match (self.held(now), since) {
            _ if !self.is_for_development => {
                "the Deployment is not one for development, so it does not hibernate".into()
            }
            (Some(Override { until: None, .. }), _) => "an override holds until it is removed".into(),
            (Some(Override { until: Some(until), .. }), _) => format!("an override holds until {until}"),
            (None, Some(since)) => format!("a schedule put it to sleep at {since}"),
            (None, None) if self.schedules.is_empty() => "no schedule is enabled".into(),
            (None, None) => "no schedule has it asleep".into(),
        }
    }

    /// The override, while it holds.
    fn held(&self, now: Time) -> Option<Override> {
        self.given.filter(|given| given.holds(now))
    }

    /// Whether the schedules have it asleep.
    fn is_asleep(&self, now: Time) -> bool {
        self.schedules.iter().any(|schedule| schedule.asleep_since(now).is_some())
    }

    /// When that it sleeps, or is awake, changes next.
    fn next_event(&self, now: Time) -> Option<Time> {
        let is_hibernating = self.is_hibernating(now);
        let from = match self.held(now) {
            None => now,
            Some(held) => held.until?,
        };
        if self.is_asleep(from) != is_hibernating {
            return Some(from);
        }
        if is_hibernating {
            return self.next_wake(from);
        }
        self.schedules.iter().filter_map(|schedule| schedule.next_sleep(from)).min()
    }

    /// When all schedules have it awake: not before those have woken it that have it asleep.
    fn next_wake(&self, after: Time) -> Option<Time> {
        let mut at = after;
        for _ in 0..TRIES {
            let asleep = self.schedules.iter().filter(|schedule| schedule.asleep_since(at).is_some());
            let wakes = asleep.map(|schedule| schedule.wake.next(at)).collect::<Option<Vec<_>>>()?;
            match wakes.into_iter().max() {
                Some(latest) => at = latest,
                None => return Some(at),
            }
        }
        None
    }
}

/// An override as it is told, with whether it holds now.
pub fn shown(asked: &DeploymentHibernationOverrideRequest, now: Time) -> DeploymentHibernationOverride {
    let held = Override::read(asked);
    DeploymentHibernationOverride {
        is_active: Some(held.is_some_and(|held| held.holds(now))),
        is_hibernating: asked.is_hibernating,
        override_until: asked.override_until.as_deref().and_then(|until| until.parse().ok()),
    }
}

/// The rules in a Deployment's settings, if there are any: neither `{}` nor `{"hibernationSpec": {}}`
/// is one. An empty list of schedules is, for who gave it wants it back.
pub fn spec_of(settings: &DeploymentSettings) -> Option<&DeploymentHibernationSpecRequest> {
    let spec = settings.scaling_spec.as_ref()?.hibernation_spec.as_ref()?;
    (spec.r#override.is_some() || spec.schedules.is_some()).then_some(spec)
}

/// Whether a Deployment may sleep at all.
pub fn is_for_development(settings: &DeploymentSettings) -> bool {
    settings.is_development_mode == Some(true)
}

/// What is wrong with rules that are asked for, by fields below `scalingSpec.hibernationSpec`.
pub fn faults(spec: &DeploymentHibernationSpecRequest) -> Vec<FieldError> {
    let schedules = spec.schedules.as_deref().unwrap_or_default().iter().enumerate();
    let faults = schedules.flat_map(|(at, schedule)| {
        faults_of(schedule).into_iter().map(move |(field, message)| FieldError {
            code: "constraint",
            field: format!("scalingSpec.hibernationSpec.schedules[{at}].{field}"),
            message,
        })
    });
    faults.collect()
}

fn faults_of(asked: &DeploymentHibernationSchedule) -> Vec<(&'static str, String)> {
    let Some(zone) = zone(asked) else {
        return vec![("timeZone", "is no time zone of the IANA database, for example Europe/Berlin".to_owned())];
    };
    let fault = |text: &str| Cron::parse(text, &zone).and_then(|cron| cron.expect_it_happens()).err();
    let faults = [("hibernateAtCron", fault(&asked.hibernate_at_cron)), ("wakeAtCron", fault(&asked.wake_at_cron))];
    faults.into_iter().filter_map(|(field, fault)| Some((field, fault?))).collect()
}

fn zone(asked: &DeploymentHibernationSchedule) -> Option<Zone> {
    asked.time_zone.as_deref().map_or(Some(Zone::UTC), Zone::named)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn time(text: &str) -> Time {
        text.parse().expect("a time")
    }

    /// The rules of a Deployment for development with this hibernation spec.
    fn rules(spec: &Value) -> Hibernation {
        let settings = json!({
            "name": "x", "workspaceId": "c", "isDevelopmentMode": true, "scalingSpec": {"hibernationSpec": spec},
        });
        Hibernation::of(&serde_json::from_value(settings).expect("settings"))
    }

    fn schedule(sleep: &str, wake: &str) -> Value {
        json!({"hibernateAtCron": sleep, "wakeAtCron": wake, "isEnabled": true})
    }

    /// What is said of the rules at a time: whether it sleeps, and what happens next and when.
    fn said(rules: &Hibernation, now: &str) -> (bool, String) {
        let status = rules.status(time(now)).expect("there are rules");
        assert_eq!(status.is_hibernating, rules.is_hibernating(time(now)));
        let next = status.next_event_at.map(|at| {
            let event = status.next_event_type.expect("what happens");
            assert_eq!(event == HibernationEvent::Wake, status.is_hibernating);
            format!("{} {at}", event.as_str())
        });
        (status.is_hibernating, next.unwrap_or_default())
    }

    #[track_caller]
    fn assert_said(spec: &Value, table: &[(&str, bool, &str)]) {
        let rules = rules(spec);
        for (now, is_hibernating, next) in table {
            assert_eq!(said(&rules, now), (*is_hibernating, (*next).to_owned()), "{now}");
        }
    }

    #[test]
    fn one_schedule() {
        #[rustfmt::skip]
        assert_said(&json!({"schedules": [schedule("0 20 * * *", "0 6 * * *")]}), &[
            ("2026-01-01T00:00:00Z", true, "WAKE 2026-01-01T06:00:00Z"),
            ("2026-01-01T05:59:59.999999Z", true, "WAKE 2026-01-01T06:00:00Z"),
            ("2026-01-01T06:00:00Z", false, "HIBERNATE 2026-01-01T20:00:00Z"),
            ("2026-01-01T20:00:00Z", true, "WAKE 2026-01-02T06:00:00Z"),
        ]);
    }

    /// One that is woken on workdays only sleeps through the weekend: 2026-01-03 is a Saturday.
    #[test]
    fn a_schedule_of_workdays() {
        #[rustfmt::skip]
        assert_said(&json!({"schedules": [schedule("0 1 * * 2-6", "0 14 * * 1-5")]}), &[
            ("2026-01-02T15:00:00Z", false, "HIBERNATE 2026-01-03T01:00:00Z"),
            ("2026-01-03T01:00:00Z", true, "WAKE 2026-01-05T14:00:00Z"),
            ("2026-01-05T14:00:00Z", false, "HIBERNATE 2026-01-06T01:00:00Z"),
        ]);
    }

    /// It sleeps while any of its schedules has it asleep.
    #[test]
    fn two_schedules() {
        let (nights, weekends) = (schedule("0 20 * * *", "0 6 * * *"), schedule("0 18 * * 5", "0 8 * * 1"));
        #[rustfmt::skip]
        assert_said(&json!({"schedules": [nights, weekends]}), &[
            ("2026-01-02T12:00:00Z", false, "HIBERNATE 2026-01-02T18:00:00Z"),
            ("2026-01-03T12:00:00Z", true, "WAKE 2026-01-05T08:00:00Z"),
            ("2026-01-05T07:00:00Z", true, "WAKE 2026-01-05T08:00:00Z"),
            ("2026-01-05T21:00:00Z", true, "WAKE 2026-01-06T06:00:00Z"),
        ]);
        // Each wakes while the other sleeps.
        let (even, odd) =
            (schedule("0 0-23/2 * * *", "30 1-23/2 * * *"), schedule("0 1-23/2 * * *", "30 0-23/2 * * *"));
        assert_said(&json!({"schedules": [even, odd]}), &[("2026-01-01T12:10:00Z", true, "")]);
    }

    /// The night in which clocks are put forward is an hour shorter, also when it ends in the gap.
    #[test]
    fn a_time_zone() {
        let mut berlin = schedule("0 22 * * *", "30 2 * * *");
        berlin["timeZone"] = json!("Europe/Berlin");
        #[rustfmt::skip]
        assert_said(&json!({"schedules": [berlin]}), &[
            ("2026-01-10T21:00:00Z", true, "WAKE 2026-01-11T01:30:00Z"),
            ("2026-03-28T21:00:00Z", true, "WAKE 2026-03-29T01:00:00Z"),
            ("2026-03-29T01:00:00Z", false, "HIBERNATE 2026-03-29T20:00:00Z"),
            ("2026-10-24T20:00:00Z", true, "WAKE 2026-10-25T00:30:00Z"),
            ("2026-10-25T01:30:00Z", false, "HIBERNATE 2026-10-25T21:00:00Z"),
        ]);
    }

    #[test]
    fn sleeping_and_waking_at_once_is_waking() {
        assert_said(
            &json!({"schedules": [schedule("0 0 * * *", "0 0 * * 1-5")]}),
            &[
                ("2026-01-02T00:00:00Z", false, "HIBERNATE 2026-01-03T00:00:00Z"),
                ("2026-01-03T00:00:00Z", true, "WAKE 2026-01-05T00:00:00Z"),
            ],
        );
        let never = json!({"schedules": [schedule("0 0 * * *", "0 0 * * *")]});
        assert_said(&never, &[("2026-01-02T00:00:00Z", false, "")]);
    }

    #[test]
    fn overrides() {
        let nights = json!([schedule("0 20 * * *", "0 6 * * *")]);
        let spec = |sleep: bool, until: Option<&str>| json!({"schedules": nights, "override": {"isHibernating": sleep, "overrideUntil": until}});
        let now = "2026-01-01T12:00:00Z"; // by the schedule it is awake
        for (sleep, until, is_hibernating, next) in [
            (true, None, true, ""),
            (false, None, false, ""),
            // When it ends in the day, the schedule has it awake; when in the night, asleep.
            (true, Some("2026-01-01T15:00:00Z"), true, "WAKE 2026-01-01T15:00:00Z"),
            (true, Some("2026-01-01T22:00:00Z"), true, "WAKE 2026-01-02T06:00:00Z"),
            (false, Some("2026-01-01T15:00:00Z"), false, "HIBERNATE 2026-01-01T20:00:00Z"),
            (false, Some("2026-01-01T22:00:00Z"), false, "HIBERNATE 2026-01-01T22:00:00Z"),
            // One that is over is as none.
            (true, Some("2026-01-01T12:00:00Z"), false, "HIBERNATE 2026-01-01T20:00:00Z"),
            (true, Some("2020-01-01T00:00:00Z"), false, "HIBERNATE 2026-01-01T20:00:00Z"),
        ] {
            assert_said(&spec(sleep, until), &[(now, is_hibernating, next)]);
        }
        // Without schedules, the Deployment is awake when it ends.
        let alone = json!({"override": {"isHibernating": true, "overrideUntil": "2026-01-02T00:00:00Z"}});
        assert_said(&alone, &[(now, true, "WAKE 2026-01-02T00:00:00Z"), ("2026-01-02T00:00:00Z", false, "")]);
        // Its end cannot be read.
        assert_said(&json!({"override": {"isHibernating": true, "overrideUntil": "soon"}}), &[(now, false, "")]);
        // It says neither.
        assert_said(&json!({"override": {"overrideUntil": "2027-01-01T00:00:00Z"}}), &[(now, false, "")]);
    }

    #[test]
    fn what_does_not_sleep() {
        let night = time("2026-01-01T00:00:00Z");
        let mut off = schedule("0 20 * * *", "0 6 * * *");
        off["isEnabled"] = json!(false);
        assert!(!rules(&json!({"schedules": [off]})).is_hibernating(night));
        // What an older version has kept unread does nothing.
        assert!(!rules(&json!({"schedules": [schedule("at night", "in the morning")]})).is_hibernating(night));
        assert!(rules(&json!({"schedules": []})).status(night).is_some_and(|status| !status.is_hibernating));
        assert!(rules(&json!({})).status(night).is_none());

        let asleep = json!({"override": {"isHibernating": true}});
        let mut settings = json!({"name": "x", "workspaceId": "c", "scalingSpec": {"hibernationSpec": asleep}});
        for mode in [json!(null), json!(false)] {
            settings["isDevelopmentMode"] = mode;
            let rules = Hibernation::of(&serde_json::from_value(settings.clone()).expect("settings"));
            assert_eq!(said(&rules, "2026-01-01T00:00:00Z"), (false, String::new()));
        }
        let none = json!({"name": "x", "workspaceId": "c", "isDevelopmentMode": true});
        assert!(Hibernation::of(&serde_json::from_value(none).expect("settings")).status(night).is_none());
    }

    #[test]
    fn faults_name_their_fields() {
        let mut wrong = schedule("0 0 30 2 *", "whenever");
        let good = schedule("0 20 * * *", "0 6 * * *");
        let fields = |wrong: &Value| {
            let spec = json!({"schedules": [good, wrong]});
            let faults = faults(&serde_json::from_value(spec).expect("a spec"));
            faults.into_iter().map(|fault| fault.field).collect::<Vec<_>>()
        };
        let at = |field: &str| format!("scalingSpec.hibernationSpec.schedules[1].{field}");
        assert_eq!(fields(&wrong), [at("hibernateAtCron"), at("wakeAtCron")]);
        wrong["timeZone"] = json!("Mars/Olympus");
        assert_eq!(fields(&wrong), [at("timeZone")]);
        assert_eq!(fields(&good), [""; 0]);
    }
}
