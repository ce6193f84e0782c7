//! The stand-ins and AWS's own tools, from PyPI into the target folder, and their processes.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

/// In these versions, which have been seen to work together.
const PACKAGES: [&str; 5] = [
    "ministack[full]==1.5.33",
    "aws-sam-cli==1.167.0",
    "cfn-lint==1.53.3",
    "moto[secretsmanager,server]==5.2.5",
    "PyYAML",
];

/// How often a process is asked whether it is up.
const ASKED_MAX: u32 = 600;

/// Tests of a process install once.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Calls one operation of AWS.
const CALL: &str = r#"
import boto3, json, sys
asked = json.load(sys.stdin)
answer = getattr(boto3.client(asked["service"]), asked["operation"])(**asked["arguments"])
if hasattr(answer.get("Payload"), "read"):
    answer["Payload"] = json.loads(answer["Payload"].read() or b"null")
answer.pop("ResponseMetadata", None)
json.dump(answer, sys.stdout, default=str)
"#;

/// The folder of the installed programs.
#[derive(Debug, Clone)]
pub struct Tools(PathBuf);

impl Tools {
    /// Installs what is not there yet.
    ///
    /// # Errors
    /// If it cannot be installed.
    pub fn installed(scratch: &Path) -> anyhow::Result<Self> {
        let _one = INSTALLING.lock().map_err(|_| anyhow::anyhow!("another installation failed"))?;
        let folder = scratch.join("aws-tools");
        // Test programs run one after the other, but several people may share a target folder.
        let lock = File::create(scratch.join("aws-tools.lock"))?;
        lock.lock()?;
        let marker = folder.join("versions");
        let versions = PACKAGES.join(" ");
        if std::fs::read_to_string(&marker).ok().as_deref() != Some(versions.as_str()) {
            run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
            run(Command::new(folder.join("bin/python")).args(pip).args(PACKAGES))?;
            std::fs::write(&marker, versions)?;
        }
        Ok(Self(folder.join("bin")))
    }

    /// One of the programs.
    #[must_use]
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.0.join(name));
        command.env("SAM_CLI_TELEMETRY", "0").env("AWS_DEFAULT_REGION", super::REGION).env_remove("AWS_PROFILE");
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        command
    }

    /// What a Python program answers to a question.
    ///
    /// # Errors
    /// If it fails.
    pub fn python(&self, program: &str, question: &Value, endpoint: Option<&str>) -> anyhow::Result<Value> {
        let mut command = self.program("python");
        if let Some(endpoint) = endpoint {
            command.env("AWS_ENDPOINT_URL", endpoint);
        }
        let mut child = command
            .args(["-c", program])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        child.stdin.take().context("a program has a standard input")?.write_all(question.to_string().as_bytes())?;
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "{question}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Calls an operation of AWS as the account's owner.
    ///
    /// # Errors
    /// If it is refused.
    pub fn call(&self, endpoint: &str, service: &str, operation: &str, arguments: &Value) -> anyhow::Result<Value> {
        let question = json!({ "service": service, "operation": operation, "arguments": arguments });
        self.python(CALL, &question, Some(endpoint))
    }
}

/// Runs a program that must succeed.
pub(super) fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    Ok(text)
}

/// A free port. It may be taken by the time it is used; then the test says so.
fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

async fn up(url: &str) -> anyhow::Result<()> {
    let client = reqwest::Client::new();
    for _ in 0..ASKED_MAX {
        if client.get(url).send().await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("{url} never came up")
}

/// Runs a program until nobody is left who holds the other end of its standard input, and then ends it with all its children.
const WHILE_WANTED: &str = r#"
import os, signal, subprocess, sys
program = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)
sys.stdin.read()
os.killpg(program.pid, signal.SIGKILL)
"#;

/// A process that ends with the test, however that ends.
#[derive(Debug)]
struct Process(Child);

impl Process {
    fn start(tools: &Tools, program: &str, prepare: impl FnOnce(&mut Command)) -> anyhow::Result<Self> {
        let mut command = tools.program("python");
        command.args(["-c", WHILE_WANTED]).arg(tools.0.join(program)).stdin(Stdio::piped());
        prepare(&mut command);
        Ok(Self(command.spawn()?))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It may have ended already.
        drop(self.0.wait());
    }
}

/// The whole stack.
#[derive(Debug)]
pub struct Ministack {
    _process: Process,
    /// Where it is.
    pub url: String,
    /// Its log.
    pub log: PathBuf,
    _folder: tempfile::TempDir,
}

impl Ministack {
    /// Starts it; its functions find it at `functions_see`, given its port.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn start(tools: &Tools, functions_see: Option<&str>) -> anyhow::Result<Self> {
        let (port, folder) = (free_port()?, tempfile::tempdir()?);
        let url = format!("http://127.0.0.1:{port}");
        let log = folder.path().join("log");
        let written = File::options().append(true).create(true).open(&log)?;
        let error = written.try_clone()?;
        let process = Process::start(tools, "ministack", |command| {
            command.current_dir(folder.path()).env("TMPDIR", folder.path()).stdout(written).stderr(error);
            command.env("BIND_HOST", "127.0.0.1").env("IOT_MTLS_ENABLED", "0").env("GATEWAY_PORT", port.to_string());
            // Roles count, as in AWS.
            command.env("AUTH", "true").env("AWS_ENDPOINT_URL", functions_see.unwrap_or(&url));
        })?;
        up(&format!("{url}/_ministack/health")).await?;
        Ok(Self { _process: process, url, log, _folder: folder })
    }
}

/// Another stand-in, for a second opinion on Secrets Manager.
#[derive(Debug)]
pub struct Moto {
    _process: Process,
    /// Where it is.
    pub url: String,
}

impl Moto {
    /// Starts it.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn start(tools: &Tools) -> anyhow::Result<Self> {
        let port = free_port()?;
        let process = Process::start(tools, "moto_server", |command| {
            command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
            command.stdout(Stdio::null()).stderr(Stdio::null());
        })?;
        let url = format!("http://127.0.0.1:{port}");
        up(&format!("{url}/moto-api/")).await?;
        Ok(Self { _process: process, url })
    }
}
