//! Cleans Stripe's own words before they may appear in an error: whatever looks like a key or
//! a signing secret is cut to its kind, and long texts are shortened. It never adds anything.

const LONGEST: usize = 400;
const SECRET_KINDS: [&str; 6] = ["sk_", "rk_", "rkcs_", "pk_", "whsec_", "absec_"];

/// The message with every key-like word masked.
pub(crate) fn redact(message: &str) -> String {
    let mut clean = String::with_capacity(message.len().min(LONGEST));
    let mut rest = message;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        push_word(&mut clean, word);
        let gap = after.find(is_word).unwrap_or(after.len());
        let (between, next) = after.split_at(gap);
        clean.push_str(between);
        rest = next;
    }
    shorten(clean)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn push_word(clean: &mut String, word: &str) {
    match SECRET_KINDS.iter().find(|kind| word.starts_with(**kind)) {
        Some(kind) => {
            clean.push_str(kind);
            clean.push('…');
        }
        None => clean.push_str(word),
    }
}

fn shorten(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_masked_and_the_rest_is_kept() {
        let check = |text: &str, wanted: &str| assert_eq!(redact(text), wanted);
        check("No such price: 'price_1'", "No such price: 'price_1'");
        check("Invalid API Key provided: rk_live_51AbC", "Invalid API Key provided: rk_…");
        check("key 'sk_test_a' and whsec_b!", "key 'sk_…' and whsec_…!");
        check("task_force, mask_x", "task_force, mask_x");
        check("", "");
        check("ünïcode sk_x é", "ünïcode sk_… é");
    }

    #[test]
    fn long_texts_end_at_a_character() {
        let shortened = redact(&"é".repeat(1000));
        assert_eq!(shortened.chars().count(), LONGEST + 1);
    }
}
