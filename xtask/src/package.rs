//! `cargo xtask package`: every function of `functions/` for Lambda, by one run of cargo, so that what they have in common is
//! compiled once. cargo-lambda and its C compiler come from PyPI into a folder of their own, in these versions.

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const TOOLS: [&str; 2] = ["cargo-lambda==1.9.2", "ziglang==0.17.1"];

/// What to package.
#[derive(Args)]
pub struct Options {
    /// The processor of the functions; the parameter Architecture of template.yaml must say the same.
    #[arg(long, value_enum, default_value_t = Arch::Arm64)]
    arch: Arch,
    /// Built in a fraction of the time and slow: to be tried out on a stand-in, not to be deployed.
    #[arg(long)]
    trial: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Arch {
    Arm64,
    #[value(name = "x86_64")]
    X86,
}

impl Arch {
    fn target(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64-unknown-linux-gnu",
            Self::X86 => "x86_64-unknown-linux-gnu",
        }
    }
}

fn root() -> anyhow::Result<PathBuf> {
    Ok(Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace has no folder")?.to_owned())
}

fn target_folder() -> anyhow::Result<PathBuf> {
    Ok(std::env::var_os("CARGO_TARGET_DIR").map_or(root()?.join("target"), PathBuf::from))
}

/// The functions, by the folders of `functions/`.
fn functions() -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(root()?.join("functions"))? {
        let name = entry?.file_name().into_string().ok().context("a folder of functions/ has an odd name")?;
        names.push(format!("billfold-{name}"));
    }
    names.sort();
    Ok(names)
}

/// Builds them.
///
/// # Errors
/// If the tools cannot be installed, or the build fails.
pub fn package(options: &Options) -> anyhow::Result<()> {
    let started = Instant::now();
    let tools = tools()?;
    add_target(options.arch)?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(tools.clone()).chain(std::env::split_paths(&path)))?;
    let mut build = Command::new(tools.join("cargo-lambda"));
    build.args(["lambda", "build", "--locked", "--target", options.arch.target()]);
    build.args(["--profile", if options.trial { "trial" } else { "function" }]);
    let functions = functions()?;
    for name in &functions {
        build.args(["--package", name]);
    }
    eprintln!("── package: {build:?}");
    run(build.current_dir(root()?).env("PATH", path))?;
    for name in &functions {
        let binary = target_folder()?.join("lambda").join(name).join("bootstrap");
        let bytes = binary.metadata().with_context(|| format!("{} was not made", binary.display()))?.len();
        eprintln!("   {:>8.2} MB  {name}", megabytes(bytes));
    }
    let template = write_template(&functions)?;
    eprintln!(
        "── package: {} s; deploy with: sam deploy --template {}",
        started.elapsed().as_secs(),
        template.display()
    );
    Ok(())
}

/// The template beside the binaries, with each function's code where it has just been built.
fn write_template(functions: &[String]) -> anyhow::Result<PathBuf> {
    let mut text = std::fs::read_to_string(root()?.join("template.yaml"))?;
    for name in functions {
        let folder = format!("CodeUri: functions/{}\n", name.trim_start_matches("billfold-"));
        if !text.contains(&folder) {
            bail!("template.yaml does not deploy {name}");
        }
        text = text.replace(&folder, &format!("CodeUri: {name}\n"));
    }
    let path = target_folder()?.join("lambda/template.yaml");
    std::fs::write(&path, text)?;
    Ok(path)
}

fn megabytes(bytes: u64) -> f64 {
    u32::try_from(bytes / 1024).map_or(f64::INFINITY, |kilobytes| f64::from(kilobytes) / 1024.0)
}

/// The folder of the tools' programs; they are installed the first time.
fn tools() -> anyhow::Result<PathBuf> {
    let folder = target_folder()?.join("package-tools");
    let marker = folder.join("versions");
    let versions = TOOLS.join(" ");
    if std::fs::read_to_string(&marker).ok().as_deref() != Some(versions.as_str()) {
        eprintln!("── package: installing {versions}");
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        run(Command::new(folder.join("bin/python")).args(pip).args(TOOLS))?;
        std::fs::write(&marker, versions)?;
    }
    Ok(folder.join("bin"))
}

/// The standard library of the other processor, where rustup has it to give.
fn add_target(arch: Arch) -> anyhow::Result<()> {
    let installed = Command::new("rustup").args(["target", "list", "--installed"]).output();
    let known = installed.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(arch.target()));
    if known {
        return Ok(());
    }
    run(Command::new("rustup").args(["target", "add", arch.target()]))
        .with_context(|| format!("{} cannot be built for here; try --arch x86_64", arch.target()))
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("{command:?} cannot be started"))?;
    if !status.success() {
        bail!("{command:?} failed");
    }
    Ok(())
}
