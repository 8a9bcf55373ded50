//! The page, section by section. All text goes through `escape`.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::chart::{Chart, Series, figure, sparkline};
use super::data::{Content, trajectory_data};
use super::escape::{html, json as script_json, policy_hash};
use super::{alerts, evaluation, online};
use crate::metric::{self, METRICS};
use crate::summary::short;
use crate::{Manifest, RunState, utc_now};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("report.js");
/// Rows of the table of tasks.
const TASKS_MAX: usize = 500;
/// Drawn at once; the other curves on demand.
const CURVES: [&str; 9] = [
    metric::REWARD_MEAN,
    metric::PASS_RATE,
    metric::KL,
    metric::ENTROPY,
    metric::LENGTH_TOKENS,
    metric::CLIP_FRACTION,
    metric::GRADIENT_NORM,
    metric::GROUPS_WITH_SIGNAL,
    metric::TRUNCATED_FRACTION,
];

/// The whole document.
pub(super) fn render(content: &Content) -> String {
    let mut charts = Vec::new();
    let curves = curves(content, &mut charts);
    let title = title(content);
    let body = [
        header(content, &title),
        "<main>\n".into(),
        evaluation::headline(content.before.as_ref(), content.after.as_ref(), content.differences.as_ref()),
        alerts::section(&content.alerts),
        online::section(content.switch.as_ref(), content.at_switch.as_ref()),
        curves,
        tasks(content),
        programs(content),
        recipe_and_machine(content),
        numbers(content),
        "</main>\n".into(),
        footer(content),
    ];
    let data = json!({ "charts": charts, "trajectories": trajectory_data(&content.trajectories) });
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; script-src {}; base-uri 'none'; form-action 'none'",
        policy_hash(SCRIPT)
    );
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{}\
         <script type=\"application/json\" id=\"data\">{}</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
        html(&title),
        body.concat(),
        script_json(&data),
    )
}

fn title(content: &Content) -> String {
    let named = &content.manifest.title;
    let name = if named.is_empty() { &content.directory } else { named };
    if name.is_empty() { "A run of Hone".into() } else { name.clone() }
}

fn header(content: &Content, title: &str) -> String {
    let step = content.last_step();
    let of = content.manifest.planned_steps.map(|steps| format!(" of {steps}")).unwrap_or_default();
    let (class, state) = match &content.state {
        RunState::Running => ("running", format!("still going, at step {step}{of}")),
        RunState::Stopped => ("stopped", format!("stopped at step {step}{of}")),
        RunState::Finished(_) => ("finished", format!("finished, {step} steps")),
    };
    let manifest = &content.manifest;
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            facts.push(format!("<li>{name} <b>{}</b></li>", html(&value)));
        }
    };
    fact("model", manifest.model.source.clone());
    fact("started", manifest.started_at.replace('T', " ").replace('Z', " UTC"));
    if let RunState::Finished(finish) = &content.state {
        fact("took", duration(finish.wall_s));
        fact("ended by", finish.reason.clone());
    }
    fact("seed", manifest.seed.to_string());
    fact("commit", commit(manifest));
    if content.resumptions > 0 {
        fact("resumed", format!("{}×", content.resumptions));
    }
    let mut notes = content.notes.clone();
    let isolation = &manifest.isolation;
    if !isolation.missing.is_empty() || !(isolation.level.is_empty() || isolation.level == "strict") {
        let list = |layers: &[String]| if layers.is_empty() { "none".into() } else { layers.join(", ") };
        let mut note = format!(
            "Programs ran with isolation “{}”. Layers in force: {}",
            isolation.level,
            list(&isolation.layers)
        );
        if !isolation.missing.is_empty() {
            let _ = write!(note, "; missing: {}", list(&isolation.missing));
        }
        notes.insert(0, note + ".");
    }
    let notes: String = notes.iter().map(|note| format!("<p class=\"note\">{}</p>\n", html(note))).collect();
    format!(
        "<header class=\"top\">\n<h1>{} <span class=\"state {class}\">{}</span></h1>\n<ul class=\"facts\">{}</ul>\n{notes}</header>\n",
        html(title),
        html(&state),
        facts.concat()
    )
}

fn curves(content: &Content, charts: &mut Vec<Value>) -> String {
    let (mut first, mut other) = (String::new(), String::new());
    let is_area = |name: &str| name.starts_with(metric::OUTCOME_PREFIX);
    let mut draw = |chart: &Chart| {
        let (drawing, data) = figure(chart, charts.len());
        charts.push(data);
        drawing
    };
    for (name, points) in content.series().iter().filter(|(name, _)| !is_area(name)) {
        let drawing = draw(&line_chart(name, points));
        if CURVES.contains(&name.as_str()) { first.push_str(&drawing) } else { other.push_str(&drawing) }
    }
    let areas: String = [content.outcome_chart(), content.time_chart()].iter().flatten().map(draw).collect();
    if first.is_empty() && other.is_empty() && areas.is_empty() {
        return "<h2>Curves</h2>\n<p class=\"soft\">No step has been completed yet.</p>\n".into();
    }
    if !other.is_empty() {
        other = format!(
            "<details><summary>Other curves</summary>\n<div class=\"grid\">\n{other}</div></details>\n"
        );
    }
    format!(
        "<h2>Curves</h2>\n<p class=\"soft\">Pale: every step. Strong: the mean around it, its weights halving every 25th part of the run. \
         Horizontal: steps. Point at a curve for values, or focus it and use the arrow keys; click to see that step's programs below.</p>\n\
         <div class=\"grid\">\n{first}</div>\n<h2>What the programs did, and where the time went</h2>\n<div class=\"grid wide\">\n{areas}</div>\n{other}"
    )
}

