//! A deployed stack: the real template with the real binaries, deployed by `sam deploy`.

use super::tools::{Ministack, Tools, run};
use super::{Call, Proxy};
use crate::{Answer, Body, answer};
use anyhow::{Context as _, bail};
use axum::Router;
use axum::routing::get;
use billfold_app::auth::Role;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The stack's name.
const NAME: &str = "billfold";
const AUDIENCE: &str = "billfold";

/// How often something is asked before a test gives up.
const ASKED_MAX: u32 = 2000;

/// Makes a key pair, and tokens of each role that are good for a day.
const ISSUE: &str = r#"
import base64, json, sys, time
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
asked = json.load(sys.stdin)
key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
url = lambda raw: base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
number = lambda n: url(n.to_bytes((n.bit_length() + 7) // 8, "big"))
public = key.public_key().public_numbers()
jwk = {"kty": "RSA", "kid": "one", "use": "sig", "alg": "RS256", "n": number(public.n), "e": number(public.e)}
def token(role):
    now = int(time.time())
    claims = {"iss": asked["issuer"], "aud": asked["audience"], "sub": "ann", "iat": now - 5, "exp": now + 86400,
              "billfold_workspace": "acme", "billfold_role": role}
    head = {"alg": "RS256", "typ": "JWT", "kid": "one"}
    text = url(json.dumps(head).encode()) + "." + url(json.dumps(claims).encode())
    return text + "." + url(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))
json.dump({"keys": {"keys": [jwk]}, "tokens": {role: token(role) for role in ["member", "admin", "owner"]}}, sys.stdout)
"#;

/// A running stack.
pub struct Stack {
    ministack: Ministack,
    /// The proxy before it.
    pub proxy: Proxy,
    tools: Tools,
    outputs: BTreeMap<String, String>,
    tokens: Value,
    /// A client that finds the stack's host.
    pub http: reqwest::Client,
}

/// A process of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionProcess {
    /// Its id.
    pub id: u32,
    /// The function, by its folder.
    pub function: String,
}

