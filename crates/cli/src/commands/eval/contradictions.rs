//! What of a command line of `hone eval` makes no sense together, told before anything runs.

use std::path::Path;

use anyhow::Result;

use super::arguments::{Arguments, SamplesSource};
use crate::exit::Usage;

impl Arguments {
    /// Refuses what would be ignored, and what could only fail at the end.
    pub(super) fn refuse_contradictions(&self) -> Result<()> {
        let has_file = matches!(self.samples, SamplesSource::File(_));
        let has_shots = self.shots.is_some_and(|shots| shots > 0) || self.shots_file.is_some();
        let endpoint = self.endpoint.as_deref();
        let is_url = |url: &str| url.starts_with("http://") || url.starts_with("https://");
        let folder = self.report.as_deref().and_then(Path::parent).filter(|it| !it.as_os_str().is_empty());
        let message = if self.k.contains(&0) {
            "--k: expected at least 1, found 0".to_owned()
        } else if self.limit == Some(0) {
            "--limit: expected at least 1, found 0".to_owned()
        } else if self.check && has_file {
            "--check runs references and scores no samples: expected --check or --samples FILE, found both"
                .into()
        } else if endpoint.is_some() && has_file {
            "expected one source of samples, --endpoint or --samples FILE, found both".into()
        } else if self.extract && !has_file {
            "--extract: expected --samples FILE, whose answers are meant, found no file".into()
        } else if has_file && has_shots {
            "--shots, --shots-file: expected a model or an endpoint to show examples to, found a samples file"
                .into()
        } else if let Some(url) = endpoint.filter(|url| !is_url(url)) {
            format!("--endpoint: expected a URL such as http://localhost:8000/v1, found {url:?}")
        } else if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            format!("--report: expected a file in a folder that exists, found none at {}", folder.display())
        } else {
            return Ok(());
        };
        Err(Usage(message).into())
    }
}
