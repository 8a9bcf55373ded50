//! A recipe as written: values, and where each was written, with `--set` laid over the file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::Value;
use toml::de::{DeTable, DeValue};

use super::error::{Meaning, RecipeError, closest, meaning};

/// Where all keys of a recipe are to be seen.
const EVERY_KEY: &str = "`hone train RECIPE --dry-run` prints every key with its value";

/// Where a value was written.
#[derive(Debug, Clone)]
struct Place {
    /// `file:line:column` (both from 1), or the flag and its value.
    text: String,
    /// Whether it is a flag of the command line.
    is_flag: bool,
}

/// Values and their places. Sections are taken out one by one; what is left at the end is unknown.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    values: toml::Table,
    places: BTreeMap<String, Place>,
}

impl Source {
    /// Reads a file and lays the settings over it, in order.
    pub(crate) fn read(path: &Path, settings: &[String]) -> Result<Source, RecipeError> {
        let text = fs::read_to_string(path).map_err(|error| RecipeError {
            key: String::new(),
            expected: "a recipe, a TOML file".into(),
            found: error.to_string(),
            place: path.display().to_string(),
            hint: "recipes/quickstart.toml is a commented example".into(),
        })?;
        Source::parse(path, &text, settings)
    }

    /// The same on a text.
    pub(crate) fn parse(path: &Path, text: &str, settings: &[String]) -> Result<Source, RecipeError> {
        let name = path.display().to_string();
        let place = |offset| place_of(&name, text, offset);
        let bad_toml = |error: toml::de::Error| RecipeError {
            key: String::new(),
            expected: "TOML".into(),
            found: error.message().trim().replace('\n', "; "),
            place: place(error.span().map_or(0, |span| span.start)).text,
            hint: "text needs quotes, and a key may stand once only: steps = 10, name = \"a\"".into(),
        };
        let values: toml::Table = toml::from_str(text).map_err(bad_toml)?;
        let spanned = DeTable::parse(text).map_err(bad_toml)?;
        let mut places = BTreeMap::new();
        collect_places(spanned.get_ref(), "", &place, &mut places);
        let mut source = Source { path: path.to_path_buf(), values, places };
        for setting in settings {
            source.set(setting, "--set", setting)?;
        }
        Ok(source)
    }

    /// A source made of command-line settings alone: `--limit cpu_ms=5` is `limits.cpu_ms = 5`.
    pub(crate) fn of_settings(flag: &str, section: &str, settings: &[String]) -> Result<Source, RecipeError> {
        let mut source = Source { path: PathBuf::new(), values: toml::Table::new(), places: BTreeMap::new() };
        for setting in settings {
            source.set(&format!("{section}.{setting}"), flag, setting)?;
        }
        Ok(source)
    }

    /// Where a key was written; for a key that was not, where its nearest parent was.
    pub(crate) fn place(&self, key: &str) -> String {
        self.nearest(key).map_or_else(|| self.path.display().to_string(), |place| place.text.clone())
    }

    /// The folder that a relative path at this key is relative to: the recipe's, or for `--set` the current one.
    pub(crate) fn folder(&self, key: &str) -> PathBuf {
        match self.nearest(key) {
            Some(Place { is_flag: true, .. }) => PathBuf::new(),
            _ => self.path.parent().map(Path::to_path_buf).unwrap_or_default(),
        }
    }

    fn nearest(&self, key: &str) -> Option<&Place> {
        let mut key = key;
        loop {
            if let Some(place) = self.places.get(key) {
                return Some(place);
            }
            key = &key[..key.rfind(['.', '['])?];
        }
    }

    /// Takes a section whose `type` decides how the rest is read; one that is not there is the default.
    ///
    /// Serde loses the path below such a tag, so the key at fault is the one that fails with the tag alone.
    pub(crate) fn take_tagged<T: DeserializeOwned + Default>(
        &mut self,
        section: &str,
    ) -> Result<T, RecipeError> {
        match self.values.remove(section) {
            Some(value) => self.tagged(section, value),
            None => Ok(T::default()),
        }
    }

