//! One metered stream of requests: when the next may start, and how its pace bends when Stripe
//! refuses. Time comes in as an argument; nothing here waits or knows what a request is.

use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::doubled;

/// How much unused time may be caught up at once: a fifth of a second's worth.
const BURST: Duration = Duration::from_millis(200);
/// Timers fire a little late. Without this much slack a slow stream would lose that each time.
const TIMER_SLACK: Duration = Duration::from_millis(5);
/// What a refusal leaves of the pace.
const SHRINK: f64 = 0.7;
/// What is won back each second, as a part of the configured pace.
const RECOVERY_PER_S: f64 = 0.1;
/// The pace never falls below this part of the configured one.
const FLOOR: f64 = 0.1;
const FIRST_HOLD: Duration = Duration::from_millis(500);
const LONGEST_HOLD: Duration = Duration::from_secs(8);

/// A stream paced by the virtual scheduling form of the leaky bucket: requests are due at even
/// intervals, and a late one does not push back those after it.
#[derive(Debug)]
pub(crate) struct Bucket {
    configured_per_s: f64,
    /// The pace at `since`; it grows from there.
    per_s: f64,
    since: Instant,
    /// When the next request is due. It may start up to the slack before that.
    due: Instant,
    shrunk_at: Option<Instant>,
    /// Refusals in a row, with no accepted request between them.
    strikes: u32,
}

impl Bucket {
    pub(crate) fn new(per_s: f64, now: Instant) -> Self {
        Self { configured_per_s: per_s, per_s, since: now, due: now, shrunk_at: None, strikes: 0 }
    }

    /// The earliest moment the next request may start.
    pub(crate) fn opens_at(&self, now: Instant) -> Instant {
        let slack = BURST.saturating_sub(self.interval(now)).max(TIMER_SLACK);
        self.due.checked_sub(slack).unwrap_or(self.due)
    }

    /// Counts a request that starts now.
    pub(crate) fn take(&mut self, now: Instant) {
        self.due = self.due.max(now) + self.interval(now);
    }

    /// The pace now, in requests a second.
    pub(crate) fn per_s(&self, now: Instant) -> f64 {
        let recovered = now.saturating_duration_since(self.since).as_secs_f64() * RECOVERY_PER_S;
        (self.per_s + recovered * self.configured_per_s).min(self.configured_per_s)
    }

    /// A request that started at `started` was accepted.
    pub(crate) fn accepted(&mut self, started: Instant) {
        if self.is_after_last_shrink(started) {
            self.strikes = 0;
        }
    }

    /// A request that started at `started` was refused: slower from here, after a pause of at
    /// least `pause_min`. Refusals of requests that had started before the last shrink tell
    /// nothing new. `chance` in `0.0..1.0` spreads the pause.
    pub(crate) fn refused(&mut self, started: Instant, now: Instant, pause_min: Duration, chance: f64) {
        if !self.is_after_last_shrink(started) {
            return;
        }
        self.strikes = self.strikes.saturating_add(1);
        let longest = doubled(FIRST_HOLD, self.strikes, LONGEST_HOLD);
        let pause = longest.mul_f64(0.5 + 0.5 * chance).max(pause_min);
        let floor = self.configured_per_s * FLOOR;
        self.per_s = (self.per_s(now) * SHRINK).max(floor);
        self.since = now + pause;
        self.shrunk_at = Some(now);
        // Past the slack, so that no burst follows the pause.
        self.due = self.due.max(self.since + BURST);
    }

    fn is_after_last_shrink(&self, started: Instant) -> bool {
        self.shrunk_at.is_none_or(|shrunk_at| started > shrunk_at)
    }

