//! The simulated Stripe as a process of its own.

use anyhow::Context;
use serde::Deserialize;
use std::io::BufRead;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A running simulation; it ends with this value.
pub struct Simulation {
    child: Child,
    pub hello: Hello,
}

/// What it prints once it listens.
#[derive(Deserialize)]
pub struct Hello {
    pub base: String,
    pub api_key: String,
    pub now: i64,
}

impl Simulation {
    /// Starts the program that stands beside this one.
    pub fn start(arguments: &[String]) -> anyhow::Result<Self> {
        let program = program()?;
        let mut child = Command::new(&program)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} cannot be started; build it with cargo xtask bench", program.display()))?;
        let out = child.stdout.take().context("no output")?;
        let mut line = String::new();
        std::io::BufReader::new(out).read_line(&mut line)?;
        let hello = serde_json::from_str(&line).context("the simulation did not start")?;
        Ok(Self { child, hello })
    }

    /// One of its control routes.
    pub async fn ask<T: serde::de::DeserializeOwned>(&self, route: &str) -> anyhow::Result<T> {
        Ok(reqwest::get(format!("{}/_sim/{route}", self.hello.base)).await?.error_for_status()?.json().await?)
    }
}

fn program() -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe()?;
    Ok(here.parent().context("no folder")?.join("billfold-sim"))
}

impl Drop for Simulation {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
