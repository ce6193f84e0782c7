//! Long bodies are packed on their way to DynamoDB, which charges for each kilobyte that is written: nearly every row of a
//! business fits into one, packed. Whoever reads the table by hand unpacks raw DEFLATE (RFC 1951).

use flate2::Compression;
use flate2::read::{DeflateDecoder, DeflateEncoder};
use std::io::Read as _;

/// Shorter bodies stay as they are, to be read by anybody.
const UNPACKED_MAX: usize = 512;
/// Longer than any body is: a row has at most 400 KB, packed.
const UNPACKED_BODY_MAX: u64 = 64 << 20;

/// The body as fewer bytes; `None` if it stays as it is.
pub(crate) fn pack(body: &str) -> Option<Vec<u8>> {
    if body.len() <= UNPACKED_MAX {
        return None;
    }
    let mut packed = Vec::with_capacity(body.len() / 2);
    let read = DeflateEncoder::new(body.as_bytes(), Compression::default()).read_to_end(&mut packed).ok()?;
    (read < body.len()).then_some(packed)
}

/// The body again; `None` if these are no bytes of [`pack`].
pub(crate) fn unpack(packed: &[u8]) -> Option<String> {
    let mut body = String::with_capacity(packed.len().saturating_mul(3));
    DeflateDecoder::new(packed).take(UNPACKED_BODY_MAX).read_to_string(&mut body).ok()?;
    Some(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_packed_comes_out_again(body in "\\PC{0,600}", times in 1..4usize) {
            let body = body.repeat(times);
            if let Some(packed) = pack(&body) {
                prop_assert!(packed.len() < body.len());
                prop_assert_eq!(unpack(&packed), Some(body));
            }
        }

        #[test]
        fn what_was_not_packed_does_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            drop(unpack(&bytes));
        }
    }

    #[test]
    fn short_bodies_stay_and_long_ones_shrink() {
        let line = r#"{"id":"il_1","amount":6000,"quantity":5,"subscription":"sub_1"}"#;
        assert_eq!(pack(line), None);
        assert!(pack(&line.repeat(20)).unwrap().len() < 200);
        assert_eq!(unpack(b"\xff\xff"), None);
    }
}
