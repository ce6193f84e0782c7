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
    /// A page of a list, or an event.
    Told,
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

/// Decides between what is stored and what came in.
#[must_use]
pub fn decide(stored: Option<Stored>, incoming: Incoming) -> Decision {
    let Some(stored) = stored else {
        return Decision::Store;
    };
    if stored.digest == incoming.digest {
        return Decision::Drop;
    }
    let apart_s = incoming.as_of.as_second().saturating_sub(stored.as_of.as_second());
    match incoming.source {
        _ if apart_s > CLEARLY_APART_S => Decision::Store,
        _ if apart_s < CLEARLY_APART_S.saturating_neg() => Decision::Drop,
        Source::Told => Decision::Fetch,
        // The stored version is of the same second or so and the fetch was made after it was read.
        Source::Fetched => Decision::Store,
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
}
