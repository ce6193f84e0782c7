//! Who asked what: a count for each endpoint and a bounded log, so that a test can hold a client
//! to the number of its requests. It never holds a key.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

/// One request as it was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Request {
    pub method: String,
    /// With its query.
    pub path: String,
    /// 0 when the connection was closed without an answer.
    pub status: u16,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Requests {
    pub total: u64,
    /// By method and route, as in `GET /v1/invoices/{id}/lines`; strangers under `unknown`.
    pub by_endpoint: BTreeMap<String, u64>,
    pub by_status: BTreeMap<u16, u64>,
    /// The latest requests, oldest first.
    pub log: VecDeque<Request>,
    #[serde(skip)]
    ids_issued: u64,
}

const KEPT: usize = 20_000;

impl Requests {
    pub fn record(&mut self, endpoint: &str, request: Request) {
        self.total += 1;
        *self.by_endpoint.entry(endpoint.to_owned()).or_default() += 1;
        *self.by_status.entry(request.status).or_default() += 1;
        if self.log.len() == KEPT {
            self.log.pop_front();
        }
        self.log.push_back(request);
    }

    /// A number for the next request's id, which no other request gets.
    pub(crate) fn issue_id(&mut self) -> u64 {
        self.ids_issued += 1;
        self.ids_issued
    }

    /// Forgets what was counted; ids go on.
    pub(crate) fn clear(&mut self) {
        *self = Self { ids_issued: self.ids_issued, ..Self::default() };
    }

    /// How often an endpoint was asked, whatever it answered.
    pub fn of(&self, endpoint: &str) -> u64 {
        self.by_endpoint.get(endpoint).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT, Request, Requests};

    fn request(status: u16) -> Request {
        Request { method: "GET".to_owned(), path: "/v1/prices?limit=1".to_owned(), status }
    }

    #[test]
    fn requests_are_counted_by_endpoint_and_status() {
        let mut requests = Requests::default();
        requests.record("GET /v1/prices", request(200));
        requests.record("GET /v1/prices", request(429));
        assert_eq!(requests.of("GET /v1/prices"), 2);
        assert_eq!(requests.of("GET /v1/products"), 0);
        assert_eq!(requests.by_status.get(&429), Some(&1));
        assert_eq!(requests.log[1], request(429));
    }

    #[test]
    fn ids_go_on_when_the_counts_are_cleared() {
        let mut requests = Requests::default();
        assert_eq!((requests.issue_id(), requests.issue_id()), (1, 2));
        requests.record("a", request(200));
        requests.clear();
        assert_eq!((requests.total, requests.issue_id()), (0, 3));
    }

    #[test]
    fn the_log_forgets_the_oldest() {
        let mut requests = Requests::default();
        requests.record("a", request(500));
        for _ in 0..KEPT {
            requests.record("a", request(200));
        }
        assert_eq!(requests.log.len(), KEPT);
        assert!(requests.log.iter().all(|request| request.status == 200));
        assert_eq!(requests.total, KEPT as u64 + 1);
    }
}
