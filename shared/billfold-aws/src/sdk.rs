//! What every client of the AWS SDK has in common: region, credentials, TLS, retries. Read from the variables that Lambda
//! sets; never from files or the network, because looking there first would be a good part of a cold start.

use crate::config::{ConfigError, Environment};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use std::time::Duration;

/// Tries of a call, the first among them: being throttled slows Billfold down for seconds before it becomes an error.
const ATTEMPTS_MAX: u32 = 7;
/// Time to connect.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// Time for one try.
const ATTEMPT_MAX: Duration = Duration::from_secs(10);
/// Time for all tries.
const OPERATION_MAX: Duration = Duration::from_secs(40);

/// What the SDK's clients are made with.
///
/// # Errors
/// [`ConfigError`] if the region or the credentials are missing.
pub fn sdk(environment: &Environment) -> Result<SdkConfig, ConfigError> {
    let credentials = Credentials::new(
        environment.required("AWS_ACCESS_KEY_ID")?,
        environment.required("AWS_SECRET_ACCESS_KEY")?,
        environment.optional("AWS_SESSION_TOKEN").map(str::to_owned),
        None,
        "environment",
    );
    let tls = Provider::Rustls(CryptoMode::AwsLc);
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_MAX)
        .operation_attempt_timeout(ATTEMPT_MAX)
        .operation_timeout(OPERATION_MAX);
    let mut sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(environment.required("AWS_REGION")?.to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().tls_provider(tls).build_https())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX))
        .timeout_config(timeouts.build());
    sdk.set_endpoint_url(environment.optional("AWS_ENDPOINT_URL").map(str::to_owned));
    Ok(sdk.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_variable_that_is_missing_is_named() {
        let all = [("AWS_REGION", "eu-west-1"), ("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "hush")];
        let whole = sdk(&Environment::from(all)).unwrap();
        assert_eq!(whole.region().map(ToString::to_string).as_deref(), Some("eu-west-1"));
        assert_eq!(whole.endpoint_url(), None);
        assert!(!format!("{whole:?}").contains("hush"));
        for gone in 0..all.len() {
            let mut without = all;
            without[gone].1 = "";
            assert_eq!(sdk(&Environment::from(without)).err(), Some(ConfigError::Missing(all[gone].0)));
        }
    }
}
