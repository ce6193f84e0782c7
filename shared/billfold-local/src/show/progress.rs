//! The progress of a sync: a bar for each stage where a person looks, a line for each step where a program does. Never
//! makes up how much is left: a bar has an end only where one is known.

use super::amount::{counted, grouped};
use super::console::{Console, Looking, Paint, Tone};
use super::text::plain;
use crate::client::view::RunView;
use billfold_core::connection::Records;
use billfold_core::run::{RunStatus, Stage, StageState, StageStatus};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::io;

/// How many records each stage is expected to read, where something is known of it.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    records: Option<Records>,
    accounts: Option<u64>,
}

impl Expected {
    /// Nothing is known: this is a first sync.
    #[must_use]
    pub fn nothing() -> Self {
        Self::default()
    }

    /// About what the last sync has stored.
    #[must_use]
    pub fn like(records: Records) -> Self {
        let known = records != Records::default();
        Self { records: known.then_some(records), accounts: None }
    }

    /// Exactly this, because whoever asks has made it up.
    #[must_use]
    pub fn exactly(records: Records, accounts: u64) -> Self {
        Self { records: Some(records), accounts: Some(accounts) }
    }

    fn of(&self, stage: Stage) -> Option<u64> {
        match stage {
            Stage::AccountBilling => self.accounts,
            stage => self.records.map(|records| records.get(stage)),
        }
    }
}

/// Shows a run while it runs.
pub struct Progress(Kind);

enum Kind {
    Bars(Vec<(Stage, ProgressBar)>),
    Lines { said: Vec<(Stage, StageStatus)>, waiting: Option<String> },
}

impl Progress {
    /// Bars for a person, lines for a program.
    #[must_use]
    pub fn new(console: &Console, expected: &Expected) -> Self {
        match console.err_looking {
            Looking::Program => Self(Kind::Lines { said: Vec::new(), waiting: None }),
            Looking::Person => {
                let together = MultiProgress::new();
                let bar = |stage| (stage, together.add(bar(stage, expected.of(stage))));
                Self(Kind::Bars(Stage::ALL.map(bar).into()))
            }
        }
    }

    /// Shows where a run stands.
    ///
    /// # Errors
    /// The console's.
    pub fn update(&mut self, run: &RunView, console: &mut Console) -> io::Result<()> {
        match &mut self.0 {
            Kind::Bars(bars) => {
                for (stage, bar) in bars {
                    if let Some(state) = run.stages.iter().find(|state| state.name == *stage) {
                        move_bar(bar, state, console.err_paint);
                    }
                }
                Ok(())
            }
            Kind::Lines { said, waiting } => {
                let news: Vec<&StageState> = run.stages.iter().filter(|stage| is_news(stage, said)).collect();
                for stage in news {
                    said.push((stage.name, stage.status));
                    console.note(&stage_line(stage, Paint::Plain))?;
                }
                let now = run.error.as_ref().filter(|_| run.status == RunStatus::Running).map(|e| plain(&e.message));
                if let Some(text) = now.as_ref().filter(|_| now != *waiting) {
                    console.note(text)?;
                }
                *waiting = now;
                Ok(())
            }
        }
    }

    /// Leaves the last state behind and says how the run ended.
    ///
    /// # Errors
    /// The console's.
    pub fn end(mut self, run: &RunView, console: &mut Console) -> io::Result<()> {
        self.update(run, console)?;
        if let Kind::Bars(bars) = &self.0 {
            bars.iter().for_each(|(_, bar)| bar.abandon());
        }
        console.note(&run_line(run, console.err_paint))
    }
}

/// A stage with its numbers.
#[must_use]
pub fn stage_line(stage: &StageState, paint: Paint) -> String {
    format!("{:<16}{}", stage.name.as_str(), stage_text(stage, paint))
}

/// A run with its numbers.
#[must_use]
pub fn run_line(run: &RunView, paint: Paint) -> String {
    let (word, tone) = match run.status {
        RunStatus::Running => ("running", Tone::Warning),
        RunStatus::Succeeded => ("succeeded", Tone::Good),
        RunStatus::Failed => ("failed", Tone::Bad),
        RunStatus::Cancelled => ("cancelled", Tone::Warning),
    };
    let took = run.finished_at.map(|end| end.duration_since(run.started_at).as_secs()).filter(|seconds| *seconds > 0);
    let took = took.map_or(String::new(), |seconds| format!(", {seconds} s"));
    format!(
        "Sync {} {}: {}, {} to Stripe{took}",
        plain(run.id.as_str()),
        paint.tone(tone, word),
        counted(run.records, "record"),
        counted(run.stripe_requests, "request"),
    )
}

fn stage_text(stage: &StageState, paint: Paint) -> String {
    let (word, tone) = match stage.status {
        StageStatus::Pending => return paint.tone(Tone::Faint, "waiting"),
        StageStatus::Running => ("", Tone::Faint),
        StageStatus::Done => ("done", Tone::Good),
        StageStatus::Failed => ("failed", Tone::Bad),
        StageStatus::Skipped => ("skipped", Tone::Warning),
    };
    let mut parts = vec![grouped(stage.records)];
    if stage.requests > 0 {
        parts.push(counted(stage.requests, "request"));
    }
    if !word.is_empty() {
        parts.push(paint.tone(tone, word));
    }
    parts.extend(stage.error.iter().map(|error| plain(&error.message)));
    parts.join(" · ")
}

/// Progress within a stage is no news to a program, its beginning and its end are.
fn is_news(stage: &StageState, said: &[(Stage, StageStatus)]) -> bool {
    let over = !matches!(stage.status, StageStatus::Pending | StageStatus::Running);
    over && !said.contains(&(stage.name, stage.status))
}

fn bar(stage: Stage, expected: Option<u64>) -> ProgressBar {
    let (bar, template) = match expected {
        Some(length) => (ProgressBar::new(length), "{prefix:<16}{bar:28.cyan/dim} {msg}"),
        None => (ProgressBar::new_spinner(), "{prefix:<16}{spinner:.cyan} {msg}"),
    };
    // The template is a constant; were it wrong, the default would do.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸━"));
    }
    bar.set_prefix(stage.as_str());
    bar
}

fn move_bar(bar: &ProgressBar, stage: &StageState, paint: Paint) {
    let done = stage.status == StageStatus::Done;
    // What was expected was a guess from the last time; what was read is the truth.
    let beyond = bar.length().is_some_and(|length| stage.records > length);
    if bar.length().is_some() && (done || beyond) {
        bar.set_length(stage.records.max(1));
    }
    bar.set_position(if done { stage.records.max(1) } else { stage.records });
    bar.set_message(stage_text(stage, paint));
    bar.tick();
}

#[cfg(test)]
mod tests;
