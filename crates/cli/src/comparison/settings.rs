//! In which settings the recipes of a comparison differ: what a reader has to know to find it fair.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Settings that differ between runs of one method, or say nothing.
const LEFT_OUT: [&str; 1] = ["trainer.seed"];

/// For each recipe the settings that another has otherwise or not at all, by dotted key.
pub(super) fn differing<'a>(
    recipes: impl Iterator<Item = (&'a str, &'a Value)>,
) -> BTreeMap<String, BTreeMap<String, Value>> {
    let all: Vec<(&str, BTreeMap<String, Value>)> = recipes
        .map(|(name, recipe)| {
            let mut flat = BTreeMap::new();
            flatten("", recipe, &mut flat);
            (name, flat)
        })
        .collect();
    let keys: BTreeSet<&String> = all.iter().flat_map(|(_, flat)| flat.keys()).collect();
    let is_same = |key: &String| {
        LEFT_OUT.contains(&key.as_str()) || all.iter().all(|(_, flat)| flat.get(key) == all[0].1.get(key))
    };
    let differing: BTreeSet<&String> = keys.into_iter().filter(|key| !is_same(key)).collect();
    all.iter()
        .map(|(name, flat)| {
            let own = flat.iter().filter(|(key, _)| differing.contains(key));
            (name.to_string(), own.map(|(key, value)| (key.clone(), value.clone())).collect())
        })
        .collect()
}

/// Tables become dotted keys; lists stay values.
fn flatten(prefix: &str, value: &Value, flat: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(table) => {
            for (key, value) in table {
                let dotted = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(&dotted, value, flat);
            }
        }
        Value::Null => {}
        other => {
            flat.insert(prefix.to_string(), other.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_common_is_left_out() {
        let first = json!({"algorithm": {"type": "grpo", "clip": 0.2}, "trainer": {"seed": 1, "steps": 5}});
        let second = json!({"algorithm": {"type": "ppo", "clip": 0.2, "gae": 0.9}, "trainer": {"seed": 2, "steps": 5}});
        let found = differing([("a", &first), ("b", &second)].into_iter());
        assert_eq!(json!(found["a"]), json!({"algorithm.type": "grpo"}));
        assert_eq!(json!(found["b"]), json!({"algorithm.gae": 0.9, "algorithm.type": "ppo"}));
    }
}
