//! The comparison as one HTML page that needs nothing else: table, curves, pairs, settings. No script and no network; every
//! text goes through `escape`.

use std::fmt::Write as _;

use hone_eval::Interval;
use serde_json::Value;

use super::table::{count, gain, share};
use super::{Comparison, Curve, Row};

const STYLE: &str = include_str!("style.css");

const NOTE: &str = "Sorted by gain of held-out pass@1 a minute of training. Gains are in points, after minus before on the \
    same tasks. Intervals are 95%, bootstrap over tasks, each task's mean over the seeds: they say how sure the number is for \
    other tasks like these, not for other seeds; the gains of the single runs stand beside it. Minutes are of training alone.";

/// The whole document.
pub(crate) fn render(comparison: &Comparison) -> String {
    let body = [
        "<h1>Methods side by side</h1>\n".to_string(),
        facts(comparison),
        failures(comparison),
        table(comparison),
        curves(comparison),
        pairs(comparison),
        settings(comparison),
        format!("<footer>Written by <code>{}</code></footer>\n", escape(&comparison.command)),
    ];
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Methods side by side</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{}</main>\n</body>\n</html>\n",
        body.concat()
    )
}

fn facts(comparison: &Comparison) -> String {
    let mut list = String::new();
    for (name, value) in &comparison.facts {
        // Of a path the name is enough for people.
        let value =
            value.rsplit_once('/').filter(|_| name.contains("tasks")).map_or(&value[..], |(_, file)| file);
        let _ = write!(list, "<li>{} <b>{}</b></li>", escape(name), escape(value));
    }
    format!("<ul class=\"facts\">{list}</ul>\n")
}

fn failures(comparison: &Comparison) -> String {
    let mut list = String::new();
    for failure in &comparison.failures {
        let _ = writeln!(
            list,
            "<div class=\"failure\"><b>{} with seed {} failed</b><pre>{}</pre><p>All it said: <code>{}</code></p></div>",
            escape(&failure.name),
            failure.seed,
            escape(&failure.reason),
            escape(&failure.log.display().to_string())
        );
    }
    list
}

fn table(comparison: &Comparison) -> String {
    if comparison.methods.is_empty() {
        return "<p>No run has finished yet.</p>\n".into();
    }
    let scale = Scale::of(comparison);
    let head = [
        ("Method", ""),
        ("pass@1", " class=\"number\""),
        ("95%", ""),
        ("Gain", " class=\"number\""),
        ("pass@5", " class=\"number\""),
        ("Gain", " class=\"number\""),
        ("Gain a minute", " class=\"number\""),
        ("Minutes", " class=\"number\""),
        ("Rollout, execution, update", ""),
        ("Tokens", " class=\"number\""),
        ("Memory", " class=\"number\""),
        ("KL", " class=\"number\""),
    ];
    let head: String = head.map(|(name, class)| format!("<th{class}>{name}</th>")).concat();
    let longest = comparison.methods.iter().map(|row| row.minutes).fold(1e-9, f64::max);
    let mut rows: String = comparison.methods.iter().map(|one| row(one, &scale, longest)).collect();
    if let Some(untrained) = &comparison.untrained {
        let _ = writeln!(
            rows,
            "<tr class=\"untrained\"><td>untrained</td><td class=\"number\">{}</td><td>{}</td><td></td>\
             <td class=\"number\">{}</td><td colspan=\"7\">{} tasks × {} samples</td></tr>",
            two_lines(&share(&untrained.pass_at_1)),
            scale.draw(untrained.pass_at_1.as_ref()),
            two_lines(&share(&untrained.pass_at_5)),
            untrained.tasks,
            untrained.samples
        );
    }
    format!(
        "<div class=\"card wide\"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n\
         <p class=\"legend\"><i class=\"rollout\"></i>rollout <i class=\"execution\"></i>execution that nothing overlapped \
         <i class=\"update\"></i>update; the dashed line is the untrained model; KL is to it, when last measured</p>\n\
         <p class=\"soft\">{NOTE}</p>\n"
    )
}

