//! Why a recipe is refused: the key, what was expected, what was found, where, and a hint. All of it, every time.

use std::fmt;

/// One thing that is wrong with a recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecipeError {
    /// Dotted key, such as `trainer.steps`; empty if the file as a whole is wrong.
    pub(crate) key: String,
    /// What belongs there.
    pub(crate) expected: String,
    /// What stands there.
    pub(crate) found: String,
    /// Where it was written: `file:line:column`, or the flag of the command line.
    pub(crate) place: String,
    /// What to do.
    pub(crate) hint: String,
}

impl fmt::Display for RecipeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RecipeError { key, expected, found, place, hint } = self;
        if !key.is_empty() {
            write!(f, "{key}: ")?;
        }
        write!(f, "expected {expected}, found {found}\n  at {place}")?;
        if !hint.is_empty() {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for RecipeError {}

/// What a message of serde says, in our words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Meaning {
    /// The field the message names, if it is about a field.
    pub(crate) field: Option<String>,
    pub(crate) expected: String,
    pub(crate) found: String,
    pub(crate) hint: String,
}

/// Reads a message of serde's derived code; one it does not know is passed on as it is.
pub(crate) fn meaning(message: &str) -> Meaning {
    let message = message.lines().next().unwrap_or(message).trim();
    if let Some(rest) = message.strip_prefix("unknown field `") {
        let (field, known) = name_and_choices(rest);
        let hint = closest(&field, &known).map(|near| format!("did you mean `{near}`?")).unwrap_or_default();
        let expected =
            if known.is_empty() { "no key here".to_string() } else { format!("one of {}", known.join(", ")) };
        return Meaning { found: format!("unknown key `{field}`"), field: Some(field), expected, hint };
    }
    if let Some(rest) = message.strip_prefix("unknown variant `") {
        let (found, known) = name_and_choices(rest);
        let hint =
            closest(&found, &known).map(|near| format!("did you mean \"{near}\"?")).unwrap_or_default();
        let expected = known.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        return Meaning {
            field: None,
            expected: format!("one of {expected}"),
            found: format!("\"{found}\""),
            hint,
        };
    }
    if let Some(rest) = message.strip_prefix("missing field `") {
        let field = rest.split('`').next().unwrap_or(rest).to_string();
        return Meaning {
            hint: format!("add `{field} = …`"),
            field: Some(field),
            expected: "a value".to_string(),
            found: "nothing".to_string(),
        };
    }
    let typed = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    if let Some((found, expected)) = typed.and_then(|rest| rest.rsplit_once(", expected ")) {
        return Meaning {
            field: None,
            expected: plain_type(expected),
            found: found.to_string(),
            hint: String::new(),
        };
    }
    Meaning { field: None, expected: "a usable value".into(), found: message.into(), hint: String::new() }
}

/// "name`, expected one of `a`, `b`" → the name and the choices.
fn name_and_choices(rest: &str) -> (String, Vec<String>) {
    let mut quoted = rest.split('`');
    let name = quoted.next().unwrap_or(rest).to_string();
    let choices = quoted.skip(1).step_by(2).map(String::from).collect();
    (name, choices)
}

fn plain_type(expected: &str) -> String {
    match expected {
        "usize" | "u64" | "u32" | "u16" | "u8" => "a whole number of at least 0".into(),
        "i64" | "i32" => "a whole number".into(),
        "f32" | "f64" => "a number".into(),
        "a boolean" => "true or false".into(),
        "a string" => "text in quotes".into(),
        "a sequence" => "a list in brackets".into(),
        "a map" => "a table".into(),
        other if other.starts_with("struct ") => "a table".into(),
        other => other.into(),
    }
}

/// The known name nearest to a mistyped one, if it is near.
pub(crate) fn closest<S: AsRef<str>>(name: &str, known: &[S]) -> Option<String> {
    let limit = name.chars().count() / 3 + 1;
    known
        .iter()
        .map(|candidate| (edit_distance(name, candidate.as_ref()), candidate.as_ref()))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate.to_string())
}

/// Levenshtein's distance.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_serde_become_plain() {
        let m = meaning("unknown field `setps`, expected one of `steps`, `seed`");
        assert_eq!(m.field.as_deref(), Some("setps"));
        assert_eq!(m.expected, "one of steps, seed");
        assert_eq!(m.hint, "did you mean `steps`?");
        let m = meaning("invalid type: string \"many\", expected usize");
        assert_eq!(
            (m.found.as_str(), m.expected.as_str()),
            ("string \"many\"", "a whole number of at least 0")
        );
        let m = meaning("unknown variant `strikt`, expected one of `strict`, `standard`, `none`");
        assert_eq!(m.hint, "did you mean \"strict\"?");
        assert_eq!(meaning("missing field `train`").field.as_deref(), Some("train"));
        assert_eq!(meaning("something else").found, "something else");
    }

    #[test]
    fn only_near_names_are_suggested() {
        assert_eq!(closest("learning_rat", &["learning_rate", "warmup"]).as_deref(), Some("learning_rate"));
        assert_eq!(closest("xyz", &["learning_rate", "warmup"]), None);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
    }
}
