//! From an error to an exit code, and from a panic to a message.

use hone_dataset::TaskError;
use hone_model::ModelError;
use hone_runlog::RunlogError;
use hone_sandbox::SandboxError;

use crate::recipe::RecipeError;

/// The user asked for something that cannot be meant; exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// This machine lacks something; exit code 3.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Lacking(pub(crate) String);

/// Ctrl-C; exit code 130.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Interrupted(pub(crate) String);

/// The exit code of an error, by its deepest cause that has one.
pub(crate) fn code(error: &anyhow::Error) -> u8 {
    error.chain().filter_map(code_of).next_back().unwrap_or(1)
}

fn code_of(cause: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if cause.is::<Interrupted>() {
        return Some(130);
    }
    if cause.is::<RecipeError>() || cause.is::<Usage>() || cause.is::<TaskError>() {
        return Some(2);
    }
    if cause.is::<Lacking>() {
        return Some(3);
    }
    if let Some(error) = cause.downcast_ref::<ModelError>() {
        return match error {
            ModelError::Fetch(_) => Some(3),
            ModelError::Unsupported(_) | ModelError::Format { .. } | ModelError::Invalid(_) => Some(2),
            _ => Some(1),
        };
    }
    if let Some(RunlogError::NotEmpty { .. } | RunlogError::NotARun { .. }) =
        cause.downcast_ref::<RunlogError>()
    {
        return Some(2);
    }
    if let Some(error) = cause.downcast_ref::<SandboxError>() {
        return match error {
            SandboxError::MissingLayer { .. }
            | SandboxError::MissingToolchain { .. }
            | SandboxError::Elsewhere(_) => Some(3),
            SandboxError::BadSubmission(_) => Some(2),
            _ => Some(1),
        };
    }
    None
}

/// A panic is a bug of ours; the user gets two lines and not a backtrace.
pub(crate) fn install_panic_hook() {
    std::panic::set_hook(Box::new(|info| {
        let payload = info.payload();
        let message = payload
            .downcast_ref::<&str>()
            .map(|text| text.to_string())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        let place =
            info.location().map(|place| format!(" ({}:{})", place.file(), place.line())).unwrap_or_default();
        eprintln!("error: a bug in hone{place}: {message}");
        eprintln!(
            "hint: checkpoints already written are intact; please report this with the command you ran"
        );
        if std::env::var_os("RUST_BACKTRACE").is_some() {
            eprintln!("{}", std::backtrace::Backtrace::force_capture());
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_follow_the_cause() {
        let check = |error: anyhow::Error, expected: u8| {
            assert_eq!(code(&error.context("failed to train")), expected)
        };
        check(anyhow::anyhow!("plain"), 1);
        check(Usage("no such run".into()).into(), 2);
        check(ModelError::Fetch("no network".into()).into(), 3);
        check(ModelError::Unsupported("MambaForCausalLM".into()).into(), 2);
        check(SandboxError::Worker("died".into()).into(), 1);
        check(Interrupted("ended".into()).into(), 130);
    }
}
