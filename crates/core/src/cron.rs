//! Cron expressions in a time zone.
//!
//! The five fields of crontab(5), read by [`croner`], which follows the Open Cron Pattern
//! Specification 1.4. The rules of time zones are those of the IANA database that is built in, so
//! every replica has the same, whatever its machine has installed.
//!
//! When a clock is put forward, what names one time that is left out happens when the gap ends, unless
//! that is on another day, which it does not name; when it is put back, what names one time that there is twice happens at the first. Expressions of more
//! than one minute or hour (`*`, lists, ranges, steps) follow the clock as it goes: they do not happen
//! at a time that is left out, and happen twice at one that there is twice.

use std::{cmp::Ordering, sync::LazyLock};

use airlock_contract::Time;
use croner::{
    errors::CronError,
    parser::{CronParser, Seconds, Year},
    time::{CivilDate, CivilDateTime, CivilTime, CronDateTime, Resolution, Weekday},
};
use jiff::{
    SignedDuration, Timestamp, ZonedDateTime, civil,
    tz::{AmbiguousOffset, TimeZone},
};

/// How many years away an occurrence is looked for: as far as one 29 February can be from the next.
const YEARS: i32 = 8;

/// The longest expression that is read, in bytes.
const LONGEST: usize = 256;

/// Whether an expression ever happens is looked at from here on: 2000-01-01T00:00:00Z.
const BEGINNING: i64 = 946_684_800_000_000;

/// A cron expression in a time zone.
#[derive(Clone, Debug)]
pub struct Cron {
    pattern: croner::Cron,
    zone: TimeZone,
}

impl Cron {
    /// Reads an expression of five fields.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub fn parse(text: &str, zone: &Zone) -> Result<Self, String> {
        static PARSER: LazyLock<CronParser> =
            LazyLock::new(|| CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build());
        // A `+` asks for days that may never come, and the search for one goes on for millennia.
        let fits = |byte: u8| byte == b' ' || byte.is_ascii_graphic() && byte != b'+';
        if text.len() > LONGEST || !text.bytes().all(fits) {
            return Err("is no cron expression: it is too long, or has characters that none has".into());
        }
        let pattern = PARSER.parse(text).map_err(|cause| format!("is no cron expression of five fields: {cause}"))?;
        Ok(Self { pattern, zone: zone.0.clone() })
    }

    /// Sees that it happens at all. That takes a search, which reading it again does not need.
    ///
    /// # Errors
    ///
    /// In words, when it never happens, as `0 0 30 2 *`, or not within 8 years.
    pub fn expect_it_happens(&self) -> Result<(), String> {
        match self.next(Time::from_micros(BEGINNING)) {
            Some(_) => Ok(()),
            None => Err("never happens, or not within 8 years".into()),
        }
    }

    /// When it happened last, at a time or before it.
    pub fn last(&self, at: Time) -> Option<Time> {
        let from = Instant::of(at, &self.zone)?;
        self.pattern.find_previous_occurrence(&from, true).ok().map(|found| found.time())
    }

    /// When it happens next, after a time.
    pub fn next(&self, after: Time) -> Option<Time> {
        let from = Instant::of(after, &self.zone)?;
        self.pattern.find_next_occurrence(&from, false).ok().map(|found| found.time())
    }
}

/// A time zone of the IANA database.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl Zone {
    /// Coordinated Universal Time.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The zone of a name such as `Europe/Berlin`.
    pub fn named(name: &str) -> Option<Self> {
        TimeZone::get(name).ok().filter(|zone| !zone.is_unknown()).map(Self)
    }
}

/// A point in time and its zone, as [`croner`] searches from it, up to some [`YEARS`] away.
#[derive(Clone)]
struct Instant {
    at: ZonedDateTime,
    /// The year in which the search began.
    year: i32,
}

impl Instant {
    /// The whole second that a time is in.
    fn of(time: Time, zone: &TimeZone) -> Option<Self> {
        let at = Timestamp::from_second(time.as_seconds()).ok()?.to_zoned_datetime(zone.clone());
        Some(Self { year: at.year().into(), at })
    }

    fn with(&self, at: ZonedDateTime) -> Self {
        Self { at, year: self.year }
    }

    fn time(&self) -> Time {
        Time::from_micros(self.at.timestamp().as_microsecond())
    }
}

