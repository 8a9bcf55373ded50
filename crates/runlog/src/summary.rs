//! A run in a few lines of terminal: a curve in braille dots.

/// Draws `(step, value)` points as a braille plot of `width` × `height` characters with a value axis on the left
/// and the steps below. Points that are not finite are left out; without any point the text is empty.
pub fn curve_text(title: &str, points: &[(u64, f64)], width: usize, height: usize) -> String {
    let points: Vec<(u64, f64)> = points.iter().copied().filter(|(_, value)| value.is_finite()).collect();
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return String::new() };
    let (width, height) = (width.clamp(4, 400), height.clamp(1, 50));
    let low = points.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let high = points.iter().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
    let (columns, rows) = (width * 2, height * 4);
    let steps = last.0.saturating_sub(first.0).max(1) as f64;
    let column_of =
        |step: u64| (step.saturating_sub(first.0) as f64 / steps * (columns - 1) as f64).round() as usize;
    let row_of = |value: f64| {
        let fraction = if high > low { (value - low) / (high - low) } else { 0.5 };
        rows - 1 - (fraction * (rows - 1) as f64).round() as usize
    };

    let mut cells = vec![0_u8; width * height];
    let mut dot = |column: usize, row: usize| {
        let (column, row) = (column.min(columns - 1), row.min(rows - 1));
        cells[row / 4 * width + column / 2] |= BRAILLE_DOTS[row % 4][column % 2];
    };
    let mut previous: Option<(usize, usize)> = None;
    for &(step, value) in &points {
        let (column, row) = (column_of(step), row_of(value));
        let (from_column, from_row) = previous.unwrap_or((column, row));
        let span = column.abs_diff(from_column).max(row.abs_diff(from_row)).max(1);
        for part in 0..=span {
            let along =
                |from: usize, to: usize| from as f64 + (to as f64 - from as f64) * part as f64 / span as f64;
            dot(along(from_column, column).round() as usize, along(from_row, row).round() as usize);
        }
        previous = Some((column, row));
    }
    lay_out(title, &cells, width, (low, high), (first.0, last.0))
}

/// Bit of each dot of a braille cell (U+2800), by row and column.
const BRAILLE_DOTS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

fn lay_out(title: &str, cells: &[u8], width: usize, range: (f64, f64), steps: (u64, u64)) -> String {
    let (low, high) = (short(range.0), short(range.1));
    let margin = low.chars().count().max(high.chars().count());
    let height = cells.len() / width;
    let mut text = format!("{:margin$}  {title}\n", "");
    for (row, line) in cells.chunks(width).enumerate() {
        let label = match row {
            0 => high.as_str(),
            row if row + 1 == height => low.as_str(),
            _ => "",
        };
        let dots: String =
            line.iter().map(|&bits| char::from_u32(0x2800 + u32::from(bits)).unwrap_or(' ')).collect();
        text.push_str(&format!("{label:>margin$} │{dots}\n"));
    }
    let (first, last) = (format!("step {}", steps.0), steps.1.to_string());
    let gap = width.saturating_sub(first.len() + last.len()).max(1);
    text.push_str(&format!(
        "{:margin$} └{}\n{:margin$}  {first}{:gap$}{last}\n",
        "",
        "─".repeat(width),
        "",
        ""
    ));
    text
}

/// A number in few characters.
pub(crate) fn short(value: f64) -> String {
    let size = value.abs();
    match size {
        0.0 => "0".into(),
        _ if !value.is_finite() => "–".into(),
        _ if size >= 1e9 => format!("{:.1}G", value / 1e9),
        _ if size >= 1e6 => format!("{:.1}M", value / 1e6),
        _ if size >= 1e4 => format!("{:.1}k", value / 1e3),
        _ if size >= 100.0 => format!("{value:.0}"),
        _ if size >= 10.0 => format!("{value:.1}"),
        _ if size >= 0.1 => format!("{value:.2}"),
        _ if size >= 0.001 => format!("{value:.4}"),
        _ => format!("{value:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rising_line_goes_from_the_lower_left_to_the_upper_right() {
        let points: Vec<(u64, f64)> = (1..=8).map(|step| (step, step as f64 / 8.0)).collect();
        let text = curve_text("reward", &points, 4, 2);
        let expected = "      reward\n1.00 │⠀⠀⡠⠊\n0.12 │⡠⠊⠀⠀\n     └────\n      step 1 8\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn nothing_and_one_and_broken_points_are_no_panic() {
        assert_eq!(curve_text("x", &[], 20, 4), "");
        assert_eq!(curve_text("x", &[(1, f64::NAN)], 20, 4), "");
        assert!(curve_text("x", &[(5, 0.5)], 20, 4).contains("step 5"));
        assert!(curve_text("x", &[(9, 0.5), (2, f64::MAX), (u64::MAX, f64::MIN)], 0, 0).contains('│'));
    }
}
