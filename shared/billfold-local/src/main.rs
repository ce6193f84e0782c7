//! The `billfold` command; everything it does is in the library.

use anyhow::Context as _;
use billfold_local::cli::args::Cli;
use billfold_local::cli::{Surroundings, run};
use clap::Parser as _;
use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let runtime = billfold_local::runtime().context("the runtime cannot be started")?;
    let exit = runtime.block_on(run(cli, &mut Surroundings::of_process()));
    Ok(exit.into())
}
