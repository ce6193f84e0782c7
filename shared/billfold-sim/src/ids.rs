//! Ids that look like Stripe's and can be turned back into the row they name, so that a business
//! of a million customers needs no map from id to row. It never makes the same id for two rows.
//! A row's id begins with when it was made, as Stripe's do: what is listed one after the other
//! lies side by side in a table that is sorted by ids.

use crate::model::{Idx, Unix};

/// A row that an id names. Each kind has its own prefix and its own permutation of the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Customer,
    Product,
    Price,
    Subscription,
    Invoice,
    InvoicePayment,
    PaymentIntent,
    Charge,
    Refund,
    Dispute,
    CreditNote,
}

/// Anything else with an id: what is inside a row, or no row of the business. Nothing is sorted by these ids, so they
/// tell no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    SubscriptionItem,
    Line,
    InvoiceItem,
    CreditNoteLine,
    Discount,
    Event,
    WebhookEndpoint,
    BalanceTransaction,
    PaymentMethod,
    TestClock,
    Request,
}

/// How many digits of a row's id tell when it was made, and in what.
#[derive(Clone, Copy)]
struct Clock {
    digits: usize,
    seconds: Unix,
    epoch: Unix,
}

/// `in_1Pgc6t…`: the seconds since 1983, as in the ids that Stripe has published together with when the objects were made.
const SECONDS: Clock = Clock { digits: 5, seconds: 1, epoch: 426_256_548 };
/// `cus_Nffr…`: the minutes since 2012, in the same way.
const MINUTES: Clock = Clock { digits: 4, seconds: 60, epoch: 1_342_389_413 };

impl Kind {
    /// The prefix, the clock, how many characters of the account's tag follow, and a number that sets this kind's
    /// permutation apart.
    const fn shape(self) -> (&'static str, Clock, usize, u64) {
        match self {
            Self::Customer => ("cus_", MINUTES, 1, 1),
            Self::Product => ("prod_", MINUTES, 1, 2),
            Self::Price => ("price_1", SECONDS, 9, 3),
            Self::Subscription => ("sub_1", SECONDS, 9, 4),
            Self::Invoice => ("in_1", SECONDS, 9, 6),
            Self::InvoicePayment => ("inpay_1", SECONDS, 9, 9),
            Self::PaymentIntent => ("pi_3", SECONDS, 9, 10),
            Self::Charge => ("ch_3", SECONDS, 9, 11),
            Self::Refund => ("re_3", SECONDS, 9, 12),
            Self::Dispute => ("du_1", SECONDS, 9, 13),
            Self::CreditNote => ("cn_1", SECONDS, 9, 14),
        }
    }
}

impl Part {
    /// The prefix, how many characters of the account's tag follow it, and a number that sets this kind's permutation
    /// apart.
    const fn shape(self) -> (&'static str, usize, u64) {
        match self {
            Self::SubscriptionItem => ("si_", 3, 5),
            Self::Line => ("il_1", 12, 7),
            Self::InvoiceItem => ("ii_1", 12, 8),
            Self::CreditNoteLine => ("cnli_1", 12, 15),
            Self::Discount => ("di_1", 12, 16),
            Self::Event => ("evt_1", 12, 17),
            Self::WebhookEndpoint => ("we_1", 12, 18),
            Self::BalanceTransaction => ("txn_3", 12, 19),
            Self::PaymentMethod => ("pm_1", 12, 20),
            Self::TestClock => ("clock_1", 12, 21),
            Self::Request => ("req_", 3, 22),
        }
    }
}

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Digits that hold any number.
const DIGITS: usize = 11;
/// Digits of a row's number, scrambled within as many bits as fit into them.
const ROW_DIGITS: usize = 9;
const ROW_MASK: u64 = (1 << 53) - 1;
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;
const INVERSE: u64 = inverse(MULTIPLIER);
const KIND_SPREAD: u64 = 0xD1B5_4A32_D192_ED03;

/// Makes and reads the ids of one account and mode.
#[derive(Clone, Debug)]
pub struct Ids {
    key: u64,
    tag: [u8; 12],
}

