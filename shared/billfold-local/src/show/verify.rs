//! What a drift check found: every difference with both values.

use super::console::{Paint, Tone};
use super::text::{clipped, plain};
use crate::client::view::{DifferenceView, ReportView};

/// Longest value that is shown, in characters.
const VALUE_MAX: usize = 120;

/// The report, one line for each difference, the sum last.
#[must_use]
pub fn report(report: &ReportView, paint: Paint) -> String {
    let mut lines: Vec<String> = report.differences.iter().flat_map(|one| difference(one, paint)).collect();
    let counts = format!("{} of {} stored objects compared", report.checked, report.stored);
    lines.push(match (report.different, report.repaired) {
        (0, _) => format!("{counts}: {}", paint.tone(Tone::Good, "all as Stripe says")),
        (different, 0) => format!("{counts}: {}", paint.tone(Tone::Bad, &format!("{different} differ"))),
        (different, repaired) => format!("{counts}: {different} differed, {repaired} put right"),
    });
    lines.join("\n")
}

fn difference(one: &DifferenceView, paint: Paint) -> [String; 3] {
    let field = if one.field.is_empty() { "(the whole object)" } else { &one.field };
    let name = format!("{} {} {}", plain(&one.kind), plain(&one.id), plain(field));
    let value = |value: &serde_json::Value| clipped(&value.to_string(), VALUE_MAX);
    [
        paint.tone(Tone::Strong, &name),
        format!("  stored: {}", value(&one.stored)),
        format!("  Stripe: {}", value(&one.stripe)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn one(field: &str, stored: Value, stripe: Value) -> DifferenceView {
        DifferenceView { kind: "customer".into(), id: "cus_1".into(), field: field.into(), stored, stripe }
    }

    #[test]
    fn both_values_are_shown_and_nothing_of_them_acts_on_a_terminal() {
        let found = ReportView {
            stored: 9,
            checked: 7,
            different: 2,
            differences: vec![one("name", json!("a\u{1b}[31m"), json!("b")), one("", json!({"x": 1}), Value::Null)],
            ..ReportView::default()
        };
        let text = report(&found, Paint::Plain);
        for part in ["customer cus_1 name", "Stripe: \"b\"", "(the whole object)", "Stripe: null", "7 of 9", "2 differ"]
        {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn what_was_put_right_is_said_so() {
        let found = ReportView { stored: 3, checked: 3, different: 1, repaired: 1, ..ReportView::default() };
        assert!(report(&found, Paint::Plain).contains("1 differed, 1 put right"));
        assert!(report(&ReportView::default(), Paint::Plain).contains("all as Stripe says"));
    }
}