fn line_chart(name: &str, points: &[(u64, f64)]) -> Chart {
    let known = metric::find(name);
    Chart {
        title: known.map_or(name, |metric| metric.title).to_owned(),
        name: name.to_owned(),
        meaning: known.map_or("", |metric| metric.meaning).to_owned(),
        steps: points.iter().map(|point| point.0).collect(),
        series: vec![Series {
            name: known.map_or(name, |metric| metric.title).to_lowercase(),
            class: "line".into(),
            values: points.iter().map(|point| point.1).collect(),
        }],
        is_stacked: false,
    }
}

/// Per task: its pass rate in the first and in the second half of its attempts.
fn tasks(content: &Content) -> String {
    let tasks = &content.trajectories.tasks;
    if tasks.is_empty() {
        return String::new();
    }
    let rate = |part: &[(u64, u64)]| {
        let (passed, sampled) = part.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        passed as f64 / f64::max(sampled as f64, 1.0)
    };
    let mut rows = Vec::new();
    for (task, steps) in tasks {
        let attempts: Vec<(u64, u64)> = steps.values().copied().collect();
        let (early, late) = attempts.split_at(attempts.len() / 2);
        let change = (!early.is_empty()).then(|| (rate(early), rate(late)));
        let order = change.map_or(f64::NEG_INFINITY, |(early, late)| late - early);
        rows.push((order, task, attempts, change));
    }
    rows.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    let mut table = String::new();
    for (_, task, attempts, change) in rows.iter().take(TASKS_MAX) {
        let name = html(task);
        let curve: Vec<f64> = attempts.iter().map(|one| rate(std::slice::from_ref(one))).collect();
        let (early, late) = match change {
            Some((early, late)) => (percent(*early), percent(*late)),
            None => ("–".into(), percent(rate(attempts))),
        };
        let samples: u64 = attempts.iter().map(|one| one.1).sum();
        let _ = writeln!(
            table,
            "<tr><td><button type=\"button\" class=\"link\" data-task=\"{name}\">{name}</button></td><td class=\"number\">{}</td>\
             <td class=\"number\">{samples}</td><td class=\"number\">{early}</td><td class=\"number\">{late}</td><td>{}</td></tr>",
            attempts.len(),
            sparkline(&curve)
        );
    }
    let left_out = rows.len().saturating_sub(TASKS_MAX);
    let left_out = if left_out > 0 {
        format!(" The {left_out} that changed least or fell are left out.")
    } else {
        String::new()
    };
    format!(
        "<h2>Tasks</h2>\n<p class=\"soft\">Pass rate of each training task in the first and the second half of the steps that used it, \
         most improved first.{left_out}</p>\n<div class=\"card scroll\" tabindex=\"0\" role=\"region\" aria-label=\"tasks\"><table><thead><tr><th>Task</th><th class=\"number\">Steps</th>\
         <th class=\"number\">Samples</th><th class=\"number\">First half</th><th class=\"number\">Second half</th><th>Pass rate</th></tr></thead>\n\
         <tbody>{table}</tbody></table></div>\n"
    )
}

fn programs(content: &Content) -> String {
    let (shown, total) = (content.trajectories.shown.len(), content.trajectories.total);
    if total == 0 {
        return "<h2>Programs</h2>\n<p class=\"soft\">No trajectories have been written yet.</p>\n".into();
    }
    let size = if shown == total {
        "All completions of the run.".to_owned()
    } else {
        format!(
            "{shown} of {total} completions: the first and the last step, and a fixed random choice of whole groups \
             between them, so that this page stays small. All of them are in <code>trajectories/</code>."
        )
    };
    format!(
        "<h2 id=\"programs-heading\">Programs</h2>\n<p class=\"soft\">{size} <span id=\"count\" role=\"status\"></span></p>\n\
         <noscript><p class=\"note\">Browsing the programs needs this page's own script.</p></noscript>\n\
         <div class=\"card\" id=\"programs\" hidden>\n<div class=\"filters\">\n\
         <label>Search <input id=\"filter-search\" type=\"search\" placeholder=\"text, error, code\"></label>\n\
         <label>Task <select id=\"filter-task\"><option value=\"\">all</option></select></label>\n\
         <label>Outcome <select id=\"filter-outcome\"><option value=\"\">all</option></select></label>\n\
         <label>From step <input id=\"filter-from\" type=\"number\" min=\"0\"></label>\n\
         <label>to step <input id=\"filter-to\" type=\"number\" min=\"0\"></label>\n\
         <label>Reward from <input id=\"filter-least\" type=\"number\" step=\"any\"></label>\n\
         <label>to <input id=\"filter-most\" type=\"number\" step=\"any\"></label>\n\
         <label>Order <select id=\"filter-order\"><option value=\"step\">earliest first</option><option value=\"latest\">latest first</option>\
         <option value=\"reward\">highest reward</option><option value=\"worst\">lowest reward</option><option value=\"length\">longest</option></select></label>\n\
         <button type=\"button\" id=\"filter-clear\">Clear</button>\n</div>\n\
         <div class=\"browser\"><div class=\"rows\" role=\"group\" aria-label=\"completions\"></div>\
         <div class=\"detail\" tabindex=\"0\" role=\"region\" aria-label=\"completion\"></div></div>\n</div>\n"
    )
}

