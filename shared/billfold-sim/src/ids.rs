//! Ids that look like Stripe's and can be turned back into the row they name, so that a business
//! of a million customers needs no map from id to row. It never makes the same id for two rows.

/// What an id names. Each kind has its own prefix and its own permutation of the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Customer,
    Product,
    Price,
    Subscription,
    SubscriptionItem,
    Invoice,
    Line,
    InvoiceItem,
    InvoicePayment,
    PaymentIntent,
    Charge,
    Refund,
    Dispute,
    CreditNote,
    CreditNoteLine,
    Discount,
    Event,
    WebhookEndpoint,
    BalanceTransaction,
    PaymentMethod,
    TestClock,
    Request,
}

impl Kind {
    /// The prefix, how many characters of the account's tag follow it, and a number that sets
    /// this kind's permutation apart.
    const fn shape(self) -> (&'static str, usize, u64) {
        match self {
            Self::Customer => ("cus_", 3, 1),
            Self::Product => ("prod_", 3, 2),
            Self::Price => ("price_1", 12, 3),
            Self::Subscription => ("sub_1", 12, 4),
            Self::SubscriptionItem => ("si_", 3, 5),
            Self::Invoice => ("in_1", 12, 6),
            Self::Line => ("il_1", 12, 7),
            Self::InvoiceItem => ("ii_1", 12, 8),
            Self::InvoicePayment => ("inpay_1", 12, 9),
            Self::PaymentIntent => ("pi_3", 12, 10),
            Self::Charge => ("ch_3", 12, 11),
            Self::Refund => ("re_3", 12, 12),
            Self::Dispute => ("du_1", 12, 13),
            Self::CreditNote => ("cn_1", 12, 14),
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
const DIGITS: usize = 11;
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
        tag[..DIGITS].copy_from_slice(&base62(mix(key)));
        tag[DIGITS] = b'S';
        Self { key, tag }
    }

    /// The account's id, which shares its tag with the ids of the account's objects.
    pub fn account(&self) -> String {
        format!("acct_1{}Bf0x", self.tag(11))
    }

    pub fn encode(&self, kind: Kind, number: u64) -> String {
        let mut id = String::with_capacity(32);
        self.write(kind, number, &mut id);
        id
    }

    pub fn write(&self, kind: Kind, number: u64, out: &mut String) {
        let (prefix, tag, spread) = kind.shape();
        out.push_str(prefix);
        out.push_str(self.tag(tag));
        let scrambled = (number ^ self.kind_key(spread)).wrapping_mul(MULTIPLIER);
        for digit in base62(scrambled) {
            out.push(char::from(digit));
        }
    }

    /// The number that `encode` was given, or nothing when the id is not one of this account's.
    pub fn decode(&self, kind: Kind, id: &str) -> Option<u64> {
        let (prefix, tag, spread) = kind.shape();
        let digits = id.strip_prefix(prefix)?.strip_prefix(self.tag(tag))?;
        let scrambled = parse_base62(digits)?;
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
        text.extend(base62(state)[1..].iter().map(|&byte| char::from(byte)));
    }
    text.truncate(length);
    text
}

fn base62(mut value: u64) -> [u8; DIGITS] {
    let mut digits = [b'0'; DIGITS];
    for slot in digits.iter_mut().rev() {
        *slot = ALPHABET[(value % 62) as usize];
        value /= 62;
    }
    digits
}

fn parse_base62(text: &str) -> Option<u64> {
    if text.len() != DIGITS {
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
    use super::{Ids, Kind, secret_text};
    use std::collections::HashSet;

    #[test]
    fn every_id_leads_back_to_its_number() {
        let ids = Ids::new(7);
        for number in [0, 1, 61, 62, 1_000_000, u64::from(u32::MAX), u64::MAX] {
            for kind in [Kind::Customer, Kind::Invoice, Kind::Line, Kind::Event] {
                let id = ids.encode(kind, number);
                assert_eq!(ids.decode(kind, &id), Some(number), "{id}");
            }
        }
    }

    #[test]
    fn ids_have_the_lengths_of_stripe() {
        let ids = Ids::new(7);
        assert_eq!(ids.encode(Kind::Customer, 5).len(), "cus_NffrFeUfNV2Hib".len());
        assert_eq!(ids.encode(Kind::Subscription, 5).len(), "sub_1MowQVLkdIwHu7ixeRlqHVzs".len());
        assert_eq!(ids.account().len(), "acct_1Nv0FGQ9RKHgCVdK".len());
    }

    #[test]
    fn foreign_ids_are_not_read() {
        let ours = Ids::new(7);
        let theirs = Ids::new(8);
        let id = theirs.encode(Kind::Customer, 3);
        assert_eq!(ours.decode(Kind::Customer, &id), None);
        assert_eq!(ours.decode(Kind::Product, &ours.encode(Kind::Customer, 3)), None);
        assert_eq!(ours.decode(Kind::Customer, "cus_"), None);
        assert_eq!(ours.decode(Kind::Customer, "cus_äöü"), None);
    }

    #[test]
    fn no_two_numbers_share_an_id() {
        let ids = Ids::new(1);
        let made: HashSet<_> = (0..10_000).map(|n| ids.encode(Kind::Charge, n)).collect();
        assert_eq!(made.len(), 10_000);
    }

    #[test]
    fn secrets_are_a_function_of_the_seed() {
        assert_eq!(secret_text(1, 32), secret_text(1, 32));
        assert_ne!(secret_text(1, 32), secret_text(2, 32));
        assert_eq!(secret_text(9, 40).len(), 40);
    }
}