    /// Takes a list of tables, each of which is read as its `type` says; one that is not there is empty.
    pub(crate) fn take_list<T: DeserializeOwned>(&mut self, section: &str) -> Result<Vec<T>, RecipeError> {
        let list = match self.values.remove(section) {
            None => return Ok(Vec::new()),
            Some(Value::Array(list)) => list,
            Some(other) => {
                return Err(RecipeError {
                    key: section.to_string(),
                    expected: format!("a list of tables, [[{section}]]"),
                    found: other.type_str().to_string(),
                    place: self.place(section),
                    hint: format!("write [[{section}]] with two brackets on each side"),
                });
            }
        };
        let one = |(index, value)| self.tagged(&format!("{section}[{index}]"), value);
        list.into_iter().enumerate().map(one).collect()
    }

    /// Makes `table.key`, if it is there, the only entry of the list `key`.
    pub(crate) fn move_into_list(&mut self, table: &str, key: &str) -> Result<(), RecipeError> {
        let Some(Value::Table(inner)) = self.values.get_mut(table) else { return Ok(()) };
        let Some(value) = inner.remove(key) else { return Ok(()) };
        let path = format!("{table}.{key}");
        if self.values.contains_key(key) {
            return Err(RecipeError {
                expected: format!("no key here beside [[{key}]]"),
                found: format!("`{path}`"),
                place: self.place(&path),
                hint: format!("make it one more [[{key}]] table"),
                key: path,
            });
        }
        self.values.insert(key.to_string(), Value::Array(vec![value]));
        let moved = self.places.iter().filter_map(|(place, written)| {
            let rest = place.strip_prefix(&path)?;
            (rest.is_empty() || rest.starts_with('.')).then(|| (format!("{key}[0]{rest}"), written.clone()))
        });
        let moved: Vec<_> = moved.collect();
        self.places.extend(moved);
        Ok(())
    }

    /// A value whose `type` decides how the rest is read.
    fn tagged<T: DeserializeOwned>(&self, section: &str, value: Value) -> Result<T, RecipeError> {
        let error = match T::deserialize(value.clone()) {
            Ok(section) => return Ok(section),
            Err(error) => error,
        };
        let empty = toml::Table::new();
        let table = value.as_table().unwrap_or(&empty);
        let with_tag = |keys: &[&String]| {
            let kept = table.iter().filter(|(key, _)| *key == "type" || keys.contains(key));
            T::deserialize(Value::Table(kept.map(|(key, value)| (key.clone(), value.clone())).collect()))
        };
        let culprit = match with_tag(&[]) {
            Ok(_) => table.keys().find(|key| with_tag(&[key]).is_err()).cloned(),
            Err(_) => Some("type".to_string()),
        };
        let meaning = meaning(error.message());
        let is_missing = meaning.found == "nothing" && meaning.field.is_some();
        let culprit = if is_missing { meaning.field.clone() } else { culprit };
        let key = match culprit {
            Some(culprit) => format!("{section}.{culprit}"),
            None => section.to_string(),
        };
        Err(self.error(key, meaning))
    }

    /// What is wrong at a key; where an unknown one is like none that there is, where to see them all.
    fn error(&self, key: String, meaning: Meaning) -> RecipeError {
        // Settings of the command line have no recipe, and the message names all their keys.
        let is_recipe = !self.path.as_os_str().is_empty();
        let is_lost = meaning.hint.is_empty() && meaning.found.starts_with("unknown key");
        let hint = if is_lost && is_recipe { EVERY_KEY.into() } else { meaning.hint };
        RecipeError { place: self.place(&key), key, expected: meaning.expected, found: meaning.found, hint }
    }

