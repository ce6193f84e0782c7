//! The law of convergence as a property: whatever a history was, and however its events and pages arrived, what is
//! stored in the end is what is true.

use super::*;
use proptest::prelude::*;

/// One thing that happens, to one object.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Some seconds pass, perhaps none.
    Pass(i64),
    /// The object becomes what its number says; 0 is gone for good.
    Become(u8),
    /// The event at this place of those not delivered arrives.
    Deliver(usize),
    /// It arrives, and will once more.
    DeliverTwice(usize),
    /// A sync begins, reads the object, or ends; a step that does not fit does nothing.
    SyncBegins,
    PageArrives,
    SyncEnds,
}

#[derive(Debug, Clone, Copy)]
struct Told {
    second: i64,
    digest: Digest,
}

struct World {
    rule: Rule,
    now: i64,
    truth: Digest,
    waiting: Vec<Told>,
    /// A page that was read and has not arrived yet.
    page: Option<Told>,
    syncing: bool,
    listed_until: i64,
    stored: Option<Stored>,
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn content(number: u8) -> Digest {
    if number == 0 { Digest::tombstone() } else { Digest::of(&number.to_string()) }
}

impl World {
    fn new(rule: Rule) -> Self {
        let first = Told { second: 1000, digest: content(1) };
        Self {
            rule,
            now: 1000,
            truth: first.digest,
            waiting: vec![first],
            page: None,
            syncing: false,
            listed_until: 0,
            stored: None,
        }
    }

    fn fold(&mut self, told: Told, source: Source) {
        let incoming = Incoming { as_of: at(told.second), digest: told.digest, source };
        match (self.rule)(self.stored, incoming) {
            Decision::Drop => {}
            Decision::Store | Decision::Confirm => {
                self.stored = Some(Stored { as_of: incoming.as_of, digest: incoming.digest });
            }
            Decision::Fetch => {
                let fetched = Told { second: self.now, digest: self.truth };
                assert_ne!(source, Source::Fetched, "a fetch is not fetched again");
                self.fold(fetched, Source::Fetched);
            }
        }
    }

    /// The page path writes what is new and nothing else.
    fn fold_page(&mut self, told: Told) {
        let before = self.stored;
        self.fold(told, Source::Told);
        if let (Some(before), Some(after)) = (before, self.stored)
            && before.digest == after.digest
        {
            self.stored = Some(before);
        }
    }

    fn deliver(&mut self, place: usize) -> Option<Told> {
        let place = place.checked_rem(self.waiting.len())?;
        let event = self.waiting.remove(place);
        let listed_until = if self.syncing { at(i64::from(u32::MAX)) } else { at(self.listed_until) };
        self.fold(event, Source::Event { listed_until });
        Some(event)
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Pass(seconds) => self.now += seconds,
            Step::Become(number) => {
                if self.truth != Digest::tombstone() && self.truth != content(number) {
                    self.truth = content(number);
                    self.waiting.push(Told { second: self.now, digest: self.truth });
                }
            }
            Step::Deliver(place) => {
                self.deliver(place);
            }
            Step::DeliverTwice(place) => {
                let event = self.deliver(place);
                self.waiting.extend(event);
            }
            Step::SyncBegins if !self.syncing => {
                self.syncing = true;
                // What is gone is not listed.
                self.page =
                    (self.truth != Digest::tombstone()).then_some(Told { second: self.now, digest: self.truth });
                self.listed_until = self.now;
            }
            Step::PageArrives => {
                if let Some(page) = self.page.take() {
                    self.fold_page(page);
                }
            }
            Step::SyncEnds if self.syncing => {
                self.step(Step::PageArrives);
                self.syncing = false;
            }
            Step::SyncBegins | Step::SyncEnds => {}
        }
    }

    /// Everything that is still on its way arrives, or is lost and found by a sync that asks for what it did not list.
    fn settle(mut self, lost: bool) -> Option<Digest> {
        self.step(Step::SyncEnds);
        self.now += 10;
        if lost {
            let stale = std::mem::take(&mut self.waiting);
            self.step(Step::SyncBegins);
            self.step(Step::SyncEnds);
            if self.truth == Digest::tombstone() && self.stored.is_some() {
                self.fold(Told { second: self.now, digest: self.truth }, Source::Fetched);
            }
            // And what was lost comes after all, when nobody expects it.
            self.waiting = stale.into_iter().step_by(2).collect();
        }
        while !self.waiting.is_empty() {
            self.deliver(self.waiting.len() / 2);
        }
        self.stored.map(|stored| stored.digest)
    }
}

fn ends_well(rule: Rule, steps: &[Step], lost: bool) -> bool {
    let mut world = World::new(rule);
    for step in steps {
        world.step(*step);
    }
    let truth = world.truth;
    let stored = world.settle(lost);
    // What nobody ever heard of and is gone again need not be buried.
    stored == Some(truth) || (truth == Digest::tombstone() && stored.is_none())
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0i64..4).prop_map(Step::Pass),
        4 => (0u8..40).prop_map(|n| Step::Become(if n == 0 { 0 } else { n % 4 + 1 })),
        4 => (0usize..8).prop_map(Step::Deliver),
        1 => (0usize..8).prop_map(Step::DeliverTwice),
        1 => Just(Step::SyncBegins),
        1 => Just(Step::PageArrives),
        1 => Just(Step::SyncEnds),
    ]
}

/// The rule of the leading engines: the time of the event against the time of the row.
fn by_created_alone(stored: Option<Stored>, incoming: Incoming) -> Decision {
    match stored {
        Some(stored) if incoming.source == Source::Fetched || stored.as_of < incoming.as_of => Decision::Store,
        None => Decision::Store,
        Some(_) => Decision::Drop,
    }
}

fn not_before(stored: Option<Stored>, incoming: Incoming) -> Decision {
    match stored {
        Some(stored) if incoming.as_of < stored.as_of => Decision::Drop,
        _ => Decision::Store,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn every_history_ends_in_the_truth(steps in proptest::collection::vec(step(), 0..40), lost: bool) {
        prop_assert!(ends_well(decide, &steps, lost));
    }
}

#[test]
fn the_property_finds_rules_that_compare_created_alone() {
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    for (name, rule) in [("<", by_created_alone as Rule), ("<=", not_before as Rule)] {
        let config = Config { failure_persistence: None, ..Config::with_cases(500) };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
        let histories = (proptest::collection::vec(step(), 0..40), any::<bool>());
        let found = TestRunner::new_with_rng(config, rng).run(&histories, |(steps, lost)| {
            prop_assert!(ends_well(rule, &steps, lost));
            Ok(())
        });
        assert!(found.is_err(), "a rule that compares with {name} went unnoticed");
    }
}
