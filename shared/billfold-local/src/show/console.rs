//! Where a command prints: its results on standard output, everything else on standard error. The only place that knows
//! whether a person is looking.

use std::io::{self, IsTerminal as _, Write};

/// Whether escape codes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Colours.
    Colours,
    /// Nothing but the text.
    Plain,
}

/// What a text means, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// All is well.
    Good,
    /// To be watched.
    Warning,
    /// To be acted on.
    Bad,
    /// Beside the point.
    Faint,
    /// A heading.
    Strong,
}

impl Paint {
    /// A harmless text in the colour of its meaning.
    #[must_use]
    pub fn tone(self, tone: Tone, text: &str) -> String {
        let code = match (self, tone) {
            (Self::Plain, _) => return text.to_owned(),
            (Self::Colours, Tone::Good) => "32",
            (Self::Colours, Tone::Warning) => "33",
            (Self::Colours, Tone::Bad) => "31",
            (Self::Colours, Tone::Faint) => "2",
            (Self::Colours, Tone::Strong) => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Whether a person is looking at a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looking {
    /// It is a terminal.
    Person,
    /// It is a file or another program.
    Program,
}

/// Where a command prints.
pub struct Console {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    /// How results are painted.
    pub paint: Paint,
    /// How everything else is painted.
    pub err_paint: Paint,
    /// Who reads the results.
    pub out_looking: Looking,
    /// Who reads everything else.
    pub err_looking: Looking,
}

impl Console {
    /// The process's own streams.
    #[must_use]
    pub fn standard() -> Self {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let looking = |terminal: bool| if terminal { Looking::Person } else { Looking::Program };
        let paint = |terminal: bool| if terminal && !no_colour { Paint::Colours } else { Paint::Plain };
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Self {
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            paint: paint(out),
            err_paint: paint(err),
            out_looking: looking(out),
            err_looking: looking(err),
        }
    }

    /// Two streams of which nobody is a terminal.
    #[must_use]
    pub fn plain(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        Self {
            out,
            err,
            paint: Paint::Plain,
            err_paint: Paint::Plain,
            out_looking: Looking::Program,
            err_looking: Looking::Program,
        }
    }

    /// Prints a result and ends the line.
    ///
    /// # Errors
    /// The stream's.
    pub fn result(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    /// Prints something about the work and ends the line.
    ///
    /// # Errors
    /// The stream's.
    pub fn note(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.err, "{text}")?;
        self.err.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_written_only_where_they_are_wanted() {
        assert_eq!(Paint::Plain.tone(Tone::Bad, "failed"), "failed");
        assert_eq!(Paint::Colours.tone(Tone::Bad, "failed"), "\u{1b}[31mfailed\u{1b}[0m");
    }
}
