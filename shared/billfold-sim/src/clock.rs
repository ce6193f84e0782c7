//! The simulation's time. It stands still until moved, or runs on with real time from where it
//! was set; it never asks what time it really is.

use tokio::time::Instant;

use crate::model::Unix;

#[derive(Clone, Copy, Debug)]
pub struct Clock {
    base: Unix,
    running_since: Option<Instant>,
}

impl Clock {
    pub fn standing(at: Unix) -> Self {
        Self { base: at, running_since: None }
    }

    pub fn now(&self) -> Unix {
        let passed = self.running_since.map_or(0, |since| since.elapsed().as_secs());
        self.base + i64::try_from(passed).unwrap_or(0)
    }

    pub fn set(&mut self, at: Unix) {
        self.base = at;
        self.running_since = self.running_since.map(|_| Instant::now());
    }

    pub fn run(&mut self) {
        self.set(self.now());
        self.running_since = Some(Instant::now());
    }
}

/// A time as HTTP headers write it.
pub fn http_date(time: Unix) -> String {
    jiff::Timestamp::from_second(time)
        .map(|at| at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Clock, http_date};
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_running_clock_goes_on_and_a_standing_one_does_not() {
        let mut clock = Clock::standing(1_000);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(clock.now(), 1_000);
        clock.run();
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!(clock.now(), 1_007);
        clock.set(50);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(clock.now(), 51);
    }

    #[test]
    fn dates_are_in_the_form_of_http() {
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