    fn interval(&self, now: Instant) -> Duration {
        Duration::from_secs_f64(self.per_s(now).recip())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const HALF: f64 = 0.5;

    fn starts(bucket: &mut Bucket, from: Instant, span: Duration, lateness: Duration) -> Vec<Instant> {
        let mut starts = Vec::new();
        let mut now = from;
        loop {
            now = now.max(bucket.opens_at(now)) + lateness;
            if now >= from + span {
                return starts;
            }
            bucket.take(now);
            starts.push(now);
        }
    }

    /// The most starts in any second, of starts in their order.
    pub(crate) fn most_in_a_second(starts: &[Instant]) -> usize {
        let within = |(first, at): (usize, &Instant)| starts.partition_point(|other| *other < *at + SECOND) - first;
        starts.iter().enumerate().map(within).max().unwrap_or(0)
    }

    #[test]
    fn the_pace_is_reached_and_never_much_exceeded() {
        let now = Instant::now();
        for per_s in [1.0, 3.0, 20.0, 25.0, 80.0, 100.0] {
            for late_ms in [0, 1, 2] {
                let mut bucket = Bucket::new(per_s, now);
                let starts = starts(&mut bucket, now, SECOND * 60, Duration::from_millis(late_ms));
                let reached = starts.len() as f64 / 60.0;
                assert!(reached >= per_s * 0.96, "{per_s}/s, {late_ms} ms late: {reached}");
                let burst = (per_s * 0.2).max(1.0);
                let most = most_in_a_second(&starts) as f64;
                assert!(most <= per_s + burst, "{per_s}/s, {late_ms} ms late: {most} in a second");
            }
        }
    }

    #[test]
    fn time_not_used_is_not_saved_up() {
        let now = Instant::now();
        let mut bucket = Bucket::new(20.0, now);
        let starts = starts(&mut bucket, now + SECOND * 3600, SECOND * 2, Duration::ZERO);
        assert!(most_in_a_second(&starts) <= 24);
    }

    #[test]
    fn a_refusal_pauses_slows_and_is_won_back() {
        let now = Instant::now();
        let mut bucket = Bucket::new(20.0, now);
        bucket.take(now);
        bucket.refused(now, now, Duration::ZERO, HALF);
        let pause = Duration::from_millis(375);
        assert!(bucket.opens_at(now) >= now + pause);
        assert!((bucket.per_s(now + pause) - 14.0).abs() < 1e-9);
        assert!((bucket.per_s(now + pause + SECOND) - 16.0).abs() < 1e-9);
        assert!((bucket.per_s(now + pause + SECOND * 4) - 20.0).abs() < 1e-9);
        let starts = starts(&mut bucket, now, SECOND, Duration::ZERO);
        assert!(starts.len() <= 12, "{} starts in the second of the refusal", starts.len());
    }

    #[test]
    fn refusals_of_requests_already_under_way_count_once() {
        let now = Instant::now();
        let mut bucket = Bucket::new(20.0, now);
        for _ in 0..10 {
            bucket.refused(now, now + Duration::from_millis(1), Duration::ZERO, HALF);
        }
        assert!((bucket.per_s(now) - 14.0).abs() < 1e-9);
    }

    #[test]
    fn refusals_in_a_row_pause_longer_until_one_is_accepted() {
        let mut now = Instant::now();
        let mut bucket = Bucket::new(20.0, now);
        let mut pauses = Vec::new();
        for _ in 0..6 {
            now += Duration::from_millis(1);
            bucket.refused(now, now, Duration::ZERO, 1.0);
            pauses.push(bucket.since.duration_since(now).as_millis());
            now = bucket.since;
        }
        assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 8000]);
        assert!(bucket.per_s(now) >= 2.0, "the pace fell below its floor");
        now += SECOND;
        bucket.accepted(now);
        bucket.refused(now, now, Duration::ZERO, 1.0);
        assert_eq!(bucket.since.duration_since(now).as_millis(), 500);
    }

    #[test]
    fn a_pause_asked_for_is_kept() {
        let now = Instant::now();
        let mut bucket = Bucket::new(20.0, now);
        bucket.refused(now, now, SECOND * 30, 0.0);
        assert!(bucket.opens_at(now) >= now + SECOND * 30);
    }
}