fn recipe_and_machine(content: &Content) -> String {
    let manifest = &content.manifest;
    let machine = &manifest.machine;
    let mut list = String::new();
    let mut entry = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = write!(list, "<dt>{}</dt><dd>{}</dd>", html(name), html(&value));
        }
    };
    entry("Command", manifest.command.join(" "));
    entry("Hone", format!("{} {}", manifest.hone_version, commit(manifest)).trim().to_owned());
    entry("Model", manifest.model.source.clone());
    entry("Architecture", manifest.model.architecture.clone());
    if manifest.model.parameters > 0 {
        let all = short(manifest.model.parameters as f64);
        entry(
            "Parameters",
            format!("{all}, {} of them trained", short(manifest.model.trained_parameters as f64)),
        );
    }
    for (file, sum) in &manifest.model.sha256 {
        entry(&format!("SHA-256 of {file}"), sum.clone());
    }
    entry("Processor", machine.cpu.clone());
    entry("Cores", if machine.cores > 0 { machine.cores.to_string() } else { String::new() });
    entry("Instructions", machine.features.join(", "));
    let gib = machine.memory_bytes as f64 / (1_u64 << 30) as f64;
    entry("Memory", if machine.memory_bytes > 0 { format!("{gib:.1} GiB") } else { String::new() });
    entry(
        "System",
        [machine.os.as_str(), &machine.kernel, &machine.architecture].join(" ").trim().to_owned(),
    );
    for (name, version) in &manifest.toolchains {
        entry(name, version.clone());
    }
    entry(
        "Isolation",
        [&manifest.isolation.level, ": ", &manifest.isolation.layers.join(", ")]
            .concat()
            .trim_start_matches(": ")
            .to_owned(),
    );
    let recipe = if content.recipe.is_empty() { "not written".into() } else { html(&content.recipe) };
    format!(
        "<div class=\"columns\">\n<section><h2>Recipe</h2>\n<p class=\"soft\">As resolved, with every default.</p><pre>{recipe}</pre></section>\n\
         <section><h2>Machine and versions</h2>\n<dl class=\"machine card\">{list}</dl></section>\n</div>\n"
    )
}

fn numbers(content: &Content) -> String {
    let mut rows = String::new();
    for (name, points) in content.series() {
        let finite: Vec<f64> = points.iter().map(|point| point.1).filter(|value| value.is_finite()).collect();
        let (Some(first), Some(last)) = (finite.first(), finite.last()) else { continue };
        let low = finite.iter().copied().fold(f64::INFINITY, f64::min);
        let high = finite.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let meaning = METRICS.iter().find(|metric| metric.name == name).map_or("", |metric| metric.meaning);
        let _ = write!(rows, "<tr><td><code>{}</code></td>", html(&name));
        for value in [*first, *last, low, high] {
            let _ = write!(rows, "<td class=\"number\">{}</td>", short(value));
        }
        let _ = writeln!(rows, "<td class=\"meaning\">{}</td></tr>", html(meaning));
    }
    if rows.is_empty() {
        return rows;
    }
    format!(
        "<details><summary>All numbers and what they mean</summary>\n<div class=\"card wide-table\"><table><thead><tr><th>Name</th><th class=\"number\">First</th>\
         <th class=\"number\">Last</th><th class=\"number\">Lowest</th><th class=\"number\">Highest</th><th>Meaning</th></tr></thead>\n<tbody>{rows}</tbody></table></div></details>\n"
    )
}

fn footer(content: &Content) -> String {
    let moment = if content.state == RunState::Running { ", while the run was going" } else { "" };
    format!(
        "<footer>Written by hone report at {}{moment}. Everything on this page is in the run directory.</footer>\n",
        html(&utc_now())
    )
}

fn commit(manifest: &Manifest) -> String {
    let Some(commit) = &manifest.commit else { return String::new() };
    let short: String = commit.chars().take(12).collect();
    if manifest.is_dirty == Some(true) { format!("{short} with local changes") } else { short }
}

/// A fraction as a percentage.
pub(super) fn percent(fraction: f64) -> String {
    format!("{:.1}%", fraction * 100.0)
}

fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match (whole / 3_600, whole / 60 % 60, whole % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}
