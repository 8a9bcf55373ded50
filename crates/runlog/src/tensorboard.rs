//! TensorBoard event files, scalars only: TFRecord framing (masked CRC-32C) around protobuf written by hand.
//!
//! Format: `tensorflow/core/lib/io/record_writer.h` and `tensorflow/core/util/event.proto`:
//! `Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5 }`,
//! `Summary { repeated Value value = 1 }`, `Value { string tag = 1; float simple_value = 2 }`.
//! Not here: histograms, images, text; whoever wants the numbers exactly reads the JSONL.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::{RunlogError, atomic_write};

/// Appends scalar events to the one event file of a directory.
#[derive(Debug)]
pub struct EventWriter {
    path: PathBuf,
    file: File,
}

/// One scalar of an event file.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalar {
    /// Step.
    pub step: u64,
    /// Seconds since 1970.
    pub wall_time_s: f64,
    /// Name.
    pub tag: String,
    /// Value, in the format's own precision.
    pub value: f32,
}

impl EventWriter {
    /// Opens the directory's last event file (an incomplete last record is cut off), or starts one.
    pub fn open(directory: &Path) -> Result<EventWriter, RunlogError> {
        fs::create_dir_all(directory).map_err(|error| RunlogError::io("create", directory, error))?;
        if let Some(path) = event_files(directory)?.pop() {
            let bytes = fs::read(&path).map_err(|error| RunlogError::io("read", &path, error))?;
            let whole: usize = records(&bytes).map(|record| record.len() + FRAME_BYTES).sum();
            let open = OpenOptions::new().append(true).open(&path);
            let file = open.map_err(|error| RunlogError::io("open", &path, error))?;
            file.set_len(whole as u64).map_err(|error| RunlogError::io("repair", &path, error))?;
            let mut writer = EventWriter { path, file };
            if whole == 0 {
                writer.append(&version_event(wall_time_s()))?;
            }
            return Ok(writer);
        }
        let now = wall_time_s();
        let path = directory.join(format!("events.out.tfevents.{:010}.hone", now as u64));
        let open = OpenOptions::new().create(true).append(true).open(&path);
        let file = open.map_err(|error| RunlogError::io("create", &path, error))?;
        let mut writer = EventWriter { path, file };
        writer.append(&version_event(now))?;
        Ok(writer)
    }

    /// Writes the scalars of one step as one event.
    pub fn scalars<Name: AsRef<str>>(
        &mut self,
        step: u64,
        values: &[(Name, f64)],
    ) -> Result<(), RunlogError> {
        self.append(&scalar_event(wall_time_s(), step, values))
    }

    /// Makes what was appended durable.
    pub fn sync(&self) -> Result<(), RunlogError> {
        self.file.sync_data().map_err(|error| RunlogError::io("sync", &self.path, error))
    }

    fn append(&mut self, event: &[u8]) -> Result<(), RunlogError> {
        self.file.write_all(&frame(event)).map_err(|error| RunlogError::io("append to", &self.path, error))
    }
}

/// All scalars of a directory's event files, in the order they were written.
pub fn read_scalars(directory: &Path) -> Result<Vec<Scalar>, RunlogError> {
    let mut scalars = Vec::new();
    for path in event_files(directory)? {
        let bytes = fs::read(&path).map_err(|error| RunlogError::io("read", &path, error))?;
        for record in records(&bytes) {
            let event = Event::parse(record)
                .ok_or_else(|| RunlogError::corrupt(&path, "expected an Event message, found other bytes"))?;
            let (step, wall_time_s) = (event.step, event.wall_time_s);
            let named = event.scalars.into_iter();
            scalars.extend(named.map(|(tag, value)| Scalar { step, wall_time_s, tag, value }));
        }
    }
    Ok(scalars)
}

