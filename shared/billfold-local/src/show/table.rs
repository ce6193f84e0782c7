//! The table of accounts.

use super::amount::{amount, day};
use super::console::{Looking, Paint, Tone};
use super::text::{clipped, plain};
use crate::client::view::AccountLine;
use comfy_table::{Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table, presets};

/// Longest name that is shown, in characters.
const NAME_MAX: usize = 36;
/// Longest plan that is shown, in characters.
const PLAN_MAX: usize = 24;

/// Narrower terminals wrap the table themselves.
const WIDTH_MIN: u16 = 80;
/// The columns of names and plans.
const GIVES_WAY: [usize; 2] = [0, 4];

/// Which columns are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// What matters.
    Figures,
    /// The ids as well, to go on with.
    FiguresAndIds,
}

/// What a payment status means.
#[must_use]
pub fn status_tone(payment_status: &str) -> Tone {
    match payment_status {
        "paid" => Tone::Good,
        "overdue" => Tone::Warning,
        "failed" => Tone::Bad,
        _ => Tone::Faint,
    }
}

/// The accounts as a table.
#[must_use]
pub fn accounts(lines: &[AccountLine], columns: Columns, paint: Paint, looking: Looking) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED.with_rounded_corners());
    match looking {
        // On a narrow terminal, names and plans give way; on one too narrow for that, its own wrapping reads better.
        Looking::Person if table.width().is_some_and(|width| width >= WIDTH_MIN) => {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        }
        Looking::Person => {}
        Looking::Program => {
            table.force_no_tty();
        }
    }
    if paint == Paint::Colours {
        table.enforce_styling();
    }
    let mut header = vec!["Account", "MRR", "ARR", "Payment", "Plan", "Renews"];
    if columns == Columns::FiguresAndIds {
        header.push("Id");
    }
    table.set_header(header);
    table.add_rows(lines.iter().map(|line| row(line, columns, paint)));
    for column in table.column_iter_mut().enumerate().filter(|(place, _)| !GIVES_WAY.contains(place)).map(|(_, c)| c) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    table.trim_fmt()
}

fn row(line: &AccountLine, columns: Columns, paint: Paint) -> Vec<Cell> {
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    let mut cells = vec![
        Cell::new(clipped(&line.name, NAME_MAX)),
        right(amount(line.mrr)),
        right(amount(line.arr)),
        status(&line.payment_status, paint),
        Cell::new(clipped(line.plan.as_deref().unwrap_or("–"), PLAN_MAX)),
        Cell::new(line.renews_at.map_or("–".to_owned(), day)),
    ];
    if columns == Columns::FiguresAndIds {
        cells.push(Cell::new(plain(&line.id)));
    }
    cells
}

fn status(payment_status: &str, paint: Paint) -> Cell {
    let cell = Cell::new(plain(payment_status));
    match (paint, status_tone(payment_status)) {
        (Paint::Plain, _) | (Paint::Colours, Tone::Strong) => cell,
        (Paint::Colours, Tone::Good) => cell.fg(Color::Green),
        (Paint::Colours, Tone::Warning) => cell.fg(Color::Yellow),
        (Paint::Colours, Tone::Bad) => cell.fg(Color::Red),
        (Paint::Colours, Tone::Faint) => cell.fg(Color::DarkGrey),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use billfold_core::money::{Currency, Money};

    fn line(name: &str, payment_status: &str) -> AccountLine {
        AccountLine {
            id: "acc_1".into(),
            name: name.into(),
            domain: None,
            mrr: Money::new(123_456, Currency::USD),
            arr: Money::new(1_481_472, Currency::USD),
            payment_status: payment_status.into(),
            plan: Some("Team".into()),
            renews_at: Some("2026-12-01T00:00:00Z".parse().unwrap()),
        }
    }

    fn plain_table(lines: &[AccountLine], columns: Columns) -> String {
        accounts(lines, columns, Paint::Plain, Looking::Program)
    }

    #[test]
    fn an_account_is_one_line() {
        let table = plain_table(&[line("Acme", "paid")], Columns::FiguresAndIds);
        let row = table.lines().nth(3).unwrap();
        let cells: Vec<&str> = row.split('┆').map(|cell| cell.trim_matches(['│', ' '])).collect();
        assert_eq!(cells, ["Acme", "1,234.56 USD", "14,814.72 USD", "paid", "Team", "2026-12-01", "acc_1"]);
        assert!(!plain_table(&[line("Acme", "paid")], Columns::Figures).contains("acc_1"));
    }

    #[test]
    fn hostile_names_neither_act_nor_break_the_table() {
        let names = [
            "\u{1b}[2J\u{1b}[31mowned",
            "two\nlines\r\nof\ttext",
            "\u{202e}txet denrut",
            "a│b┆c",
            "株式会社ほげほげ日本語の長い長い長い長い長い長い長い長い名前",
            "x\u{0}y\u{9b}1mz",
            "",
        ];
        for name in names {
            let mut hostile = line(name, name);
            (hostile.plan, hostile.id) = (Some(name.into()), name.into());
            let table = plain_table(&[hostile, line("Acme", "paid")], Columns::FiguresAndIds);
            assert_eq!(table.lines().count(), 6, "{table}");
            assert!(!table.chars().any(|c| c.is_control() && c != '\n'), "{table:?}");
            assert!(!table.contains('\u{202e}'), "{table:?}");
        }
    }

    #[test]
    fn colours_follow_the_payment_status_and_the_paint() {
        let check = |status: &str, code: &str| {
            let painted = accounts(&[line("Acme", status)], Columns::Figures, Paint::Colours, Looking::Program);
            assert!(painted.contains(code), "{status}: {painted:?}");
            assert!(!plain_table(&[line("Acme", status)], Columns::Figures).contains('\u{1b}'));
        };
        check("paid", "\u{1b}[38;5;10m");
        check("overdue", "\u{1b}[38;5;11m");
        check("failed", "\u{1b}[38;5;9m");
    }

    #[test]
    fn what_is_not_known_is_a_dash() {
        let mut free = line("Free", "none");
        (free.plan, free.renews_at) = (None, None);
        assert_eq!(plain_table(&[free], Columns::Figures).matches('–').count(), 2);
    }
}
