//! `hone sandbox serve`: this machine's sandbox over HTTP, for `hone` elsewhere and for anyone else.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use hone_fleet::{Service, ServiceConfig, TOKEN_VARIABLE, Token, serve};
use hone_sandbox::{Isolation, Sandbox, SandboxConfig};

use crate::exit::Usage;
use crate::interrupt::Interrupt;
use crate::recipe::Source;
use crate::sandboxes::{isolation, isolation_name};
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  export HONE_SANDBOX_TOKEN=$(head -c 24 /dev/urandom | base64)
  hone sandbox serve
  hone sandbox serve --listen 0.0.0.0:8170 --token-file /run/secrets/hone --workers 32 --queue 1024
  hone sandbox serve --most memory_bytes=1073741824 --most cpu_ms=10000
  curl -H \"Authorization: Bearer $HONE_SANDBOX_TOKEN\" -d '{\"source\": \"print(6 * 7)\"}' http://127.0.0.1:8170/v1/run
  hone run program.py --sandbox http://127.0.0.1:8170

GET /openapi.json describes everything; /health needs no token. The token is read from the environment or a file, never
from the command line. Requests are not encrypted: across a network, put a TLS proxy or a tunnel before it.
A full queue answers 429 and an ending service 503, both with Retry-After. SIGTERM or Ctrl-C ends it in order.";

/// Sandboxes as a service.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Run programs for others over HTTP.
    Serve(Serve),
}

/// Where, for whom, and how much.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Serve {
    /// Address and port; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8170")]
    listen: SocketAddr,
    /// The environment variable that holds the token.
    #[arg(long, value_name = "VARIABLE", default_value = TOKEN_VARIABLE)]
    token_env: String,
    /// A file that holds the token.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Ask for no token: everybody on this machine may run programs. Loopback addresses only.
    #[arg(long, conflicts_with = "token_file")]
    no_token: bool,
    /// Runs at a time; 0 means one a core.
    #[arg(long, value_name = "N", default_value_t = 0)]
    workers: usize,
    /// Requests that may wait beside those.
    #[arg(long, value_name = "N", default_value_t = 256)]
    queue: usize,
    /// Largest request, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 32 << 20)]
    body_bytes: usize,
    /// Longest time from a request to its answer, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 1800)]
    request_limit: u64,
    /// How long requests in work may take once the service is to end, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    drain_limit: u64,
    /// The most that a request may ask for, such as cpu_ms=10000; may be given several times.
    #[arg(long, value_name = "NAME=VALUE")]
    most: Vec<String>,
    /// Isolation: strict needs every layer, standard takes what the machine offers, none is for trusted programs.
    #[arg(long, value_name = "LEVEL", default_value = "strict", value_parser = isolation)]
    isolation: Isolation,
}

/// Serves until it is ended. Returns the exit code.
pub(crate) fn run(command: &Command, terminal: &Terminal) -> Result<u8> {
    let Command::Serve(arguments) = command;
    let config = config(arguments)?;
    let interrupt = Interrupt::listen("ending once the requests in work are answered")?;
    let sandbox_config = SandboxConfig {
        isolation: arguments.isolation,
        workers: arguments.workers,
        ..SandboxConfig::default()
    };
    let listener = TcpListener::bind(arguments.listen)
        .with_context(|| format!("failed to listen at {}", arguments.listen))?;
    let address = listener.local_addr().context("failed to listen")?;
    let sandbox = Sandbox::start(sandbox_config).context("failed to start the sandbox")?;
    let workers = sandbox.workers();
    let service = Service::start(sandbox, config).context("failed to start the service")?;
    terminal.note(&format!(
        "isolation ({}): {}",
        isolation_name(arguments.isolation),
        service.layers().join(", ")
    ));
    // Whoever started it reads the address, above all where the port was chosen here.
    match terminal.is_json {
        true => terminal.result(
            &serde_json::json!({ "url": format!("http://{address}"), "workers": workers }).to_string(),
        ),
        false => terminal.result(&format!("serving at http://{address} with {workers} workers")),
    }
    let is_drained = serve(service, listener, move || interrupt.is_set()).context("failed to serve")?;
    if !is_drained {
        terminal.note("some requests in work were not answered in time");
    }
    Ok(0)
}

fn config(arguments: &Serve) -> Result<ServiceConfig> {
    let usage = |message: String| anyhow::Error::from(Usage(message));
    let token = match (&arguments.token_file, arguments.no_token) {
        (Some(path), _) => Some(Token::from_file(path).map_err(|error| usage(error.to_string()))?),
        (None, true) => None,
        (None, false) => {
            Token::from_variable(&arguments.token_env).map_err(|error| usage(error.to_string()))?
        }
    };
    if token.is_none() && !arguments.no_token {
        return Err(usage(format!(
            "expected a token in the variable {} or in --token-file, found none\n\
             hint: export {}=$(head -c 24 /dev/urandom | base64), or --no-token on this machine only",
            arguments.token_env, arguments.token_env
        )));
    }
    if token.is_none() && !arguments.listen.ip().is_loopback() {
        return Err(usage(format!(
            "--no-token: expected a loopback address, found {}\nhint: a service that others reach needs a token",
            arguments.listen
        )));
    }
    let defaults = ServiceConfig::default();
    let most = if arguments.most.is_empty() {
        defaults.most
    } else {
        // What is not said stays as it is by default.
        let mut settings = Vec::new();
        if let serde_json::Value::Object(fields) = serde_json::to_value(&defaults.most)? {
            settings.extend(fields.into_iter().map(|(name, value)| format!("{name}={value}")));
        }
        let mut source = Source::of_settings("--most", "most", &[settings, arguments.most.clone()].concat())?;
        source.take("most")?
    };
    Ok(ServiceConfig {
        token,
        isolation: arguments.isolation,
        queue: arguments.queue,
        body_bytes: arguments.body_bytes,
        request_limit: Duration::from_secs(arguments.request_limit),
        drain_limit: Duration::from_secs(arguments.drain_limit),
        most,
        ..defaults
    })
}