/// Drops the events later than `step`.
pub(crate) fn truncate_after(directory: &Path, step: u64) -> Result<(), RunlogError> {
    for path in event_files(directory)? {
        let bytes = fs::read(&path).map_err(|error| RunlogError::io("read", &path, error))?;
        let is_kept = |record: &&[u8]| Event::parse(record).is_some_and(|event| event.step <= step);
        let kept: Vec<u8> = records(&bytes).filter(is_kept).flat_map(frame).collect();
        atomic_write(&path, &kept)?;
    }
    Ok(())
}

fn event_files(directory: &Path) -> Result<Vec<PathBuf>, RunlogError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(RunlogError::io("read", directory, error)),
    };
    let is_event_file = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("events.out.tfevents."))
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_event_file).collect();
    files.sort();
    Ok(files)
}

fn wall_time_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_secs_f64())
}

// ---- TFRecord: u64 length, its masked CRC, the data, its masked CRC; all little-endian.

const FRAME_BYTES: usize = 16;

fn frame(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(data.len() + FRAME_BYTES);
    record.extend(length);
    record.extend(masked_crc(&length).to_le_bytes());
    record.extend(data);
    record.extend(masked_crc(data).to_le_bytes());
    record
}

/// The whole and undamaged records at the start of `bytes`.
fn records(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length_bytes = rest.get(..8)?;
        let length = usize::try_from(u64::from_le_bytes(length_bytes.try_into().ok()?)).ok()?;
        let end = length.checked_add(12)?;
        let data = rest.get(12..end)?;
        let is_whole = rest.get(8..12)? == masked_crc(length_bytes).to_le_bytes()
            && rest.get(end..end.checked_add(4)?)? == masked_crc(data).to_le_bytes();
        rest = &rest[end + 4..];
        is_whole.then_some(data)
    })
}

fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), reflected polynomial 0x82f63b78.
fn crc32c(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            let mut value = index as u32;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 { value >> 1 ^ 0x82f6_3b78 } else { value >> 1 };
                bit += 1;
            }
            table[index] = value;
            index += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |crc, &byte| TABLE[(crc as u8 ^ byte) as usize] ^ crc >> 8)
}

// ---- Protobuf: a field is a varint key (number · 8 + wire type) and its value.

fn version_event(wall_time_s: f64) -> Vec<u8> {
    let mut event = vec![0x09];
    event.extend(wall_time_s.to_le_bytes());
    length_delimited(&mut event, 3, b"brain.Event:2");
    event
}

fn scalar_event<Name: AsRef<str>>(wall_time_s: f64, step: u64, values: &[(Name, f64)]) -> Vec<u8> {
    let mut summary = Vec::new();
    for (tag, value) in values {
        let mut entry = Vec::new();
        length_delimited(&mut entry, 1, tag.as_ref().as_bytes());
        entry.push(0x15);
        entry.extend((*value as f32).to_le_bytes());
        length_delimited(&mut summary, 1, &entry);
    }
    let mut event = vec![0x09];
    event.extend(wall_time_s.to_le_bytes());
    event.push(0x10);
    varint(&mut event, step);
    length_delimited(&mut event, 5, &summary);
    event
}

