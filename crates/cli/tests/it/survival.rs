//! Runs that are killed, run out of disk, meet damaged files or numbers that are none: nothing is lost, and the end is the same.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use crate::whole_run::{folder, metrics, train};
use crate::{Call, hone, output, start};

/// Steps of these runs: long enough to be hit in all of its parts.
const STEPS: &str = "trainer.steps=8";

#[test]
fn killed_at_twenty_random_moments_a_run_ends_with_the_same_numbers() {
    let (folder, recipe) = folder();
    let whole = folder.path().join("whole");
    let began = Instant::now();
    let Some(_) = train(&recipe, &whole, &["--set", STEPS]) else { return };
    let once = began.elapsed();
    let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos();
    let mut random = Random(u64::from(seed) | 1);
    let (mut kills, mut runs, mut resumed) = (0, 0, 0);
    while kills < 20 {
        let run = folder.path().join(format!("killed-{runs}"));
        runs += 1;
        let mut is_done = false;
        while !is_done {
            // The last of twenty is left alone, so that every run comes to its end.
            let moment = (kills < 20).then(|| once.mul_f64(1.2 * random.unit()));
            let is_begun = run.join("manifest.json").exists();
            resumed += usize::from(is_begun);
            let (recipe, path) = (recipe.to_str().unwrap(), run.to_str().unwrap());
            let arguments: &[&str] = match is_begun {
                true => &["resume", path],
                false => &["train", recipe, "--run-dir", path, "--set", STEPS],
            };
            match call_and_kill(arguments, moment) {
                Some(call) => is_done = call.code(0).code == Some(0),
                None => kills += 1,
            }
        }
        assert_eq!(metrics(&whole), metrics(&run), "moments of seed {seed}");
        let after = |run: &Path| fs::read_to_string(run.join("eval/after.json")).unwrap();
        assert_eq!(scores(&after(&whole)), scores(&after(&run)), "moments of seed {seed}");
    }
    assert!(resumed > 0, "no kill hit a run that had begun");
}

/// What an evaluation found, without its times.
fn scores(evaluation: &str) -> serde_json::Value {
    let mut value: serde_json::Value = serde_json::from_str(evaluation).unwrap();
    drop_times(&mut value);
    value
}

fn drop_times(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(map) => {
            map.retain(|key, _| !(key.contains("seconds") || key.ends_with("_ms") || key.ends_with("_at")));
            map.values_mut().for_each(drop_times);
        }
        serde_json::Value::Array(all) => all.iter_mut().for_each(drop_times),
        _ => {}
    }
}

/// `None` if it was killed before it ended.
fn call_and_kill(arguments: &[&str], moment: Option<Duration>) -> Option<Call> {
    let cache = tempfile::tempdir().unwrap();
    let mut child = start(arguments, cache.path(), &[]).spawn().unwrap();
    drop(child.stdin.take());
    if let Some(moment) = moment {
        std::thread::sleep(moment);
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
    }
    Some(output(child))
}

/// Marsaglia's xorshift64 (doi 10.18637/jss.v008.i14).
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[test]
fn a_damaged_checkpoint_is_passed_over_and_the_end_is_the_same() {
    let (folder, recipe) = folder();
    let (whole, damaged) = (folder.path().join("whole"), folder.path().join("damaged"));
    let Some(_) = train(&recipe, &whole, &["--no-eval"]) else { return };
    train(&recipe, &damaged, &["--no-eval"]).unwrap();
    fs::remove_file(damaged.join("finished.json")).unwrap();
    let file = damaged.join("checkpoints/step-000003/tensors.safetensors");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let path = damaged.to_str().unwrap();
    hone(&["resume", path]).code(0).says(&["step-000003 is damaged", "continuing after step 2"]);
    assert_eq!(metrics(&whole), metrics(&damaged));
}

#[test]
fn numbers_that_are_none_end_the_run_with_words_and_it_stays_readable() {
    let (folder, recipe) = folder();
    let run = folder.path().join("run");
    let path = run.to_str().unwrap();
    let settings = ["trainer.optimizer.learning_rate=1e38", "trainer.optimizer.weight_decay=1e3"];
    let arguments = ["train", recipe.to_str().unwrap(), "--run-dir", path, "--no-eval"];
    let call = hone(&[&arguments[..], &["--set", settings[0], "--set", settings[1]]].concat());
    if call.code == Some(3) {
        eprintln!("skipped: the sandbox is not available here: {}", call.stderr);
        return;
    }
    call.code(1).says(&["value of ", "at step ", "hint: lower the learning rate"]);
    assert!(fs::read_dir(run.join("checkpoints")).unwrap().next().is_none(), "broken weights were saved");
    hone(&["report", path]).code(0);
    // Nothing of it was learned, so it begins anew, and ends with the same words.
    hone(&["resume", path]).code(1).says(&["hint: lower the learning rate"]);
}

/// Mounts a small file system over a folder, where this user may; else the test says why it was not made.
#[test]
fn a_full_disk_ends_the_run_with_words_and_it_goes_on_when_there_is_room() {
    let (folder, recipe) = folder();
    let (whole, disk) = (folder.path().join("whole"), folder.path().join("disk"));
    let Some(_) = train(&recipe, &whole, &["--no-eval"]) else { return };
    fs::create_dir(&disk).unwrap();
    let script = "set -u
        mount -t tmpfs -o size=\"$3\" none \"$2\" || exit 90
        \"$1\" train \"$4\" --run-dir \"$2/run\" --no-eval; first=$?
        mount -o remount,size=256m \"$2\" || exit 91
        \"$1\" resume \"$2/run\"; second=$?
        cp \"$2/run/metrics.jsonl\" \"$5\"
        echo \"first $first, second $second\"";
    let size = (tree_bytes(&whole) * 2 / 3).to_string();
    let out = folder.path().join("metrics.jsonl");
    let cache = tempfile::tempdir().unwrap();
    let mut line = Command::new("unshare");
    line.args(["--mount", "sh", "-c", script, "sh", env!("CARGO_BIN_EXE_hone")]).arg(&disk).arg(&size);
    line.arg(&recipe).arg(&out).env("XDG_CACHE_HOME", cache.path()).current_dir(crate::root());
    line.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let call = match line.spawn() {
        Ok(child) => output(child),
        Err(error) => return eprintln!("skipped: no unshare: {error}"),
    };
    if !call.stdout.contains("first") {
        return eprintln!("skipped: this user may not mount a file system: {}", call.stderr);
    }
    assert!(call.stdout.contains("first 1, second 0"), "{}\n{}", call.stdout, call.stderr);
    call.says(&["No space left on device", "hint: free some space", "hone resume"]);
    assert_eq!(metrics(&whole), fs::read_to_string(out).unwrap());
}

/// Bytes of all files, by whole pages.
fn tree_bytes(folder: &Path) -> u64 {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let kind = entry.metadata().unwrap();
        bytes += if kind.is_dir() { tree_bytes(&entry.path()) } else { kind.len().next_multiple_of(4096) };
    }
    bytes
}
