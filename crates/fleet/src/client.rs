//! Several services as one sandbox: work goes where there is room, and elsewhere when a service dies.
//!
//! Work is a pure function of what is sent, so doing it again is sound; but none is done twice silently: what may have
//! been begun somewhere before it is sent elsewhere is counted and logged. Every wait has a limit.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hone_sandbox::{Done, Isolation, Remote, SandboxError, Work};
use serde::de::DeserializeOwned;

use crate::token::Token;
use crate::wire::{Status, Trouble, request_of};

/// How services are asked.
#[derive(Debug, Clone)]
pub struct FleetConfig {
    /// Base addresses, such as `http://127.0.0.1:8170`.
    pub endpoints: Vec<String>,
    /// The token of all of them.
    pub token: Option<Token>,
    /// Isolation that each must have at least.
    pub isolation: Isolation,
    /// How often one piece of work is begun at most.
    pub tries: u32,
    /// How long work may wait while no service takes it.
    pub patience: Duration,
    /// How long a connection may take to be made.
    pub connect_limit: Duration,
}

impl FleetConfig {
    /// The usual settings for these services.
    pub fn new(endpoints: Vec<String>, token: Option<Token>) -> FleetConfig {
        FleetConfig {
            endpoints,
            token,
            isolation: Isolation::Strict,
            tries: 3,
            patience: Duration::from_secs(60),
            connect_limit: Duration::from_secs(5),
        }
    }
}

/// Longest time that services may all be busy before that is an error.
const BUSY_LIMIT: Duration = Duration::from_secs(3600);
/// Longest answer that is read, in bytes.
const MAX_ANSWER: u64 = 256 << 20;
/// First pause after a service failed; doubled each time, up to `MOST_REST`.
const REST: Duration = Duration::from_millis(200);
const MOST_REST: Duration = Duration::from_secs(10);
/// What an answer may take beyond the service's own limit.
const ANSWER_SLACK: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct Endpoint {
    url: String,
    /// Of its status; 1 until it was asked.
    workers: usize,
    request_limit: Duration,
    in_flight: AtomicUsize,
    rest: Mutex<RestState>,
}

#[derive(Debug, Default)]
struct RestState {
    until: Option<Instant>,
    /// Failures without a success between them.
    failures: u32,
    last: String,
}

/// What one try came to.
enum Try {
    Answer(Done),
    /// It was not begun; ask again after the pause, there or elsewhere.
    Busy(Duration, String),
    /// It was not begun: the service cannot be reached.
    Unreachable(String),
    /// It may have been begun, and there is no answer.
    Lost(String),
    /// It makes no sense anywhere.
    Refused(SandboxError),
}

/// Several services as one sandbox; see `hone_sandbox::Sandbox::elsewhere`.
pub struct Fleet {
    agent: ureq::Agent,
    endpoints: Vec<Endpoint>,
    config: FleetConfig,
    repeats: AtomicU64,
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fleet").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}

impl Fleet {
    /// Asks every service for its status. One that cannot be reached now may come later, if another can; one that
    /// refuses the token, or isolates less than demanded, is an error.
    pub fn connect(config: FleetConfig) -> Result<Arc<Fleet>, SandboxError> {
        let failed = |message: String| Err(SandboxError::Elsewhere(message));
        if config.endpoints.is_empty() {
            return failed("expected at least one sandbox service, found none".into());
        }
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(config.connect_limit))
            .max_redirects(0)
            .max_idle_connections(256)
            .max_idle_connections_per_host(64)
            // A proxy has no business between a trainer and its sandboxes.
            .proxy(None)
            .build();
        let mut fleet =
            Fleet { agent: agent.into(), endpoints: Vec::new(), config, repeats: AtomicU64::new(0) };
        let mut unreachable = Vec::new();
        for url in &fleet.config.endpoints {
            let url = url.trim_end_matches('/').to_owned();
            if !url.starts_with("http://") && !url.starts_with("https://") {
                return failed(format!("expected an address such as http://127.0.0.1:8170, found {url:?}"));
            }
            let mut endpoint = Endpoint {
                url,
                workers: 1,
                request_limit: Duration::from_secs(1800),
                in_flight: AtomicUsize::new(0),
                rest: Mutex::default(),
            };
            match fleet.status(&endpoint) {
                Ok(status) => {
                    fleet.check(&endpoint, &status)?;
                    endpoint.workers = status.workers.max(1);
                    endpoint.request_limit = Duration::from_secs(status.request_limit_s);
                }
                Err(Try::Refused(error)) => return Err(error),
                Err(Try::Unreachable(message) | Try::Lost(message) | Try::Busy(_, message)) => {
                    tracing::warn!(endpoint = endpoint.url, message, "a sandbox service cannot be reached");
                    unreachable.push(format!("{}: {message}", endpoint.url));
                }
                Err(Try::Answer(_)) => {}
            }
            fleet.endpoints.push(endpoint);
        }
        if unreachable.len() == fleet.endpoints.len() {
            return failed(format!(
                "no sandbox service can be reached: {}\nhint: start one with `hone sandbox serve`",
                unreachable.join("; ")
            ));
        }
        Ok(Arc::new(fleet))
    }

