//! Task → episode: observation, step, verifier, reward. An environment sees text, never tensors or token ids.

mod environment;

pub use environment::{
    Environment, EnvironmentError, EnvironmentSet, Message, Observation, Role, Step, Verdict,
};
