//! Integration tests of `hone-model`.
#![expect(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

mod checkpoint;
mod default_model;
mod golden;