    /// How often work that may have been begun somewhere was sent elsewhere.
    pub fn repeats(&self) -> u64 {
        self.repeats.load(Ordering::Relaxed)
    }

    /// A service that is no Hone of this version, or isolates less than demanded, is not used.
    fn check(&self, endpoint: &Endpoint, status: &Status) -> Result<(), SandboxError> {
        let strength = |isolation| match isolation {
            Isolation::Strict => 2,
            Isolation::Standard => 1,
            Isolation::None => 0,
        };
        if strength(status.isolation) < strength(self.config.isolation) {
            return Err(SandboxError::Elsewhere(format!(
                "{}: expected isolation {:?} at least, found {:?}\nhint: start the service with more, or ask for less (isolation)",
                endpoint.url, self.config.isolation, status.isolation
            ).to_lowercase()));
        }
        if status.version != env!("CARGO_PKG_VERSION") {
            let ours = env!("CARGO_PKG_VERSION");
            tracing::warn!(endpoint = endpoint.url, theirs = status.version, ours, "another version of hone");
        }
        Ok(())
    }

    fn status(&self, endpoint: &Endpoint) -> Result<Status, Try> {
        let limit = self.config.connect_limit * 2;
        let mut request = self.agent.get(format!("{}/v1/status", endpoint.url));
        if let Some(token) = &self.config.token {
            request = request.header("authorization", token.header());
        }
        let response = request.config().timeout_global(Some(limit)).build().call();
        let text = self.text(response)?;
        serde_json::from_str(&text)
            .map_err(|error| Try::Lost(format!("expected the status of a sandbox service: {error}")))
    }

    fn once(&self, endpoint: &Endpoint, path: &str, body: &str, work: &Work) -> Try {
        let mut request = self.agent.post(format!("{}{path}", endpoint.url));
        if let Some(token) = &self.config.token {
            request = request.header("authorization", token.header());
        }
        let limit = endpoint.request_limit + ANSWER_SLACK;
        let response = request
            .header("content-type", "application/json")
            .config()
            .timeout_global(Some(limit))
            .build()
            .send(body);
        match self.text(response) {
            Err(failed) => failed,
            Ok(text) => match work {
                Work::Run(_) => read(&text, |outcome| Done::Outcome(Box::new(outcome))),
                Work::Judge(_) => read(&text, |judgement| Done::Judgement(Box::new(judgement))),
                Work::Measure { .. } => read(&text, Done::Measured),
                Work::Compare { .. } => read(&text, Done::Compared),
            },
        }
    }

    /// The body of a success, or what a failure means.
    fn text(&self, response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<String, Try> {
        let hide = |text: String| match &self.config.token {
            Some(token) => token.hide_in(&text),
            None => text,
        };
        let mut response = response.map_err(|error| {
            let message = hide(error.to_string());
            match &error {
                ureq::Error::ConnectionFailed
                | ureq::Error::HostNotFound
                | ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
                    Try::Unreachable(message)
                }
                ureq::Error::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused => {
                    Try::Unreachable(message)
                }
                _ => Try::Lost(message),
            }
        })?;
        let status = response.status().as_u16();
        let seconds =
            response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let text = response.body_mut().with_config().limit(MAX_ANSWER).read_to_string();
        let text = text.map_err(|error| Try::Lost(hide(error.to_string())))?;
        if (200..300).contains(&status) {
            return Ok(text);
        }
        let trouble = serde_json::from_str(&text).unwrap_or_else(|_| {
            let short: String = text.chars().take(200).collect();
            Trouble::new("unknown", &format!("status {status}: {short}"))
        });
        Err(match (status, trouble.code.as_str()) {
            (429 | 503, _) => Try::Busy(
                Duration::from_secs(seconds.unwrap_or(1)).min(Duration::from_secs(60)),
                trouble.text(),
            ),
            (422, "missing-toolchain") => Try::Refused(SandboxError::MissingToolchain {
                tool: trouble.message.trim_end_matches(" is not installed").to_owned(),
                hint: trouble.hint.clone(),
            }),
            (400 | 413 | 422, _) => Try::Refused(SandboxError::BadSubmission(trouble.text())),
            (401 | 403 | 404 | 405, _) => Try::Refused(SandboxError::Elsewhere(trouble.text())),
            _ => Try::Lost(trouble.text()),
        })
    }

