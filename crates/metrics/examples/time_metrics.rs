//! Times CodeBLEU and BLEU on pairs of programs, as `cargo xtask bench metrics` runs it beside the published packages.
//!
//! `cargo run --release -p hone-metrics --example time_metrics -- PAIRS.jsonl ROUNDS` prints one JSON object: seconds a round for
//! CodeBLEU of each pair (mode k4black, the pairs of a language in one call, as `hone metrics` computes them) and for sentence
//! BLEU (13a), the best of ROUNDS, and the sums of the scores. Seconds are CPU time of the one thread, so that a busy machine
//! does not decide the ratio. Beside them, `codebleu_wall_seconds` is the wall time of CodeBLEU on `threads` threads.

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
    let of = |language: Language| {
        let pairs = pairs.iter().filter(move |pair| pair.0 == language);
        pairs.map(|(_, candidate, reference)| (*candidate, std::slice::from_ref(reference))).collect()
    };
    let groups: Vec<(Language, Segments<'_>)> =
        Language::ALL.into_iter().map(|language| (language, of(language))).collect();
    let codebleu = |threads: usize| {
        let sum = |(language, segments): &(Language, Segments<'_>)| {
            let codebleu = CodeBleu::new(*language, Mode::K4black);
            let counts = codebleu.counts(segments, threads);
            counts.iter().filter_map(|counts| codebleu.score(counts).codebleu).sum::<f64>()
        };
        groups.iter().map(sum).sum::<f64>()
    };
    let bleu = Bleu::sentence_level();
    let bleu =
        |(_, candidate, reference): &(Language, &str, &str)| bleu.sentence(candidate, &[reference]).score;
    let mut best = [f64::INFINITY; 2];
    let mut sums = [0.0; 2];
    let threads = std::thread::available_parallelism()?.get();
    let mut wall_seconds = f64::INFINITY;
    for _ in 0..rounds.parse::<usize>()? {
        let measures: [&dyn Fn() -> f64; 2] = [&|| codebleu(1), &|| pairs.iter().map(bleu).sum()];
        for (index, measure) in measures.into_iter().enumerate() {
            let start = cpu_seconds()?;
            sums[index] = measure();
            best[index] = best[index].min(cpu_seconds()? - start);
        }
        let start = std::time::Instant::now();
        codebleu(threads);
        wall_seconds = wall_seconds.min(start.elapsed().as_secs_f64());
    }
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

/// CPU time of this thread, as Linux counts it: the first number of `schedstat`, in nanoseconds.
fn cpu_seconds() -> Result<f64, Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds: f64 = text.split_whitespace().next().ok_or("expected numbers in schedstat")?.parse()?;
    Ok(nanoseconds / 1e9)
}
