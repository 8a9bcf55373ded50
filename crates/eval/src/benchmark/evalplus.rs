//! EvalPlus's own rows of HumanEval+ (Liu et al., arXiv 2305.01210): `base_input` and `plus_input`, with the canonical solution
//! as the oracle. A sample is right by the base tests if it is on HumanEval's own inputs, by the plus tests if on all.
//!
//! Inputs are carried as they are written: some are numbers of fifty digits. MBPP+'s rows of this kind are refused: in JSON
//! their inputs have lost which lists were tuples or sets; its original format has not.

use hone_sandbox::TestSuite;

use super::rows::Row;
use super::{Problem, function};

const ORACLE: &str = include_str!("evalplus.py");

/// A row of HumanEval+, in the original format or EvalPlus's own.
pub(super) fn human_eval_plus(row: &Row) -> Result<Problem, String> {
    if row.get("plus_input").is_none() {
        return function::human_eval(row);
    }
    let problem = function::human_eval_without_tests(row)?;
    let reference = problem.reference.clone().unwrap_or_default();
    let entry_point = row.text("entry_point")?;
    let atol = row.get("atol").and_then(serde_json::Value::as_f64).unwrap_or(0.0);
    let (base, plus) = (row.raw("base_input")?, row.raw("plus_input")?);
    let literal = |text: &str| serde_json::Value::from(text).to_string();
    let suite = |inputs: &str| TestSuite::Check {
        code: format!(
            "INPUTS = {}\nREFERENCE = {}\nENTRY_POINT = {}\nATOL = {atol:?}\n{ORACLE}",
            literal(inputs),
            literal(&reference),
            literal(&entry_point)
        ),
        entry_point: entry_point.clone(),
    };
    Ok(Problem { tests: suite(&joined(base, plus)?), base_tests: Some(suite(base)), ..problem })
}

/// A row of MBPP+ in its original format; MBPP's own asserts are the base tests.
pub(super) fn mbpp_plus(row: &Row) -> Result<Problem, String> {
    if row.get("plus_input").is_some() {
        let message = "expected MBPP+ in its original format (MbppPlus-OriginFmt), found `plus_input`, whose JSON has lost which lists were tuples";
        return Err(message.into());
    }
    function::mbpp_plus(row)
}

/// Two JSON lists as one.
fn joined(first: &str, second: &str) -> Result<String, String> {
    let inside = |list: &str| {
        let inside = list.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        inside.map(|it| it.trim().to_owned()).ok_or_else(|| "expected a list of inputs".to_owned())
    };
    let parts = [inside(first)?, inside(second)?];
    let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    Ok(format!("[{}]", parts.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_joined_as_they_are_written() {
        assert_eq!(
            joined("[[1e400], [12345678901234567890123]]", " [ [\"]\"] ] "),
            Ok("[[1e400], [12345678901234567890123], [\"]\"]]".into())
        );
        assert_eq!(joined("[[1]]", "[]"), Ok("[[1]]".into()));
        assert!(joined("{}", "[]").is_err());
    }
}
