//! What was used, and what it costs.

use crate::prices::{self, free};
use anyhow::Context as _;
use billfold_store::inside::Used;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// A function, by its folder.
pub type Function = &'static str;

/// Metrics of Billfold's own that are written while nothing happens: of each look into the list of events (messages done,
/// going on, failed, not begun, and how long it took), and whether a sweep failed.
const IDLE_METRICS: f64 = 6.0;

/// What the bill needs to know of the stack.
pub struct Template {
    memory_mb: BTreeMap<String, f64>,
    alarms: f64,
    dashboards: f64,
    triggering_queues: f64,
    log_of_invocation: f64,
}

impl Template {
    /// Reads the few lines that matter.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let count = |what: &str| crate::backfill::to_f64(text.matches(what).count().try_into().unwrap_or(u64::MAX));
        let mut memory_mb = BTreeMap::new();
        let mut function = "";
        for line in text.lines() {
            if let Some(name) = line.trim().strip_prefix("CodeUri: functions/") {
                function = name;
            }
            if let Some(mb) = line.trim().strip_prefix("MemorySize: ") {
                memory_mb.insert(function.to_owned(), mb.parse()?);
            }
        }
        Ok(Self {
            memory_mb,
            alarms: count("Type: AWS::CloudWatch::Alarm"),
            dashboards: count("Type: AWS::CloudWatch::Dashboard"),
            triggering_queues: count("Type: SQS\n"),
            log_of_invocation: if text.contains("SystemLogLevel: WARN") { 0.0 } else { prices::LOG_OF_INVOCATION },
        })
    }

    fn gigabytes(&self, function: &str) -> f64 {
        self.memory_mb.get(function).copied().unwrap_or(f64::NAN) / 1024.0
    }
}

/// What was used.
#[derive(Default)]
pub struct Bill {
    pub table: Used,
    pub http_requests: f64,
    pub scheduled: f64,
    pub queue_requests: f64,
    pub secret_requests: f64,
    pub figures_written: f64,
    pub invocations: BTreeMap<Function, (f64, Duration)>,
}

/// One line of the table.
#[derive(Serialize)]
pub struct Line {
    what: &'static str,
    things: f64,
    write_units: f64,
    read_units: f64,
    table_requests: f64,
    queue_requests: f64,
    invocations: f64,
    gigabyte_seconds: f64,
    dollars: f64,
    dollars_without_free: Option<f64>,
    at_most: Option<f64>,
}

impl Bill {
    /// Deliveries that were taken.
    pub fn events(&self) -> f64 {
        self.http_requests
    }

    pub fn invoked(&mut self, function: Function, took: Duration) {
        let (times, all) = self.invocations.entry(function).or_default();
        *times += 1.0;
        *all += took;
    }

    fn all_invocations(&self) -> f64 {
        self.invocations.values().map(|(times, _)| times).sum()
    }

    fn gigabyte_seconds(&self, template: &Template) -> f64 {
        let each = self.invocations.iter();
        each.map(|(function, (_, took))| template.gigabytes(function) * took.as_secs_f64()).sum()
    }

    fn log_bytes(&self, template: &Template) -> f64 {
        self.all_invocations() * template.log_of_invocation
            + self.figures_written * prices::LOG_OF_FIGURES
            + self.http_requests * prices::LOG_OF_REQUEST
    }

    /// At list price, nothing free.
    pub fn dollars(&self, template: &Template) -> f64 {
        self.table.write_units * prices::WRITE_UNIT
            + self.table.read_units * prices::READ_UNIT
            + self.http_requests * prices::HTTP_REQUEST
            + self.scheduled * prices::SCHEDULED
            + self.queue_requests * prices::QUEUE_REQUEST
            + self.secret_requests * prices::SECRET_REQUEST
            + self.all_invocations() * prices::INVOCATION
            + self.gigabyte_seconds(template) * prices::GIGABYTE_SECOND
            + self.log_bytes(template) * prices::LOG_BYTE
    }

    /// The cost of so many things, where `things` of them were measured.
    pub fn line(&self, template: &Template, what: &'static str, things: f64, of: f64) -> Line {
        let requests: u64 = self.table.requests.values().sum();
        Line {
            what,
            things,
            write_units: self.table.write_units / things,
            read_units: self.table.read_units / things,
            table_requests: crate::backfill::to_f64(requests) / things,
            queue_requests: self.queue_requests / things,
            invocations: self.all_invocations() / things,
            gigabyte_seconds: self.gigabyte_seconds(template) / things,
            dollars: self.dollars(template) / things * of,
            dollars_without_free: None,
            at_most: None,
        }
    }

