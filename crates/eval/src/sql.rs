//! Execution accuracy of text-to-SQL: a query is right if it gives what the gold query gives on the same database.
//!
//! Rows are compared as a multiset, columns in their order; as a list only where the gold query has an `ORDER BY` outside of
//! parentheses. Values are equal as Python's are: 1 equals 1.0, NULL equals NULL, a text never equals a number. Both queries
//! run in the sandbox, by its Python's sqlite3, on a read-only copy of the database, where nothing but reading is allowed.
//! Not here: what a query looks like (`hone-metrics`).

use hone_sandbox::{Limits, OutcomeClass, Sandbox, SandboxError};
use serde::Deserialize;
use serde_json::json;

const PROGRAM: &str = include_str!("sql.py");
/// CPU time of one query, in seconds.
pub const QUERY_SECONDS: u64 = 10;
/// Largest file of a database, in bytes.
pub const MAX_DATABASE_BYTES: u64 = 64 << 20;

/// A database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// Bytes of an SQLite file.
    File(Vec<u8>),
    /// SQL that makes one.
    Script(String),
}

/// What became of a predicted query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SqlOutcome {
    /// It gives what the gold query gives.
    Right,
    /// It gives something else.
    Wrong,
    /// It gives nothing: an error, or a limit.
    Failed(String),
    /// The gold query gives nothing, so nothing can be said.
    GoldFailed(String),
}

/// Executes both queries and compares.
pub fn execute_sql(
    sandbox: &Sandbox,
    database: &Database,
    gold: &str,
    predicted: &str,
) -> Result<SqlOutcome, SandboxError> {
    #[derive(Deserialize)]
    struct Reply {
        gold: Option<String>,
        predicted: Option<String>,
        is_equal: bool,
    }
    let mut given = json!({ "gold": gold, "predicted": predicted, "seconds": QUERY_SECONDS });
    match database {
        Database::File(bytes) => given["database"] = base64(bytes).into(),
        Database::Script(script) => given["script"] = script.as_str().into(),
    }
    // Queries end by their own time; these limits are for what a single step may take.
    let cpu_ms = (2 * QUERY_SECONDS + 5) * 1_000;
    let limits = Limits {
        cpu_ms,
        wall_ms: 4 * cpu_ms,
        memory_bytes: 1 << 30,
        disk_bytes: 2 * MAX_DATABASE_BYTES,
        ..Limits::default()
    };
    let outcome = sandbox.run(PROGRAM, given.to_string().as_bytes(), &limits)?;
    if outcome.class != OutcomeClass::Passed {
        let error = outcome.error.map(|error| format!(": {}", error.message)).unwrap_or_default();
        return Ok(SqlOutcome::Failed(format!("{}{error}", crate::table::class_name(outcome.class))));
    }
    Ok(match serde_json::from_str::<Reply>(&outcome.stdout) {
        Ok(Reply { gold: Some(why), .. }) => SqlOutcome::GoldFailed(why),
        Ok(Reply { predicted: Some(why), .. }) => SqlOutcome::Failed(why),
        Ok(Reply { is_equal: true, .. }) => SqlOutcome::Right,
        Ok(_) => SqlOutcome::Wrong,
        Err(error) => SqlOutcome::Failed(format!("expected a result in JSON, found {error}")),
    })
}

/// All rules in one line.
pub fn sql_signature() -> String {
    format!(
        "rows:multiset-or-list-if-ordered|columns:in-order|values:python|engine:sqlite3|cpu:{QUERY_SECONDS}s|version:hone-{}",
        env!("CARGO_PKG_VERSION")
    )
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits =
            three.iter().enumerate().fold(0_u32, |bits, (i, byte)| bits | u32::from(*byte) << (16 - 8 * i));
        for place in 0..4 {
            let digit = char::from(DIGITS[(bits >> (18 - 6 * place) & 63) as usize]);
            text.push(if place <= three.len() { digit } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_carried_as_base64() {
        // RFC 4648, §10.
        for (bytes, expected) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), expected);
        }
    }
}
