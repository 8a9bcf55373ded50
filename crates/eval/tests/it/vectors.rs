//! pass@k against exact rational arithmetic, to 12 digits: the rows of this file, and those of a file of golden values
//! where it is present (`HONE_METRIC_VECTORS`, else beside the repository; its other rows are checked by `hone-metrics`).

use std::path::{Path, PathBuf};

use hone_eval::{pass_at_k, pass_at_ks};
use serde_json::Value;

/// n, c, k, 1 − C(n − c, k) / C(n, k). Made with Python's `fractions.Fraction` and `math.comb`, rounded to 12 digits.
#[rustfmt::skip]
const EXACT: &[(usize, usize, usize, f64)] = &[
    (1, 0, 1, 0.000_000_000_000),
    (2, 1, 2, 1.000_000_000_000),
    (5, 0, 3, 0.000_000_000_000),
    (5, 2, 3, 0.900_000_000_000),
    (5, 5, 3, 1.000_000_000_000),
    (10, 9, 3, 1.000_000_000_000),
    (16, 0, 5, 0.000_000_000_000),
    (16, 2, 8, 0.766_666_666_667),
    (20, 1, 1, 0.050_000_000_000),
    (20, 2, 10, 0.763_157_894_737),
    (50, 1, 16, 0.320_000_000_000),
    (50, 17, 8, 0.974_139_116_912),
    (50, 50, 10, 1.000_000_000_000),
    (64, 19, 2, 0.508_928_571_429),
    (64, 64, 1, 1.000_000_000_000),
    (100, 1, 2, 0.020_000_000_000),
    (100, 9, 2, 0.172_727_272_727),
    (128, 0, 5, 0.000_000_000_000),
    (128, 2, 8, 0.121_555_118_110),
    (200, 1, 5, 0.025_000_000_000),
    (200, 2, 64, 0.538_693_467_337),
    (200, 131, 64, 1.000_000_000_000),
    (200, 199, 50, 1.000_000_000_000),
    (256, 1, 3, 0.011_718_750_000),
    (256, 255, 50, 1.000_000_000_000),
    (500, 2, 64, 0.239_839_679_359),
    (500, 500, 128, 1.000_000_000_000),
    (1000, 27, 2, 0.053_297_297_297),
    (1000, 1000, 25, 1.000_000_000_000),
    (1024, 444, 3, 0.818_695_781_337),
];

fn check(n: usize, c: usize, k: usize, expected: f64) {
    let found = pass_at_k(n, c, k).expect("defined");
    // Half a unit of the twelfth digit is lost in printing the expected value.
    assert!(
        (found - expected).abs() <= 0.5e-12 + 1e-15,
        "n={n} c={c} k={k}: {found:.15}, expected {expected:.12}"
    );
    let many = pass_at_ks(&[(n, c)], &[k, n + 1]);
    assert_eq!(many.into_iter().collect::<Vec<_>>(), [(k, found)]);
}

#[test]
fn pass_at_k_to_twelve_digits() {
    EXACT.iter().for_each(|(n, c, k, expected)| check(*n, *c, *k, *expected));
}

#[test]
fn all_golden_rows_where_they_are() {
    let named = std::env::var_os("HONE_METRIC_VECTORS").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference/metric_vectors.jsonl");
    let path = named.unwrap_or(beside);
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("{} is absent: the rows of this file are checked only", path.display());
        return;
    };
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let number =
        |row: &Value, key: &str| row[key].as_u64().and_then(|n| usize::try_from(n).ok()).expect("a number");
    let mut checked = 0;
    for row in rows.filter(|row| row["type"] == "passk") {
        let (n, c, k) = (number(&row, "n"), number(&row, "c"), number(&row, "k"));
        check(n, c, k, row["value"].as_f64().expect("a value"));
        let float = row["float64"].as_f64().expect("a value");
        let found = pass_at_k(n, c, k).expect("defined");
        assert!((found - float).abs() < 1e-14, "n={n} c={c} k={k}: {found} {float}");
        checked += 1;
    }
    assert!(checked >= 30, "found {checked} rows of type passk");
}
