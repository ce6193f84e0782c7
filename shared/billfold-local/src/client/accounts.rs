//! Lists accounts, page after page.

use super::view::{AccountLine, AccountsView};
use super::{Answer, Client, ClientError, encoded};
use serde_json::{Value, json};

/// The most rows that the API gives at once.
const PAGE_MAX: usize = 100;

/// Which accounts, in which order.
#[derive(Debug, Clone, Default)]
pub struct AccountsWanted {
    /// As the API has it: `-mrr`, `name`, …
    pub sort: Option<String>,
    /// `paid`, `overdue`, `failed` or `none`.
    pub payment_status: Option<String>,
    /// A part of the name or the domain.
    pub search: Option<String>,
    /// At most so many; `None` for all.
    pub limit: Option<usize>,
}

/// The accounts, as they came and as they were read.
#[derive(Debug, Clone)]
pub struct AccountsFound {
    /// The accounts.
    pub lines: Vec<AccountLine>,
    /// The API's answer; of several pages, their rows in one list.
    pub text: String,
    /// Where the next page would begin.
    pub next_cursor: Option<String>,
}

impl AccountsWanted {
    fn path(&self, limit: usize, cursor: Option<&str>) -> String {
        format!("/v1/accounts?limit={limit}{}", self.asked(cursor))
    }

    /// All of them, in a file.
    pub(super) fn csv_path(&self) -> String {
        format!("/v1/accounts.csv?{}", self.asked(None).trim_start_matches('&'))
    }

    fn asked(&self, cursor: Option<&str>) -> String {
        let asked = [
            ("sort", self.sort.as_deref()),
            ("payment_status", self.payment_status.as_deref()),
            ("q", self.search.as_deref()),
            ("cursor", cursor),
        ];
        let asked = asked.iter().filter_map(|(name, value)| Some(format!("&{name}={}", encoded((*value)?))));
        asked.collect()
    }
}

impl Client {
    /// Lists accounts.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn accounts(&self, wanted: &AccountsWanted) -> Result<AccountsFound, ClientError> {
        let mut lines: Vec<AccountLine> = Vec::new();
        let mut answers: Vec<Answer> = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let left = wanted.limit.map_or(PAGE_MAX, |limit| limit.saturating_sub(lines.len()).min(PAGE_MAX));
            let answer = self.get(&wanted.path(left, cursor.as_deref())).await?;
            let page: AccountsView = answer.read()?;
            lines.extend(page.data);
            answers.push(answer);
            cursor = page.next_cursor;
            if cursor.is_none() || wanted.limit.is_some_and(|limit| lines.len() >= limit) {
                return Ok(AccountsFound { lines, text: joined(&answers)?, next_cursor: cursor });
            }
        }
    }
}

/// One page as it came; several as one list that ends where the last ends.
fn joined(answers: &[Answer]) -> Result<String, ClientError> {
    if let [only] = answers {
        return Ok(only.text().to_owned());
    }
    let mut rows: Vec<Value> = Vec::new();
    let mut next = Value::Null;
    for answer in answers {
        let mut page: Value = answer.read()?;
        if let Value::Array(data) = page["data"].take() {
            rows.extend(data);
        }
        next = page["next_cursor"].take();
    }
    Ok(json!({"data": rows, "next_cursor": next}).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_asked_for_and_encoded() {
        let nothing = AccountsWanted::default();
        assert_eq!(nothing.path(50, None), "/v1/accounts?limit=50");
        let all = AccountsWanted {
            sort: Some("-mrr".into()),
            payment_status: Some("paid".into()),
            search: Some("a&b c".into()),
            limit: None,
        };
        let expected = "/v1/accounts?limit=1&sort=-mrr&payment_status=paid&q=a%26b%20c&cursor=x%3D";
        assert_eq!(all.path(1, Some("x=")), expected);
    }

    #[test]
    fn one_page_stays_as_it_came_and_several_become_one() {
        let answer = |body: &str| Answer { body: body.into() };
        let first = answer(r#"{ "data": [{"id":"a","new":1}], "next_cursor": "n" }"#);
        assert_eq!(joined(std::slice::from_ref(&first)).unwrap(), first.text());
        let second = answer(r#"{"data":[{"id":"b"}],"next_cursor":null}"#);
        let expected = r#"{"data":[{"id":"a","new":1},{"id":"b"}],"next_cursor":null}"#;
        assert_eq!(joined(&[first, second]).unwrap(), expected);
    }
}
