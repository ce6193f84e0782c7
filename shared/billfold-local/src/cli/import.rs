//! `billfold import FILE`: accounts from elsewhere.

use super::Surroundings;
use super::args::ImportArgs;
use super::exit::{Exit, Failure};
use crate::client::files::ImportView;
use crate::show::amount::counted;
use crate::show::text::plain;
use std::path::Path;

pub(super) async fn import(args: &ImportArgs, surroundings: &mut Surroundings) -> Result<(), Failure> {
    let content_type = content_type(&args.file)?;
    let bytes = std::fs::read(&args.file)
        .map_err(|error| Failure::new(Exit::Usage, format!("{} cannot be read: {error}", args.file.display())))?;
    let answer = surroundings.client(&args.target)?.import(content_type, bytes).await?;
    let report: ImportView = answer.read()?;
    let console = &mut surroundings.console;
    if args.target.json {
        console.result(answer.text())?;
    } else {
        let ImportView { created, updated, unchanged, failed, .. } = report;
        console.result(&format!("{created} created, {updated} updated, {unchanged} unchanged, {failed} failed"))?;
    }
    if report.failed == 0 {
        return Ok(());
    }
    let mut failure = Failure::new(Exit::Rejected, format!("{} not taken", counted(report.failed, "row")));
    for error in &report.errors {
        let (row, line) = (error.row, error.line);
        failure.more.push(format!("row {row} (line {line}), {}: {}", plain(&error.field), plain(&error.message)));
    }
    if report.more_errors > 0 {
        failure.more.push(format!("and {} more", report.more_errors));
    }
    Err(failure)
}

fn content_type(file: &Path) -> Result<&'static str, Failure> {
    let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "csv" => Ok("text/csv"),
        "ndjson" | "jsonl" => Ok("application/x-ndjson"),
        _ => {
            let failure = Failure::new(Exit::Usage, "the file's name must end in .csv, .ndjson or .jsonl");
            Err(failure.advise("CSV needs a header: id, name, domain, domains, external_ids.<system>, custom.<name>."))
        }
    }
}
