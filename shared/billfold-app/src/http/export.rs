//! The table of accounts as CSV: every page, one after the other, while it is being read. No cell is a formula.

use super::Problem;
use crate::app::App;
use crate::refusal::Refusal;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use billfold_core::id::WorkspaceId;
use billfold_core::money::Money;
use billfold_core::text::to_cell;
use billfold_store::{ListQuery, ListRow};
use futures::stream;

/// Rows that are read and sent together.
const PAGE: usize = 500;

const COLUMNS: [&str; 10] =
    ["id", "name", "domain", "currency", "mrr", "arr", "payment_status", "plan", "renews_at", "customers"];

/// True if whoever asks would rather have CSV than JSON.
pub(super) fn wants_csv(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let place =
        |kind: &str| accepted.split(',').position(|part| part.split(';').next().unwrap_or_default().trim() == kind);
    match (place("text/csv"), place("application/json")) {
        (Some(csv), Some(json)) => csv < json,
        (csv, _) => csv.is_some(),
    }
}

/// Where the export stands.
enum Page {
    Next(Box<ListQuery>),
    End,
}

/// All accounts of a query, whatever page it names.
pub(super) fn csv(app: &App, ws: &WorkspaceId, query: ListQuery) -> Result<Response, Problem> {
    let header = Bytes::from(written(std::iter::once(COLUMNS.map(str::to_owned))).map_err(Problem::from)?);
    let first = Page::Next(Box::new(ListQuery { limit: PAGE, after: None, ..query }));
    let (app, ws) = (app.clone(), ws.clone());
    let pages = stream::try_unfold(first, move |page| {
        let (app, ws) = (app.clone(), ws.clone());
        async move {
            let Page::Next(mut query) = page else { return Ok(None) };
            let (rows, next) = app.store().list_accounts(&ws, &query).await.map_err(told)?;
            let text = written(rows.iter().map(cells)).map_err(told)?;
            query.after = next;
            let following = if query.after.is_some() { Page::Next(query) } else { Page::End };
            Ok::<_, Refusal>(Some((Bytes::from(text), following)))
        }
    });
    let whole = futures::StreamExt::chain(stream::once(async { Ok(header) }), pages);
    let mut response = Body::from_stream(whole).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"accounts.csv\""));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

/// The status has been sent, so all that can be done is to break off, which whoever reads notices.
fn told(error: impl Into<Refusal>) -> Refusal {
    let refusal = error.into();
    tracing::error!(error = crate::refusal::chain(&refusal), "an export was broken off");
    refusal
}

fn cells(row: &ListRow) -> [String; COLUMNS.len()] {
    [
        to_cell(row.id.as_str()),
        to_cell(&row.name),
        to_cell(row.domain.as_deref().unwrap_or_default()),
        row.mrr.currency.as_str().to_owned(),
        decimal(row.mrr),
        decimal(row.arr),
        row.payment_status.clone(),
        to_cell(row.plan.as_deref().unwrap_or_default()),
        row.renews_at.map(|at| at.to_string()).unwrap_or_default(),
        row.customer_count.to_string(),
    ]
}

/// In major units, with a point; minor units where their number is not known.
fn decimal(money: Money) -> String {
    let sign = if money.amount < 0 { "-" } else { "" };
    let minor = money.amount.unsigned_abs();
    let unit = money.currency.minor_digits().and_then(|digits| Some((digits, 10u64.checked_pow(digits)?)));
    match unit {
        None | Some((0, _)) => format!("{sign}{minor}"),
        Some((digits, unit)) => {
            let (whole, part) = (minor.checked_div(unit).unwrap_or(0), minor.checked_rem(unit).unwrap_or(0));
            format!("{sign}{whole}.{part:0width$}", width = usize::try_from(digits).unwrap_or(0))
        }
    }
}

fn written(rows: impl Iterator<Item = [String; COLUMNS.len()]>) -> Result<Vec<u8>, Refusal> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for row in rows {
        writer.write_record(&row).map_err(Refusal::internal)?;
    }
    writer.into_inner().map_err(|error| Refusal::internal(error.into_error()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use billfold_core::money::Currency;

    #[test]
    fn whoever_prefers_csv_gets_it() {
        let check = |accept: &str, expected: bool| {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            assert_eq!(wants_csv(&headers), expected, "{accept}");
        };
        check("text/csv", true);
        check("text/csv;q=0.9, application/json;q=0.1", true);
        check("application/json, text/csv", false);
        check("*/*", false);
        check("", false);
    }

    #[test]
    fn amounts_are_plain_decimals() {
        let check = |amount, code: &str, expected: &str| {
            assert_eq!(decimal(Money::new(amount, Currency::new(code).unwrap())), expected);
        };
        check(123_456, "usd", "1234.56");
        check(-5, "usd", "-0.05");
        check(1200, "jpy", "1200");
        check(1234, "kwd", "1.234");
        check(i64::MIN, "usd", "-92233720368547758.08");
    }
}
