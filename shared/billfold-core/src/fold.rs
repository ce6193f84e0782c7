//! The fold: whether an incoming version of an object replaces the stored one (DESIGN.md, law 1).
//!
//! Stripe's objects carry no version, webhooks come in any order, and times are whole seconds. So a version that is
//! clearly newer is stored, one that is clearly older is dropped, and whatever cannot be told apart by time is fetched
//! by id: the answer to that is the truth of its own second. The decision is pure; the caller writes it with a
//! condition on the row's `rev`, so a lost race decides again.

use jiff::Timestamp;

/// How far apart two versions must be, in seconds, before their order is believed.
pub const CLEARLY_APART_S: i64 = 1;

/// A version of an object that is stored, or a tombstone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// When Stripe said that it was so.
    pub as_of: Timestamp,
    /// What it said, as a digest; equal content needs no write.
    pub digest: Digest,
}

/// A version of an object that has just come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incoming {
    /// `created` of the event, or the `Date` of the answer.
    pub as_of: Timestamp,
    /// What it says.
    pub digest: Digest,
    /// Where it comes from.
    pub source: Source,
}

/// Where a version comes from; an answer to a fetch by id is not fetched again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A page of a list.
    Told,
    /// An event. A page that finds a row unchanged does not write it, so the row's `as_of` may be older than what is
    /// known: until `listed_until` some page may have seen the object as it is stored, or seen that it is not there.
    Event {
        /// When Stripe answered the last page of that kind; the far future while a sync is reading.
        listed_until: Timestamp,
    },
    /// The answer to a fetch of this very object.
    Fetched,
}

/// The first half of the SHA-256 of a stored fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub [u8; 16]);

/// What to do with an incoming version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It replaces what is stored.
    Store,
    /// It is older, or says nothing new.
    Drop,
    /// It says what is stored, but of a later time: only `as_of` moves on, so that an older event that is still on its
    /// way cannot be taken for a newer one. Nobody has to be computed again.
    Confirm,
    /// The order cannot be told: fetch the object by id and decide again with the answer.
    Fetch,
}

impl Digest {
    /// The digest of a fact as it is stored.
    #[must_use]
    pub fn of(text: &str) -> Self {
        use sha2::Digest as _;
        let whole: [u8; 32] = sha2::Sha256::digest(text.as_bytes()).into();
        let mut half = [0; 16];
        for (to, from) in half.iter_mut().zip(whole) {
            *to = from;
        }
        Self(half)
    }

    /// The digest of every tombstone.
    #[must_use]
    pub fn tombstone() -> Self {
        Self([0; 16])
    }
}

/// A rule that decides between what is stored and what came in; [`decide`] is the one.
pub type Rule = fn(Option<Stored>, Incoming) -> Decision;

/// Decides between what is stored and what came in.
#[must_use]
pub fn decide(stored: Option<Stored>, incoming: Incoming) -> Decision {
    let as_of_s = incoming.as_of.as_second();
    let may_be_listed = match incoming.source {
        Source::Event { listed_until } => as_of_s.saturating_sub(listed_until.as_second()) <= CLEARLY_APART_S,
        Source::Told | Source::Fetched => false,
    };
    let Some(stored) = stored else {
        // A list that has been read did not show it: perhaps it is gone, and the event of that was lost.
        return if may_be_listed { Decision::Fetch } else { Decision::Store };
    };
    if stored.digest == incoming.digest {
        let later = incoming.source != Source::Told && incoming.as_of > stored.as_of;
        return if later { Decision::Confirm } else { Decision::Drop };
    }
    let apart_s = as_of_s.saturating_sub(stored.as_of.as_second());
    match incoming.source {
        _ if apart_s < CLEARLY_APART_S.saturating_neg() => Decision::Drop,
        _ if apart_s > CLEARLY_APART_S && !may_be_listed => Decision::Store,
        Source::Told | Source::Event { .. } => Decision::Fetch,
        // The stored version is of the same second or so and the fetch was made after it was read.
        Source::Fetched => Decision::Store,
    }
}

