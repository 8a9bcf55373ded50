//! Why training could not start or go on.

/// A setting that makes no sense; `key` is its path below the section it was read from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` must be {expected}, got {found}{}", hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default())]
pub struct ConfigError {
    /// Path of the setting, such as `optimizer.beta1`.
    pub key: String,
    /// What is allowed.
    pub expected: String,
    /// What was given.
    pub found: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl ConfigError {
    /// An error about `key`.
    pub fn new(
        key: impl Into<String>,
        expected: impl Into<String>,
        found: impl std::fmt::Display,
    ) -> ConfigError {
        ConfigError { key: key.into(), expected: expected.into(), found: found.to_string(), hint: None }
    }

    /// The same with advice.
    pub fn with_hint(mut self, hint: impl Into<String>) -> ConfigError {
        self.hint = Some(hint.into());
        self
    }

    /// The same with the key below `section`.
    pub fn within(mut self, section: &str) -> ConfigError {
        self.key = format!("{section}.{}", self.key);
        self
    }

    /// `Ok` if `is_valid`, else the error about `key`.
    pub fn require(
        is_valid: bool,
        key: &str,
        expected: &str,
        found: impl std::fmt::Display,
    ) -> Result<(), ConfigError> {
        if is_valid { Ok(()) } else { Err(ConfigError::new(key, expected, found)) }
    }
}

/// Errors of an update.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A number that should be finite is not.
    #[error(
        "{quantity} of {name}[{index}] is {value} at step {step}\n\
         hint: lower the learning rate, or clip gradients harder; the last checkpoint is intact"
    )]
    NonFinite {
        /// `gradient` or `value`.
        quantity: &'static str,
        /// The parameter.
        name: String,
        /// Position in it.
        index: usize,
        /// What was found there.
        value: f32,
        /// The step.
        step: u64,
    },
    /// The saved optimizer state belongs to other parameters.
    #[error("optimizer state does not fit the network: {0}")]
    StateMismatch(String),
}