fn root() -> anyhow::Result<PathBuf> {
    Ok(Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace has no folder")?.to_owned())
}

impl Stack {
    /// Packages the functions, starts the stand-in and deploys to it; Stripe is at `stripe`.
    ///
    /// # Errors
    /// Whatever keeps it from running.
    pub async fn deploy(scratch: &Path, stripe: &str) -> anyhow::Result<Self> {
        let tools = Tools::installed(scratch)?;
        let package = ["run", "--quiet", "--package", "xtask", "--", "package", "--arch", "x86_64", "--trial"];
        run(Command::new(env!("CARGO")).args(package).current_dir(root()?))?;
        let proxy = Proxy::start().await?;
        let ministack = Ministack::start(&tools, Some(&proxy.url)).await?;
        proxy.lead_to(&ministack.url);
        let (issuer, tokens) = issuer(&tools).await?;
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root()?.join("target"), PathBuf::from);
        let template = template(&target.join("lambda"))?;
        let parameters = [
            format!("JwtIssuer={issuer}"),
            format!("JwtAudience={AUDIENCE}"),
            "Architecture=x86_64".into(),
            format!("StripeApiBase={stripe}"),
        ];
        let deploy = ["deploy", "--stack-name", NAME, "--resolve-s3", "--capabilities", "CAPABILITY_IAM"];
        let sam = ["--no-confirm-changeset", "--no-progressbar", "--region", super::REGION, "--parameter-overrides"];
        let mut sam_deploy = tools.program("sam");
        sam_deploy.args(deploy).arg("--template").arg(template).args(sam).args(parameters);
        let deployed = run(sam_deploy.env("AWS_ENDPOINT_URL", &ministack.url));
        let log = || std::fs::read_to_string(&ministack.log).unwrap_or_default();
        deployed.with_context(log)?;
        let found = tools.call(&ministack.url, "cloudformation", "describe_stacks", &json!({ "StackName": NAME }))?;
        let outputs = found["Stacks"][0]["Outputs"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let outputs: BTreeMap<_, _> =
            outputs.iter().map(|one| (text(&one["OutputKey"]), text(&one["OutputValue"]))).collect();
        let url = reqwest::Url::parse(outputs.get("ApiUrl").context("the stack has no ApiUrl")?)?;
        let host = url.host_str().context("the API has no host")?;
        let address = reqwest::Url::parse(&ministack.url)?.socket_addrs(|| None)?;
        let http = reqwest::Client::builder().no_proxy().resolve_to_addrs(host, &address).build()?;
        Ok(Self { ministack, proxy, tools, outputs, tokens, http })
    }

    /// An output of the stack.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn output(&self, name: &str) -> anyhow::Result<&str> {
        self.outputs.get(name).map(String::as_str).with_context(|| format!("the stack has no output {name}"))
    }

    /// What the stand-in has logged, the functions' lines among it.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn log(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(&self.ministack.log)?)
    }

    /// Calls an operation of AWS as the account's owner.
    ///
    /// # Errors
    /// If it is refused.
    pub fn call(&self, service: &str, operation: &str, arguments: &Value) -> anyhow::Result<Value> {
        self.tools.call(&self.ministack.url, service, operation, arguments)
    }

    /// A token of the issuer.
    ///
    /// # Errors
    /// If there is none of that role.
    pub fn token(&self, role: Role) -> anyhow::Result<&str> {
        let name = serde_json::to_value(role)?;
        name.as_str().and_then(|name| self.tokens[name].as_str()).with_context(|| format!("no token of {name}"))
    }

    /// Asks the API as somebody.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn ask(&self, role: Option<Role>, method: Method, path: &str, body: Body<'_>) -> anyhow::Result<Answer> {
        let mut request = self.http.request(method, format!("{}{path}", self.output("ApiUrl")?));
        if let Some(role) = role {
            request = request.bearer_auth(self.token(role)?);
        }
        answer(request, body).await
    }

    /// Asks again and again until the answer is as wanted.
    ///
    /// # Errors
    /// If it is never as wanted.
    pub async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let mut last = Value::Null;
        for _ in 0..ASKED_MAX {
            let asked = self.ask(Some(Role::Member), Method::GET, path, Body::None).await?;
            if asked.status.is_success() && wanted(&asked.body) {
                return Ok(asked.body);
            }
            last = asked.body;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("{path} never came to what was wanted: {last:#}")
    }

    /// How many messages a queue has, in flight and waiting ones among them.
    ///
    /// # Errors
    /// If the queue cannot be asked.
    pub fn depth(&self, output: &str) -> anyhow::Result<u64> {
        let arguments = json!({ "QueueUrl": self.output(output)?, "AttributeNames": ["All"] });
        let found = self.call("sqs", "get_queue_attributes", &arguments)?;
        let count = |name: &str| found["Attributes"][name].as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
        let names = ["", "NotVisible", "Delayed"].map(|suffix| format!("ApproximateNumberOfMessages{suffix}"));
        Ok(names.iter().map(|name| count(name)).sum::<u64>())
    }

    /// Invokes a function with a sample event.
    ///
    /// # Errors
    /// If it fails.
    pub fn invoke(&self, function: &str, event: &Value) -> anyhow::Result<Value> {
        let arguments = json!({ "FunctionName": self.function_name(function)?, "Payload": event.to_string() });
        let answer = self.call("lambda", "invoke", &arguments)?;
        if answer.get("FunctionError").is_some() {
            bail!("{function} failed: {}\n{}", answer["Payload"], self.logged(function)?);
        }
        Ok(answer["Payload"].clone())
    }

    /// What each function called, by its folder.
    ///
    /// # Errors
    /// If the functions cannot be listed.
    pub fn calls(&self) -> anyhow::Result<BTreeMap<String, BTreeSet<String>>> {
        let mut keys = BTreeMap::new();
        for function in self.functions()? {
            // The stand-in gives each function a session of its own, with this key.
            let text = format!("{}:{}", text(&function["FunctionArn"]), text(&function["Role"]));
            let digest = hex::encode(Sha256::digest(text));
            keys.insert(format!("ASIA{}", digest[..16].to_uppercase()), folder(text_of(&function, "FunctionName")));
        }
        let mut calls: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for Call { key, action } in self.proxy.calls() {
            let function =
                keys.get(&key).with_context(|| format!("{action} was called by {key}, which is no function"))?;
            calls.entry(function.clone()).or_default().insert(action);
        }
        Ok(calls)
    }

    fn functions(&self) -> anyhow::Result<Vec<Value>> {
        let found = self.call("lambda", "list_functions", &json!({}))?;
        Ok(found["Functions"].as_array().cloned().unwrap_or_default())
    }

    /// The name that CloudFormation gave to a function.
    ///
    /// # Errors
    /// If there is no such function.
    pub fn function_name(&self, function: &str) -> anyhow::Result<String> {
        let names = self.functions()?.into_iter().map(|one| text(&one["FunctionName"]));
        names.into_iter().find(|name| folder(name) == function).with_context(|| format!("there is no {function}"))
    }

    /// The processes of functions that are running.
    #[must_use]
    pub fn processes(&self) -> Vec<FunctionProcess> {
        let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
        let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        ids.filter_map(|id| self.process(id)).collect()
    }

    /// Kills a process as a machine does that fails: it is not told before.
    ///
    /// # Errors
    /// If that cannot be done.
    pub fn kill(&self, process: &FunctionProcess) -> anyhow::Result<()> {
        let status = Command::new("kill").args(["-KILL", &process.id.to_string()]).status()?;
        // It may have ended by itself meanwhile.
        if !status.success() && self.process(process.id).is_some() {
            bail!("{process:?} cannot be killed");
        }
        Ok(())
    }

    /// Moves a message from one queue to another, as `start-message-move-task` does in AWS.
    ///
    /// # Errors
    /// If it is not there.
    pub fn move_back(&self, from: &str, to: &str, body: &str) -> anyhow::Result<()> {
        let receive = json!({ "QueueUrl": self.output(from)?, "MaxNumberOfMessages": 10, "VisibilityTimeout": 1 });
        let found = self.call("sqs", "receive_message", &receive)?;
        let messages = found["Messages"].as_array().cloned().unwrap_or_default();
        let message = messages.iter().find(|message| message["Body"] == body).context("it is not there")?;
        self.call("sqs", "send_message", &json!({ "QueueUrl": self.output(to)?, "MessageBody": body }))?;
        let delete = json!({ "QueueUrl": self.output(from)?, "ReceiptHandle": message["ReceiptHandle"] });
        self.call("sqs", "delete_message", &delete)?;
        Ok(())
    }

    /// What a function has logged itself, a line for each event.
    ///
    /// # Errors
    /// If its log cannot be read.
    pub fn logged(&self, function: &str) -> anyhow::Result<String> {
        let arguments = json!({ "logGroupName": format!("/billfold/{NAME}/{function}") });
        let found = self.call("logs", "filter_log_events", &arguments)?;
        let lines = found["events"].as_array().into_iter().flatten().map(|event| text_of(event, "message"));
        let own = lines.filter(|line| line.starts_with('{') && !line.contains("CloudWatchMetrics"));
        Ok(own.collect::<Vec<_>>().join("\n"))
    }

    /// Functions of this stack have its proxy in their environment, and no others have.
    fn process(&self, id: u32) -> Option<FunctionProcess> {
        let environment = String::from_utf8(std::fs::read(format!("/proc/{id}/environ")).ok()?).ok()?;
        let variable = |name: &str| environment.split('\0').find_map(|one| one.strip_prefix(name));
        let ours = variable("AWS_ENDPOINT_URL=")? == self.proxy.url;
        let name = variable("AWS_LAMBDA_FUNCTION_NAME=").filter(|_| ours)?;
        Some(FunctionProcess { id, function: folder(name) })
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn text_of<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// `billfold-SyncFunction-1A2B` is the function of `functions/sync`.
fn folder(name: &str) -> String {
    let name = name.trim_start_matches(NAME).trim_start_matches('-');
    name.split("Function").next().unwrap_or_default().to_lowercase()
}

/// The packaged template, with leave for batches, which in AWS need none of their own.
fn template(folder: &Path) -> anyhow::Result<PathBuf> {
    let text = std::fs::read_to_string(folder.join("template.yaml"))?;
    let send = "                  - sqs:SendMessage\n";
    let path = folder.join("stand-in.yaml");
    std::fs::write(&path, text.replace(send, &format!("{send}{}", send.replace("Message", "MessageBatch"))))?;
    Ok(path)
}

/// Serves the keys of tokens, and makes some.
async fn issuer(tools: &Tools) -> anyhow::Result<(String, Value)> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let made = tools.python(ISSUE, &json!({ "issuer": url, "audience": AUDIENCE }), None)?;
    let about = json!({ "issuer": url, "jwks_uri": format!("{url}/jwks.json") });
    let keys = made["keys"].clone();
    let router = Router::new()
        .route("/.well-known/openid-configuration", get(move || async move { axum::Json(about) }))
        .route("/jwks.json", get(move || async move { axum::Json(keys) }));
    tokio::spawn(axum::serve(listener, router).into_future());
    Ok((url, made["tokens"].clone()))
}
