//! Services on this machine's loopback, and fleets that use them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

mod fleet;
mod hostile;
mod service;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use hone_fleet::{Service, ServiceConfig, Token, serve};
use hone_sandbox::{Isolation, Sandbox, SandboxConfig};
use serde_json::Value;

const TOKEN: &str = "a-token-for-tests-only";

fn token() -> Token {
    Token::new(TOKEN, "a test").unwrap()
}

/// A running service that ends with the test.
struct Running {
    address: SocketAddr,
    is_ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<bool>>,
}

impl Running {
    fn start(config: ServiceConfig) -> Running {
        Running::at(TcpListener::bind("127.0.0.1:0").unwrap(), config)
    }

    fn at(listener: TcpListener, config: ServiceConfig) -> Running {
        let sandbox = Sandbox::start(SandboxConfig { workers: 1, ..SandboxConfig::default() }).unwrap();
        let service = Service::start(sandbox, config).unwrap();
        let address = listener.local_addr().unwrap();
        let is_ending = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_ending);
        let thread = std::thread::spawn(move || {
            serve(service, listener, move || seen.load(Ordering::SeqCst)).unwrap()
        });
        Running { address, is_ending, thread: Some(thread) }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it; whether everything that was in work was answered.
    fn end(mut self) -> bool {
        self.is_ending.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.is_ending.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn config() -> ServiceConfig {
    ServiceConfig { token: Some(token()), isolation: Isolation::Strict, ..ServiceConfig::default() }
}

/// An answer as it came over the wire.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// One request, written byte by byte as this text and this body.
fn ask(address: SocketAddr, method: &str, path: &str, token: Option<&str>, body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let authorization = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\n{authorization}connection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    // A refusal may come before the body was read.
    let _ = stream.write_all(body.as_bytes());
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split_whitespace().nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_ascii_lowercase(), body: body.into() }
}
