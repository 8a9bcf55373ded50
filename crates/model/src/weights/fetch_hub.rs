//! The Hugging Face hub over HTTPS: one request for the list of files with their checksums, one for each file.
//!
//! Follows the hub's own environment variables: `HF_ENDPOINT` (a mirror), `HF_TOKEN`, `HF_HUB_OFFLINE`. Errors are texts:
//! `fetch` puts them beside those of the other sources.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::fetch::FetchOptions;
use super::files;

/// Written last; its presence means that every file is there and was verified.
const MANIFEST: &str = "fetched.json";

/// Longer lists and files than these are not a model's.
const LONGEST_LIST_BYTES: u64 = 8 << 20;
const LARGEST_FILE_BYTES: u64 = 64 << 30;

/// Where a repository lies in the cache.
pub(super) fn place(cache: &Path, repository: &str) -> PathBuf {
    cache.join("models/hub").join(repository.replace('/', "--"))
}

/// Whether a place holds a whole model.
pub(super) fn is_complete(place: &Path) -> bool {
    place.join(MANIFEST).exists()
}

/// The hub, or the mirror the user has chosen.
pub(super) fn endpoint() -> String {
    let chosen = std::env::var("HF_ENDPOINT").ok().filter(|endpoint| !endpoint.is_empty());
    chosen.unwrap_or_else(|| "https://huggingface.co".to_string()).trim_end_matches('/').to_string()
}

/// A file of a repository.
struct HubFile {
    name: String,
    bytes: u64,
    /// Known for large files only; the others are held to their length.
    sha256: Option<String>,
}

