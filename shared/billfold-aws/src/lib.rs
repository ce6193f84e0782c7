//! Billfold in AWS: the SQS queue, the Secrets Manager vault, metrics in CloudWatch's embedded format, and the glue between
//! Lambda and the use cases.
//!
//! Every fact about AWS is here or in `template.yaml`; nothing here decides anything about billing.

mod absent;
mod config;
mod deployment;
#[cfg(feature = "http")]
pub mod http;
mod metrics;
#[cfg(feature = "queue")]
pub mod queue;
#[cfg(feature = "records")]
pub mod records;
mod sdk;
pub mod sweep;
#[cfg(feature = "secrets")]
pub mod vault;

pub use config::{ConfigError, Environment};
pub use deployment::{Deployment, StartError};
pub use metrics::{Metric, Metrics, Unit};
pub use sdk::sdk;
