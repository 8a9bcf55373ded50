//! Why a model could not be read, written or run.

/// Errors of this crate; variants only where callers act differently.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file could not be read or written.
    #[error("failed to access {path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// A file's content is not what its format promises.
    #[error("{path}: {message}")]
    Format {
        /// The file.
        path: String,
        /// What was expected and what was found.
        message: String,
    },
    /// A valid model that this engine does not run.
    #[error("unsupported model: {0}")]
    Unsupported(String),
    /// The caller asked for something that makes no sense, such as a token id outside the vocabulary.
    #[error("{0}")]
    Invalid(String),
    /// The model cannot be fetched.
    #[error("{0}")]
    Fetch(String),
}

impl ModelError {
    /// `Io` for `path`.
    pub(crate) fn io(path: &std::path::Path, source: std::io::Error) -> ModelError {
        ModelError::Io { path: path.display().to_string(), source }
    }

    /// `Format` for `path`.
    pub(crate) fn format(path: &std::path::Path, message: impl Into<String>) -> ModelError {
        ModelError::Format { path: path.display().to_string(), message: message.into() }
    }
}