/// Fetches the files of a model into `place`, which appears only once they are all there.
pub(super) fn fetch(
    endpoint: &str,
    repository: &str,
    place: &Path,
    options: &FetchOptions<'_>,
) -> Result<(), String> {
    if std::env::var("HF_HUB_OFFLINE").is_ok_and(|value| matches!(value.as_str(), "1" | "true" | "TRUE")) {
        return Err("HF_HUB_OFFLINE is set".to_string());
    }
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_resolve(Some(Duration::from_secs(5)))
        .timeout_connect(Some(Duration::from_secs(5)))
        .timeout_recv_response(Some(Duration::from_secs(15)))
        .timeout_per_read(Some(Duration::from_secs(30)))
        .user_agent(concat!("hone/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent();
    let (commit, list) = list_files(&agent, endpoint, repository)?;
    let temporary = place.with_extension(format!("{}.partial", std::process::id()));
    let result = (|| {
        std::fs::create_dir_all(&temporary).map_err(|e| format!("{}: {e}", temporary.display()))?;
        let mut manifest = Vec::new();
        for file in &list {
            let url = format!("{endpoint}/{repository}/resolve/{commit}/{}", file.name);
            let what = format!("{} from {repository}", file.name);
            let digest = download(&agent, &url, &what, file, &temporary.join(&file.name), options)?;
            manifest.push(json!({ "name": file.name, "bytes": file.bytes, "sha256": digest }));
        }
        let manifest = json!({ "repository": repository, "commit": commit, "files": manifest });
        super::huggingface::write_json(&temporary.join(MANIFEST), &manifest).map_err(|e| e.to_string())?;
        match std::fs::rename(&temporary, place) {
            Err(_) if is_complete(place) => Ok(()),
            result => result.map_err(|e| format!("{}: {e}", place.display())),
        }
    })();
    if temporary.exists() {
        // Best effort: what matters is the error above.
        let _ = std::fs::remove_dir_all(&temporary);
    }
    result
}

/// The current commit and the files of it that make a model.
fn list_files(
    agent: &ureq::Agent,
    endpoint: &str,
    repository: &str,
) -> Result<(String, Vec<HubFile>), String> {
    let url = format!("{endpoint}/api/models/{repository}/revision/main?blobs=true");
    let mut response = get(agent, &url)?;
    let body = response.body_mut().with_config().limit(LONGEST_LIST_BYTES).read_to_vec();
    let body = body.map_err(|e| format!("{url}: {e}"))?;
    let list: Value = serde_json::from_slice(&body).map_err(|e| format!("{url}: expected JSON: {e}"))?;
    let commit = list["sha"].as_str().filter(|sha| sha.chars().all(|c| c.is_ascii_hexdigit()));
    let commit = commit.ok_or_else(|| format!("{url}: expected the commit's sha"))?.to_string();
    let mut files = Vec::new();
    for entry in list["siblings"].as_array().into_iter().flatten() {
        let Some(name) = entry["rfilename"].as_str().filter(|name| is_wanted(name)) else { continue };
        let bytes = entry["size"].as_u64().filter(|&bytes| bytes <= LARGEST_FILE_BYTES);
        let bytes = bytes.ok_or_else(|| format!("{url}: expected the size of {name}"))?;
        let sha256 = entry["lfs"]["sha256"].as_str().map(str::to_lowercase);
        files.push(HubFile { name: name.to_string(), bytes, sha256 });
    }
    if !files.iter().any(|file| file.name.ends_with(".safetensors")) {
        return Err(format!("{repository} has no safetensors files"));
    }
    Ok((commit, files))
}

/// Files at the top of the repository that `huggingface::open` reads.
fn is_wanted(name: &str) -> bool {
    const NAMES: [&str; 7] = [
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "chat_template.jinja",
        "model.safetensors.index.json",
    ];
    let is_plain = !name.contains(['/', '\\']) && !name.starts_with('.');
    is_plain && (NAMES.contains(&name) || name.starts_with("model") && name.ends_with(".safetensors"))
}

fn get(agent: &ureq::Agent, url: &str) -> Result<ureq::http::Response<ureq::Body>, String> {
    let mut request = agent.get(url);
    if let Ok(token) = std::env::var("HF_TOKEN")
        && !token.is_empty()
    {
        // Not passed on to other hosts when redirected: ureq's default.
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.call().map_err(|e| format!("{url}: {e}"))
}

/// Downloads one file, checked against its length and checksum; returns its SHA-256.
fn download(
    agent: &ureq::Agent,
    url: &str,
    what: &str,
    expected: &HubFile,
    path: &Path,
    options: &FetchOptions<'_>,
) -> Result<String, String> {
    let failed = |e: std::io::Error| format!("{what}: {e}");
    let mut reader = get(agent, url)?.into_body().into_reader();
    let file = File::create(path).map_err(failed)?;
    let mut writer = BufWriter::with_capacity(1 << 20, &file);
    let (mut hasher, mut bytes, mut buffer) = (Sha256::new(), 0u64, vec![0; 1 << 17]);
    options.report(what, 0, Some(expected.bytes));
    loop {
        let read = reader.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            break;
        }
        bytes += read as u64;
        if bytes > expected.bytes {
            break;
        }
        hasher.update(&buffer[..read]);
        writer.write_all(&buffer[..read]).map_err(failed)?;
        options.report(what, bytes, Some(expected.bytes));
    }
    writer.flush().map_err(failed)?;
    drop(writer);
    file.sync_all().map_err(failed)?;
    if bytes != expected.bytes {
        return Err(format!("{what}: expected {} bytes, found {bytes} or more", expected.bytes));
    }
    let digest = files::hex(&hasher.finalize());
    match &expected.sha256 {
        Some(sha256) if *sha256 != digest => {
            Err(format!("{what}: expected SHA-256 {sha256}, found {digest}"))
        }
        _ => Ok(digest),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A hub with one repository, on this machine; serves as many requests as it has files, and the list.
    fn serve(files: Vec<(&'static str, &'static str, Option<String>)>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming().take(files.len() + 1) {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    request.push(byte[0]);
                }
                let request = String::from_utf8(request).unwrap();
                let path = request.split(' ').nth(1).unwrap();
                let body = match files
                    .iter()
                    .find(|(name, ..)| path.ends_with(&format!("/resolve/abc123/{name}")))
                {
                    Some((_, content, _)) => content.to_string(),
                    None => {
                        assert_eq!(path, "/api/models/owner/name/revision/main?blobs=true");
                        let siblings: Vec<Value> = files
                            .iter()
                            .map(|(name, content, sha256)| {
                                let lfs = sha256.as_ref().map(|sha256| json!({ "sha256": sha256 }));
                                json!({ "rfilename": name, "size": content.len(), "lfs": lfs })
                            })
                            .chain([json!({ "rfilename": "../evil.safetensors", "size": 1 })])
                            .collect();
                        json!({ "sha": "abc123", "siblings": siblings }).to_string()
                    }
                };
                write!(
                    stream,
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                )
                .unwrap();
            }
        });
        endpoint
    }

    fn sha256_of(text: &str) -> Option<String> {
        Some(files::hex(&Sha256::digest(text)))
    }

    #[test]
    fn files_are_verified_and_appear_together() {
        let cache = tempfile::tempdir().unwrap();
        let place = place(cache.path(), "owner/name");
        let endpoint =
            serve(vec![("config.json", "{}", None), ("model.safetensors", "weights", sha256_of("weights"))]);
        fetch(&endpoint, "owner/name", &place, &FetchOptions::default()).unwrap();
        assert!(is_complete(&place));
        assert_eq!(std::fs::read_to_string(place.join("model.safetensors")).unwrap(), "weights");
        assert_eq!(std::fs::read_dir(&place).unwrap().count(), 3);
    }

    #[test]
    fn a_wrong_checksum_leaves_nothing() {
        let cache = tempfile::tempdir().unwrap();
        let place = place(cache.path(), "owner/name");
        let endpoint = serve(vec![("model.safetensors", "weights", sha256_of("other weights"))]);
        let error = fetch(&endpoint, "owner/name", &place, &FetchOptions::default()).unwrap_err();
        assert!(error.contains("model.safetensors from owner/name: expected SHA-256"), "{error}");
        assert_eq!(std::fs::read_dir(place.parent().unwrap()).unwrap().count(), 0);
    }

    #[test]
    fn a_refused_connection_is_an_answer() {
        let cache = tempfile::tempdir().unwrap();
        let place = place(cache.path(), "owner/name");
        // A port that was free a moment ago and that nobody listens on.
        let endpoint = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
        let error = fetch(&endpoint, "owner/name", &place, &FetchOptions::default()).unwrap_err();
        assert!(error.starts_with(&endpoint), "{error}");
    }
}
