//! The simulated Stripe as a process of its own.

use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running simulation; it ends with this value.
pub struct Simulation {
    child: Child,
    pub hello: Hello,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
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
        Self::spawn(&program()?, arguments)
    }

    /// Starts this very program as a simulation that also sends its deliveries.
    pub fn deliveries(customers: u32) -> anyhow::Result<Self> {
        Self::spawn(&std::env::current_exe()?, &["--deliveries".into(), format!("--customers={customers}")])
    }

    fn spawn(program: &Path, arguments: &[String]) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} cannot be started; build it with cargo xtask bench", program.display()))?;
        let orders = child.stdin.take().context("no input")?;
        let mut answers = BufReader::new(child.stdout.take().context("no output")?);
        let hello = read(&mut answers).context("the simulation did not start")?;
        Ok(Self { child, hello, orders, answers })
    }

    /// Tells it to do something, and waits until it is done.
    pub fn order<T: serde::de::DeserializeOwned>(&mut self, order: &impl Serialize) -> anyhow::Result<T> {
        writeln!(self.orders, "{}", serde_json::to_string(order)?)?;
        read(&mut self.answers)
    }

    /// One of its control routes.
    pub async fn ask<T: serde::de::DeserializeOwned>(&self, route: &str) -> anyhow::Result<T> {
        Ok(reqwest::get(format!("{}/_sim/{route}", self.hello.base)).await?.error_for_status()?.json().await?)
    }
}

fn read<T: serde::de::DeserializeOwned>(answers: &mut impl BufRead) -> anyhow::Result<T> {
    let mut line = String::new();
    answers.read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
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
