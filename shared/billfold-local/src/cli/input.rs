//! Where a key comes from: a hidden prompt, or a pipe. Never an argument, which every process on the machine could read.

use super::exit::{Exit, Failure};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use std::io::{self, IsTerminal as _, Read};

/// The most bytes that are read: far more than a key has.
const BYTES_MAX: u64 = 64 * 1024;

/// Where a key comes from.
pub enum Input {
    /// A person at a terminal.
    Prompt,
    /// Another program, or a file.
    Pipe(Box<dyn Read + Send>),
}

impl Input {
    /// The process's standard input.
    #[must_use]
    pub fn of_process() -> Self {
        if io::stdin().is_terminal() { Self::Prompt } else { Self::Pipe(Box::new(io::stdin())) }
    }

    /// Reads one secret. A line's end at its end is taken off; whether the rest is a key is not decided here.
    ///
    /// # Errors
    /// [`Failure`] if there is nothing, too much, or no text.
    pub fn secret(&mut self, prompt: &str) -> Result<SecretString, Failure> {
        let text = match self {
            Self::Prompt => Zeroizing::new(rpassword::prompt_password(prompt).map_err(unreadable)?),
            Self::Pipe(pipe) => read(pipe)?,
        };
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            return Err(Failure::new(Exit::Usage, "no key was given").advise("Type it at the prompt, or pipe it in."));
        }
        Ok(SecretString::from(line))
    }
}

fn read(pipe: &mut dyn Read) -> Result<Zeroizing<String>, Failure> {
    let mut bytes = Zeroizing::new(Vec::new());
    pipe.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(Failure::new(Exit::Usage, "what was piped in is too long to be a key"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| Failure::new(Exit::Usage, "what was piped in is not text"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn unreadable(error: io::Error) -> Failure {
    Failure::new(Exit::Usage, format!("the key cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    fn piped(bytes: &[u8]) -> Result<String, Exit> {
        let mut input = Input::Pipe(Box::new(io::Cursor::new(bytes.to_vec())));
        input.secret("").map(|text| text.expose_secret().to_owned()).map_err(|failure| failure.exit)
    }

    #[test]
    fn one_line_end_at_the_end_is_taken_off_and_nothing_else() {
        let check = |bytes: &str, expected: &str| assert_eq!(piped(bytes.as_bytes()), Ok(expected.to_owned()));
        check("rk_test_1", "rk_test_1");
        check("rk_test_1\n", "rk_test_1");
        check("rk_test_1\r\n", "rk_test_1");
        check("rk_test_1\n\n", "rk_test_1\n");
        check("rk_\ntest_1\n", "rk_\ntest_1");
        check(" rk_test_1", " rk_test_1");
    }

    #[test]
    fn nothing_too_much_and_no_text_are_usage_errors() {
        for bytes in [b"".to_vec(), b"\n".to_vec(), vec![b'x'; 64 * 1024 + 1], vec![0xff, 0xfe]] {
            assert_eq!(piped(&bytes), Err(Exit::Usage), "{} bytes", bytes.len());
        }
        assert!(piped(&vec![b'x'; 64 * 1024]).is_ok());
    }
}
