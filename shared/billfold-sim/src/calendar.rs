//! Billing dates: the n-th boundary after an anchor. Months keep the anchor's day where they have
//! it and end on their last day where they have not.

use jiff::{Span, Timestamp, tz::TimeZone};

use crate::model::{Interval, Recurring, Unix};

pub const DAY: Unix = 86_400;

/// `anchor` moved on by `times` intervals.
pub fn boundary(anchor: Unix, every: Recurring, times: i64) -> Unix {
    let count = i64::from(every.count) * times;
    match every.interval {
        Interval::Day => anchor + count * DAY,
        Interval::Week => anchor + count * 7 * DAY,
        Interval::Month => add_months(anchor, count),
        Interval::Year => add_months(anchor, count * 12),
    }
}

/// How many whole intervals have passed from `anchor` to `now`.
pub fn intervals_passed(anchor: Unix, every: Recurring, now: Unix) -> i64 {
    if now < anchor {
        return 0;
    }
    let days = i64::from(every.approximate_days());
    let mut times = (now - anchor) / (days * DAY);
    while times > 0 && boundary(anchor, every, times) > now {
        times -= 1;
    }
    while boundary(anchor, every, times + 1) <= now {
        times += 1;
    }
    times
}

pub fn add_months(time: Unix, months: i64) -> Unix {
    let moved = Timestamp::from_second(time).ok().and_then(|timestamp| {
        let zoned = timestamp.to_zoned(TimeZone::UTC);
        let span = Span::new().try_months(months).ok()?;
        zoned.checked_add(span).ok()
    });
    moved.map_or(time, |zoned| zoned.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::{add_months, boundary, intervals_passed};
    use crate::model::{Interval, Recurring};

    fn at(text: &str) -> i64 {
        text.parse::<jiff::Timestamp>().expect("a time").as_second()
    }

    #[test]
    fn months_end_where_the_month_ends() {
        let anchor = at("2026-01-31T12:00:00Z");
        let monthly = Recurring::every(1, Interval::Month);
        assert_eq!(boundary(anchor, monthly, 1), at("2026-02-28T12:00:00Z"));
        assert_eq!(boundary(anchor, monthly, 2), at("2026-03-31T12:00:00Z"));
        assert_eq!(add_months(anchor, -11), at("2025-02-28T12:00:00Z"));
    }

    #[test]
    fn passed_intervals_are_those_whose_end_has_come() {
        let anchor = at("2024-02-29T00:00:00Z");
        let cases = [
            (Recurring::every(1, Interval::Year), "2025-02-28T00:00:00Z", 1),
            (Recurring::every(1, Interval::Year), "2025-02-27T23:59:59Z", 0),
            (Recurring::every(3, Interval::Month), "2025-03-01T00:00:00Z", 4),
            (Recurring::every(2, Interval::Week), "2024-03-28T00:00:00Z", 2),
            (Recurring::every(1, Interval::Day), "2024-03-01T00:00:00Z", 1),
            (Recurring::every(1, Interval::Month), "2020-01-01T00:00:00Z", 0),
        ];
        for (every, now, passed) in cases {
            assert_eq!(intervals_passed(anchor, every, at(now)), passed, "{every:?} {now}");
        }
    }
}