impl Ids {
    pub fn new(seed: u64) -> Self {
        let key = mix(seed);
        let mut tag = [0; 12];
        tag[..DIGITS].copy_from_slice(&base62::<DIGITS>(mix(key)));
        tag[DIGITS] = b'S';
        Self { key, tag }
    }

    /// The account's id, which shares its tag with the ids of the account's objects.
    pub fn account(&self) -> String {
        format!("acct_1{}Bf0x", self.tag(11))
    }

    /// The id of a row that was made then.
    pub fn row(&self, kind: Kind, place: Idx, created: Unix) -> String {
        let mut id = String::with_capacity(32);
        self.write_row(kind, place, created, &mut id);
        id
    }

    pub fn write_row(&self, kind: Kind, place: Idx, created: Unix, out: &mut String) {
        let (prefix, clock, tag, spread) = kind.shape();
        out.push_str(prefix);
        let since = created.saturating_sub(clock.epoch).div_euclid(clock.seconds).unsigned_abs();
        push(out, &base62::<DIGITS>(since)[DIGITS - clock.digits..]);
        out.push_str(self.tag(tag));
        let scrambled = (u64::from(place) ^ self.kind_key(spread)).wrapping_mul(MULTIPLIER) & ROW_MASK;
        push(out, &base62::<ROW_DIGITS>(scrambled));
    }

    /// The place that [`Ids::row`] was given, whenever the row was made, or nothing when the id is not one of this
    /// account's.
    pub fn place(&self, kind: Kind, id: &str) -> Option<Idx> {
        let (prefix, clock, tag, spread) = kind.shape();
        let digits = id.strip_prefix(prefix)?.get(clock.digits..)?.strip_prefix(self.tag(tag))?;
        let scrambled = parse_base62::<ROW_DIGITS>(digits)?;
        Idx::try_from((scrambled.wrapping_mul(INVERSE) ^ self.kind_key(spread)) & ROW_MASK).ok()
    }

    pub fn part(&self, part: Part, number: u64) -> String {
        let mut id = String::with_capacity(32);
        self.write_part(part, number, &mut id);
        id
    }

    pub fn write_part(&self, part: Part, number: u64, out: &mut String) {
        let (prefix, tag, spread) = part.shape();
        out.push_str(prefix);
        out.push_str(self.tag(tag));
        push(out, &base62::<DIGITS>((number ^ self.kind_key(spread)).wrapping_mul(MULTIPLIER)));
    }

    /// The number that [`Ids::part`] was given, or nothing when the id is not one of this account's.
    pub fn number(&self, part: Part, id: &str) -> Option<u64> {
        let (prefix, tag, spread) = part.shape();
        let digits = id.strip_prefix(prefix)?.strip_prefix(self.tag(tag))?;
        let scrambled = parse_base62::<DIGITS>(digits)?;
        Some(scrambled.wrapping_mul(INVERSE) ^ self.kind_key(spread))
    }

    fn tag(&self, length: usize) -> &str {
        // The tag is made of ASCII letters and digits only.
        std::str::from_utf8(&self.tag[..length]).unwrap_or_default()
    }

    fn kind_key(&self, spread: u64) -> u64 {
        self.key ^ spread.wrapping_mul(KIND_SPREAD)
    }
}

/// Spreads a number over all 64 bits (the finisher of splitmix64).
pub fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(MULTIPLIER);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// `length` letters and digits that are a function of the seed: secrets of endpoints and keys.
pub fn secret_text(seed: u64, length: usize) -> String {
    let mut text = String::with_capacity(length + DIGITS);
    let mut state = seed;
    while text.len() < length {
        state = mix(state);
        push(&mut text, &base62::<DIGITS>(state)[1..]);
    }
    text.truncate(length);
    text
}

fn push(out: &mut String, digits: &[u8]) {
    out.extend(digits.iter().map(|&digit| char::from(digit)));
}

/// The last digits of a number.
fn base62<const LENGTH: usize>(mut value: u64) -> [u8; LENGTH] {
    let mut digits = [b'0'; LENGTH];
    for slot in digits.iter_mut().rev() {
        *slot = ALPHABET[(value % 62) as usize];
        value /= 62;
    }
    digits
}

