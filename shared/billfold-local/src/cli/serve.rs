//! `billfold serve`: everything in one process until somebody stops it.

use super::args::ServeArgs;
use super::exit::{Exit, Failure, chain};
use super::{Surroundings, log};
use crate::serve::{Data, Exposure, Identity, Local, Options, StartError};
use crate::show::console::Console;
use crate::show::text::plain;
use billfold_app::{LimitsConfig, SystemClock};
use std::io;
use std::sync::Arc;

pub(super) async fn serve(args: ServeArgs, surroundings: &mut Surroundings) -> Result<(), Failure> {
    log::start(args.log_format, "info")?;
    // Asked for before anything starts, so that no signal is missed.
    let mut stop = StopSignal::new()?;
    let data = args.data.display().to_string();
    let options = options(args);
    let identity = options.identity;
    let local = Local::start(options).await?;
    banner(&local.url, &data, identity, &mut surroundings.console)?;
    stop.wait().await;
    tracing::info!("stopping");
    local.stop().await;
    Ok(())
}

fn options(args: ServeArgs) -> Options {
    Options {
        data: Data::Folder(args.data),
        listen: args.listen,
        exposure: if args.listen_anywhere { Exposure::Anywhere } else { Exposure::ThisMachine },
        identity: if args.dev_tokens { Identity::DevTokens } else { Identity::None },
        stripe: args.stripe_api_base,
        limits: LimitsConfig {
            share: args.stripe_share,
            total_per_s: args.stripe_rps,
            endpoint_per_s: args.stripe_endpoint_rps,
        },
        public_url: args.public_url,
        clock: Arc::new(SystemClock),
    }
}

fn banner(url: &str, data: &str, identity: Identity, console: &mut Console) -> io::Result<()> {
    console.note(&format!("Billfold is ready at {url}"))?;
    match identity {
        Identity::DevTokens => console.note(&format!("It accepts tokens of `billfold token --data {}`.", plain(data))),
        Identity::None => console.note(
            "No identity is configured, so every call is answered 401. Start with --dev-tokens to accept tokens of \
             `billfold token`.",
        ),
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let exit = match error {
            StartError::Exposed(_) => Exit::Usage,
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