    /// The service with the most room that does not rest, apart from `avoided` if there is another; else how long until
    /// one may be asked again.
    fn choose(&self, avoided: Option<usize>) -> Result<usize, Duration> {
        let now = Instant::now();
        let mut best: Option<(f64, usize)> = None;
        let mut soonest = MOST_REST;
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            let until = endpoint.rest().until;
            if let Some(left) = until.and_then(|until| until.checked_duration_since(now)) {
                soonest = soonest.min(left);
                continue;
            }
            let load = endpoint.in_flight.load(Ordering::Relaxed) as f64 / endpoint.workers as f64;
            let load = if avoided == Some(index) { f64::MAX } else { load };
            if best.is_none_or(|(least, _)| load < least) {
                best = Some((load, index));
            }
        }
        best.map(|(_, index)| index).ok_or(soonest.max(Duration::from_millis(10)))
    }

    fn none_left(&self, waited: Duration) -> SandboxError {
        let said: Vec<String> = self
            .endpoints
            .iter()
            .map(|endpoint| format!("{}: {}", endpoint.url, endpoint.rest().last))
            .collect();
        SandboxError::Elsewhere(format!(
            "no sandbox service took the work within {} s: {}\nhint: look at the services; `hone sandbox serve` starts one",
            waited.as_secs(),
            said.join("; ")
        ))
    }
}

impl Remote for Fleet {
    fn carry_out(&self, work: &Work) -> Result<Done, SandboxError> {
        let (path, body) = request_of(work)
            .map_err(|error| SandboxError::BadSubmission(format!("the work cannot be sent: {error}")))?;
        let started = Instant::now();
        let mut unreachable_since = Some(started);
        let (mut begun, mut avoided) = (0, None);
        loop {
            let index = match self.choose(avoided) {
                Ok(index) => index,
                Err(pause) => {
                    let is_gone =
                        unreachable_since.is_some_and(|since| since.elapsed() >= self.config.patience);
                    if is_gone || started.elapsed() >= BUSY_LIMIT {
                        return Err(self.none_left(started.elapsed()));
                    }
                    std::thread::sleep(pause);
                    continue;
                }
            };
            let endpoint = &self.endpoints[index];
            endpoint.in_flight.fetch_add(1, Ordering::Relaxed);
            let tried = self.once(endpoint, path, &body, work);
            endpoint.in_flight.fetch_sub(1, Ordering::Relaxed);
            match tried {
                Try::Answer(done) => {
                    *endpoint.rest() = RestState::default();
                    return Ok(done);
                }
                Try::Refused(error) => return Err(error),
                Try::Busy(pause, message) => {
                    unreachable_since = None;
                    endpoint.pause(pause, message);
                }
                Try::Unreachable(message) => {
                    unreachable_since.get_or_insert_with(Instant::now);
                    endpoint.fail(message);
                }
                Try::Lost(message) => {
                    begun += 1;
                    avoided = Some(index);
                    let url = &endpoint.url;
                    endpoint.fail(message.clone());
                    if begun >= self.config.tries {
                        return Err(SandboxError::Elsewhere(format!(
                            "the work was begun {begun} times and never answered, last at {url}: {message}"
                        )));
                    }
                    self.repeats.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(url, message, "a sandbox service gave no answer; the work is done again");
                }
            }
        }
    }

    fn workers(&self) -> usize {
        self.endpoints.iter().map(|endpoint| endpoint.workers).sum()
    }
}

impl Endpoint {
    fn rest(&self) -> std::sync::MutexGuard<'_, RestState> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Not to be asked for a while; nothing is wrong with it.
    fn pause(&self, pause: Duration, message: String) {
        let mut rest = self.rest();
        rest.until = Some(Instant::now() + pause);
        rest.last = message;
    }

    /// Not to be asked for a while that grows with every failure.
    fn fail(&self, message: String) {
        let mut rest = self.rest();
        let pause = REST.saturating_mul(1 << rest.failures.min(10)).min(MOST_REST);
        rest.failures += 1;
        rest.until = Some(Instant::now() + pause);
        rest.last = message;
    }
}

fn read<T: DeserializeOwned>(text: &str, done: impl FnOnce(T) -> Done) -> Try {
    match serde_json::from_str(text) {
        Ok(value) => Try::Answer(done(value)),
        Err(error) => Try::Lost(format!("the answer cannot be read: {error}")),
    }
}
