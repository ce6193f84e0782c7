//! Whether a webhook was signed by Stripe (FACTS.md §6.1): an HMAC over the time and the raw bytes of the body.
//!
//! It never looks into the body, never says which of several secrets fitted, and reads no clock.

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// How far the time of a signature may be from now, in seconds, in either direction.
pub const TOLERANCE_S: i64 = 300;

/// Why a signature does not hold. The sender is told none of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// There is no time or no `v1` signature in the header.
    #[error("the Stripe-Signature header is missing or malformed")]
    Header,
    /// There is no secret to check with.
    #[error("there is no signing secret")]
    NoSecret,
    /// The signature is from another time: an old delivery, sent again by somebody.
    #[error("the signature is more than {TOLERANCE_S} seconds away from now")]
    Time,
    /// No signature was made with any of the secrets over this body.
    #[error("no signature fits the body and a signing secret")]
    Mismatch,
}

/// What a `Stripe-Signature` header says.
#[derive(Debug, PartialEq, Eq)]
struct Signed<'a> {
    /// Exactly as it stands in the header, because it is a part of what was signed.
    time: &'a str,
    second: i64,
    signatures: Vec<[u8; 32]>,
}

/// Checks a body against its `Stripe-Signature` header with every secret that is good now. Empty secrets never fit.
///
/// # Errors
/// [`Invalid`] unless some `v1` was made with some secret, at most [`TOLERANCE_S`] from `now`.
pub fn verify(header: &str, body: &[u8], secrets: &[&str], now: Timestamp) -> Result<(), Invalid> {
    let signed = parse(header).ok_or(Invalid::Header)?;
    let mut fits = subtle::Choice::from(0);
    let mut usable = false;
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        usable = true;
        let Some(expected) = expected(secret, signed.time, body) else { continue };
        for signature in &signed.signatures {
            fits |= signature.ct_eq(&expected);
        }
    }
    if !usable {
        return Err(Invalid::NoSecret);
    }
    if !bool::from(fits) {
        return Err(Invalid::Mismatch);
    }
    // Only now: an old time is a finding only about what Stripe really signed.
    if now.as_second().abs_diff(signed.second) > TOLERANCE_S.unsigned_abs() {
        return Err(Invalid::Time);
    }
    Ok(())
}

fn expected(secret: &str, time: &str, body: &[u8]) -> Option<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    Some(mac.finalize().into_bytes().into())
}

/// Reads `t=…,v1=…,v1=…,v0=…` in any order; unknown schemes and malformed signatures are skipped.
fn parse(header: &str) -> Option<Signed<'_>> {
    let mut time = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=') {
            Some(("t", text)) => time = time.or(Some(text)),
            Some(("v1", text)) => {
                let mut signature = [0; 32];
                if hex::decode_to_slice(text, &mut signature).is_ok() {
                    signatures.push(signature);
                }
            }
            _ => {}
        }
    }
    let time = time.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))?;
    let second = time.parse().ok()?;
    (!signatures.is_empty()).then_some(Signed { time, second, signatures })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_790_000_000;
    const BODY: &[u8] = br#"{"id":"evt_1"}"#;

    fn now() -> Timestamp {
        Timestamp::from_second(NOW).unwrap()
    }

    fn v1(secret: &str, second: i64, body: &[u8]) -> String {
        hex::encode(expected(secret, &second.to_string(), body).unwrap())
    }

    fn check(header: &str, secrets: &[&str], wanted: Result<(), Invalid>) {
        assert_eq!(verify(header, BODY, secrets, now()), wanted, "{header}");
    }

    #[test]
    fn a_signature_that_another_implementation_made_fits() {
        let header = "t=12,v1=af237b033edb42cd78d7ae826c46e5f7b0f626ba5215b9ac9ce6131f7da4aafa";
        assert_eq!(verify(header, b"{}", &["whsec_test"], Timestamp::from_second(12).unwrap()), Ok(()));
    }

    #[test]
    fn any_signature_with_any_secret_will_do() {
        let (good, bad) = (v1("whsec_a", NOW, BODY), "00".repeat(32));
        check(&format!("t={NOW},v1={good}"), &["whsec_a"], Ok(()));
        check(&format!("t={NOW},v1={bad},v1={good}"), &["whsec_a"], Ok(()));
        check(&format!("t={NOW},v1={good},v1={bad},v0=junk"), &["whsec_b", "whsec_a"], Ok(()));
        check(&format!("v1={good}, t={NOW} ,v9=x,,="), &["whsec_a"], Ok(()));
        check(&format!("t={NOW},v1=short,v1={}", good.to_uppercase()), &["whsec_a"], Ok(()));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let good = v1("whsec_a", NOW, BODY);
        check(&format!("t={NOW},v1={good}"), &["whsec_b"], Err(Invalid::Mismatch));
        check(&format!("t={NOW},v0={good}"), &["whsec_a"], Err(Invalid::Header));
        check(&format!("t={},v1={good}", NOW + 1), &["whsec_a"], Err(Invalid::Mismatch));
        check(&format!("t={NOW},v1={good}"), &[], Err(Invalid::NoSecret));
        let empty = v1("", NOW, BODY);
        check(&format!("t={NOW},v1={empty}"), &[""], Err(Invalid::NoSecret));
        check(&format!("t={NOW},v1={empty}"), &["", "whsec_a"], Err(Invalid::Mismatch));
        for header in ["", "t=", "t=1", "v1=", "t=x,v1=00", &format!("v1={good}"), &format!("t=-5,v1={good}")] {
            check(header, &["whsec_a"], Err(Invalid::Header));
        }
    }

    #[test]
    fn five_minutes_either_way_and_not_a_second_more() {
        for (apart, wanted) in [(-301, Err(Invalid::Time)), (-300, Ok(())), (300, Ok(())), (301, Err(Invalid::Time))] {
            let second = NOW + apart;
            check(&format!("t={second},v1={}", v1("whsec_a", second, BODY)), &["whsec_a"], wanted);
        }
    }

    proptest! {
        #[test]
        fn no_header_breaks_the_parser(header in "\\PC{0,200}") {
            prop_assert!(verify(&header, BODY, &["whsec_a"], now()).is_err());
        }

        #[test]
        fn a_body_with_one_other_byte_is_refused(at in 0usize..14, byte: u8) {
            let header = format!("t={NOW},v1={}", v1("whsec_a", NOW, BODY));
            let mut body = BODY.to_vec();
            prop_assume!(body[at] != byte);
            body[at] = byte;
            prop_assert_eq!(verify(&header, &body, &["whsec_a"], now()), Err(Invalid::Mismatch));
        }
    }
}
