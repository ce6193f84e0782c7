//! What AWS asks for, in dollars: us-east-1, on demand, list prices of 2026-11. Look them up again before you rely on them.
//! Everything that the cost of something is worked out with is here, and nothing else is assumed.

/// DynamoDB, a write request unit: a kilobyte written; two in a transaction.
pub const WRITE_UNIT: f64 = 0.625e-6;
/// DynamoDB, a read request unit: four kilobytes read consistently.
pub const READ_UNIT: f64 = 0.125e-6;
/// SQS, a request of up to 64 KB: sending, receiving, deleting and asking an empty queue alike.
pub const QUEUE_REQUEST: f64 = 0.40e-6;
/// Lambda, an invocation.
pub const INVOCATION: f64 = 0.20e-6;
/// Lambda on arm64, a gigabyte of memory for a second.
pub const GIGABYTE_SECOND: f64 = 0.000_013_333_4;
/// API Gateway, a request to an HTTP API.
pub const HTTP_REQUEST: f64 = 1.00e-6;
/// EventBridge Scheduler, an invocation.
pub const SCHEDULED: f64 = 1.00e-6;
/// Secrets Manager, a request.
pub const SECRET_REQUEST: f64 = 5e-6;
/// CloudWatch, a byte of log taken in.
pub const LOG_BYTE: f64 = 0.50e-9;
/// CloudWatch, an alarm for a month.
pub const ALARM: f64 = 0.10;
/// CloudWatch, a metric of one's own for a month in which it is written every hour.
pub const METRIC: f64 = 0.30;
/// CloudWatch, a dashboard for a month.
pub const DASHBOARD: f64 = 3.00;

/// What is free every month, for good and for every account.
pub mod free {
    /// Requests to SQS.
    pub const QUEUE_REQUESTS: f64 = 1e6;
    /// Invocations of functions.
    pub const INVOCATIONS: f64 = 1e6;
    /// Gigabyte seconds of functions.
    pub const GIGABYTE_SECONDS: f64 = 400e3;
    /// Invocations by the scheduler.
    pub const SCHEDULED: f64 = 14e6;
    /// Alarms.
    pub const ALARMS: f64 = 10.0;
    /// Metrics of one's own.
    pub const METRICS: f64 = 10.0;
    /// Dashboards.
    pub const DASHBOARDS: f64 = 3.0;
    /// Bytes of log.
    pub const LOG_BYTES: f64 = 5e9;
}

/// Lambda asks a queue that triggers a function with five connections, each waiting up to twenty seconds.
pub const POLLS_A_MINUTE: f64 = 15.0;
/// What DynamoDB takes to answer, in milliseconds; the table that is measured with takes as long.
pub const TABLE_MS: u64 = 4;
/// What Stripe takes to answer, in milliseconds; the simulated one takes as long.
pub const STRIPE_MS: u64 = 100;
/// What Lambda writes about an invocation that went well (START, END, REPORT), in bytes, unless it is asked for warnings
/// alone.
pub const LOG_OF_INVOCATION: f64 = 420.0;
/// The line of a batch's or a sweep's figures, in bytes.
pub const LOG_OF_FIGURES: f64 = 600.0;
/// The line of the access log of a request, in bytes, with the 26 that CloudWatch counts for each event.
pub const LOG_OF_REQUEST: f64 = 165.0;