fn row(row: &Row, scale: &Scale, longest: f64) -> String {
    let seeds = if row.seeds.len() == 1 { "1 seed".into() } else { format!("{} seeds", row.seeds.len()) };
    let endings: Vec<&str> = row.endings.iter().map(String::as_str).collect();
    let runs: Vec<String> = row.gains.iter().map(|gain| format!("{:+.1}", 100.0 * gain)).collect();
    let bar = |minutes: f64| format!("{:.2}", 100.0 * minutes / longest);
    let parts = [row.rollout_minutes, row.execution_minutes, row.update_minutes];
    let split = parts.map(|minutes| format!("{minutes:.1}")).join(" · ");
    format!(
        "<tr><td><b>{}</b><br><span class=\"soft\">{seeds}, {:.0} steps, {}</span></td><td class=\"number\">{}</td><td>{}</td>\
         <td class=\"number\">{}<br><span class=\"soft\">runs {}</span></td><td class=\"number\">{}</td><td class=\"number\">{}</td>\
         <td class=\"number\"><b>{}</b></td><td class=\"number\">{:.1}</td>\
         <td><div class=\"bar\"><i class=\"rollout\" style=\"width:{}%\"></i><i class=\"execution\" style=\"width:{}%\"></i>\
         <i class=\"update\" style=\"width:{}%\"></i></div><span class=\"soft\">{split} min</span></td>\
         <td class=\"number\">{}</td><td class=\"number\">{:.2} GB</td><td class=\"number\">{}</td></tr>\n",
        escape(&row.name),
        row.steps,
        escape(&endings.join(", ")),
        two_lines(&share(&row.pass_at_1)),
        scale.draw(row.pass_at_1.as_ref()),
        two_lines(&gain(&row.gain_at_1)),
        runs.join(", "),
        two_lines(&share(&row.pass_at_5)),
        two_lines(&gain(&row.gain_at_5)),
        row.gain_per_minute.map_or("–".into(), |value| format!("{:+.2}", 100.0 * value)),
        row.minutes,
        bar(parts[0]),
        bar(parts[1]),
        bar(parts[2]),
        count(row.tokens),
        row.peak_memory_bytes / 1e9,
        row.final_kl.map_or("–".into(), |value| format!("{value:.1e}")),
    )
}

/// A number over its interval.
fn two_lines(text: &str) -> String {
    match text.split_once(' ') {
        Some((value, interval)) => {
            format!("<b>{}</b><br><span class=\"soft\">{}</span>", escape(value), escape(interval))
        }
        None => escape(text),
    }
}

/// Intervals on one scale for all methods.
struct Scale {
    most: f64,
    untrained: Option<f64>,
}

impl Scale {
    const WIDTH: f64 = 150.0;

    fn of(comparison: &Comparison) -> Scale {
        let untrained = comparison.untrained.as_ref().and_then(|one| one.pass_at_1);
        let all = comparison.methods.iter().filter_map(|row| row.pass_at_1).chain(untrained);
        Scale {
            most: all.map(|one| one.high).fold(0.05, f64::max),
            untrained: untrained.map(|one| one.value),
        }
    }

    fn x(&self, value: f64) -> f64 {
        4.0 + (Scale::WIDTH - 8.0) * value / self.most
    }

    fn draw(&self, interval: Option<&Interval>) -> String {
        let Some(one) = interval else { return String::new() };
        let rule = self.untrained.map_or(String::new(), |value| {
            format!("<path class=\"rule\" d=\"M{0:.1} 0V24\"/>", self.x(value))
        });
        format!(
            "<svg class=\"interval\" width=\"{0}\" height=\"24\" role=\"img\" aria-label=\"{1}\">{rule}\
             <path class=\"span\" d=\"M{2:.1} 12H{3:.1}\"/><circle cx=\"{4:.1}\" cy=\"12\" r=\"4\"/></svg>",
            Scale::WIDTH,
            escape(&share(&Some(*one))),
            self.x(one.low),
            self.x(one.high),
            self.x(one.value)
        )
    }
}

fn curves(comparison: &Comparison) -> String {
    if comparison.methods.is_empty() {
        return String::new();
    }
    let all = || comparison.methods.iter().flat_map(|row| &row.curves);
    let minutes = all().filter_map(|curve| curve.minutes.last()).copied().fold(1e-9, f64::max);
    let rates = all().flat_map(|curve| &curve.pass_rates).copied().filter(|rate| rate.is_finite());
    let most = rates.fold(0.05, f64::max);
    let mut cards = String::new();
    for row in &comparison.methods {
        let rewards =
            || row.curves.iter().flat_map(|curve| &curve.rewards).copied().filter(|one| one.is_finite());
        let low = rewards().fold(f64::INFINITY, f64::min).min(0.0);
        let high = rewards().fold(f64::NEG_INFINITY, f64::max).max(low + 0.05);
        let _ = writeln!(
            cards,
            "<figure class=\"card\"><figcaption>{}</figcaption><div class=\"two\">{}{}</div></figure>",
            escape(&row.name),
            chart("pass rate", &row.curves, |curve| &curve.pass_rates, minutes, (0.0, most)),
            chart("reward", &row.curves, |curve| &curve.rewards, minutes, (low, high)),
        );
    }
    format!(
        "<h2>Curves</h2>\n<p class=\"soft\">Training completions: share that passed all hidden tests, on one scale for all \
         methods, and mean reward, on each method's own. Pale: every step of every run. Strong: the mean of the steps around it. \
         Horizontal: minutes of training, to {minutes:.1}.</p>\n<div class=\"grid\">\n{cards}</div>\n"
    )
}

