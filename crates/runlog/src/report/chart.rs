//! Curves as SVG: lines with a smoothed line over the raw one, and stacked areas. Readable without a script;
//! the data beside each drawing lets the page's script show values under the pointer.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::escape::html;
use super::ticks::{nice_tick, step_ticks, tick_label};
use crate::summary::short;

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 190.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 26.0;

/// More points than this are averaged in equal stretches of steps.
const POINTS_MAX: usize = 400;

/// The smoothed line's weights halve every so many-th part of the run; the page's text says so in words.
const SMOOTHING: f64 = 25.0;

/// A named curve; the value of a step that has none is NaN.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    /// Shown in the legend.
    pub name: String,
    /// Colour class in the style sheet.
    pub class: String,
    /// One value a step of the chart.
    pub values: Vec<f64>,
}

/// What a chart shows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chart {
    /// Heading.
    pub title: String,
    /// Name in the metrics file.
    pub name: String,
    /// One sentence.
    pub meaning: String,
    /// The steps.
    pub steps: Vec<u64>,
    /// One for lines; several for areas, bottom first.
    pub series: Vec<Series>,
    /// Stacked areas instead of lines.
    pub is_stacked: bool,
}

/// A chart as `<figure>`, and its data for the script.
pub(super) fn figure(chart: &Chart, index: usize) -> (String, Value) {
    let chart = condense(chart);
    let scale = Scale::of(&chart);
    let drawing = if chart.is_stacked { areas(&chart, &scale) } else { lines(&chart, &scale) };
    let mut figure = format!(
        "<figure class=\"chart\" data-chart=\"{index}\" tabindex=\"0\">\n<figcaption><h3>{}</h3><output></output></figcaption>\n",
        html(&chart.title)
    );
    let _ = writeln!(
        figure,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n{}{drawing}<line class=\"cursor\" y1=\"{TOP}\" y2=\"{}\"/></svg>",
        html(&description(&chart)),
        scale.axes(),
        HEIGHT - BOTTOM
    );
    if chart.is_stacked {
        figure.push_str("<ul class=\"legend\">");
        for series in chart.series.iter().rev() {
            let _ =
                write!(figure, "<li><i class=\"swatch {}\"></i>{}</li>", series.class, html(&series.name));
        }
        figure.push_str("</ul>\n");
    }
    let _ = writeln!(
        figure,
        "<p class=\"meaning\">{} <code>{}</code></p>\n</figure>",
        html(&chart.meaning),
        html(&chart.name)
    );
    let named = |series: &Series| json!({ "name": series.name, "values": series.values });
    let data = json!({
        "steps": chart.steps, "left": LEFT, "width": WIDTH - LEFT - RIGHT,
        "series": chart.series.iter().map(named).collect::<Vec<_>>(),
    });
    (figure, data)
}

/// A curve the size of a word.
pub(super) fn sparkline(values: &[f64]) -> String {
    let (width, height) = (80.0, 18.0);
    let across =
        |index: usize| 1.0 + index as f64 / values.len().saturating_sub(1).max(1) as f64 * (width - 2.0);
    let points: Vec<(f64, f64)> = values
        .iter()
        .enumerate()
        .filter(|(_, value)| value.is_finite())
        .map(|(index, value)| (across(index), height - 2.0 - value.clamp(0.0, 1.0) * (height - 4.0)))
        .collect();
    let mut path = String::new();
    for (index, (x, y)) in points.iter().enumerate() {
        let _ = write!(path, "{}{x:.1} {y:.1}", if index == 0 { "M" } else { "L" });
    }
    let end = points.last().map(|(x, y)| format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"1.8\"/>"));
    format!(
        "<svg class=\"spark\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" aria-hidden=\"true\"><path d=\"{path}\"/>{}</svg>",
        end.unwrap_or_default()
    )
}

/// The mean around each value, both ways, with weights that halve every `half_life` values: no lag, unlike a
/// running mean. Values that are not finite are skipped.
fn smooth(values: &[f64], half_life: f64) -> Vec<f64> {
    let keep = 0.5_f64.powf(1.0 / half_life.max(1e-9));
    // Weighted sum and weight of everything strictly before each value, in the order given.
    let before = |values: &mut dyn Iterator<Item = f64>| -> Vec<(f64, f64)> {
        let (mut sum, mut weight) = (0.0, 0.0);
        let step = |value: f64| {
            let past = (sum * keep, weight * keep);
            (sum, weight) = if value.is_finite() { (past.0 + value, past.1 + 1.0) } else { past };
            past
        };
        values.map(step).collect()
    };
    let left = before(&mut values.iter().copied());
    let right = before(&mut values.iter().rev().copied());
    let mean = |at: usize| {
        let (left, right) = (left[at], right[values.len() - 1 - at]);
        let own = if values[at].is_finite() { (values[at], 1.0) } else { (0.0, 0.0) };
        let weight = left.1 + own.1 + right.1;
        if weight > 1e-9 { (left.0 + own.0 + right.0) / weight } else { f64::NAN }
    };
    (0..values.len()).map(mean).collect()
}