impl CronDateTime for Instant {
    fn to_civil(&self) -> CivilDateTime {
        let at = self.at.datetime();
        let [month, day, hour, minute, second] =
            [at.month(), at.day(), at.hour(), at.minute(), at.second()].map(|part| part.unsigned_abs().into());
        CivilDateTime::new(
            CivilDate::from_parts_unchecked(at.year().into(), month, day),
            CivilTime::from_parts_unchecked(hour, minute, second),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        Weekday::from_days_from_sunday(self.at.weekday().to_sunday_zero_offset().unsigned_abs().into())
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        if (civil.year() - self.year).abs() > YEARS {
            return Err(CronError::TimeSearchLimitExceeded);
        }
        let ambiguous = self.at.time_zone().to_ambiguous_zoned_datetime(to_jiff(civil).ok_or(CronError::InvalidDate)?);
        let offset = ambiguous.offset();
        let instant = |zoned: Result<ZonedDateTime, jiff::Error>| match zoned {
            Ok(at) => Ok(self.with(at)),
            Err(_) => Err(CronError::InvalidTime),
        };
        Ok(match offset {
            AmbiguousOffset::Unambiguous { .. } => Resolution::Single(instant(ambiguous.compatible())?),
            AmbiguousOffset::Fold { .. } => {
                Resolution::Ambiguous(instant(ambiguous.clone().earlier())?, instant(ambiguous.later())?)
            }
            AmbiguousOffset::Gap { .. } => Resolution::Gap,
        })
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.at.checked_add(SignedDuration::from_secs(seconds)).ok().map(|at| self.with(at))
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.at.timestamp().cmp(&other.at.timestamp())
    }
}

fn to_jiff(civil: CivilDateTime) -> Option<civil::DateTime> {
    let year = i16::try_from(civil.year()).ok()?;
    let part = |number: u32| i8::try_from(number).ok();
    let [month, day, hour, minute, second] =
        [civil.month(), civil.day(), civil.hour(), civil.minute(), civil.second()].map(part);
    civil::DateTime::new(year, month?, day?, hour?, minute?, second?, 0).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cron(text: &str, zone: &str) -> Cron {
        Cron::parse(text, &Zone::named(zone).expect("a zone")).expect("an expression")
    }

    fn time(text: &str) -> Time {
        text.parse().expect("a time")
    }

    /// What happens last at a time, and next after it. In Berlin, clocks go from 02:00 to 03:00 on
    /// 2026-03-29, and from 03:00 back to 02:00 on 2026-10-25.
    #[test]
    fn occurrences() {
        #[rustfmt::skip]
        let table = [
            ("0 20 * * *", "UTC", "2026-01-01T20:00:00Z", "2026-01-01T20:00:00Z", "2026-01-02T20:00:00Z"),
            ("0 20 * * *", "UTC", "2026-01-01T19:59:59.9Z", "2025-12-31T20:00:00Z", "2026-01-01T20:00:00Z"),
            ("0 20 * * *", "UTC", "2026-01-01T20:00:00.1Z", "2026-01-01T20:00:00Z", "2026-01-02T20:00:00Z"),
            // Sunday is 0 and 7, and names will do.
            ("0 0 * * 7", "UTC", "2026-01-01T00:00:00Z", "2025-12-28T00:00:00Z", "2026-01-04T00:00:00Z"),
            ("0 0 * * sun", "UTC", "2026-01-01T00:00:00Z", "2025-12-28T00:00:00Z", "2026-01-04T00:00:00Z"),
            // A day of the month or one of the week, as crontab(5) has it.
            ("0 0 13 * 5", "UTC", "2026-01-10T00:00:00Z", "2026-01-09T00:00:00Z", "2026-01-13T00:00:00Z"),
            ("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", "2024-02-29T00:00:00Z", "2028-02-29T00:00:00Z"),
            // 2100 is no leap year.
            ("0 0 29 2 *", "UTC", "2097-01-01T00:00:00Z", "2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z"),
            ("@daily", "Asia/Kathmandu", "2026-01-01T00:00:00Z", "2025-12-31T18:15:00Z", "2026-01-01T18:15:00Z"),
            ("0 20 * * *", "Europe/Berlin", "2026-01-01T00:00:00Z", "2025-12-31T19:00:00Z", "2026-01-01T19:00:00Z"),
            ("0 20 * * *", "Europe/Berlin", "2026-07-01T00:00:00Z", "2026-06-30T18:00:00Z", "2026-07-01T18:00:00Z"),
            // 02:30 is left out: it happens at 03:00, when the gap ends.
            ("30 2 * * *", "Europe/Berlin", "2026-03-29T00:59:59Z", "2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z"),
            ("30 2 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"),
            // In Nuuk, Saturday ends at 23:00: the gap ends on Sunday, which is not one of its days.
            ("0 23 * * 6", "America/Nuuk", "2026-03-29T02:00:00Z", "2026-03-22T01:00:00Z", "2026-04-05T00:00:00Z"),
            ("0 23 * * *", "America/Nuuk", "2026-03-29T02:00:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"),
            // 02:30 is there twice: it happens at the first.
            ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", "2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z"),
            ("30 2 * * *", "Europe/Berlin", "2026-10-25T01:45:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
            // Of two hours, the one that is left out does not happen, and the one that is there twice does twice.
            ("30 2,14 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-28T13:30:00Z", "2026-03-29T12:30:00Z"),
            ("30 2,14 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
            // What happens every half hour happens in both.
            ("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:31:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z"),
            ("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:31:00Z", "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z"),
        ];
        for (text, zone, now, last, next) in table {
            let cron = cron(text, zone);
            assert_eq!(cron.last(time(now)), Some(time(last)), "{text} {zone} last at {now}");
            assert_eq!(cron.next(time(now)), Some(time(next)), "{text} {zone} next after {now}");
        }
    }

    #[test]
    fn what_is_refused() {
        for (text, why) in [
            ("", "five fields"),
            ("* * * *", "five fields"),
            ("0 * * * * *", "five fields"),
            ("0 0 0 1 1 ? 2030", "five fields"),
            ("60 * * * *", "five fields"),
            ("* 24 * * *", "five fields"),
            ("* * * 13 *", "five fields"),
            ("* * * * 8", "five fields"),
            ("*/0 * * * *", "five fields"),
            ("5-1 * * * *", "five fields"),
            ("at noon", "five fields"),
            ("@reboot", "five fields"),
            ("0 0 1 1 +1", "characters"),
            ("0 0 * * \u{ff11}", "characters"),
            ("0\n0 * * *", "characters"),
            (&"1,".repeat(200), "too long"),
            ("0 0 30 2 *", "never"),
            ("0 0 31 4,6,9,11 *", "never"),
        ] {
            let read = Cron::parse(text, &Zone::UTC);
            let refused = read.and_then(|cron| cron.expect_it_happens()).expect_err(text);
            assert!(refused.contains(why), "{text}: {refused}");
        }
        for name in ["", "Mars/Olympus", "../../etc/passwd", "Europe", "+01:00", "Etc/Unknown"] {
            assert!(Zone::named(name).is_none(), "{name}");
        }
    }

    #[test]
    fn at_the_ends_of_time_there_is_an_answer() {
        let cron = cron("0 0 29 2 *", "Pacific/Kiritimati");
        for now in [i64::MIN, 0, i64::MAX] {
            let now = Time::from_micros(now);
            assert!(cron.last(now).is_none_or(|last| last <= now));
            assert!(cron.next(now).is_none_or(|next| next > now));
        }
    }

    const ZONES: [&str; 6] =
        ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo"];

    proptest! {
        /// Both directions of the search see the same occurrences, also around a change of clocks.
        #[test]
        fn last_and_next_agree(
            zone in prop::sample::select(&ZONES[..]),
            text in "(\\*|\\*/7|30|0) (\\*|[0-3]|\\*/5) (\\*|[1-9]) \\* (\\*|[0-6])",
            now in 1_700_000_000_i64..1_900_000_000,
        ) {
            let cron = cron(&text, zone);
            let now = Time::from_micros(now * 1_000_000);
            let next = cron.next(now).expect("it happens again");
            prop_assert!(next > now);
            prop_assert_eq!(cron.last(next), Some(next));
            let last = cron.last(now).expect("it happened before");
            prop_assert!(last <= now);
            prop_assert_eq!(cron.next(last.plus_seconds(-1)), Some(last));
            prop_assert_eq!(cron.last(next.plus_seconds(-1)), Some(last));
        }

        #[test]
        fn no_text_panics(text in "[ -~]{0,40}|.{0,20}|([0-9*,/#LW?A-Z@-]{1,5} ){4}[0-9*,/#LW?A-Z@-]{1,5}") {
            _ = Cron::parse(&text, &Zone::UTC).and_then(|cron| cron.expect_it_happens());
            _ = Zone::named(&text);
        }
    }
}
