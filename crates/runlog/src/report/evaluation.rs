//! Before → after: the evaluations' pass rates with their intervals.
//!
//! Read from `eval/summary.json`: `{ before: Summary, after: Summary, differences: [{ k, value, low, high }] }`,
//! each part optional, where a summary has `pass_at: { "1": { value, low, high }, … }` under `all` (or at its top)
//! and the same under each of `by_level`. Without that file, `before.json` and `after.json` are taken for the
//! summaries. Nothing is computed here: pass@k and its interval belong to whoever evaluates.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::escape::html;
use super::page::percent;

/// An estimate and its 95% interval, as fractions.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Estimate {
    value: f64,
    low: f64,
    high: f64,
}

/// The card at the top; empty if nothing was evaluated.
pub(super) fn headline(before: Option<&Value>, after: Option<&Value>, differences: Option<&Value>) -> String {
    let levels = levels(before, after);
    let (before, after, paired) = (pass_at(before), pass_at(after), paired(differences));
    let mut attempts: Vec<u64> = before.keys().chain(after.keys()).copied().collect();
    attempts.sort_unstable();
    attempts.dedup();
    if attempts.is_empty() {
        return String::new();
    }
    let mut cards = String::new();
    for k in attempts {
        let _ = writeln!(cards, "<div>{}</div>", card(k, before.get(&k), after.get(&k), paired.get(&k)));
    }
    let label = "held-out tasks, before and after";
    format!(
        "<section aria-label=\"{label}\">\n<div class=\"card headline\">\n{cards}</div>\n{levels}</section>\n"
    )
}

fn card(k: u64, before: Option<&Estimate>, after: Option<&Estimate>, paired: Option<&Estimate>) -> String {
    let label = if k == 1 {
        "held-out tasks solved at the first attempt".to_owned()
    } else {
        format!("held-out tasks solved by at least one of {k} attempts")
    };
    let big = match (before, after) {
        (Some(before), Some(after)) => {
            let gain = paired.map_or(after.value - before.value, |paired| paired.value);
            let class = if gain >= 0.0 { "up" } else { "down" };
            let interval =
                paired.map(|paired| format!(" ({} to {})", points(paired.low), points(paired.high)));
            let gain = format!("{} points{}", points(gain), interval.unwrap_or_default());
            format!(
                "<span class=\"from\">{}</span><span class=\"arrow\">→</span>{}<span class=\"gain {class}\">{gain}</span>",
                percent(before.value),
                percent(after.value)
            )
        }
        (Some(only), None) => format!("{}<span class=\"gain\">before training</span>", percent(only.value)),
        (None, Some(only)) => format!("{}<span class=\"gain\">after training</span>", percent(only.value)),
        (None, None) => String::new(),
    };
    format!(
        "<div class=\"label\">pass@{k}</div><div class=\"big\">{big}</div><div class=\"soft\">{}</div>{}",
        html(&label),
        intervals(before, after)
    )
}

/// A difference of fractions in percentage points, with its sign.
fn points(difference: f64) -> String {
    format!("{:+.1}", difference * 100.0).replace('-', "−")
}

/// pass@1 by level of difficulty, if the evaluations say so.
fn levels(before: Option<&Value>, after: Option<&Value>) -> String {
    let of = |evaluation: Option<&Value>| -> BTreeMap<String, Estimate> {
        let Some(Value::Object(levels)) = evaluation.and_then(|value| value.get("by_level")) else {
            return BTreeMap::new();
        };
        levels
            .iter()
            .filter_map(|(level, part)| Some((level.clone(), *pass_at(Some(part)).get(&1)?)))
            .collect()
    };
    let (before, after) = (of(before), of(after));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_by_key(|name| (name.len(), name.as_str()));
    names.dedup();
    if names.is_empty() {
        return String::new();
    }
    let cell = |estimate: Option<&Estimate>| {
        estimate.map_or("–".into(), |it| {
            format!("{} ({} to {})", percent(it.value), percent(it.low), percent(it.high))
        })
    };
    let row = |name: &&String| {
        let (name_text, before, after) = (html(name), cell(before.get(*name)), cell(after.get(*name)));
        format!(
            "<tr><td>{name_text}</td><td class=\"number\">{before}</td><td class=\"number\">{after}</td></tr>\n"
        )
    };
    let rows: String = names.iter().map(row).collect();
    format!(
        "<details><summary>pass@1 by level</summary>\n<div class=\"card wide-table\"><table><thead><tr><th>Level</th>\
         <th class=\"number\">Before (95% interval)</th><th class=\"number\">After (95% interval)</th></tr></thead>\n\
         <tbody>{rows}</tbody></table></div></details>\n"
    )
}