/// Where the values of a chart land on the page.
struct Scale {
    first: u64,
    last: u64,
    low: f64,
    high: f64,
    tick: f64,
}

impl Scale {
    fn of(chart: &Chart) -> Scale {
        let (first, last) =
            (chart.steps.first().copied().unwrap_or(0), chart.steps.last().copied().unwrap_or(1));
        let finite = |values: &mut dyn Iterator<Item = f64>| {
            values.filter(|value| value.is_finite()).fold(None, |range: Option<(f64, f64)>, value| {
                Some(range.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
            })
        };
        let range = if chart.is_stacked {
            finite(&mut (0..chart.steps.len()).map(|at| total(chart, at))).map(|(_, high)| (0.0, high))
        } else {
            finite(&mut chart.series.iter().flat_map(|series| series.values.iter().copied()))
        };
        let (mut low, mut high) = range.unwrap_or((0.0, 1.0));
        if low >= 0.0 && low <= 0.5 * high {
            low = 0.0;
        }
        if high - low <= high.abs().max(low.abs()) * 1e-9 {
            // A constant: room above and below it.
            let room = if high == 0.0 { 1.0 } else { high.abs() * 0.5 };
            (low, high) =
                if low >= 0.0 { ((low - room).max(0.0), high + room) } else { (low - room, high + room) };
        }
        let tick = nice_tick((high - low) / 5.0);
        let fits = chart.is_stacked && (high - 1.0).abs() < 1e-6;
        let high = if fits { 1.0 } else { (high / tick - 1e-9).ceil() * tick };
        Scale { first, last, low: (low / tick + 1e-9).floor() * tick, high, tick }
    }

    fn x(&self, step: u64) -> f64 {
        let span = self.last.saturating_sub(self.first).max(1) as f64;
        LEFT + step.saturating_sub(self.first) as f64 / span * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        TOP + (self.high - value) / (self.high - self.low).max(f64::MIN_POSITIVE) * (HEIGHT - TOP - BOTTOM)
    }

    /// Grid lines and labels.
    fn axes(&self) -> String {
        let mut svg = String::from("<g class=\"axes\">");
        let count = ((self.high - self.low) / self.tick).round().clamp(1.0, 12.0) as usize;
        for index in 0..=count {
            let value = (self.low + index as f64 * self.tick).min(self.high);
            let y = self.y(value);
            let label = tick_label(value, self.tick);
            let _ = write!(
                svg,
                "<path d=\"M{LEFT} {y:.1}H{}\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0
            );
        }
        let baseline = HEIGHT - BOTTOM;
        for step in step_ticks(self.first, self.last) {
            let x = self.x(step);
            let anchor = if x > WIDTH - RIGHT - 14.0 { "end" } else { "middle" };
            let _ = write!(
                svg,
                "<path class=\"tick\" d=\"M{x:.1} {baseline}v4\"/><text x=\"{x:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{step}</text>",
                baseline + 18.0
            );
        }
        svg.push_str("</g>\n");
        svg
    }
}

fn lines(chart: &Chart, scale: &Scale) -> String {
    let half_life = (chart.steps.len() as f64 / SMOOTHING).max(1.0);
    let mut svg = String::new();
    for series in &chart.series {
        svg.push_str("<g class=\"raw\">");
        let _ = write!(svg, "<path d=\"{}\"/>", path(chart, &series.values, scale));
        if chart.steps.len() <= 120 {
            for (&step, &value) in
                chart.steps.iter().zip(&series.values).filter(|(_, value)| value.is_finite())
            {
                let _ = write!(
                    svg,
                    "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"1.6\"/>",
                    scale.x(step),
                    scale.y(value)
                );
            }
        }
        let smoothed = path(chart, &smooth(&series.values, half_life), scale);
        let _ = writeln!(svg, "</g><path class=\"line\" d=\"{smoothed}\"/>");
    }
    svg
}

/// A line that pauses where a value is missing.
fn path(chart: &Chart, values: &[f64], scale: &Scale) -> String {
    let mut path = String::new();
    let mut is_drawing = false;
    for (&step, &value) in chart.steps.iter().zip(values) {
        if value.is_finite() {
            let command = if is_drawing { 'L' } else { 'M' };
            let _ = write!(path, "{command}{:.1} {:.1}", scale.x(step), scale.y(value));
        }
        is_drawing = value.is_finite();
    }
    path
}

fn areas(chart: &Chart, scale: &Scale) -> String {
    let mut svg = String::new();
    let mut floor = vec![0.0; chart.steps.len()];
    for series in &chart.series {
        let ceiling: Vec<f64> =
            floor.iter().zip(&series.values).map(|(floor, value)| floor + present(*value)).collect();
        let corner = |(step, value): (&u64, &f64)| format!("{:.1} {:.1}", scale.x(*step), scale.y(*value));
        let upper: Vec<String> = chart.steps.iter().zip(&ceiling).map(corner).collect();
        let mut lower: Vec<String> = chart.steps.iter().zip(&floor).map(corner).collect();
        lower.reverse();
        let _ = writeln!(
            svg,
            "<path class=\"area {}\" d=\"M{}L{}Z\"/>",
            series.class,
            upper.join("L"),
            lower.join("L")
        );
        floor = ceiling;
    }
    svg
}

fn total(chart: &Chart, at: usize) -> f64 {
    chart.series.iter().map(|series| present(series.values[at])).sum()
}

fn present(value: f64) -> f64 {
    if value.is_finite() { value.max(0.0) } else { 0.0 }
}

/// At most [`POINTS_MAX`] points, each the mean of as many steps.
fn condense(chart: &Chart) -> Chart {
    let stretch = chart.steps.len().div_ceil(POINTS_MAX).max(1);
    if stretch == 1 {
        return chart.clone();
    }
    let mean = |values: &[f64]| {
        let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        if finite.is_empty() { f64::NAN } else { finite.iter().sum::<f64>() / finite.len() as f64 }
    };
    let condensed = |series: &Series| Series {
        values: series.values.chunks(stretch).map(mean).collect(),
        ..series.clone()
    };
    Chart {
        steps: chart.steps.chunks(stretch).filter_map(|steps| steps.last().copied()).collect(),
        series: chart.series.iter().map(condensed).collect(),
        meaning: format!("{} (each point the mean of {stretch} steps)", chart.meaning),
        ..chart.clone()
    }
}

/// The chart in words.
fn description(chart: &Chart) -> String {
    let mut text = chart.title.clone();
    for series in &chart.series {
        let finite: Vec<f64> = series.values.iter().copied().filter(|value| value.is_finite()).collect();
        if let (Some(first), Some(last)) = (finite.first(), finite.last()) {
            let _ = write!(text, "; {} from {} to {}", series.name, short(*first), short(*last));
        }
    }
    if let (Some(first), Some(last)) = (chart.steps.first(), chart.steps.last()) {
        let _ = write!(text, "; steps {first} to {last}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(values: Vec<f64>) -> Chart {
        let series = Series { name: "a".into(), class: "c".into(), values };
        let steps = (1..=series.values.len() as u64).collect();
        let text = String::from("<t>");
        Chart {
            title: text.clone(),
            name: text.clone(),
            meaning: text,
            steps,
            series: vec![series],
            is_stacked: false,
        }
    }

    #[test]
    fn the_highest_value_is_above_the_lowest_on_the_page() {
        let chart = chart(vec![0.0, 1.0]);
        let scale = Scale::of(&chart);
        assert!(scale.y(1.0) < scale.y(0.0));
        assert!(
            (scale.y(0.0) - (HEIGHT - BOTTOM)).abs() < 1e-9 && (scale.x(2) - (WIDTH - RIGHT)).abs() < 1e-9
        );
    }

    #[test]
    fn odd_series_draw_without_bad_numbers() {
        let odd = [f64::NAN, 1e300, -1e300, 0.0, f64::INFINITY, 1e-300];
        for values in [vec![], vec![0.3], vec![f64::NAN; 3], vec![5.0; 4], odd.to_vec(), vec![0.1; 5000]] {
            for is_stacked in [false, true] {
                let (svg, _) = figure(&Chart { is_stacked, ..chart(values.clone()) }, 0);
                assert!(
                    !svg.contains("NaN") && !svg.contains("inf") && !svg.contains("<t>"),
                    "{values:?}\n{svg}"
                );
            }
        }
    }

    #[test]
    fn smoothing_keeps_constants_and_lines_and_skips_gaps() {
        assert!(smooth(&[2.0, f64::NAN, 2.0, 2.0], 3.0).iter().all(|value| (value - 2.0).abs() < 1e-12));
        assert!(smooth(&[f64::NAN], 3.0)[0].is_nan());
        let line: Vec<f64> = (0..201).map(f64::from).collect();
        assert!((smooth(&line, 4.0)[100] - 100.0).abs() < 1e-9);
    }
}
