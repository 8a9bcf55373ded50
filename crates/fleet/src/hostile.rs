//! What reads bytes that a stranger sends, by name: for fuzz targets, and no part of the crate's interface.

/// Whether a body of this path asks for work that makes sense.
pub fn request(path: &str, body: &[u8]) -> bool {
    crate::wire::work_of(path, body).is_ok()
}