/// Both intervals on one scale from 0 to 100%.
fn intervals(before: Option<&Estimate>, after: Option<&Estimate>) -> String {
    let x = |fraction: f64| 4.0 + fraction.clamp(0.0, 1.0) * 392.0;
    let mut svg = String::from("<path class=\"rule\" d=\"M4 36H396\"/>");
    for quarter in 0..=4 {
        let fraction = f64::from(quarter) / 4.0;
        let anchor = ["start", "middle", "middle", "middle", "end"][quarter as usize];
        let _ = write!(
            svg,
            "<path class=\"rule\" d=\"M{0:.1} 3v33\"/><text x=\"{0:.1}\" y=\"46\" text-anchor=\"{anchor}\">{1}%</text>",
            x(fraction),
            quarter * 25
        );
    }
    let mut words = Vec::new();
    for (name, estimate, y) in [("before", before, 11), ("after", after, 26)] {
        let Some(estimate) = estimate else { continue };
        let (low, high) = (percent(estimate.low), percent(estimate.high));
        words.push(format!("{name} {low} to {high}"));
        let _ = write!(
            svg,
            "<g class=\"{name}\"><path class=\"span\" d=\"M{:.1} {y}H{:.1}\"/><circle cx=\"{:.1}\" cy=\"{y}\" r=\"4.5\"/></g>",
            x(estimate.low),
            x(estimate.high),
            x(estimate.value)
        );
    }
    let words = html(&words.join(", "));
    format!(
        "<svg class=\"interval\" viewBox=\"0 0 400 48\" preserveAspectRatio=\"xMinYMid meet\" role=\"img\" aria-label=\"95% intervals: {words}\">{svg}</svg>\
         <div class=\"soft\">95% intervals: {words}</div>"
    )
}

/// The paired gains by k.
fn paired(differences: Option<&Value>) -> BTreeMap<u64, Estimate> {
    let entries = differences.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    entries.iter().filter_map(|entry| Some((entry.get("k")?.as_u64()?, estimate(entry)?))).collect()
}

fn estimate(entry: &Value) -> Option<Estimate> {
    let number = |name: &str| entry.get(name).and_then(Value::as_f64).filter(|value| value.is_finite());
    let value = number("value")?;
    Some(Estimate { value, low: number("low").unwrap_or(value), high: number("high").unwrap_or(value) })
}

fn pass_at(evaluation: Option<&Value>) -> BTreeMap<u64, Estimate> {
    let find = |value: &Value| value.get("pass_at").or_else(|| value.get("all")?.get("pass_at")).cloned();
    let Some(Value::Object(entries)) = evaluation.and_then(find) else { return BTreeMap::new() };
    entries.iter().filter_map(|(k, entry)| Some((k.parse().ok()?, estimate(entry)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn before_and_after_with_the_gain() {
        let before = json!({ "pass_at": { "1": { "value": 0.31, "low": 0.25, "high": 0.37 }, "x": 3 } });
        let after = json!({ "all": { "pass_at": { "1": { "value": 0.456, "low": 0.4, "high": 0.5 }, "8": { "value": 0.8 } } } });
        let page = headline(Some(&before), Some(&after), None);
        for text in ["31.0%", "45.6%", "+14.6 points", "25.0% to 37.0%", "pass@8", "after training"] {
            assert!(page.contains(text), "{text}\n{page}");
        }
        let difference = json!([{ "k": 1, "value": 0.146, "low": -0.01, "high": 0.2 }]);
        let page = headline(Some(&before), Some(&after), Some(&difference));
        assert!(page.contains("+14.6 points (−1.0 to +20.0)"), "{page}");
    }

    #[test]
    fn levels_are_compared_where_they_are_known() {
        let part =
            |value: f64| json!({ "pass_at": { "1": { "value": value, "low": value, "high": value } } });
        let before =
            json!({ "all": part(0.3), "by_level": { "1": part(0.5), "10": part(0.1), "2": part(0.25) } });
        let page = headline(Some(&before), None, None);
        let at = |text: &str| page.find(text).unwrap_or(usize::MAX);
        assert!(at("<td>1</td>") < at("<td>2</td>") && at("<td>2</td>") < at("<td>10</td>"), "{page}");
    }

    #[test]
    fn nothing_and_nonsense_show_nothing() {
        for value in [json!(null), json!([]), json!({ "pass_at": 3 }), json!({ "pass_at": { "1": {} } })] {
            assert_eq!(headline(Some(&value), None, Some(&value)), "", "{value}");
        }
    }
}
