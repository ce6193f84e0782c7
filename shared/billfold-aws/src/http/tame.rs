//! Makes a request one that lambda_http takes. It builds a URL of whatever the sender wrote into `Host` and the query, and
//! panics where that is none; nothing here needs the host, and a query is encoded where it has to be.

use http::header::{HOST, HeaderMap};
use http::uri::PathAndQuery;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;

pub(super) fn tame(request: &mut ApiGatewayV2httpRequest) {
    request.headers.remove(HOST);
    request.request_context.domain_name = None;
    // Only there does the stage not begin the path.
    request.request_context.stage = Some("$default".to_owned());
    if !request.raw_path.as_deref().is_some_and(|path| path.starts_with('/')) {
        let path = request.raw_path.take().unwrap_or_default();
        request.raw_path = Some(format!("/{path}"));
    }
    request.raw_query_string = request.raw_query_string.take().map(encoded);
    drop_odd(&mut request.headers);
}

/// A query that can be part of a URI.
fn encoded(query: String) -> String {
    if PathAndQuery::try_from(format!("/?{query}")).is_ok() {
        return query;
    }
    let mut text = String::with_capacity(query.len());
    for byte in query.bytes() {
        match byte {
            b'%' | b'&' | b'=' | b'+' | b'-' | b'_' | b'.' | b'~' => text.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// The scheme is built into the same URL.
fn drop_odd(headers: &mut HeaderMap) {
    headers.remove("x-forwarded-proto");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_that_is_none_is_encoded_and_any_other_left_alone() {
        for good in ["", "a=1&b=2", "q=%C3%BC&sort=-mrr", "q=a+b"] {
            assert_eq!(encoded(good.to_owned()), good);
        }
        for (bad, expected) in [("q=a b", "q=a%20b"), ("q=\u{7f}&b=1", "q=%7F&b=1"), ("q=<x>", "q=%3Cx%3E")] {
            let encoded = encoded(bad.to_owned());
            assert!(PathAndQuery::try_from(format!("/?{encoded}")).is_ok(), "{encoded}");
            if encoded != bad {
                assert_eq!(encoded, expected);
            }
        }
    }
}
