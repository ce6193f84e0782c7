//! The `billfold` command. Each command asks a running process over HTTP and shows the answer, except `serve`, `demo` and
//! `token`, which are the process, a show of it, and the key to it.

mod accounts;
pub mod args;
mod connection;
mod demo;
mod exit;
mod import;
mod input;
mod log;
mod revenue;
mod serve;
mod sync;
mod token;
mod trust;
mod verify;

pub use exit::{Exit, Failure};
pub use input::Input;

use crate::client::{Client, Credentials};
use crate::show::console::Console;
use args::{Cli, Command, Target};
use billfold_app::auth::LocalKeys;
use secrecy::SecretString;

/// What a command has around it.
pub struct Surroundings {
    /// Where it prints.
    pub console: Console,
    /// Where a key comes from.
    pub input: Input,
    /// `BILLFOLD_TOKEN`.
    pub token: Option<SecretString>,
}

impl Surroundings {
    /// The process's own.
    #[must_use]
    pub fn of_process() -> Self {
        let token = std::env::var("BILLFOLD_TOKEN").ok().filter(|token| !token.is_empty());
        Self { console: Console::standard(), input: Input::of_process(), token: token.map(SecretString::from) }
    }

    fn client(&self, target: &Target) -> Result<Client, Failure> {
        Ok(Client::new(&target.url, self.credentials(target)?)?)
    }

    fn credentials(&self, target: &Target) -> Result<Credentials, Failure> {
        if let Some(token) = &self.token {
            return Ok(Credentials::Token(token.clone()));
        }
        // A folder that is not there is a mistake in the path, and making one would only hide it. Nobody's call is
        // answered 401, which says what to do, unless the server is not there either.
        if !target.data.is_dir() {
            return Ok(Credentials::Nobody);
        }
        let keys = LocalKeys::load_or_create(&target.data);
        let keys = keys.map_err(|error| Failure::new(Exit::Refused, billfold_app::chain(&error)))?;
        Ok(Credentials::Keys { keys: Box::new(keys), workspace: target.workspace.clone() })
    }
}

/// Runs a command to its end and says how it went.
pub async fn run(cli: Cli, surroundings: &mut Surroundings) -> Exit {
    let done = match cli.command {
        Command::Demo(args) => Box::pin(demo::demo(args, surroundings)).await,
        Command::Serve(args) => Box::pin(serve::serve(*args, surroundings)).await,
        Command::Token(args) => token::token(&args, surroundings),
        Command::Connect(args) => connection::connect(args, surroundings).await,
        Command::Status(args) => connection::status(&args, surroundings).await,
        Command::Import(args) => import::import(&args, surroundings).await,
        Command::Invite(args) => trust::invite(&args, surroundings).await,
        Command::Audit(args) => trust::audit(&args, surroundings).await,
        Command::Disconnect(args) => connection::disconnect(&args, surroundings).await,
        Command::Sync(args) => sync::sync(&args, surroundings).await,
        Command::Verify(args) => verify::verify(&args, surroundings).await,
        Command::Accounts(args) => accounts::accounts(args, surroundings).await,
        Command::Account(args) => accounts::account(&args, surroundings).await,
        Command::Summary(args) => revenue::summary(&args, surroundings).await,
        Command::Signals(args) => revenue::signals(&args, surroundings).await,
        Command::Explain(args) => revenue::explain(&args, surroundings).await,
    };
    let Err(failure) = done else { return Exit::Ok };
    if failure.exit == Exit::Ok {
        return Exit::Ok;
    }
    match failure.tell(&mut surroundings.console) {
        Ok(()) => failure.exit,
        // Nobody can be told; the code still can.
        Err(_) => failure.exit,
    }
}

#[cfg(test)]
mod tests;
