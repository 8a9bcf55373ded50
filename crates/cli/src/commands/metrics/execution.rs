//! `hone metrics --metric execution`: execution accuracy of SQL queries, in the sandbox.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hone_eval::bootstrap_share;
use hone_eval::sql::{Database, MAX_DATABASE_BYTES, SqlOutcome, execute_sql, sql_signature};

use super::{Arguments, Scored, Segment};
use crate::exit::Usage;
use crate::terminal::Terminal;

/// Executes every prediction beside its references; right is what agrees with any of them.
pub(super) fn score(arguments: &Arguments, segments: &[Segment], terminal: &Terminal) -> Result<Scored> {
    let opened = arguments.sandbox.open(1, terminal)?;
    let mut databases: HashMap<PathBuf, Database> = HashMap::new();
    let (mut values, mut left_out) = (Vec::new(), Vec::new());
    for segment in segments {
        let database = match databases.entry(database_of(arguments, segment)?) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let database = read(place.key())?;
                place.insert(database)
            }
        };
        let mut gold_failures = Vec::new();
        let mut is_right = false;
        for gold in &segment.references {
            match execute_sql(&opened.sandbox, database, gold, &segment.prediction)
                .context("failed to execute queries")?
            {
                SqlOutcome::Right => is_right = true,
                SqlOutcome::GoldFailed(why) => gold_failures.push(why),
                SqlOutcome::Wrong | SqlOutcome::Failed(_) => {}
            }
        }
        if gold_failures.len() == segment.references.len() {
            left_out.push(format!("line {}: {}", segment.line, gold_failures[0]));
        } else {
            values.push(f64::from(u8::from(is_right)));
        }
    }
    if !left_out.is_empty() {
        let shown = left_out.join("; ");
        terminal.note(&format!("{} references cannot be executed and do not count: {shown}", left_out.len()));
    }
    let mean = bootstrap_share(&values);
    let metric = "execution".to_owned();
    Ok(Scored { metric, corpus: None, mean, lines: values.len(), signature: sql_signature() })
}

/// A line's own database, which is beside the file if it is relative, or the one for all.
fn database_of(arguments: &Arguments, segment: &Segment) -> Result<PathBuf> {
    let own = segment.database.as_ref().map(|own| arguments.file.parent().unwrap_or(Path::new("")).join(own));
    own.or_else(|| arguments.database.clone()).ok_or_else(|| {
        let (file, line) = (arguments.file.display(), segment.line);
        let message = format!(
            "execution: {file}:{line}: expected a `database`, found none\nhint: --database FILE gives one for all lines, an SQLite file or a .sql script"
        );
        Usage(message).into()
    })
}

fn read(path: &Path) -> Result<Database> {
    let failed =
        |error: std::io::Error| Usage(format!("failed to read the database {}: {error}", path.display()));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_DATABASE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    let shown = path.display();
    if bytes.len() as u64 > MAX_DATABASE_BYTES {
        return Err(Usage(format!("{shown}: expected at most {MAX_DATABASE_BYTES} bytes, found more")).into());
    }
    if bytes.starts_with(b"SQLite format 3\0") {
        return Ok(Database::File(bytes));
    }
    match String::from_utf8(bytes) {
        Ok(script) if path.extension().is_some_and(|extension| extension == "sql") => {
            Ok(Database::Script(script))
        }
        _ => Err(Usage(format!("{shown}: expected an SQLite file or a .sql script, found neither")).into()),
    }
}
