//! Makes a run directory of invented numbers, so that the report can be looked at without training anything.
//!
//! `cargo run -p hone-runlog --example synthetic_run -- DIRECTORY [STEPS]`, then open the printed path.

use std::f64::consts::TAU;

use hone_runlog::{
    ErrorRecord, Finish, IsolationRecord, Manifest, MetricsWriter, ModelSource, RunDir, TrajectoryRecord,
    metric, report, summary, write_trajectories,
};
use serde_json::json;

const GROUPS: u64 = 8;
const SAMPLES: u64 = 8;
const TASKS: u64 = 40;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("expected a directory that does not exist yet")?;
    let steps = arguments.next().map_or(Ok(60), |steps| steps.parse::<u64>())?;
    let run = RunDir::create(&directory, &manifest(steps))?;
    let recipe = "# the synthetic recipe\nseed = 7\n\n[algorithm]\ntype = \"grpo\"\nclip_low = 0.2\nclip_high = 0.28\n\n\
                  [sampling]\ntemperature = 1.0\nprompts = 8\ncompletions = 8\nmax_tokens = 96\n";
    run.write_recipe("seed = 7\n", recipe)?;
    let mut random = Random(7);
    let mut writer = MetricsWriter::open(&run)?;
    let mut rewards = Vec::new();
    for step in 1..=steps {
        let skill = 0.28 + 0.4 * (1.0 - (-3.0 * step as f64 / steps as f64).exp());
        let records = trajectories(step, skill, &mut random);
        let reward = records.iter().map(|record| record.reward).sum::<f64>() / records.len() as f64;
        rewards.push((step, reward));
        write_trajectories(&run, step, &records)?;
        let wave = (step as f64 / 9.0 * TAU).sin();
        writer.log(
            step,
            &[
                (metric::REWARD_MEAN, reward),
                (metric::PASS_RATE, reward),
                (metric::KL, 2e-3 * skill * (1.0 + random.next())),
                (metric::ENTROPY, 0.9 - 0.5 * skill + 0.05 * random.next()),
                (metric::LENGTH_TOKENS, 34.0 - 8.0 * skill + 2.0 * wave + random.next()),
                (metric::CLIP_FRACTION, 0.004 + 0.01 * random.next()),
                (metric::GRADIENT_NORM, 0.4 + 0.3 * random.next()),
                (metric::GROUPS_WITH_SIGNAL, 0.6 + 0.3 * random.next()),
                (metric::TRUNCATED_FRACTION, 0.05 * random.next()),
                ("update/loss", 0.02 * (random.next() - 0.5)),
                ("update/learning_rate", 1e-5),
                ("custom/number", wave),
            ],
        )?;
        let (rollout, execution, update) =
            (6.0 + random.next(), 0.6 + 0.3 * random.next(), 9.0 + random.next());
        writer.time(
            step,
            &[
                (metric::ROLLOUT_S, rollout),
                (metric::EXECUTION_S, execution),
                (metric::UPDATE_S, update),
                (metric::STEP_S, rollout + execution + update),
                (metric::TOKENS_PER_S, 210.0 + 20.0 * random.next()),
            ],
        )?;
    }
    let estimate = |value: f64| json!({ "value": value, "low": value - 0.055, "high": value + 0.055 });
    let part =
        |first: f64, eighth: f64| json!({ "pass_at": { "1": estimate(first), "8": estimate(eighth) } });
    let gain =
        |k: u32, value: f64| json!({ "k": k, "value": value, "low": value - 0.041, "high": value + 0.041 });
    run.write_eval("summary", &json!({
        "before": { "all": part(0.337, 0.702), "by_level": { "1": part(0.51, 0.93), "2": part(0.16, 0.47) } },
        "after": { "all": part(0.521, 0.768), "by_level": { "1": part(0.74, 0.95), "2": part(0.3, 0.58) } },
        "differences": [gain(1, 0.184), gain(8, 0.066)],
    }))?;
    run.finish(&Finish { steps, wall_s: 1_043.0, reason: "all steps done".into(), ..Finish::default() })?;
    eprint!("{}", summary::curve_text("reward", &rewards, 60, 6));
    println!("{}", report::write(&run)?.display());
    Ok(())
}

