//! Clients that are slow, idle, endless or too many, against `billfold serve`: the others are still served, and whoever
//! does nothing is shown the door.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A guard against a test that hangs; nothing is measured with it.
const GIVE_UP: Duration = Duration::from_secs(300);

struct Serve {
    child: Child,
    listen: String,
    token: String,
}

impl Drop for Serve {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Serve {
    async fn start(data: &Path) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = listener.local_addr().unwrap().to_string();
        drop(listener);
        let program = env!("CARGO_BIN_EXE_billfold");
        let child = Command::new(program)
            .args(["serve", "--dev-tokens", "--listen", &listen, "--data"])
            .arg(data)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let token = Command::new(program).args(["token", "--data"]).arg(data).output().unwrap();
        let token = String::from_utf8(token.stdout).unwrap().trim().to_owned();
        let serve = Self { child, listen, token };
        while reqwest::get(format!("http://{}/healthz", serve.listen)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        serve
    }

    async fn open(&self) -> TcpStream {
        TcpStream::connect(&self.listen).await.unwrap()
    }

    /// A connection on which something is said, and then no more.
    async fn say(&self, text: &str) -> TcpStream {
        let mut stream = self.open().await;
        stream.write_all(text.replace("TOKEN", &self.token).as_bytes()).await.unwrap();
        stream
    }

    async fn serves_others(&self, when: &str) {
        let http = reqwest::Client::builder().timeout(GIVE_UP).build().unwrap();
        for path in ["/healthz", "/v1/stripe", "/v1/accounts"] {
            let answer =
                http.get(format!("http://{}{path}", self.listen)).bearer_auth(&self.token).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{path} {when}");
        }
    }
}

/// What comes until the other side ends the connection.
async fn rest(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    let read = tokio::time::timeout(GIVE_UP, stream.read_to_end(&mut text)).await.unwrap();
    // A reset says the same as an end.
    assert!(read.is_ok() || read.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
    String::from_utf8(text).unwrap()
}

const POST: &str = "POST /v1/accounts HTTP/1.1\r\nHost: billfold\r\nAuthorization: Bearer TOKEN\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_does_nothing_keeps_nobody_waiting() {
    let data = tempfile::tempdir().unwrap();
    let serve = Serve::start(data.path()).await;
    let mut idle = Vec::new();
    for _ in 0..500 {
        idle.push(serve.open().await);
    }
    serve.serves_others("beside 500 idle connections").await;
    let mut slow = Vec::new();
    for _ in 0..50 {
        slow.push(serve.say("GET /v1/accounts HTTP/1.1\r\nHos").await);
        slow.push(serve.say(&format!("{POST}Content-Length: 1000\r\n\r\n{{\"name\"")).await);
    }
    let endless = serve.say(&format!("{POST}Transfer-Encoding: chunked\r\n\r\n")).await;
    let (mut reader, mut writer) = endless.into_split();
    let trickle = tokio::spawn(async move {
        while writer.write_all(b"1\r\n \r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    serve.serves_others("beside slow and endless ones as well").await;
    // Each of them is ended by the server, the bodies with an answer that says why.
    assert_eq!(rest(idle.swap_remove(0)).await, "");
    let answer = rest(slow.pop().unwrap()).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("body_too_slow"), "{answer}");
    assert_eq!(rest(slow.swap_remove(0)).await, "");
    let mut text = Vec::new();
    drop(tokio::time::timeout(GIVE_UP, reader.read_to_end(&mut text)).await.unwrap());
    assert!(text.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&text));
    trickle.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_there_is_no_room_the_idle_make_it() {
    let data = tempfile::tempdir().unwrap();
    let serve = Serve::start(data.path()).await;
    let mut idle = Vec::new();
    for _ in 0..billfold_app::http::limits::CONNECTIONS_MAX + 50 {
        idle.push(serve.open().await);
    }
    serve.serves_others("after more connections than there is room for").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_have_limits_and_what_is_no_http_is_none() {
    let data = tempfile::tempdir().unwrap();
    let serve = Serve::start(data.path()).await;
    let get = "GET /healthz HTTP/1.1\r\nHost: billfold\r\nConnection: close\r\n";
    let long = format!("{get}X-Long: {}\r\n\r\n", "x".repeat(64 * 1024));
    let many: String = (0..200).map(|n| format!("X-{n}: y\r\n")).collect();
    for (text, status) in [
        (format!("{get}\r\n"), "200"),
        (long, "431"),
        (format!("{get}{many}\r\n"), "431"),
        (format!("GET /{} HTTP/1.1\r\nHost: billfold\r\n\r\n", "x".repeat(70_000)), "4"),
        ("NONSENSE\r\n\r\n".to_owned(), "400"),
        ("GET /healthz HTTP/1.1\r\nHost: billfold\r\nContent-Length: x\r\n\r\n".to_owned(), "400"),
    ] {
        let mut stream = serve.open().await;
        // The answer may come before everything is said.
        drop(stream.write_all(text.as_bytes()).await);
        let answer = rest(stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{} {answer}", &text[..30.min(text.len())]);
    }
    serve.serves_others("after nonsense").await;
}
