//! Text from elsewhere, made harmless: a customer may call itself anything, and what it calls itself is printed on
//! somebody's terminal.

pub use billfold_core::text::plain;

/// [`plain`], and at most so many characters.
#[must_use]
pub fn clipped(text: &str, characters_max: usize) -> String {
    let text = plain(text);
    if text.chars().count() <= characters_max {
        return text;
    }
    let kept: String = text.chars().take(characters_max.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_acts_upon_is_left() {
        let check = |text: &str, expected: &str| assert_eq!(plain(text), expected, "{text:?}");
        check("Acme GmbH & Söhne 株式会社 🚀", "Acme GmbH & Söhne 株式会社 🚀");
        check("\u{1b}[31mred\u{1b}[0m", "\u{FFFD}[31mred\u{FFFD}[0m");
        check("\u{1b}]0;title\u{7}", "\u{FFFD}]0;title\u{FFFD}");
        check("\u{9b}2J", "\u{FFFD}2J");
        check("one\r\ntwo\tthree", "one  two three");
        check("a\u{8}\u{8}b\u{7f}", "a\u{FFFD}\u{FFFD}b\u{FFFD}");
        check("paid\u{202e}diap", "paid\u{FFFD}diap");
        check("\u{2066}x\u{2069}\u{feff}", "\u{FFFD}x\u{FFFD}\u{FFFD}");
    }

    #[test]
    fn long_texts_are_clipped_between_characters() {
        let check = |text: &str, max: usize, expected: &str| assert_eq!(clipped(text, max), expected, "{text:?}");
        check("short", 5, "short");
        check("longer", 5, "long…");
        check("ab cdef", 4, "ab…");
        check("日本語日本語", 3, "日本…");
        check("", 0, "");
    }
}
