//! Small wrong-headed changes to a right program (mutation testing; R. DeMillo, R. Lipton and F. Sayward, 1978): one operator,
//! constant, word or returned value at a time. Tests that let one pass that behaves differently do not say enough.
//!
//! Not here: whether a mutant does behave differently (`witness.py`); some do not.

use crate::python::{Token, TokenKind, tokens};

/// A changed program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mutant {
    /// The change in words, such as `line 3: < → <=`.
    pub(crate) change: String,
    /// The whole program.
    pub(crate) program: String,
}

const OPERATORS: [(&str, &str); 17] = [
    ("==", "!="),
    ("!=", "=="),
    ("<=", "<"),
    (">=", ">"),
    ("<", "<="),
    (">", ">="),
    ("+=", "-="),
    ("-=", "+="),
    ("*=", "+="),
    ("**", "*"),
    ("//", "*"),
    ("+", "-"),
    ("-", "+"),
    ("*", "+"),
    ("/", "*"),
    ("%", "*"),
    ("|", "&"),
];

const WORDS: [(&str, &str); 19] = [
    ("and", "or"),
    ("or", "and"),
    ("not", ""),
    ("True", "False"),
    ("False", "True"),
    ("min", "max"),
    ("max", "min"),
    ("any", "all"),
    ("all", "any"),
    ("sorted", "list"),
    ("reversed", "list"),
    ("set", "list"),
    ("abs", ""),
    ("upper", "lower"),
    ("lower", "upper"),
    ("break", "continue"),
    ("continue", "break"),
    ("sum", "max"),
    ("strip", "lstrip"),
];

/// At most `most` mutants of `program`, spread evenly over it.
pub(crate) fn mutants(program: &str, most: usize) -> Vec<Mutant> {
    let found = tokens(program);
    let mut all = Vec::new();
    let mut index = 0;
    while index < found.len() {
        let token = found[index];
        let length = match token.kind {
            TokenKind::Symbol => operator(program, &found[index..]),
            _ => token.text.len(),
        };
        let text = &program[token.start..token.start + length];
        for other in changes(token.kind, text) {
            all.push(replaced(program, token.start..token.start + length, &other));
        }
        if token.kind == TokenKind::Word && token.text == "return" {
            let end = program[token.start..].find('\n').map_or(program.len(), |at| token.start + at);
            all.push(replaced(program, token.start..end, "return None"));
        }
        index += found[index..].iter().take_while(|next| next.start < token.start + length).count().max(1);
    }
    all.retain(|mutant| mutant.program != program);
    spread(all, most)
}

/// The length of the longest known operator that begins here; that of the symbol itself if there is none.
fn operator(program: &str, rest: &[Token<'_>]) -> usize {
    let begin = rest[0].start;
    let symbols = rest
        .iter()
        .enumerate()
        .take_while(|(at, token)| token.kind == TokenKind::Symbol && token.start == begin + at);
    let run = &program[begin..begin + symbols.map(|(_, token)| token.text.len()).sum::<usize>()];
    if let Some(arrow) = ["->", ":=", "<<", ">>"].iter().find(|arrow| run.starts_with(*arrow)) {
        return arrow.len();
    }
    let known = OPERATORS.iter().map(|(from, _)| *from).filter(|from| run.starts_with(from));
    known.map(str::len).max().unwrap_or(rest[0].text.len())
}

fn changes(kind: TokenKind, text: &str) -> Vec<String> {
    let from = |table: &[(&str, &str)]| {
        table.iter().filter(|(from, _)| *from == text).map(|(_, to)| (*to).to_string()).collect()
    };
    match kind {
        TokenKind::Symbol => from(&OPERATORS),
        TokenKind::Word => from(&WORDS),
        TokenKind::Number => match text.parse::<u64>() {
            Ok(0) => vec!["1".into()],
            Ok(number) => vec![(number - 1).to_string(), number.saturating_add(1).to_string()],
            Err(_) => Vec::new(),
        },
        TokenKind::Text | TokenKind::Comment => Vec::new(),
    }
}

fn replaced(program: &str, range: std::ops::Range<usize>, with: &str) -> Mutant {
    let line = program[..range.start].matches('\n').count() + 1;
    let shown = if with.is_empty() { "nothing" } else { with };
    Mutant {
        change: format!("line {line}: {} → {shown}", &program[range.clone()]),
        program: format!("{}{with}{}", &program[..range.start], &program[range.end..]),
    }
}

fn spread(all: Vec<Mutant>, most: usize) -> Vec<Mutant> {
    let count = all.len();
    if count <= most {
        return all;
    }
    let is_taken = |index: usize| (index + 1) * most / count > index * most / count;
    all.into_iter().enumerate().filter(|(index, _)| is_taken(*index)).map(|(_, mutant)| mutant).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes_of(program: &str) -> Vec<String> {
        mutants(program, 100).into_iter().map(|mutant| mutant.change).collect()
    }

    #[test]
    fn every_place_is_changed_once_and_alone() {
        let program = "def f(x: int) -> bool:\n    return x <= 10 and not x == 'a + b'  # 1 < 2\n";
        assert_eq!(
            changes_of(program),
            [
                "line 2: return x <= 10 and not x == 'a + b'  # 1 < 2 → return None",
                "line 2: <= → <",
                "line 2: 10 → 9",
                "line 2: 10 → 11",
                "line 2: and → or",
                "line 2: not → nothing",
                "line 2: == → !=",
            ]
        );
        assert_eq!(changes_of("x += 1\ny = x ** 2 // 3\n").len(), 1 + 2 + 1 + 2 + 1 + 2);
    }

    #[test]
    fn a_limit_spreads_them() {
        let program = "1\n".repeat(50);
        let few = mutants(&program, 5);
        assert_eq!(few.len(), 5);
        assert!(few[0].change.starts_with("line 1") && few[4].change.starts_with("line 50"), "{few:?}");
        assert!(mutants("", 5).is_empty());
    }
}