fn length_delimited(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// What this module understands of an event.
#[derive(Debug, Default)]
struct Event {
    step: u64,
    wall_time_s: f64,
    scalars: Vec<(String, f32)>,
}

impl Event {
    fn parse(bytes: &[u8]) -> Option<Event> {
        let mut event = Event::default();
        for (field, value) in fields(bytes)? {
            match (field, value) {
                (1, Field::Fixed64(bits)) => event.wall_time_s = f64::from_bits(bits),
                (2, Field::Varint(step)) => event.step = step,
                (5, Field::Bytes(summary)) => {
                    for (field, value) in fields(summary)? {
                        if let (1, Field::Bytes(entry)) = (field, value) {
                            event.scalars.push(parse_value(entry)?);
                        }
                    }
                }
                _ => {}
            }
        }
        Some(event)
    }
}

fn parse_value(bytes: &[u8]) -> Option<(String, f32)> {
    let (mut tag, mut scalar) = (String::new(), 0.0);
    for (field, value) in fields(bytes)? {
        match (field, value) {
            (1, Field::Bytes(text)) => tag = String::from_utf8_lossy(text).into_owned(),
            (2, Field::Fixed32(bits)) => scalar = f32::from_bits(bits),
            _ => {}
        }
    }
    Some((tag, scalar))
}

enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

/// The fields of a message; `None` if the bytes are none.
fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, Field<'_>)>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = read_varint(&mut bytes)?;
        let value = match key & 7 {
            0 => Field::Varint(read_varint(&mut bytes)?),
            1 => Field::Fixed64(u64::from_le_bytes(take(&mut bytes, 8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(read_varint(&mut bytes)?).ok()?;
                Field::Bytes(take(&mut bytes, length)?)
            }
            5 => Field::Fixed32(u32::from_le_bytes(take(&mut bytes, 4)?.try_into().ok()?)),
            _ => return None,
        };
        fields.push((key >> 3, value));
    }
    Some(fields)
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (head, tail) = bytes.split_at_checked(count)?;
    *bytes = tail;
    Some(head)
}

fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3720, appendix B.4, and the check value of the CRC catalogue.
    #[test]
    fn crc_is_castagnolis() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    }

    /// The first twelve bytes of every event file that TensorFlow, PyTorch or tensorboardX writes.
    #[test]
    fn a_file_starts_as_all_event_files_do() {
        let record = frame(&version_event(1.5));
        assert_eq!(record[..13], *b"\x18\0\0\0\0\0\0\0\xa3\x7fK\"\t");
        assert_eq!(record[21..36], *b"\x1a\x0dbrain.Event:2");
    }

    /// By hand from event.proto: key 0x09 and a double, key 0x10 and a varint, key 0x2a and the summary.
    #[test]
    fn a_scalar_event_to_the_byte() {
        let event = scalar_event(1.0, 300, &[("a", 0.5)]);
        let expected = [
            &[0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f][..],
            &[0x10, 0xac, 0x02],
            &[0x2a, 10, 0x0a, 8, 0x0a, 1, b'a', 0x15, 0, 0, 0, 0x3f],
        ];
        assert_eq!(event, expected.concat());
    }

    #[test]
    fn every_prefix_of_a_file_opens_and_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = EventWriter::open(dir.path()).unwrap();
        (1..=3).for_each(|step| writer.scalars(step, &[("reward/mean", 0.25), ("x", -1.0)]).unwrap());
        let path = event_files(dir.path()).unwrap().pop().unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(read_scalars(dir.path()).unwrap().len(), 6);
        for length in 0..bytes.len() {
            fs::write(&path, &bytes[..length]).unwrap();
            EventWriter::open(dir.path()).unwrap().scalars(9, &[("x", 1.0)]).unwrap();
            let scalars = read_scalars(dir.path()).unwrap();
            assert_eq!(scalars.last().map(|scalar| scalar.step), Some(9), "{length}");
            assert_eq!(fs::read(&path).unwrap()[21..36], *b"\x1a\x0dbrain.Event:2", "{length}");
        }
    }

    #[test]
    fn truncation_keeps_the_version_record() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = EventWriter::open(dir.path()).unwrap();
        (1..=5).for_each(|step| writer.scalars(step, &[("x", step as f64)]).unwrap());
        truncate_after(dir.path(), 2).unwrap();
        let path = event_files(dir.path()).unwrap().pop().unwrap();
        let bytes = fs::read(path).unwrap();
        assert_eq!(records(&bytes).count(), 3);
        assert_eq!(read_scalars(dir.path()).unwrap().last().unwrap().value, 2.0);
    }

    #[test]
    fn foreign_bytes_are_no_panic() {
        for length in 0..64 {
            let bytes: Vec<u8> = (0..length).map(|index| (index as u8).wrapping_mul(151)).collect();
            assert_eq!(records(&bytes).count(), 0);
            let _ = Event::parse(&bytes);
        }
    }
}
