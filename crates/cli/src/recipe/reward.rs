//! `[[reward]]`: the parts of the reward, each in a table of its own. Those that look at programs belong to the
//! environment, those that look at tokens to the loop; a recipe does not have to know.

use std::path::PathBuf;

use hone_environment::{RewardPart, check_rewards};
use hone_rl::TokenReward;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::{RecipeError, Source, absolute};

/// One part.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum RewardTable {
    /// Of the program.
    Program(RewardPart),
    /// Of the tokens.
    Token(TokenReward),
}

impl<'de> Deserialize<'de> for RewardTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RewardTable, D::Error> {
        let table = toml::Table::deserialize(deserializer)?;
        let kind = table.get("type").and_then(toml::Value::as_str).unwrap_or_default().to_string();
        let in_words = |error: toml::de::Error| D::Error::custom(error.message());
        let value = toml::Value::Table(table);
        if TokenReward::TYPES.contains(&kind.as_str()) {
            return TokenReward::deserialize(value).map(RewardTable::Token).map_err(in_words);
        }
        if kind.is_empty() || RewardPart::TYPES.contains(&kind.as_str()) {
            return RewardPart::deserialize(value).map(RewardTable::Program).map_err(in_words);
        }
        let known = RewardPart::TYPES.iter().chain(&TokenReward::TYPES).map(|name| format!("`{name}`"));
        let known = known.collect::<Vec<_>>().join(", ");
        Err(D::Error::custom(format!("unknown variant `{kind}`, expected one of {known}")))
    }
}

/// The parts of a recipe; without any, a program is worth 1 if it passes all tests. Recipes of before there were parts
/// name one in `environment.reward`.
pub(super) fn take(source: &mut Source) -> Result<Vec<RewardTable>, RecipeError> {
    source.move_into_list("environment", "reward")?;
    let mut tables: Vec<RewardTable> = source.take_list("reward")?;
    if tables.is_empty() {
        tables.push(RewardTable::Program(RewardPart::default()));
    }
    for (index, table) in tables.iter_mut().enumerate() {
        let key = format!("reward[{index}].path");
        match table {
            RewardTable::Program(RewardPart::Program(grader)) => {
                grader.path = absolute(source, &key, &grader.path);
            }
            RewardTable::Token(TokenReward::RewardModel(model)) => {
                model.path = absolute(source, &key, &model.path);
            }
            _ => {}
        }
    }
    Ok(tables)
}

/// Those of the program.
pub(super) fn of_programs(tables: &[RewardTable]) -> Vec<RewardPart> {
    let part = |table: &RewardTable| match table {
        RewardTable::Program(part) => Some(part.clone()),
        RewardTable::Token(_) => None,
    };
    tables.iter().filter_map(part).collect()
}

/// Those of the tokens.
pub(super) fn of_tokens(tables: &[RewardTable]) -> Vec<TokenReward> {
    let part = |table: &RewardTable| match table {
        RewardTable::Token(part) => Some(part.clone()),
        RewardTable::Program(_) => None,
    };
    tables.iter().filter_map(part).collect()
}

/// What makes no sense in the parts, as `[index].key: expected …, found …`.
pub(super) fn check(tables: &[RewardTable]) -> Result<(), String> {
    let programs = of_programs(tables);
    let is_model = |table: &RewardTable| matches!(table, RewardTable::Token(part) if part.is_model());
    let has_model = tables.iter().any(is_model);
    if programs.is_empty() && !has_model {
        let known = RewardPart::TYPES.join(", ");
        return Err(format!(
            ": expected a part that looks at the program ({known}) or a reward-model, found none"
        ));
    }
    if !programs.is_empty() {
        check_rewards(&programs).map_err(|message| in_place(tables, &message))?;
    }
    let (mut seen, missing) = (Vec::new(), |path: &PathBuf| !path.is_file());
    for (index, table) in tables.iter().enumerate() {
        match table {
            RewardTable::Token(TokenReward::RewardModel(model)) if !model.path.is_dir() => {
                let path = model.path.display();
                return Err(format!("[{index}].path: expected a run, found {path}, which is no folder"));
            }
            RewardTable::Token(part) => {
                part.validate().map_err(|error| {
                    format!("[{index}].{}: expected {}, found {}", error.key, error.expected, error.found)
                })?;
                if seen.contains(&part.name()) {
                    let name = part.name();
                    return Err(format!("[{index}].type: expected each part once, found {name} again"));
                }
                seen.push(part.name());
            }
            RewardTable::Program(RewardPart::Program(grader)) if missing(&grader.path) => {
                let path = grader.path.display();
                return Err(format!("[{index}].path: expected a program, found {path}, which is no file"));
            }
            RewardTable::Program(_) => {}
        }
    }
    Ok(())
}

/// A message about the n-th part of the program, as one about its place among all.
fn in_place(tables: &[RewardTable], message: &str) -> String {
    let index = message.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let Some((Ok(index), rest)) = index.map(|(index, rest)| (index.parse::<usize>(), rest)) else {
        return message.to_string();
    };
    let mut places = (0..tables.len()).filter(|&at| matches!(tables[at], RewardTable::Program(_)));
    format!("[{}]{rest}", places.nth(index).unwrap_or(index))
}
