//! Text from elsewhere, and what of it can do harm where it is shown. A customer may call itself anything; nothing is
//! changed when it is stored, and each place that shows it decides here what it shows instead.

/// Takes the place of what is not shown.
pub const NOT_SHOWN: char = '\u{FFFD}';

/// What a terminal or a page shows of a character: nothing that acts upon the terminal, or that turns the writing of its
/// neighbours around, or that cannot be seen.
#[must_use]
pub fn harmless(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
        // Marks that turn the direction of writing around, of their neighbours as well.
        '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{206F}' => NOT_SHOWN,
        // Invisible: a byte order mark, interlinear annotations, tags.
        '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}' => NOT_SHOWN,
        c if c.is_control() => NOT_SHOWN,
        c => c,
    }
}

/// The text on one line, with nothing but harmless characters.
#[must_use]
pub fn plain(text: &str) -> String {
    text.chars().map(harmless).collect()
}

/// True for a character with which a spreadsheet begins a formula, or behind which it looks for one.
#[must_use]
pub fn begins_formula(c: char) -> bool {
    matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠')
}

/// A text as a spreadsheet's cell: behind an apostrophe if it would be taken for a formula. A text that has such an
/// apostrophe of its own gets another, so that [`from_cell`] always gives the text back.
#[must_use]
pub fn to_cell(text: &str) -> String {
    let bare = text.trim_start_matches('\'');
    if bare.starts_with(begins_formula) { format!("'{text}") } else { text.to_owned() }
}

/// The text of a cell that [`to_cell`] may have written.
#[must_use]
pub fn from_cell(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(text) if text.trim_start_matches('\'').starts_with(begins_formula) => text,
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn formulas_become_texts() {
        let check = |text: &str, cell: &str| assert_eq!(to_cell(text), cell, "{text:?}");
        check("Acme", "Acme");
        check("", "");
        check("O'Neil", "O'Neil");
        check("'quoted'", "'quoted'");
        check("=1+1", "'=1+1");
        check("+1", "'+1");
        check("-1", "'-1");
        check("@SUM(A1)", "'@SUM(A1)");
        check("\t=1", "'\t=1");
        check("\r=1", "'\r=1");
        check("＝1", "'＝1");
        check("'=1", "''=1");
        assert_eq!(from_cell("'tis"), "'tis");
    }

    proptest! {
        #[test]
        fn a_cell_gives_its_text_back_and_is_no_formula(text in "['=+@\\-\t\ra＝]{0,6}.{0,6}") {
            let cell = to_cell(&text);
            prop_assert_eq!(from_cell(&cell), text.as_str());
            prop_assert!(!cell.starts_with(begins_formula), "{:?}", cell);
        }
    }
}
