//! How a command ends: a number for scripts, and for people one line of what happened and one of what to do.

use crate::client::ClientError;
use crate::client::view::ProblemView;
use crate::show::console::{Console, Tone};
use crate::show::text::plain;
use std::io;
use std::process::ExitCode;

/// The exit codes, as `--help` explains them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All went well.
    Ok = 0,
    /// It was tried, and failed.
    Failed = 1,
    /// The command line cannot be understood.
    Usage = 2,
    /// The server is not there.
    Unreachable = 3,
    /// The token is not good enough.
    Refused = 4,
    /// The API says no to what was asked.
    Rejected = 5,
}

/// What `--help` says about them.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  it worked
  1  it was tried and failed (a sync that failed, a server that is in trouble)
  2  the command line cannot be understood
  3  no Billfold can be reached at --url
  4  the token is missing, not valid, or has too small a role
  5  Billfold says no to what was asked; the message says why";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A command that did not work out.
#[derive(Debug)]
pub struct Failure {
    /// For scripts.
    pub exit: Exit,
    /// What happened.
    pub message: String,
    /// What to do, and what else is known; one line each.
    pub more: Vec<String>,
}

impl Failure {
    /// A failure with nothing more to say.
    #[must_use]
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), more: Vec::new() }
    }

    /// Says what to do as well.
    #[must_use]
    pub fn advise(mut self, what_to_do: impl Into<String>) -> Self {
        self.more.push(what_to_do.into());
        self
    }

    /// Prints it. Nothing of it can act on a terminal.
    ///
    /// # Errors
    /// The stream's.
    pub fn tell(&self, console: &mut Console) -> io::Result<()> {
        let label = console.err_paint.tone(Tone::Bad, "billfold:");
        console.note(&format!("{label} {}", plain(&self.message)))?;
        self.more.iter().try_for_each(|line| console.note(&format!("  {}", plain(line))))
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match &error {
            ClientError::No(problem) => from_problem(problem),
            ClientError::Address(_) => Self::new(Exit::Usage, error.to_string()),
            ClientError::Unreachable { .. } => Self::new(Exit::Unreachable, error.to_string())
                .advise("Start it with `billfold serve --dev-tokens`, or say where it is with --url."),
            ClientError::Unreadable(_) | ClientError::Keys(_) | ClientError::Setup(_) => {
                Self::new(Exit::Failed, billfold_app::chain(&error))
            }
        }
    }
}

fn from_problem(problem: &ProblemView) -> Failure {
    let exit = match problem.status {
        401 | 403 => Exit::Refused,
        400..=499 => Exit::Rejected,
        _ => Exit::Failed,
    };
    let text = if problem.detail.is_empty() { &problem.title } else { &problem.detail };
    let mut failure = Failure::new(exit, text.clone());
    for error in problem.errors.iter().filter(|error| error.message != *text) {
        failure.more.push(format!("{}: {}", error.field, error.message));
    }
    failure.more.extend(problem.fix.clone());
    failure.more.extend(problem.run_id.iter().map(|run| format!("Running: {run}")));
    failure.more.extend(problem.request_id.iter().map(|id| format!("Request: {id}")));
    if problem.status == 401 {
        failure.more.push(
            "Start the server with --dev-tokens and name the same --data here, or set BILLFOLD_TOKEN to a valid token."
                .to_owned(),
        );
    }
    failure
}

/// Output that cannot be written.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        // Whoever read the output has seen enough: `billfold accounts | head` is no failure.
        let exit = if error.kind() == io::ErrorKind::BrokenPipe { Exit::Ok } else { Exit::Failed };
        Self::new(exit, format!("the output cannot be written: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::view::FieldError;

    fn problem(status: u16) -> ProblemView {
        ProblemView {
            status,
            title: "No".into(),
            detail: "It is not so.".into(),
            code: "c".into(),
            ..Default::default()
        }
    }

    fn failure(problem: ProblemView) -> Failure {
        ClientError::No(Box::new(problem)).into()
    }

    #[test]
    fn each_sort_of_no_has_its_code() {
        let check = |status, expected| assert_eq!(failure(problem(status)).exit, expected, "{status}");
        for (status, expected) in [
            (400, Exit::Rejected),
            (401, Exit::Refused),
            (403, Exit::Refused),
            (404, Exit::Rejected),
            (409, Exit::Rejected),
            (422, Exit::Rejected),
            (500, Exit::Failed),
            (502, Exit::Failed),
        ] {
            check(status, expected);
        }
        assert_eq!(Failure::from(ClientError::Address("x".into())).exit, Exit::Usage);
        assert_eq!(Failure::from(ClientError::Unreadable("x".into())).exit, Exit::Failed);
    }

    #[test]
    fn every_code_is_explained() {
        for exit in [Exit::Ok, Exit::Failed, Exit::Usage, Exit::Unreachable, Exit::Refused, Exit::Rejected] {
            assert!(EXIT_CODES.contains(&format!("\n  {}  ", exit as u8)), "{exit:?}");
        }
    }

    #[test]
    fn a_no_is_told_with_its_fields_its_fix_and_nothing_twice() {
        let field = |message: &str| FieldError { field: "api_key".into(), message: message.into() };
        let told = failure(ProblemView {
            fix: Some("Do this.".into()),
            errors: vec![field("It is not so."), field("Another thing.")],
            ..problem(422)
        });
        assert_eq!(told.message, "It is not so.");
        assert_eq!(told.more, ["api_key: Another thing.", "Do this."]);
    }

    #[test]
    fn a_reader_who_has_seen_enough_is_no_failure() {
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).exit, Exit::Ok);
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::StorageFull)).exit, Exit::Failed);
    }
}
