//! `schemathesis` (PyPI) over the document that is served, on a workspace with data: nothing that it can think of is
//! answered with a failure of the server's, with a status or a body that is not described, or with success although it
//! breaks the document. It is installed into the target folder the first time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use billfold_app::auth::Role;
use billfold_tests::World;
use std::path::{Path, PathBuf};
use std::process::Command;

const TOOL: &str = "schemathesis==4.32.5";

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,unsupported_method,allow_header_conformance,ignored_auth,\
                      negative_data_rejection";

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The folder of a Python that has the tool.
fn tool() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(TOOL.replace("==", "-"));
    let python = folder.join("bin/python");
    let works =
        || Command::new(&python).args(["-c", "import schemathesis"]).output().is_ok_and(|ran| ran.status.success());
    if !works() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", TOOL]));
    }
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_can_be_thought_of_breaks_the_contract() {
    let tool = tokio::task::spawn_blocking(tool).await.unwrap();
    let world = World::start(51, 20).await.unwrap();
    world.connect().await.unwrap();
    world.synced().await.unwrap();
    let (url, token) = (format!("{}/openapi.json", world.local.url), world.token(Role::Owner).unwrap());
    let work = tempfile::tempdir().unwrap();
    let folder = work.path().to_owned();
    let ran = tokio::task::spawn_blocking(move || {
        Command::new(tool.join("bin/st"))
            .current_dir(folder)
            .args(["run", &url, "--header", &format!("Authorization: Bearer {token}"), "--checks", CHECKS])
            .args([
                "--phases",
                "examples,coverage,fuzzing",
                "--max-examples",
                "20",
                "--seed",
                "1",
                "--continue-on-failure",
            ])
            // What they measure is the tool's own way of making data up.
            .args(["--suppress-health-check", "all"])
            .args(["--generation-database", "none", "--no-color", "--warnings", "off"])
            .output()
    });
    let output = ran.await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
