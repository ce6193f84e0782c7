//! Bodies of requests, up to a limit. One that is too long is read on for a while and thrown away: whoever is still
//! writing when the connection closes never sees the answer.

use super::Problem;
use super::limits::{BODY_BYTES_MAX, BODY_THROWN_AWAY_BYTES_MAX, BODY_TIME_MAX};
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use futures::StreamExt as _;

/// The whole body, if it comes in time.
pub(super) async fn read(body: Body) -> Result<Bytes, Problem> {
    tokio::time::timeout(BODY_TIME_MAX, read_to_end(body)).await.unwrap_or_else(|_| {
        let detail = format!("The body did not come within {} seconds.", BODY_TIME_MAX.as_secs());
        Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", detail))
    })
}

async fn read_to_end(body: Body) -> Result<Bytes, Problem> {
    let mut frames = body.into_data_stream();
    let mut kept = Vec::new();
    let mut length = 0usize;
    while let Some(frame) = frames.next().await {
        let frame = frame.map_err(|_| {
            Problem::new(StatusCode::BAD_REQUEST, "body_unreadable", "The body could not be read to its end.")
        })?;
        length = length.saturating_add(frame.len());
        if length <= BODY_BYTES_MAX {
            kept.extend_from_slice(&frame);
        } else if length > BODY_THROWN_AWAY_BYTES_MAX {
            break;
        }
    }
    if length <= BODY_BYTES_MAX {
        return Ok(kept.into());
    }
    let detail = format!("The body is longer than {BODY_BYTES_MAX} bytes.");
    Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn status_of(bytes: usize) -> StatusCode {
        use axum::response::IntoResponse as _;
        match read(Body::from(vec![b' '; bytes])).await {
            Ok(body) => {
                assert_eq!(body.len(), bytes);
                StatusCode::OK
            }
            Err(problem) => problem.into_response().status(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_not_waited_for() {
        use axum::response::IntoResponse as _;
        let begun = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{"))]);
        let problem = read(Body::from_stream(begun.chain(futures::stream::pending()))).await.unwrap_err();
        assert_eq!(problem.into_response().status(), StatusCode::REQUEST_TIMEOUT);
    }

    #[tokio::test]
    async fn a_body_ends_at_its_limit() {
        assert_eq!(status_of(0).await, StatusCode::OK);
        assert_eq!(status_of(BODY_BYTES_MAX).await, StatusCode::OK);
        assert_eq!(status_of(BODY_BYTES_MAX + 1).await, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(status_of(BODY_THROWN_AWAY_BYTES_MAX + 1).await, StatusCode::PAYLOAD_TOO_LARGE);
    }
}
