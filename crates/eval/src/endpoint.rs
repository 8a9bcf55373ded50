//! Completions from any OpenAI-compatible endpoint: `/chat/completions` and `/completions`.
//!
//! Requests that fail for a while (429, 5xx, a broken connection, no answer in time) are tried again with growing pauses,
//! or with the one that `Retry-After` asks for, of at most a minute. The key is read
//! from an environment variable by the caller; it is in no message, log or result. Not here: judging.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hone_environment::{Observation, Role};
use hone_model::{FinishReason, SamplingParams};
use serde_json::{Value, json};

use crate::EvalError;

/// Longest answer that is read, in bytes.
const MAX_ANSWER: u64 = 16 << 20;

/// Where and how to ask.
#[derive(Clone)]
pub struct Endpoint {
    agent: ureq::Agent,
    base: String,
    model: String,
    key: Option<String>,
    timeout: Duration,
    /// Whether a failure that may pass was told.
    has_told: Arc<AtomicBool>,
    /// Tries of one request.
    pub tries: u32,
    /// Pause before the second try; doubled for each further one.
    pub pause: Duration,
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The text.
    pub text: String,
    /// Its tokens, as far as the endpoint says.
    pub tokens: usize,
    /// Why it ended.
    pub finish: FinishReason,
}

/// Whether a failed try may succeed later.
enum Failure {
    Passing { message: String, pause: Option<Duration> },
    Lasting(String),
}

impl Endpoint {
    /// An endpoint such as `http://localhost:8000/v1`, and the model to ask there.
    pub fn new(base: &str, model: &str, key: Option<String>, timeout: Duration) -> Endpoint {
        let config = ureq::Agent::config_builder().timeout_global(Some(timeout)).http_status_as_error(false);
        Endpoint {
            agent: config.build().into(),
            base: base.trim_end_matches('/').to_owned(),
            model: model.to_owned(),
            key,
            timeout,
            has_told: Arc::default(),
            tries: 6,
            pause: Duration::from_secs(1),
        }
    }

    /// Asks for one completion of an observation: a chat if it has messages, else a continuation of its prefix.
    pub fn complete(
        &self,
        seen: &Observation,
        sampling: &SamplingParams,
        seed: u64,
    ) -> Result<Answer, EvalError> {
        let (path, body) = self.request(seen, sampling, seed);
        let body = body.to_string();
        let mut pause = self.pause;
        let mut tried = 1;
        loop {
            match self.once(path, &body) {
                Ok(answer) => return Ok(answer),
                Err(Failure::Passing { message, pause: asked }) if tried < self.tries => {
                    let pause_now = asked.unwrap_or(pause).min(Duration::from_secs(60));
                    // Once, so that nobody waits without knowing why.
                    if !self.has_told.swap(true, Ordering::Relaxed) {
                        tracing::warn!("{}{path}: {message}; trying again", self.base);
                    }
                    std::thread::sleep(pause_now);
                    pause *= 2;
                    tried += 1;
                }
                Err(Failure::Passing { message, .. } | Failure::Lasting(message)) => {
                    return Err(EvalError::Endpoint {
                        message: format!("{}{path}, {tried} {}: {message}", self.base, plural(tried)),
                    });
                }
            }
        }
    }

    fn request(&self, seen: &Observation, sampling: &SamplingParams, seed: u64) -> (&'static str, Value) {
        let mut body = json!({
            "model": self.model, "temperature": decimal(sampling.temperature), "top_p": decimal(sampling.top_p),
            "max_tokens": sampling.max_new_tokens, "seed": seed, "n": 1, "stream": false,
        });
        // What the protocol does not know is sent only where it is asked for.
        if sampling.top_k > 0 {
            body["top_k"] = sampling.top_k.into();
        }
        if sampling.min_p > 0.0 {
            body["min_p"] = decimal(sampling.min_p).into();
        }
        if !seen.stop.is_empty() {
            // The protocol allows four; the rest is cut off here.
            body["stop"] = seen.stop.iter().take(4).cloned().collect();
        }
        if seen.messages.is_empty() {
            body["prompt"] = seen.answer_prefix.clone().into();
            return ("/completions", body);
        }
        let message = |message: &hone_environment::Message| {
            let role = match message.role {
                Role::System => "system",
                Role::User => "user",
                Role::Assistant => "assistant",
            };
            json!({ "role": role, "content": message.content })
        };
        body["messages"] = seen.messages.iter().map(message).collect();
        ("/chat/completions", body)
    }

