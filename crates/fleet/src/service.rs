//! The service's routes: who may ask, what may be asked, and a queue that pushes back when it is full.
//!
//! Not here: connections and their end (`listen.rs`), the form of requests (`wire.rs`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hone_sandbox::{Done, Isolation, Limits, Queue, Sandbox, SandboxError, Work, probe};
use serde::Serialize;

use crate::token::Token;
use crate::wire::{Status, Trouble, excess, extent, fit_defaults, missing_layers, trouble_of, work_of};

/// How a service is set up.
#[derive(Debug, Clone)]
pub struct ServiceConfig {
    /// The token that every request for work must carry; `None` lets everybody who can connect ask.
    pub token: Option<Token>,
    /// Isolation that the sandbox was started with; told to clients.
    pub isolation: Isolation,
    /// Pieces of work that may wait, beside those in flight.
    pub queue: usize,
    /// Largest body of a request, in bytes.
    pub body_bytes: usize,
    /// Connections at one time; further ones wait to be accepted.
    pub connections: usize,
    /// Longest time that a request's head or body may take to arrive.
    pub arrival_limit: Duration,
    /// Longest time from a request to its answer.
    pub request_limit: Duration,
    /// How long requests that are in work may still take once the service is to end.
    pub drain_limit: Duration,
    /// The most that a request may ask for; more is refused, not cut.
    pub most: Limits,
    /// The most stdin/stdout cases or inputs of one request.
    pub most_cases: usize,
}

impl Default for ServiceConfig {
    fn default() -> Self {
        ServiceConfig {
            token: None,
            isolation: Isolation::Strict,
            queue: 256,
            body_bytes: 32 << 20,
            connections: 1024,
            arrival_limit: Duration::from_secs(30),
            request_limit: Duration::from_secs(1800),
            drain_limit: Duration::from_secs(30),
            most: Limits {
                cpu_ms: 120_000,
                wall_ms: 300_000,
                memory_bytes: 4 << 30,
                processes: 512,
                open_files: 1024,
                output_bytes: 16 << 20,
                disk_bytes: 1 << 30,
            },
            most_cases: 2_000,
        }
    }
}

/// A sandbox behind routes.
#[derive(Debug)]
pub struct Service {
    pub(crate) config: ServiceConfig,
    queue: Queue,
    workers: usize,
    layers: Vec<String>,
    is_ending: AtomicBool,
}

impl Service {
    /// Puts a queue before the sandbox and runs one trivial program, to know the layers in force.
    pub fn start(sandbox: Sandbox, config: ServiceConfig) -> Result<Service, SandboxError> {
        let outcome = sandbox.run("pass\n", b"", &Limits::default())?;
        let missing = missing_layers(&outcome.isolation, &probe());
        if config.isolation == Isolation::Strict && !missing.is_empty() {
            return Err(SandboxError::Worker(format!(
                "strict isolation was demanded, and {} is not in force",
                missing.join(", ")
            )));
        }
        let workers = sandbox.workers();
        let queue = Queue::start(Arc::new(sandbox), config.queue)?;
        Ok(Service { config, queue, workers, layers: outcome.isolation, is_ending: AtomicBool::new(false) })
    }

    /// Names of the layers in force.
    pub fn layers(&self) -> &[String] {
        &self.layers
    }

    /// From now on new work is refused.
    pub(crate) fn begin_end(&self) {
        self.is_ending.store(true, Ordering::SeqCst);
    }

    fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::SeqCst)
    }

    fn status(&self) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            workers: self.workers,
            queue_capacity: self.config.queue,
            queue_waiting: self.queue.waiting(),
            isolation: self.config.isolation,
            layers: self.layers.clone(),
            most: self.config.most.clone(),
            request_limit_s: self.config.request_limit.as_secs(),
        }
    }

    /// The answer to a request that may not ask for anything but health and description.
    fn refused(&self, request: &Request) -> Option<Response> {
        let token = self.config.token.as_ref()?;
        let header = request.headers().get(header::AUTHORIZATION);
        if header.is_some_and(|value| token.is_in(value.as_bytes())) {
            return None;
        }
        let trouble = Trouble::new(
            "unauthorized",
            "expected `authorization: Bearer TOKEN` with this service's token\n\
             hint: give the client the same HONE_SANDBOX_TOKEN as the service",
        );
        let mut answer = refusal(StatusCode::UNAUTHORIZED, &trouble);
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        Some(answer)
    }

    /// The whole way of a piece of work.
    async fn work(&self, request: Request) -> Result<Done, Response> {
        if let Some(refusal) = self.refused(&request) {
            return Err(refusal);
        }
        if self.is_ending() {
            let trouble = Trouble::new("ending", "the service is ending and takes no new work");
            return Err(later(StatusCode::SERVICE_UNAVAILABLE, &trouble, 5));
        }
        let path = request.uri().path().to_owned();
        let body = self.body(request.into_body()).await?;
        let mut work = work_of(&path, &body).map_err(|message| {
            refusal(StatusCode::UNPROCESSABLE_ENTITY, &Trouble::new("bad-request", &message))
        })?;
        fit_defaults(&mut work, &body, &self.config.most);
        drop(body);
        let (limits, cases) = extent(&work);
        let too_much = excess(limits, &self.config.most).or_else(|| {
            let most = self.config.most_cases;
            (cases > most).then(|| format!("expected at most {most} cases in one request, found {cases}"))
        });
        if let Some(message) = too_much {
            return Err(refusal(StatusCode::UNPROCESSABLE_ENTITY, &Trouble::new("too-much", &message)));
        }
        self.queued(work).await
    }

    async fn body(&self, body: Body) -> Result<axum::body::Bytes, Response> {
        let most = self.config.body_bytes;
        let arrival = tokio::time::timeout(self.config.arrival_limit, to_bytes(body, most)).await;
        match arrival {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(_)) => {
                let message = format!("expected a whole body of at most {most} bytes");
                Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, &Trouble::new("body-too-large", &message)))
            }
            Err(_) => {
                let message =
                    format!("the body did not arrive within {} s", self.config.arrival_limit.as_secs());
                Err(refusal(StatusCode::REQUEST_TIMEOUT, &Trouble::new("body-too-slow", &message)))
            }
        }
    }

    async fn queued(&self, work: Work) -> Result<Done, Response> {
        let Ok(ticket) = self.queue.try_submit(move |sandbox| sandbox.carry_out(&work)) else {
            let message = format!("{} pieces of work are waiting, and no more may", self.config.queue);
            let trouble = Trouble::new("queue-full", &message);
            return Err(later(StatusCode::TOO_MANY_REQUESTS, &trouble, 1));
        };
        // Dropping the ticket, here or because the client went away, takes the work out if it was not begun.
        match tokio::time::timeout(self.config.request_limit, ticket).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => {
                let (status, trouble) = trouble_of(&error);
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                Err(refusal(status, &trouble))
            }
            Err(_) => {
                let limit = self.config.request_limit.as_secs();
                let trouble = Trouble::new("too-slow", &format!("there was no answer within {limit} s"));
                Err(refusal(StatusCode::GATEWAY_TIMEOUT, &trouble))
            }
        }
    }
}

/// The routes of a service.
pub(crate) fn routes(service: Arc<Service>) -> Router {
    let work = || {
        post(|State(service): State<Arc<Service>>, request: Request| async move {
            match service.work(request).await {
                Ok(Done::Outcome(outcome)) => answer(&outcome),
                Ok(Done::Judgement(judgement)) => answer(&judgement),
                Ok(Done::Measured(measured)) => answer(&measured),
                Ok(Done::Compared(comparison)) => answer(&comparison),
                Err(refusal) => refusal,
            }
        })
    };
    let health = |State(service): State<Arc<Service>>| async move {
        match service.is_ending() {
            false => answer(&serde_json::json!({ "status": "ok" })),
            true => {
                let trouble = Trouble::new("ending", "the service is ending");
                later(StatusCode::SERVICE_UNAVAILABLE, &trouble, 5)
            }
        }
    };
    let status = |State(service): State<Arc<Service>>, request: Request| async move {
        service.refused(&request).unwrap_or_else(|| answer(&service.status()))
    };
    let unknown = || async {
        let trouble = Trouble::new("no-such-path", "there is nothing here\nhint: see /openapi.json");
        refusal(StatusCode::NOT_FOUND, &trouble)
    };
    let wrong_method = || async {
        let trouble = Trouble::new("wrong-method", "this path takes another method\nhint: see /openapi.json");
        refusal(StatusCode::METHOD_NOT_ALLOWED, &trouble)
    };
    Router::new()
        .route("/health", get(health))
        .route("/openapi.json", get(|| async { answer(&crate::description()) }))
        .route("/v1/status", get(status))
        .route("/v1/run", work())
        .route("/v1/judge", work())
        .route("/v1/cost", work())
        .method_not_allowed_fallback(wrong_method)
        .fallback(unknown)
        .with_state(service)
}

fn answer<T: Serialize>(value: &T) -> Response {
    match serde_json::to_string(value) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => {
            let trouble = Trouble::new("no-answer", &format!("the answer cannot be written: {error}"));
            refusal(StatusCode::INTERNAL_SERVER_ERROR, &trouble)
        }
    }
}

fn refusal(status: StatusCode, trouble: &Trouble) -> Response {
    let text = serde_json::to_string(trouble).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// A refusal that may be otherwise in some seconds.
fn later(status: StatusCode, trouble: &Trouble, seconds: u64) -> Response {
    let mut answer = refusal(status, trouble);
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    answer
}