    /// Takes a section out as a typed value; one that is not there reads as an empty table.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, section: &str) -> Result<T, RecipeError> {
        let value = self.values.remove(section).unwrap_or_else(|| Value::Table(toml::Table::new()));
        serde_path_to_error::deserialize(value).map_err(|error| {
            let inner = error.path().to_string();
            let meaning = meaning(error.inner().message());
            let mut key = if inner == "." { section.to_string() } else { format!("{section}.{inner}") };
            if let Some(field) = &meaning.field
                && key.rsplit('.').next() != Some(field)
            {
                key = format!("{key}.{field}");
            }
            self.error(key, meaning)
        })
    }

    /// Fails if a section is left that nobody took.
    pub(crate) fn finish(&self, known: &[&str]) -> Result<(), RecipeError> {
        let Some(key) = self.values.keys().next() else { return Ok(()) };
        let hint = match closest(key, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => EVERY_KEY.into(),
        };
        Err(RecipeError {
            key: key.clone(),
            expected: format!("one of {}", known.join(", ")),
            found: format!("unknown table `{key}`"),
            place: self.place(key),
            hint,
        })
    }

    /// Lays `key=value` over what is there. The value is TOML; a bare word is text.
    fn set(&mut self, setting: &str, flag: &str, written: &str) -> Result<(), RecipeError> {
        let place = format!("{flag} {written}");
        let bad = |key: &str, expected: &str, found: String| RecipeError {
            key: key.to_string(),
            expected: expected.to_string(),
            found,
            place: place.clone(),
            hint: format!(
                "write it as {flag} {}",
                if flag == "--set" { "trainer.steps=100" } else { "name=value" }
            ),
        };
        let Some((key, text)) = setting.split_once('=') else {
            return Err(bad("", "key=value", format!("`{written}`")));
        };
        let key = key.trim();
        let parts: Vec<&str> = key.split('.').collect();
        let is_list = parts.len() == 1 && value_of(text.trim()).is_array();
        if (parts.len() < 2 && !is_list) || parts.iter().any(|part| part.is_empty()) {
            return Err(bad(key, "a dotted key such as trainer.steps", format!("`{key}`")));
        }
        let mut table = &mut self.values;
        for part in &parts[..parts.len() - 1] {
            let entry = table.entry(part.to_string()).or_insert_with(|| Value::Table(toml::Table::new()));
            let Value::Table(next) = entry else {
                return Err(bad(key, "a key of a table", format!("`{part}`, which is a value")));
            };
            table = next;
        }
        table.insert(parts[parts.len() - 1].to_string(), value_of(text.trim()));
        self.places.insert(key.to_string(), Place { text: place, is_flag: true });
        Ok(())
    }
}

/// A TOML value if the text is one, else the text itself.
fn value_of(text: &str) -> Value {
    let parsed = toml::from_str::<toml::Table>(&format!("value = {text}"));
    let value = parsed.ok().filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
    value.unwrap_or_else(|| Value::String(text.to_string()))
}

fn collect_places(
    table: &DeTable<'_>,
    parent: &str,
    place: &dyn Fn(usize) -> Place,
    places: &mut BTreeMap<String, Place>,
) {
    for (key, value) in table {
        let name = key.get_ref();
        let path = if parent.is_empty() { name.to_string() } else { format!("{parent}.{name}") };
        match value.get_ref() {
            DeValue::Table(inner) => collect_places(inner, &path, place, places),
            DeValue::Array(list) => {
                for (index, entry) in list.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    if let DeValue::Table(inner) = entry.get_ref() {
                        collect_places(inner, &path, place, places);
                    }
                    places.insert(path, place(entry.span().start));
                }
            }
            _ => {}
        }
        places.insert(path, place(key.span().start));
    }
}

