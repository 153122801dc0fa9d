//! Points in time, as the API writes them.

use std::{fmt, str::FromStr};

use jiff::{Timestamp, fmt::temporal::Pieces};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A point in time, in whole microseconds since the Unix epoch.
///
/// Both databases keep it as a 64-bit integer, so what is read back is what was answered, to the
/// last digit; clients store these values and compare them. Written as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// The time so many microseconds after the Unix epoch; kept within what RFC 3339 can say.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(0, Timestamp::MAX.as_second() * 1_000_000))
    }

    /// Microseconds since the Unix epoch.
    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, as JWT claims count them (RFC 7519 section 2).
    pub fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Reads a `Date` header (RFC 9110 section 5.6.7), in its preferred form.
    pub fn from_http_date(text: &str) -> Option<Self> {
        let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
        Some(Self::from_micros(zoned.timestamp().as_microsecond()))
    }

    /// The time so many days of 24 hours later.
    pub fn plus_days(self, days: u32) -> Self {
        self.plus_seconds(i64::from(days) * 86_400)
    }

    /// The time so many seconds later, or earlier when negative.
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self::from_micros(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_microsecond(self.0) {
            Ok(timestamp) => timestamp.fmt(to),
            Err(_) => Err(fmt::Error),
        }
    }
}

impl FromStr for Time {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse::<Timestamp>() {
            Ok(timestamp) => Ok(Self::from_micros(timestamp.as_microsecond())),
            // The last two days of the year 9999 are RFC 3339, a usual way to say "no end", and
            // more than jiff's timestamps hold.
            Err(_) if text.starts_with("9999-12-3") && Pieces::parse(text).is_ok() => Ok(Self::from_micros(i64::MAX)),
            Err(error) => Err(error),
        }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(|_| de::Error::custom("expected a date-time as in RFC 3339, for example 2026-01-31T12:00:00Z"))
    }
}

impl JsonSchema for Time {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Time".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read_back_it_is_the_same() {
        let time = Time::from_micros(1_764_000_000_123_456);
        assert_eq!(time.to_string(), "2025-11-24T16:00:00.123456Z");
        assert_eq!(time.to_string().parse::<Time>().expect("our own text"), time);
        assert_eq!(Time::from_micros(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(time.plus_days(1).as_seconds(), 1_764_086_400);
    }

    #[test]
    fn it_stays_within_what_can_be_written() {
        assert!(!Time::from_micros(i64::MAX).plus_days(u32::MAX).to_string().is_empty());
    }
}