    fn once(&self, path: &str, body: &str) -> Result<Answer, Failure> {
        let mut request =
            self.agent.post(format!("{}{path}", self.base)).header("content-type", "application/json");
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let passing = |message: String| Failure::Passing { message, pause: None };
        let mut response = request.send(body).map_err(|error| passing(self.describe(&error)))?;
        let status = response.status().as_u16();
        let asked = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let text = response.body_mut().with_config().limit(MAX_ANSWER).read_to_string();
        let text = text.map_err(|error| passing(self.describe(&error)))?;
        match status {
            // A server that sends the key back must not bring it into a result.
            200..=299 => answer(&self.without_key(&text)).map_err(Failure::Lasting),
            408 | 409 | 425 | 429 | 500..=599 => Err(Failure::Passing {
                message: format!("status {status}: {}", self.without_key(&short(&text))),
                pause: asked.map(Duration::from_secs),
            }),
            _ => {
                let hint = match status {
                    401 | 403 => "\nhint: the key is read from the variable that --key-env names",
                    404 => {
                        "\nhint: the URL is the part before /chat/completions, often ending in /v1; --endpoint-model names the model"
                    }
                    _ => "",
                };
                Err(Failure::Lasting(format!("status {status}: {}{hint}", self.without_key(&short(&text)))))
            }
        }
    }

    /// What went wrong on the way.
    fn describe(&self, error: &ureq::Error) -> String {
        match error {
            ureq::Error::Timeout(_) => {
                let seconds = self.timeout.as_secs_f64();
                format!(
                    "expected an answer within {seconds} s, found none\nhint: fewer requests at a time or shorter answers"
                )
            }
            other => self.without_key(&other.to_string()),
        }
    }

    fn without_key(&self, text: &str) -> String {
        self.key
            .as_ref()
            .filter(|key| !key.is_empty())
            .map_or(text.to_owned(), |key| text.replace(key.as_str(), "***"))
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Endpoint({} at {})", self.model, self.base)
    }
}

/// The number as it was written: 0.8, not 0.800000011920929.
fn decimal(number: f32) -> f64 {
    number.to_string().parse().unwrap_or_else(|_| f64::from(number))
}

fn plural(tries: u32) -> &'static str {
    if tries == 1 { "try" } else { "tries" }
}

fn short(text: &str) -> String {
    text.chars().take(300).collect()
}

fn answer(text: &str) -> Result<Answer, String> {
    let body: Value = serde_json::from_str(text)
        .map_err(|error| format!("expected JSON, found {error}: {}", short(text)))?;
    let choice = &body["choices"][0];
    let message = &choice["message"];
    // A model that thought until its last token has said nothing: `"content": null`.
    let is_silent = message.is_object() && message["content"].is_null();
    let content = message["content"].as_str().or_else(|| choice["text"].as_str()).or(is_silent.then_some(""));
    let content = content.ok_or_else(|| format!("expected a choice with a text, found {}", short(text)))?;
    Ok(Answer {
        text: content.to_owned(),
        tokens: body["usage"]["completion_tokens"]
            .as_u64()
            .and_then(|count| usize::try_from(count).ok())
            .unwrap_or(0),
        finish: if choice["finish_reason"] == "length" {
            FinishReason::Length
        } else {
            FinishReason::StopText
        },
    })
}
