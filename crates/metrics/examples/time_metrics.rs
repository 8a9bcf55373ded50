//! Times CodeBLEU and BLEU on pairs of programs, as `cargo xtask bench metrics` runs it beside the published packages.
//!
//! `cargo run --release -p hone-metrics --example time_metrics -- PAIRS.jsonl ROUNDS` prints one JSON object: seconds a round for
//! CodeBLEU (mode k4black) and for sentence BLEU (13a), the best of ROUNDS, and the sums of the scores. Seconds are CPU time of
//! the one thread, so that a busy machine does not decide the ratio. Beside them, `codebleu_wall_seconds` is the wall time
//! of CodeBLEU on `threads` threads, all pairs of a language at once.

use hone_metrics::Language;
use hone_metrics::bleu::Bleu;
use hone_metrics::codebleu::{CodeBleu, Mode};
use serde_json::Value;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, path, rounds] = arguments.as_slice() else { return Err("expected PAIRS.jsonl ROUNDS".into()) };
    let rows: Vec<Value> =
        std::fs::read_to_string(path)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let pairs: Vec<(Language, &str, &str)> = rows
        .iter()
        .filter(|row| row["type"] == "pair")
        .filter_map(|row| {
            Some((
                Language::named(row["lang"].as_str()?)?,
                row["candidate"].as_str()?,
                row["reference"].as_str()?,
            ))
        })
        .collect();
    let codebleu = |(language, candidate, reference): &(Language, &str, &str)| {
        CodeBleu::new(*language, Mode::K4black).sentence(candidate, &[reference]).codebleu.unwrap_or(0.0)
    };
    let bleu = Bleu::sentence_level();
    let bleu =
        |(_, candidate, reference): &(Language, &str, &str)| bleu.sentence(candidate, &[reference]).score;
    let mut best = [f64::INFINITY; 2];
    let mut sums = [0.0; 2];
    for _ in 0..rounds.parse::<usize>()? {
        let measures: [&dyn Fn() -> f64; 2] =
            [&|| pairs.iter().map(codebleu).sum(), &|| pairs.iter().map(bleu).sum()];
        for (index, measure) in measures.into_iter().enumerate() {
            let start = cpu_seconds()?;
            sums[index] = measure();
            best[index] = best[index].min(cpu_seconds()? - start);
        }
    }
    let (wall_seconds, threads) = on_all_threads(&pairs, rounds.parse()?, sums[0])?;
    let answer = serde_json::json!({
        "codebleu_wall_seconds": wall_seconds, "threads": threads,
        "pairs": pairs.len(), "codebleu_seconds": best[0], "bleu_seconds": best[1],
        "codebleu_sum": sums[0], "bleu_sum": sums[1],
    });
    #[expect(clippy::print_stdout, reason = "an example's result")]
    {
        println!("{answer}");
    }
    Ok(())
}

/// Candidates with their references.
type Segments<'a> = Vec<(&'a str, &'a [&'a str])>;

/// Wall time of CodeBLEU of all pairs on all threads, the best of `rounds`, and how many threads; their scores must add
/// up to `expected` too.
fn on_all_threads(
    pairs: &[(Language, &str, &str)],
    rounds: usize,
    expected: f64,
) -> Result<(f64, usize), Box<dyn std::error::Error>> {
    let threads = std::thread::available_parallelism()?.get();
    let of = |language: Language| {
        let pairs = pairs.iter().filter(move |pair| pair.0 == language);
        pairs.map(|(_, candidate, reference)| (*candidate, std::slice::from_ref(reference))).collect()
    };
    let groups: Vec<(Language, Segments<'_>)> =
        Language::ALL.into_iter().map(|language| (language, of(language))).collect();
    let mut best = f64::INFINITY;
    for _ in 0..rounds {
        let start = std::time::Instant::now();
        let mut sum = 0.0;
        for (language, segments) in &groups {
            let codebleu = CodeBleu::new(*language, Mode::K4black);
            let counts = codebleu.counts(segments, threads);
            sum += counts.iter().filter_map(|counts| codebleu.score(counts).codebleu).sum::<f64>();
        }
        best = best.min(start.elapsed().as_secs_f64());
        if (sum - expected).abs() > 1e-9 {
            return Err(format!("expected scores that add up to {expected}, found {sum}").into());
        }
    }
    Ok((best, threads))
}

/// CPU time of this thread, as Linux counts it: the first number of `schedstat`, in nanoseconds.
fn cpu_seconds() -> Result<f64, Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds: f64 = text.split_whitespace().next().ok_or("expected numbers in schedstat")?.parse()?;
    Ok(nanoseconds / 1e9)
}