/// Decides on an event that only says that an object has changed: fetch it, unless what is stored is clearly newer.
#[must_use]
pub fn decide_touched(stored: Option<Stored>, created: Timestamp) -> Decision {
    let apart_s = |stored: Stored| created.as_second().saturating_sub(stored.as_of.as_second());
    match stored {
        Some(stored) if apart_s(stored) < CLEARLY_APART_S.saturating_neg() => Decision::Drop,
        _ => Decision::Fetch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(second: i64, text: &str, source: Source) -> Incoming {
        Incoming { as_of: Timestamp::from_second(second).unwrap(), digest: Digest::of(text), source }
    }

    fn check(incoming: Incoming, expected: Decision) {
        let stored = Stored { as_of: Timestamp::from_second(1000).unwrap(), digest: Digest::of("stored") };
        assert_eq!(decide(Some(stored), incoming), expected, "{incoming:?}");
        assert_eq!(decide(None, incoming), Decision::Store);
    }

    #[test]
    fn clearly_newer_is_stored_clearly_older_is_dropped_and_the_rest_is_fetched() {
        check(version(1002, "new", Source::Told), Decision::Store);
        check(version(1001, "new", Source::Told), Decision::Fetch);
        check(version(1000, "new", Source::Told), Decision::Fetch);
        check(version(999, "new", Source::Told), Decision::Fetch);
        check(version(998, "new", Source::Told), Decision::Drop);
    }

    #[test]
    fn the_answer_to_a_fetch_is_not_fetched_again() {
        check(version(1000, "new", Source::Fetched), Decision::Store);
        check(version(998, "new", Source::Fetched), Decision::Drop);
    }

    #[test]
    fn the_same_content_is_never_written_twice() {
        for second in [900, 1000, 1100] {
            check(version(second, "stored", Source::Told), Decision::Drop);
        }
    }

    #[test]
    fn no_content_has_the_digest_of_a_tombstone() {
        assert_ne!(Digest::of(""), Digest::tombstone());
    }

    fn event(second: i64, text: &str, listed_until: i64) -> Incoming {
        version(second, text, Source::Event { listed_until: Timestamp::from_second(listed_until).unwrap() })
    }

    #[test]
    fn an_event_that_a_page_may_have_overtaken_is_fetched() {
        check(event(1010, "new", 900), Decision::Store);
        let stored = Stored { as_of: Timestamp::from_second(1000).unwrap(), digest: Digest::of("stored") };
        for (second, listed_until, expected) in [
            (1010, 1010, Decision::Fetch),
            (1010, 1009, Decision::Fetch),
            (1010, 1008, Decision::Store),
            (998, 2000, Decision::Drop),
        ] {
            assert_eq!(decide(Some(stored), event(second, "new", listed_until)), expected, "{second} {listed_until}");
        }
        assert_eq!(decide(None, event(1010, "new", 1010)), Decision::Fetch);
        assert_eq!(decide(None, event(1010, "new", 1000)), Decision::Store);
    }

    #[test]
    fn the_same_content_of_a_later_time_moves_the_time_on() {
        check_same(event(1005, "stored", 0), Decision::Confirm);
        check_same(version(1005, "stored", Source::Fetched), Decision::Confirm);
        check_same(event(1000, "stored", 0), Decision::Drop);
        check_same(event(900, "stored", 0), Decision::Drop);
    }

    fn check_same(incoming: Incoming, expected: Decision) {
        let stored = Stored { as_of: Timestamp::from_second(1000).unwrap(), digest: Digest::of("stored") };
        assert_eq!(decide(Some(stored), incoming), expected, "{incoming:?}");
    }

    #[test]
    fn a_touched_object_is_fetched_unless_it_is_known_as_of_later() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let stored = Stored { as_of: at(1000), digest: Digest::of("stored") };
        assert_eq!(decide_touched(None, at(1000)), Decision::Fetch);
        assert_eq!(decide_touched(Some(stored), at(1001)), Decision::Fetch);
        assert_eq!(decide_touched(Some(stored), at(999)), Decision::Fetch);
        assert_eq!(decide_touched(Some(stored), at(998)), Decision::Drop);
    }
}

#[cfg(test)]
#[path = "fold_histories.rs"]
mod histories;
