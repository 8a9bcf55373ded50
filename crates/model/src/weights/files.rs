//! Reading by memory map and writing without ever leaving half a file.
//!
//! Not here: any format.
#![expect(unsafe_code, reason = "memory-mapping model files")]

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;

use memmap2::Mmap;
use sha2::{Digest, Sha256};

use crate::ModelError;

/// Maps a whole file for reading.
pub(crate) fn map(path: &Path) -> Result<Mmap, ModelError> {
    let file = File::open(path).map_err(|e| ModelError::io(path, e))?;
    if file.metadata().map_err(|e| ModelError::io(path, e))?.len() == 0 {
        return Err(ModelError::format(path, "the file is empty"));
    }
    // SAFETY: the map is read-only and private to the reader that asked for it, which copies what it needs and drops it at
    // once. That nobody truncates the file meanwhile is up to the user, as with every program that maps model files;
    // this crate itself replaces files by renaming, which leaves an existing map intact.
    unsafe { Mmap::map(&file) }.map_err(|e| ModelError::io(path, e))
}

/// SHA-256 of a file, in hexadecimal.
pub(crate) fn sha256(path: &Path) -> Result<String, ModelError> {
    let mut file = File::open(path).map_err(|e| ModelError::io(path, e))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer).map_err(|e| ModelError::io(path, e))?;
        if read == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..read]);
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hashes what passes through to the file.
struct HashingWriter {
    file: File,
    hasher: Sha256,
}

impl Write for HashingWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Writes `path` so that it holds either its old content or all of the new: into a temporary file beside it, synced, read
/// back and compared by checksum, then renamed. Returns the SHA-256.
pub(crate) fn write_atomic(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<String, ModelError> {
    let failed = |e| ModelError::io(path, e);
    let name = path.file_name().ok_or_else(|| ModelError::format(path, "expected the path of a file"))?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let temporary = folder.join(format!(".{}.{}.partial", name.to_string_lossy(), std::process::id()));
    let result = write_and_verify(&temporary, write).and_then(|digest| {
        std::fs::rename(&temporary, path).map_err(failed)?;
        // The rename itself must survive a power cut too.
        File::open(folder).and_then(|f| f.sync_all()).map_err(failed)?;
        Ok(digest)
    });
    if result.is_err() {
        // Best effort: the write has failed already, and that is what the caller must hear.
        let _ = std::fs::remove_file(&temporary);
    }
    result
}

fn write_and_verify(
    temporary: &Path,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<String, ModelError> {
    let failed = |e| ModelError::io(temporary, e);
    let file = File::create(temporary).map_err(failed)?;
    let mut writer = BufWriter::with_capacity(1 << 20, HashingWriter { file, hasher: Sha256::new() });
    write(&mut writer).map_err(failed)?;
    let HashingWriter { file, hasher } = writer.into_inner().map_err(|e| failed(e.into_error()))?;
    file.sync_all().map_err(failed)?;
    let written = hex(&hasher.finalize());
    let found = sha256(temporary)?;
    if found != written {
        let message = format!("read back SHA-256 {found}, wrote {written}\nhint: check the disk");
        return Err(ModelError::format(temporary, message));
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_content_and_no_litter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.bin");
        let digest = write_atomic(&path, |w| w.write_all(b"abc")).unwrap();
        assert_eq!(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let error = write_atomic(&path, |w| {
            w.write_all(b"half of it")?;
            Err(std::io::Error::other("disk full"))
        });
        assert!(error.unwrap_err().to_string().contains("disk full"));
        assert_eq!(std::fs::read(&path).unwrap(), b"abc");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_empty_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty.gguf");
        std::fs::write(&path, b"").unwrap();
        assert!(map(&path).unwrap_err().to_string().contains("empty.gguf: the file is empty"));
    }
}
