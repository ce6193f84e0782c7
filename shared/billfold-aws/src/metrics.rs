//! Figures for CloudWatch, in its embedded metric format: a line of JSON in the log, from which CloudWatch makes metrics by
//! itself. No call, no permission, no waiting. Never has an id of a workspace or a secret in it.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::io::Write as _;

/// Under which all of them are found.
const NAMESPACE: &str = "Billfold";

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Milliseconds.
    Milliseconds,
}

impl Unit {
    fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
        }
    }
}

/// One figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// How many.
    pub value: u64,
}

/// Figures of one function.
#[derive(Debug, Clone)]
pub struct Metrics {
    stack: String,
    function: &'static str,
}

impl Metrics {
    /// Of a function of this process' stack.
    #[must_use]
    pub fn new(function: &'static str) -> Self {
        let stack = std::env::var("STACK_NAME").unwrap_or_else(|_| "billfold".to_owned());
        Self { stack, function }
    }

    /// Writes figures to the log.
    pub fn write(&self, now: Timestamp, metrics: &[Metric]) {
        let line = self.line(now, metrics);
        // A figure that cannot be written is no reason to fail.
        if let Err(error) = writeln!(std::io::stdout().lock(), "{line}") {
            tracing::warn!(%error, "metrics could not be written");
        }
    }

    fn line(&self, now: Timestamp, metrics: &[Metric]) -> Value {
        let described: Vec<Value> =
            metrics.iter().map(|metric| json!({ "Name": metric.name, "Unit": metric.unit.as_str() })).collect();
        let described = json!({ "Namespace": NAMESPACE, "Dimensions": [["Stack", "Function"]], "Metrics": described });
        let mut line = Map::new();
        line.insert("_aws".into(), json!({ "Timestamp": now.as_millisecond(), "CloudWatchMetrics": [described] }));
        line.insert("Stack".into(), json!(self.stack));
        line.insert("Function".into(), json!(self.function));
        line.extend(metrics.iter().map(|metric| (metric.name.to_owned(), json!(metric.value))));
        Value::Object(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_value_for_each_metric_and_dimension_that_it_describes() {
        let metrics = Metrics { stack: "prod".into(), function: "sync" };
        let handled = Metric { name: "Handled", unit: Unit::Count, value: 3 };
        let took = Metric { name: "Took", unit: Unit::Milliseconds, value: 250 };
        let line = metrics.line(Timestamp::from_millisecond(1_790_000_000_123).unwrap(), &[handled, took]);
        let described = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(line["_aws"]["Timestamp"], 1_790_000_000_123_i64);
        assert_eq!(described["Namespace"], "Billfold");
        for dimension in described["Dimensions"][0].as_array().unwrap() {
            assert!(line[dimension.as_str().unwrap()].is_string(), "{dimension}");
        }
        let of = |place: usize| {
            let metric = &described["Metrics"][place];
            (line[metric["Name"].as_str().unwrap()].clone(), metric["Unit"].clone())
        };
        assert_eq!(of(0), (json!(3), json!("Count")));
        assert_eq!(of(1), (json!(250), json!("Milliseconds")));
    }
}
