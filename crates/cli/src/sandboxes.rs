//! The sandbox that a command runs programs in: this machine's, or the services that it is pointed at.

use std::sync::Arc;

use anyhow::{Context, Result};
use hone_fleet::{Fleet, FleetConfig, TOKEN_VARIABLE, Token};
use hone_sandbox::{Isolation, Sandbox, SandboxConfig};

use crate::exit::Usage;
use crate::terminal::Terminal;

// A comment that documents this type would replace the help of every command that takes it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SandboxArguments {
    /// Isolation: strict needs every layer, standard takes what the machine offers, none is for trusted programs.
    #[arg(long, value_name = "LEVEL", default_value = "strict", value_parser = isolation)]
    pub(crate) isolation: Isolation,
    /// Run programs at this sandbox service (hone sandbox serve) and not here; may be given several times. The token is
    /// read from HONE_SANDBOX_TOKEN.
    #[arg(long = "sandbox", alias = "sandbox-endpoint", value_name = "URL")]
    pub(crate) endpoints: Vec<String>,
}

impl SandboxArguments {
    /// The sandbox that was asked for, with so many workers (0: one a core) where it is here.
    pub(crate) fn open(&self, workers: usize, terminal: &Terminal) -> Result<OpenedSandbox> {
        let config = SandboxConfig { isolation: self.isolation, workers, ..SandboxConfig::default() };
        OpenedSandbox::open(config, &self.endpoints, terminal)
    }
}

/// The level of isolation named by a text.
pub(crate) fn isolation(text: &str) -> Result<Isolation, String> {
    serde_json::from_value(serde_json::Value::from(text))
        .map_err(|_| format!("expected strict, standard or none, found {text:?}"))
}

/// The name of a level of isolation.
pub(crate) fn isolation_name(isolation: Isolation) -> &'static str {
    match isolation {
        Isolation::Strict => "strict",
        Isolation::Standard => "standard",
        Isolation::None => "none",
    }
}

/// A sandbox, and the services behind it if there are any.
pub(crate) struct OpenedSandbox {
    pub(crate) sandbox: Arc<Sandbox>,
    fleet: Option<Arc<Fleet>>,
}

impl OpenedSandbox {
    /// Starts workers here, or connects to services, which have their own number of workers and their own Python.
    pub(crate) fn open(
        config: SandboxConfig,
        endpoints: &[String],
        terminal: &Terminal,
    ) -> Result<OpenedSandbox> {
        let isolation = config.isolation;
        if endpoints.is_empty() {
            let sandbox = Sandbox::start(config).context("failed to start the sandbox")?;
            if isolation != Isolation::Strict {
                terminal.note(&format!("isolation: {}", isolation_name(isolation)));
            }
            return Ok(OpenedSandbox { sandbox: sandbox.into(), fleet: None });
        }
        let token = Token::from_variable(TOKEN_VARIABLE).map_err(|error| Usage(error.to_string()))?;
        let config = FleetConfig { isolation, ..FleetConfig::new(endpoints.to_vec(), token) };
        let fleet = Fleet::connect(config).context("failed to connect to the sandbox services")?;
        let sandbox = Arc::new(Sandbox::elsewhere(fleet.clone()));
        terminal.note(&format!("sandbox: {} services, {} workers", endpoints.len(), sandbox.workers()));
        Ok(OpenedSandbox { sandbox, fleet: Some(fleet) })
    }

    /// Says whether work was done twice, because a service died or because the machine was too busy.
    pub(crate) fn note_repeats(&self, terminal: &Terminal) {
        let again = self.sandbox.made_again();
        if again > 0 {
            terminal.note(&format!(
                "runs made again alone, as the machine was busy when they reached a limit of time: {again}"
            ));
        }
        let repeats = self.fleet.as_ref().map_or(0, |fleet| fleet.repeats());
        if repeats > 0 {
            terminal.note(&format!(
                "{repeats} runs were begun at a sandbox service that gave no answer, and done again elsewhere"
            ));
        }
    }
}