fn parse_base62<const LENGTH: usize>(text: &str) -> Option<u64> {
    if text.len() != LENGTH {
        return None;
    }
    text.bytes().try_fold(0_u64, |value, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            b'a'..=b'z' => byte - b'a' + 36,
            _ => return None,
        };
        value.checked_mul(62)?.checked_add(u64::from(digit))
    })
}

/// The multiplicative inverse modulo 2^64 by Newton's iteration.
const fn inverse(odd: u64) -> u64 {
    let mut value = odd;
    let mut step = 0;
    while step < 6 {
        value = value.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(value)));
        step += 1;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::{Ids, Kind, Part, secret_text};
    use std::collections::HashSet;

    #[test]
    fn every_id_leads_back_to_its_number() {
        let ids = Ids::new(7);
        for place in [0, 1, 61, 62, 1_000_000, u32::MAX] {
            for kind in [Kind::Customer, Kind::Invoice, Kind::Charge] {
                let id = ids.row(kind, place, 1_700_000_000);
                assert_eq!(ids.place(kind, &id), Some(place), "{id}");
            }
        }
        for number in [0, 62, u64::from(u32::MAX) << 16, u64::MAX] {
            for part in [Part::Line, Part::Event] {
                let id = ids.part(part, number);
                assert_eq!(ids.number(part, &id), Some(number), "{id}");
            }
        }
    }

    #[test]
    fn ids_have_the_lengths_of_stripe() {
        let ids = Ids::new(7);
        assert_eq!(ids.row(Kind::Customer, 5, 0).len(), "cus_NffrFeUfNV2Hib".len());
        assert_eq!(ids.row(Kind::Subscription, 5, 0).len(), "sub_1MowQVLkdIwHu7ixeRlqHVzs".len());
        assert_eq!(ids.part(Part::SubscriptionItem, 5).len(), "si_NcLYdDxLHxlFo7".len());
        assert_eq!(ids.account().len(), "acct_1Nv0FGQ9RKHgCVdK".len());
    }

    /// Ids of Stripe's documentation and of its published fixtures, and when these objects were made.
    #[test]
    fn ids_begin_with_when_the_row_was_made_as_those_of_stripe() {
        #[track_caller]
        fn check(kind: Kind, created: i64, stripe: &str) {
            let (id, length) = (Ids::new(7).row(kind, 5, created), stripe.len());
            assert_eq!(&id[..length], stripe);
        }
        check(Kind::Subscription, 1_679_609_767, "sub_1MowQV");
        check(Kind::Price, 1_721_948_530, "price_1Pgafm");
        check(Kind::Price, 1_657_549_130, "price_1LKNRm");
        check(Kind::Customer, 1_680_893_993, "cus_Nffr");
    }

    #[test]
    fn ids_sort_by_when_the_row_was_made() {
        let ids = Ids::new(7);
        let made: Vec<_> = (0..5_000).map(|at| ids.row(Kind::Charge, 9, 1_600_000_000 + at * 3_607)).collect();
        assert!(made.is_sorted());
    }

    #[test]
    fn foreign_ids_are_not_read() {
        let ours = Ids::new(7);
        let theirs = Ids::new(8);
        assert_eq!(ours.place(Kind::Customer, &theirs.row(Kind::Customer, 3, 0)), None);
        assert_eq!(ours.place(Kind::Product, &ours.row(Kind::Customer, 3, 0)), None);
        assert_eq!(ours.number(Part::Event, &theirs.part(Part::Event, 3)), None);
        assert_eq!(ours.place(Kind::Customer, "cus_"), None);
        assert_eq!(ours.place(Kind::Customer, "cus_äöü"), None);
    }

    #[test]
    fn no_two_numbers_share_an_id() {
        let ids = Ids::new(1);
        let made: HashSet<_> = (0..10_000).map(|n| ids.row(Kind::Charge, n, 0)).collect();
        assert_eq!(made.len(), 10_000);
    }

    #[test]
    fn secrets_are_a_function_of_the_seed() {
        assert_eq!(secret_text(1, 32), secret_text(1, 32));
        assert_ne!(secret_text(1, 32), secret_text(2, 32));
        assert_eq!(secret_text(9, 40).len(), 40);
    }
}
