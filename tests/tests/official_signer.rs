//! Headers made by the official Stripe SDK (PyPI `stripe`) are accepted, and what was tampered with is refused. The SDK
//! is installed into the target folder the first time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use billfold_core::signature::{Invalid, verify};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SDK: &str = "stripe==16.1.0";
const NOW: i64 = 1_790_000_000;

/// Signs each payload with the SDK, and says whether the SDK takes its own header back.
const SIGN: &str = r#"
import json, sys
from stripe import WebhookSignature
answers = []
for case in json.load(sys.stdin):
    text, secret, time = case["body"], case["secret"], case["time"]
    header = WebhookSignature.generate_signature_header(text, secret, time)
    answers.append({"header": header, "taken": WebhookSignature.verify_header(text, header, secret)})
json.dump(answers, sys.stdout)
"#;

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A Python that has the SDK.
fn python() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(SDK.replace("==", "-"));
    let python = folder.join("bin/python");
    let has_sdk = || Command::new(&python).args(["-c", "import stripe"]).output().is_ok_and(|ran| ran.status.success());
    if !has_sdk() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", SDK]));
    }
    python
}

fn sign(cases: &Value) -> Vec<String> {
    let mut child =
        Command::new(python()).args(["-c", SIGN]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(cases.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let answers: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(answers.iter().all(|answer| answer["taken"] == true));
    answers.iter().map(|answer| answer["header"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_official_signer_is_accepted_and_tampering_is_not() {
    let bodies =
        ["{}", r#"{"id":"evt_1","note":"Grüße 🎉 \u00e9"}"#, "  spaces\r\n and lines \n", &"x".repeat(100_000)];
    let secrets = ["whsec_0123456789abcdef", "whsec_q+/=AB-_cdefghij"];
    let cases: Vec<Value> = bodies
        .iter()
        .flat_map(|body| secrets.map(|secret| json!({ "body": body, "secret": secret, "time": NOW })))
        .collect();
    let headers = sign(&json!(cases));
    let now = Timestamp::from_second(NOW + 5).unwrap();
    assert_eq!(headers.len(), 8);
    for (case, header) in cases.iter().zip(&headers) {
        let (body, secret) = (case["body"].as_str().unwrap().as_bytes(), case["secret"].as_str().unwrap());
        assert_eq!(verify(header, body, &[secret], now), Ok(()));
        assert_eq!(verify(header, body, &secrets, now), Ok(()), "any active secret will do");
        let other = [body, b" "].concat();
        assert_eq!(verify(header, &other, &secrets, now), Err(Invalid::Mismatch));
        assert_eq!(verify(header, body, &["whsec_another000000"], now), Err(Invalid::Mismatch));
        let later = header.replace(&NOW.to_string(), &(NOW + 1).to_string());
        assert_eq!(verify(&later, body, &secrets, now), Err(Invalid::Mismatch));
        assert_eq!(verify(header, body, &secrets, Timestamp::from_second(NOW + 301).unwrap()), Err(Invalid::Time));
    }
}
