//! `POST /v1/accounts`: one account as JSON, or a file of them as CSV or JSON lines, which is taken as it comes in.

use super::Api;
use super::limits::IMPORT_BYTES_MAX;
use super::problem::Problem;
use super::who::{Admin, Body as JsonBody};
use crate::accounts::{AccountView, GivenAccount};
use crate::app::App;
use crate::import::{IMPORT_ROWS_MAX, Import, ImportReport};
use crate::rows::{Format, Row, Rows, Unusable};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest as _, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use billfold_core::id::WorkspaceId;
use futures::{Stream, StreamExt as _};

/// How much of a file that is not taken is read before the connection is closed on it.
const THROWN_AWAY_BYTES_MAX: usize = 16 * 1024 * 1024;

enum Kind {
    One,
    Many(Format),
}

fn kind(headers: &HeaderMap) -> Result<Kind, Problem> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("application/json");
    let mut parts = value.split(';').map(|part| part.trim().to_ascii_lowercase());
    let kind = match parts.next().unwrap_or_default().as_str() {
        "text/csv" => Kind::Many(Format::Csv),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Kind::Many(Format::Ndjson),
        _ => return Ok(Kind::One),
    };
    let charset = parts.find_map(|part| part.strip_prefix("charset=").map(|name| name.trim_matches('"').to_owned()));
    match charset.as_deref() {
        None | Some("utf-8" | "utf8" | "us-ascii") => Ok(kind),
        Some(_) => {
            let detail = "Send the file in UTF-8.";
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail))
        }
    }
}

/// Take accounts from elsewhere: one as JSON, or a file of them
#[utoipa::path(
    post,
    path = "/v1/accounts",
    request_body(content(
        (GivenAccount = "application/json"),
        (String = "text/csv"),
        (String = "application/x-ndjson"),
    )),
    responses(
        (status = 201, description = "One account was taken", body = AccountView),
        (status = 200, description = "A file was taken, and this became of its rows", body = ImportReport),
        (status = 409, description = "`account_exists`, `domain_taken`, `external_id_taken`, `account_changed`"),
    ),
    security(("token" = ["admin"]))
)]
pub(super) async fn create(State(api): State<Api>, who: Admin, request: Request) -> Result<Response, Problem> {
    let (app, ws) = (api.app.by(&who.0), &who.0.workspace);
    match kind(request.headers())? {
        Kind::One => {
            let JsonBody(account) = JsonBody::<GivenAccount>::from_request(request, &api).await?;
            Ok((StatusCode::CREATED, Json(app.give_account(ws, account).await?)).into_response())
        }
        Kind::Many(format) => Ok(Json(many(&app, ws, format, request.into_body()).await?).into_response()),
    }
}

async fn many(app: &App, ws: &WorkspaceId, format: Format, body: Body) -> Result<ImportReport, Problem> {
    let mut frames = body.into_data_stream();
    match take_all(app.import(ws), format, &mut frames).await {
        Ok(report) => Ok(report),
        Err(problem) => {
            // Whoever is still writing when the connection closes never sees the answer.
            drain(&mut frames).await;
            Err(problem)
        }
    }
}

async fn take_all<E>(
    mut import: Import,
    format: Format,
    frames: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
) -> Result<ImportReport, Problem> {
    let (mut reader, mut length) = (Rows::new(format), 0usize);
    while let Some(frame) = frames.next().await {
        let Ok(frame) = frame else {
            let detail = format!("The file could not be read to its end. {}", taken(import.so_far()));
            return Err(Problem::new(StatusCode::BAD_REQUEST, "body_unreadable", detail));
        };
        length = length.saturating_add(frame.len());
        if length > IMPORT_BYTES_MAX {
            let limit = format!("A file has at most {IMPORT_BYTES_MAX} bytes");
            return Err(too_large(import, "body_too_large", &limit).await?);
        }
        let mut rows = Vec::new();
        reader.feed(&frame, &mut rows).map_err(unusable)?;
        import = take(import, rows).await?;
    }
    let mut rows = Vec::new();
    reader.finish(&mut rows).map_err(unusable)?;
    import = take(import, rows).await?;
    Ok(import.finish().await?)
}

async fn take(mut import: Import, mut rows: Vec<Row>) -> Result<Import, Problem> {
    let beyond = rows.iter().position(|row| row.number > IMPORT_ROWS_MAX);
    rows.truncate(beyond.unwrap_or(rows.len()));
    import.take(rows).await?;
    match beyond {
        None => Ok(import),
        Some(_) => {
            Err(too_large(import, "too_many_rows", &format!("A file has at most {IMPORT_ROWS_MAX} rows")).await?)
        }
    }
}

/// What came before the limit is kept, and the answer says so.
async fn too_large(import: Import, code: &'static str, limit: &str) -> Result<Problem, Problem> {
    let report = import.finish().await?;
    let detail = format!("{limit}. {} Send the rest in another file.", taken(&report));
    Ok(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, code, detail))
}

fn taken(report: &ImportReport) -> String {
    let ImportReport { created, updated, unchanged, failed, .. } = report;
    format!(
        "So far {created} accounts were created, {updated} updated, {unchanged} unchanged, and {failed} rows failed."
    )
}

fn unusable(unusable: Unusable) -> Problem {
    Problem::field(&unusable.field, unusable.code, unusable.message)
}

async fn drain<E>(frames: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin)) {
    let mut length = 0usize;
    while let Some(Ok(frame)) = frames.next().await {
        length = length.saturating_add(frame.len());
        if length > THROWN_AWAY_BYTES_MAX {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_says_what_it_is() {
        let check = |value: &str, expected: Option<Format>| {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, value.parse().unwrap())]);
            let found = kind(&headers).ok().map(|kind| match kind {
                Kind::One => None,
                Kind::Many(format) => Some(format),
            });
            assert_eq!(found, Some(expected), "{value}");
        };
        check("application/json", None);
        check("text/csv", Some(Format::Csv));
        check("Text/CSV; charset=UTF-8; header=present", Some(Format::Csv));
        check("application/x-ndjson", Some(Format::Ndjson));
        check("text/plain", None);
        let latin = HeaderMap::from_iter([(header::CONTENT_TYPE, "text/csv; charset=iso-8859-1".parse().unwrap())]);
        assert!(kind(&latin).is_err());
        assert!(matches!(kind(&HeaderMap::new()), Ok(Kind::One)));
    }
}
