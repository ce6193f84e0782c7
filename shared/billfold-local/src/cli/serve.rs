//! `billfold serve`: everything in one process until somebody stops it.

use super::args::{LogFormat, ServeArgs};
use super::exit::{Exit, Failure};
use super::{Surroundings, log};
use crate::serve::{Data, Exposure, Identity, Local, Options, StartError};
use crate::show::text::plain;
use billfold_app::chain;
use billfold_app::{LimitsConfig, SystemClock};
use serde_json::json;
use std::io;
use std::sync::Arc;

pub(super) async fn serve(args: ServeArgs, surroundings: &mut Surroundings) -> Result<(), Failure> {
    log::start(args.log_format, "info")?;
    // Asked for before anything starts, so that no signal is missed.
    let mut stop = StopSignal::new()?;
    let (data, format) = (args.data.display().to_string(), args.log_format);
    let options = options(args);
    let identity = options.identity.clone();
    let local = Local::start(options).await?;
    for line in banner(&local.url, &data, &identity) {
        surroundings.console.note(&as_logged(&line, format))?;
    }
    stop.wait().await;
    tracing::info!("stopping");
    local.stop().await;
    Ok(())
}

fn options(args: ServeArgs) -> Options {
    let issuer = args.identity.issuer();
    let identity = match issuer {
        Some(issuer) => Identity::Issuer(issuer),
        None if args.dev_tokens => Identity::DevTokens,
        None => Identity::None,
    };
    Options {
        data: Data::Folder(args.data),
        listen: args.listen,
        exposure: if args.listen_anywhere { Exposure::Anywhere } else { Exposure::ThisMachine },
        identity,
        stripe: args.stripe_api_base,
        limits: LimitsConfig {
            share: args.stripe_share,
            total_per_s: args.stripe_rps,
            endpoint_per_s: args.stripe_endpoint_rps,
        },
        public_url: args.public_url,
        rates_url: args.rates_url,
        clock: Arc::new(SystemClock),
    }
}

fn banner(url: &str, data: &str, identity: &Identity) -> [String; 2] {
    let who = match identity {
        Identity::DevTokens => format!("It accepts tokens of `billfold token --data {}`.", plain(data)),
        Identity::Issuer(config) => {
            format!("It accepts tokens of {} for {}.", plain(&config.issuer), plain(&config.audience))
        }
        Identity::None => {
            "No identity is configured, so every call is answered 401. Name your identity provider (--issuer, \
             --audience), or start with --dev-tokens to accept tokens of `billfold token`."
                .to_owned()
        }
    };
    [format!("Billfold is ready at {url}"), who]
}

/// Whoever reads the log as JSON reads these lines as well; however little is logged, they are there.
fn as_logged(line: &str, format: LogFormat) -> String {
    match format {
        LogFormat::Text => line.to_owned(),
        LogFormat::Json => json!({"level": "INFO", "message": line}).to_string(),
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let exit = match error {
            StartError::Exposed(_) | StartError::Issuer(_) => Exit::Usage,
            _ => Exit::Failed,
        };
        Self::new(exit, chain(&error))
    }
}

/// Ctrl-C, or a polite request of the operating system's.
pub(super) struct StopSignal {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl StopSignal {
    pub(super) fn new() -> io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    pub(super) async fn wait(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(not(unix))]
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::error!(%error, "Ctrl-C cannot be heard");
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_banner_says_where_and_who() {
        let told = banner("http://127.0.0.1:8787", "./data\u{1b}", &Identity::DevTokens);
        assert_eq!(told[0], "Billfold is ready at http://127.0.0.1:8787");
        assert_eq!(told[1], "It accepts tokens of `billfold token --data ./data\u{FFFD}`.");
        let told = banner("http://127.0.0.1:8787", "./data", &Identity::None);
        assert!(told[1].contains("401") && told[1].contains("--dev-tokens"), "{told:?}");
        assert_eq!(as_logged("a \"b\"", LogFormat::Json), r#"{"level":"INFO","message":"a \"b\""}"#);
    }

    #[test]
    fn an_open_door_is_a_mistake_on_the_command_line() {
        let exit = |error: StartError| Failure::from(error).exit;
        assert_eq!(exit(StartError::Exposed("0.0.0.0:1".parse().unwrap())), Exit::Usage);
        assert_eq!(exit(StartError::Temporary(io::ErrorKind::StorageFull.into())), Exit::Failed);
    }
}