fn place_of(path: &str, text: &str, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    Place { text: format!("{path}:{line}:{column}"), is_flag: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Trainer {
        steps: usize,
        name: String,
        rates: Vec<f32>,
    }

    impl Default for Trainer {
        fn default() -> Self {
            Trainer { steps: 7, name: "a".into(), rates: Vec::new() }
        }
    }

    fn trainer(text: &str, settings: &[&str]) -> Result<Trainer, RecipeError> {
        let settings: Vec<String> = settings.iter().map(|setting| setting.to_string()).collect();
        let mut source = Source::parse(Path::new("r.toml"), text, &settings)?;
        let trainer = source.take("trainer")?;
        source.finish(&["trainer"])?;
        Ok(trainer)
    }

    #[test]
    fn settings_lie_over_the_file() {
        let got =
            trainer("[trainer]\nsteps = 3\n", &["trainer.name=my model", "trainer.rates=[1, 2.5]"]).unwrap();
        assert_eq!(got, Trainer { steps: 3, name: "my model".into(), rates: vec![1.0, 2.5] });
        assert_eq!(trainer("", &[]).unwrap().steps, 7);
        assert_eq!(trainer("", &["trainer.steps=9"]).unwrap().steps, 9);
    }

    #[derive(Debug, serde::Deserialize, PartialEq)]
    #[serde(tag = "type", rename_all = "kebab-case")]
    enum Algorithm {
        Grpo(Trainer),
    }

    impl Default for Algorithm {
        fn default() -> Self {
            Algorithm::Grpo(Trainer::default())
        }
    }

    #[test]
    fn a_tagged_table_names_its_key_too() {
        let take = |text: &str| {
            Source::parse(Path::new("r.toml"), text, &[]).unwrap().take_tagged::<Algorithm>("algorithm")
        };
        assert_eq!(take("").unwrap(), Algorithm::default());
        assert_eq!(take("[algorithm]\ntype = \"grpo\"\n").unwrap(), Algorithm::default());
        let check = |text: &str, parts: &[&str]| {
            let message = take(text).unwrap_err().to_string();
            parts.iter().for_each(|part| assert!(message.contains(part), "{part:?} not in:\n{message}"));
        };
        check("[algorithm]\ntype = \"grpoo\"", &["algorithm.type", "r.toml:2:1", "did you mean \"grpo\""]);
        check(
            "[algorithm]\ntype = \"grpo\"\nname = \"a\"\nsteps = \"b\"",
            &["algorithm.steps", "r.toml:4:1", "whole"],
        );
        check(
            "[algorithm]\ntype = \"grpo\"\nstep = 1",
            &["algorithm.step:", "r.toml:3:1", "did you mean `steps`"],
        );
        check("[algorithm]\nsteps = 1", &["algorithm.type", "r.toml:1:2", "add `type"]);
    }

    #[test]
    fn errors_name_key_found_place_and_hint() {
        let check = |text: &str, settings: &[&str], parts: &[&str]| {
            let message = trainer(text, settings).unwrap_err().to_string();
            for part in parts {
                assert!(message.contains(part), "{part:?} not in:\n{message}");
            }
        };
        check("[trainer]\n  setps = 3\n", &[], &["trainer.setps", "r.toml:2:3", "did you mean `steps`"]);
        check(
            "[trainer]\nsteps = \"x\"\n",
            &[],
            &["trainer.steps: expected a whole number", "\"x\"", "r.toml:2:1"],
        );
        check("[trainer]\nsteps = -1\n", &[], &["trainer.steps", "-1", "r.toml:2:1"]);
        check("[trainer]\nrates = [1, \"b\"]\n", &[], &["trainer.rates[1]", "r.toml:2:1"]);
        check("[tainer]\nsteps = 1\n", &[], &["tainer", "r.toml:1:2", "did you mean `trainer`"]);
        check("", &["trainer.stps=1"], &["trainer.stps", "--set trainer.stps=1", "did you mean `steps`"]);
        check("", &["trainer.steps=x"], &["trainer.steps", "--set trainer.steps=x", "whole number"]);
        check("", &["steps"], &["key=value"]);
        check("[trainer]\nsteps = 1\n", &["trainer.steps.x=1"], &["`steps`, which is a value"]);
        check("[trainer\n", &[], &["TOML", "r.toml:1:"]);
        check("[trainer]\nsteps = 1\nsteps = 2\n", &[], &["r.toml:3:1"]);
    }
}
