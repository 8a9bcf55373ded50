//! Sandboxes over HTTP: the service that one machine offers, and the client that spreads work over several.
//!
//! Never here: running anything (`hone-sandbox` does), tasks, rewards. Async code is in the service only; whoever uses a
//! fleet sees a `hone_sandbox::Sandbox` like any other.

mod wire;

mod listen;
mod openapi;
mod service;

#[doc(hidden)]
pub mod hostile;

mod client;
mod token;

pub use client::{Fleet, FleetConfig};
pub use listen::serve;
pub use openapi::description;
pub use service::{Service, ServiceConfig};
pub use token::{TOKEN_VARIABLE, Token, TokenError};
pub use wire::{CostRequest, RunRequest, Status, Trouble};