/// Every run's curve over minutes, within (low, high).
fn chart(
    title: &str,
    curves: &[Curve],
    values: impl Fn(&Curve) -> &Vec<f64>,
    minutes: f64,
    (low, high): (f64, f64),
) -> String {
    const WIDTH: f64 = 220.0;
    const HEIGHT: f64 = 96.0;
    let path = |curve: &Curve, values: &[f64]| {
        let mut path = String::new();
        for (at, value) in curve.minutes.iter().zip(values).filter(|(_, value)| value.is_finite()) {
            let (x, y) = (WIDTH * at / minutes, HEIGHT - 3.0 - (HEIGHT - 6.0) * (value - low) / (high - low));
            let _ = write!(path, "{}{x:.1} {y:.1}", if path.is_empty() { "M" } else { "L" });
        }
        path
    };
    let mut drawing = String::new();
    for curve in curves {
        let _ = write!(drawing, "<path class=\"raw\" d=\"{}\"/>", path(curve, values(curve)));
    }
    for curve in curves {
        let _ = write!(drawing, "<path class=\"smooth\" d=\"{}\"/>", path(curve, &smooth(values(curve))));
    }
    format!(
        "<div><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\"><path class=\"axis\" d=\"M0 {0}H{WIDTH}\"/>\
         {drawing}</svg><p class=\"soft\">{title}, {low:.2} to {high:.2}</p></div>",
        HEIGHT - 1.0
    )
}

/// The mean over a ninth of the run around each step.
fn smooth(values: &[f64]) -> Vec<f64> {
    let reach = values.len() / 18;
    let around = |at: usize| &values[at.saturating_sub(reach)..(at + reach + 1).min(values.len())];
    (0..values.len()).map(|at| around(at).iter().sum::<f64>() / around(at).len() as f64).collect()
}

/// Every method against every other, row minus column.
fn pairs(comparison: &Comparison) -> String {
    if comparison.pairs.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = comparison.methods.iter().map(|row| row.name.as_str()).collect();
    let head: String =
        names.iter().map(|name| format!("<th class=\"number\">{}</th>", escape(name))).collect();
    let mut rows = String::new();
    for first in &names {
        let cells: String = names.iter().map(|second| pair(comparison, first, second)).collect();
        let _ = writeln!(rows, "<tr><th>{}</th>{cells}</tr>", escape(first));
    }
    format!(
        "<h2>Each against each</h2>\n<p class=\"soft\">pass@1 of the row's method minus that of the column's, in points, on the \
         same tasks and seeds, with its 95% interval. Coloured where the interval leaves out 0. Of many pairs some differ by \
         chance: one in twenty where nothing differs.</p>\n\
         <div class=\"card wide\"><table class=\"pairs\"><thead><tr><th></th>{head}</tr></thead>\n<tbody>{rows}</tbody></table></div>\n"
    )
}

fn pair(comparison: &Comparison, first: &str, second: &str) -> String {
    let difference = comparison.pairs.iter().find_map(|pair| {
        let Interval { value, low, high } = pair.difference;
        match (pair.first.as_str(), pair.second.as_str()) {
            (a, b) if a == first && b == second => Some(Interval { value, low, high }),
            (a, b) if a == second && b == first => {
                Some(Interval { value: 0.0 - value, low: 0.0 - high, high: 0.0 - low })
            }
            _ => None,
        }
    });
    let class = match &difference {
        Some(one) if one.low > 0.0 => " up",
        Some(one) if one.high < 0.0 => " down",
        _ => "",
    };
    let text = if difference.is_some() { two_lines(&gain(&difference)) } else { "·".into() };
    format!("<td class=\"number{class}\">{text}</td>")
}

/// What the recipes say differently.
fn settings(comparison: &Comparison) -> String {
    let mut list = String::new();
    for row in &comparison.methods {
        let own: String = row
            .settings
            .iter()
            .map(|(key, value)| {
                let value = match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                format!("<li><code>{}</code> {}</li>", escape(key), escape(&value))
            })
            .collect();
        let _ = writeln!(list, "<details><summary>{}</summary><ul>{own}</ul></details>", escape(&row.name));
    }
    if list.is_empty() {
        return list;
    }
    format!(
        "<h2>Where the recipes differ</h2>\n<p class=\"soft\">Everything else is the same in all.</p>\n{list}"
    )
}

/// Text as it may stand in HTML.
fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}