fn manifest(steps: u64) -> Manifest {
    let command = ["hone", "train", "recipes/synthetic.toml"].map(str::to_owned).to_vec();
    let layers = ["namespaces", "seccomp", "landlock", "rlimits"].map(str::to_owned).to_vec();
    Manifest {
        title: "Synthetic run".into(),
        planned_steps: Some(steps),
        isolation: IsolationRecord { level: "strict".into(), layers, missing: Vec::new() },
        model: ModelSource {
            source: "HuggingFaceTB/SmolLM2-135M-Instruct".into(),
            sha256: [("model.safetensors".to_owned(), "0123456789abcdef".repeat(4))].into(),
            architecture: "llama".into(),
            parameters: 134_515_008,
            trained_parameters: 4_884_480,
        },
        ..Manifest::detect(7, command)
    }
}

fn trajectories(step: u64, skill: f64, random: &mut Random) -> Vec<TrajectoryRecord> {
    let mut records = Vec::new();
    for group in 0..GROUPS {
        let task = (random.next() * TASKS as f64) as u64;
        let hardness = task as f64 / TASKS as f64 - 0.5;
        for sample in 0..SAMPLES {
            let luck = random.next() + hardness * 0.6;
            let (outcome, program, error) = program(luck / skill, task, random);
            let reward = f64::from(u8::from(outcome == "passed"));
            let length = 20 + (random.next() * 30.0) as u32;
            records.push(TrajectoryRecord {
                step,
                policy_version: step - 1,
                task: format!("lists/{:03}-sum-above-{task}", task),
                group,
                sample,
                prompt: format!("<|im_start|>user\nWrite a function `total_above(numbers)` that returns the sum of the numbers above {task}.\n\
                                 Example: `total_above([{task}, {}])` → {}<|im_end|>\n<|im_start|>assistant\n", task + 1, task + 1),
                completion: format!("{program}\n```"),
                completion_tokens: (0..length).collect(),
                logprobs: (0..length).map(|_| -0.4 * random.next() as f32).collect(),
                finish: "stop".into(),
                outcome: outcome.into(),
                tests_passed: if reward > 0.0 { 6 } else { (random.next() * 5.0) as u32 },
                tests_total: 6,
                error,
                program,
                reward,
                advantage: reward - skill,
                mode: "split".into(),
                ..TrajectoryRecord::default()
            });
        }
    }
    records
}

/// From good to bad, with one hostile program among them.
fn program(badness: f64, task: u64, random: &mut Random) -> (&'static str, String, Option<ErrorRecord>) {
    let error = |kind: &str, message: &str, line| {
        Some(ErrorRecord { kind: kind.into(), message: message.into(), line: Some(line), column: None })
    };
    let head =
        "def total_above(numbers):\n    \"\"\"Sum of the numbers above the bound.\"\"\"\n    total = 0\n";
    if badness < 1.0 {
        let body = format!(
            "    for number in numbers:  # plain and clear\n        if number > {task}:\n            total += number\n    return total"
        );
        return ("passed", format!("{head}{body}"), None);
    }
    match (random.next() * 10.0) as u32 {
        0..=4 => ("wrong-answer", format!("{head}    for number in numbers:\n        if number >= {task}:\n            total += number\n    return total"), None),
        5 | 6 => ("runtime-error", format!("{head}    for index in range(len(numbers) + 1):\n        if numbers[index] > {task}:\n            total += numbers[index]\n    return total"), error("IndexError", "list index out of range", 5)),
        7 => ("compile-error", format!("{head}    for number in numbers\n        total += number"), error("SyntaxError", "expected ':'", 4)),
        8 => ("timeout", format!("{head}    while True:\n        pass"), None),
        _ => ("runtime-error", "x = '</script><script>alert(\"owned\")</script>'\n# <!-- <img src=x onerror=alert(1)> \u{202e}\u{0007}\nraise ValueError(x)".into(), error("ValueError", "</script><script>alert(1)</script>", 3)),
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
