//! A function put together: clients made once, for all the invocations of its process. Never holds a secret.

use crate::absent::{NoQueue, NoVault};
use crate::config::{ConfigError, Environment};
use crate::sdk::sdk;
use aws_types::SdkConfig;
use billfold_app::auth::{IssuerConfig, ROLE_CLAIM, Tokens, WORKSPACE_CLAIM};
use billfold_app::{
    App, AppError, BACKFILL_DAYS_MAX, Config, ECB_DAILY_URL, LimitsConfig, Parts, Queue, SystemClock, Vault,
};
use billfold_store::Store;
use billfold_stripe::Base;
use std::sync::Arc;
use tracing_subscriber::EnvFilter;

/// Stripe, unless `STRIPE_API_BASE` says otherwise.
const STRIPE: &str = "https://api.stripe.com";

/// Why a function did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The environment.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The way to Stripe.
    #[error(transparent)]
    App(#[from] AppError),
    /// Whose tokens are good.
    #[error("JWT_ISSUER or JWT_AUDIENCE cannot be used")]
    Issuer(#[from] billfold_app::auth::IssuerError),
    /// Lambda's runtime.
    #[error("the Lambda runtime ended")]
    Runtime(#[source] lambda_runtime::Error),
}

/// Where a function is, and what it was told.
#[derive(Debug)]
pub struct Deployment {
    environment: Environment,
    sdk: SdkConfig,
}

impl Deployment {
    /// Reads the environment of this process, and starts its log.
    ///
    /// # Errors
    /// [`ConfigError`] naming what is missing.
    pub fn start() -> Result<Self, ConfigError> {
        let environment = Environment::of_this_process();
        log(environment.optional("LOG_LEVEL").unwrap_or("info"))?;
        environment.required("AWS_LAMBDA_RUNTIME_API")?;
        Self::new(environment)
    }

    /// A deployment of an environment.
    ///
    /// # Errors
    /// [`ConfigError`] naming what is missing.
    pub fn new(environment: Environment) -> Result<Self, ConfigError> {
        let sdk = sdk(&environment)?;
        Ok(Self { environment, sdk })
    }

    /// The use cases over the table and what else the function was given.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn app(&self, queue: Option<Arc<dyn Queue>>, vault: Option<Arc<dyn Vault>>) -> Result<App, StartError> {
        let table = self.environment.required("TABLE_NAME")?;
        let config = self.config()?;
        let app = App::new(Parts {
            store: Store::in_aws(&self.sdk, table),
            queue: queue.unwrap_or_else(|| Arc::new(NoQueue)),
            vault: vault.unwrap_or_else(|| Arc::new(NoVault)),
            clock: Arc::new(SystemClock),
            config,
        })?;
        if let Some(days) = self.backfill_days()? {
            app.start_with_backfill_days(days);
        }
        Ok(app)
    }

    /// What verifies the callers' tokens. API Gateway has verified them before; a function does not rely on it.
    ///
    /// # Errors
    /// [`StartError`] if the function was not told whose tokens are good.
    pub fn tokens(&self) -> Result<Tokens, StartError> {
        Ok(Tokens::of_issuer(IssuerConfig {
            jwks_url: None,
            issuer: self.environment.required("JWT_ISSUER")?.to_owned(),
            audience: self.environment.required("JWT_AUDIENCE")?.to_owned(),
            workspace_claim: WORKSPACE_CLAIM.to_owned(),
            role_claim: ROLE_CLAIM.to_owned(),
            cognito: true,
        })?)
    }

    fn backfill_days(&self) -> Result<Option<u32>, ConfigError> {
        let name = "BACKFILL_DAYS";
        let Some(text) = self.environment.optional(name) else { return Ok(None) };
        let days = text.parse().ok().filter(|days| (1..=BACKFILL_DAYS_MAX).contains(days));
        let reason = format!("it must be a number of days from 1 to {BACKFILL_DAYS_MAX}");
        days.map(Some).ok_or(ConfigError::Invalid { name, reason })
    }

    fn config(&self) -> Result<Config, ConfigError> {
        let base = Base::parse(self.environment.optional("STRIPE_API_BASE").unwrap_or(STRIPE));
        let invalid = |error: billfold_stripe::BaseError| ConfigError::Invalid {
            name: "STRIPE_API_BASE",
            reason: error.to_string(),
        };
        let limits =
            LimitsConfig { share: self.environment.number("STRIPE_SHARE", 0.0, 1.0)?, ..LimitsConfig::default() };
        let public_url = self.environment.optional("PUBLIC_URL").unwrap_or_default().to_owned();
        let rates_url = self.environment.optional("RATES_URL").unwrap_or(ECB_DAILY_URL).to_owned();
        Ok(Config { stripe: base.map_err(invalid)?, limits, public_url, rates_url })
    }

    /// The queues that the function was told of.
    ///
    /// # Errors
    /// [`ConfigError`] if it was told of none.
    #[cfg(feature = "queue")]
    pub fn queue(&self) -> Result<Arc<crate::queue::SqsQueue>, ConfigError> {
        let sync = self.environment.optional("SYNC_QUEUE_URL").map(str::to_owned);
        let recompute = self.environment.required("RECOMPUTE_QUEUE_URL")?.to_owned();
        Ok(Arc::new(crate::queue::SqsQueue::new(&self.sdk, sync, recompute)))
    }

    /// The vault; `memory` is how long a secret is believed.
    ///
    /// # Errors
    /// [`ConfigError`] if the function was not told where its secrets are.
    #[cfg(feature = "secrets")]
    pub fn vault(&self, memory: crate::vault::Memory) -> Result<Arc<crate::vault::SecretsVault>, ConfigError> {
        let prefix = self.environment.required("SECRETS_PREFIX")?.to_owned();
        let key = self.environment.optional("SECRETS_KMS_KEY").map(str::to_owned);
        Ok(Arc::new(crate::vault::SecretsVault::new(&self.sdk, prefix, key, memory)))
    }
}

/// JSON lines on the standard output, which is CloudWatch's log.
fn log(level: &str) -> Result<(), ConfigError> {
    let invalid = |reason: String| ConfigError::Invalid { name: "LOG_LEVEL", reason };
    let filter = EnvFilter::try_new(level).map_err(|error| invalid(error.to_string()))?;
    let lines = tracing_subscriber::fmt().json().flatten_event(true).with_current_span(false).with_span_list(true);
    lines.with_env_filter(filter).try_init().map_err(|error| invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: [(&str, &str); 9] = [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "hush"),
        ("TABLE_NAME", "billfold"),
        ("RECOMPUTE_QUEUE_URL", "http://127.0.0.1:1/recompute"),
        ("SECRETS_PREFIX", "billfold/test"),
        ("STRIPE_API_BASE", "http://127.0.0.1:1"),
        ("JWT_ISSUER", "https://id.example"),
        ("JWT_AUDIENCE", "billfold"),
    ];

    fn without(name: &str) -> Deployment {
        let mut variables = WHOLE;
        for variable in &mut variables {
            if variable.0 == name {
                variable.1 = "";
            }
        }
        Deployment::new(Environment::from(variables)).unwrap()
    }

    #[tokio::test]
    async fn a_whole_environment_makes_a_function() {
        let whole = without("nothing");
        let queue = whole.queue().unwrap();
        let vault = whole.vault(crate::vault::Memory::FiveMinutes).unwrap();
        assert!(whole.app(Some(queue), Some(vault)).is_ok());
        assert!(whole.tokens().is_ok());
    }

    #[test]
    fn a_part_that_is_missing_is_named() {
        let missing = |error: ConfigError, name| assert_eq!(error, ConfigError::Missing(name));
        missing(without("RECOMPUTE_QUEUE_URL").queue().err().unwrap(), "RECOMPUTE_QUEUE_URL");
        let vault = without("SECRETS_PREFIX").vault(crate::vault::Memory::None);
        missing(vault.err().unwrap(), "SECRETS_PREFIX");
        let app = without("TABLE_NAME").app(None, None).err().unwrap();
        assert!(app.to_string().contains("TABLE_NAME"), "{app}");
        for name in ["JWT_ISSUER", "JWT_AUDIENCE"] {
            let tokens = without(name).tokens().err().unwrap();
            assert!(tokens.to_string().contains(name), "{tokens}");
        }
    }

    #[test]
    fn a_backfill_is_a_number_of_days() {
        let days = |text| {
            let mut variables = WHOLE;
            variables[6] = ("BACKFILL_DAYS", text);
            Deployment::new(Environment::from(variables)).unwrap().backfill_days()
        };
        assert_eq!((days("30"), days("")), (Ok(Some(30)), Ok(None)));
        for wrong in ["0", "-1", "year", "99999999"] {
            assert!(days(wrong).unwrap_err().to_string().contains("BACKFILL_DAYS"), "{wrong}");
        }
    }

    #[test]
    fn stripe_is_stripe_unless_it_is_on_this_machine() {
        let config = |base| {
            let mut variables = WHOLE;
            variables[6].1 = base;
            Deployment::new(Environment::from(variables)).unwrap().config()
        };
        assert!(config("").unwrap().stripe.to_string().starts_with(STRIPE));
        let error = config("http://example.com").unwrap_err().to_string();
        assert!(error.contains("STRIPE_API_BASE") && error.contains("this machine"), "{error}");
    }
}