    /// The cost of so many days like the one that was measured, with all that costs something while nothing happens. Keys
    /// and secrets are not in it, nor is what is stored.
    pub fn idle(mut self, template: &Template, days: f64) -> Line {
        self.queue_requests += template.triggering_queues * prices::POLLS_A_MINUTE * 1440.0;
        let mut line = self.line(template, "an idle month", 1.0, days);
        let standing =
            template.alarms * prices::ALARM + template.dashboards * prices::DASHBOARD + IDLE_METRICS * prices::METRIC;
        line.dollars += standing;
        line.dollars_without_free = Some(line.dollars);
        let gigabyte_seconds = self.gigabyte_seconds(template) * days;
        line.dollars -= (self.queue_requests * days).min(free::QUEUE_REQUESTS) * prices::QUEUE_REQUEST
            + (self.all_invocations() * days).min(free::INVOCATIONS) * prices::INVOCATION
            + gigabyte_seconds.min(free::GIGABYTE_SECONDS) * prices::GIGABYTE_SECOND
            + (self.scheduled * days).min(free::SCHEDULED) * prices::SCHEDULED
            + (self.log_bytes(template) * days).min(free::LOG_BYTES) * prices::LOG_BYTE
            + template.alarms.min(free::ALARMS) * prices::ALARM
            + template.dashboards.min(free::DASHBOARDS) * prices::DASHBOARD
            + IDLE_METRICS.min(free::METRICS) * prices::METRIC;
        line
    }
}

impl Line {
    /// What it may cost.
    pub fn at_most(self, dollars: f64) -> Self {
        Self { at_most: Some(dollars), ..self }
    }

    pub const HEADER: [&'static str; 9] =
        ["what", "write units", "read units", "table calls", "SQS calls", "invocations", "GB·s", "cost", "wanted"];

    pub fn row(&self) -> Vec<String> {
        let each = |value: f64| if value < 100.0 { format!("{value:.2}") } else { format!("{value:.0}") };
        let cost = match self.dollars_without_free {
            None => format!("${:.2}", self.dollars),
            Some(all) => format!("${:.2} (${all:.2} without AWS' free allowances)", self.dollars),
        };
        vec![
            self.what.to_owned(),
            each(self.write_units),
            each(self.read_units),
            each(self.table_requests),
            each(self.queue_requests),
            each(self.invocations),
            each(self.gigabyte_seconds),
            cost,
            self.at_most.map_or("–".to_owned(), |most| format!("≤ ${most:.2}")),
        ]
    }

    /// What is not as it was wanted.
    pub fn missed(&self) -> Option<String> {
        let most = self.at_most.filter(|most| self.dollars > *most)?;
        Some(format!("{}: ${:.2}, wanted ≤ ${most:.2}", self.what, self.dollars))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> anyhow::Result<Template> {
        Template::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml"))
    }

    #[test]
    fn the_template_says_what_stands_and_how_large_functions_are() -> anyhow::Result<()> {
        let template = template()?;
        assert_eq!(template.memory_mb.len(), 6, "{:?}", template.memory_mb);
        assert!(template.gigabytes("webhook") > 0.0 && template.gigabytes("none").is_nan());
        assert_eq!((template.triggering_queues, template.dashboards), (2.0, 1.0));
        assert!(template.alarms > 10.0);
        Ok(())
    }

    #[test]
    fn a_bill_is_its_items_at_their_prices() -> anyhow::Result<()> {
        let template = template()?;
        let table = Used { write_units: 4e6, read_units: 8e6, ..Used::default() };
        let mut bill = Bill { table, queue_requests: 1e6, ..Bill::default() };
        assert!((bill.dollars(&template) - (2.5 + 1.0 + 0.4)).abs() < 1e-9);
        bill.invoked("webhook", Duration::from_secs(4));
        let invocation = 0.2e-6 + 4.0 * 0.25 * 0.000_013_333_4 + template.log_of_invocation * 0.5e-9;
        assert!((bill.dollars(&template) - 3.9 - invocation).abs() < 1e-9);
        let line = bill.line(&template, "things", 2e6, 1e6).at_most(1.0);
        assert!((line.dollars - 1.95).abs() < 1e-3 && line.missed().is_some());
        Ok(())
    }

    #[test]
    fn an_idle_month_is_what_stands_and_what_is_asked_all_the_time() -> anyhow::Result<()> {
        let template = template()?;
        let line = Bill::default().idle(&template, 30.0);
        let all = line.dollars_without_free.context("no price without what is free")?;
        let polls = 2.0 * prices::POLLS_A_MINUTE * 1440.0 * 30.0;
        let standing = template.alarms * 0.1 + 3.0 + 6.0 * 0.3;
        assert!((all - standing - polls * 0.4e-6).abs() < 1e-9, "{all}");
        assert!(
            (line.dollars - (template.alarms - 10.0) * 0.1 - (polls - 1e6) * 0.4e-6).abs() < 1e-9,
            "{}",
            line.dollars
        );
        Ok(())
    }
}
