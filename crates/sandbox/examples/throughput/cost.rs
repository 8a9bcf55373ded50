//! CPU time of this process and of everything below it, told apart by what it was spent on.

use std::collections::BTreeMap;
use std::ops::Sub;

use serde_json::{Value, json};

/// Clock ticks a second in `/proc`.
const TICKS: f64 = 100.0;

/// User and system milliseconds.
#[derive(Debug, Clone, Copy, Default)]
struct Time {
    user_ms: f64,
    system_ms: f64,
}

impl Time {
    fn add(&mut self, other: Time) {
        self.user_ms += other.user_ms;
        self.system_ms += other.system_ms;
    }
}

/// CPU time so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    supervisor: Time,
    /// The zygotes themselves.
    zygotes: Time,
    /// What ran below zygotes of solutions: programs.
    programs: Time,
    /// What ran below zygotes of tests.
    tests: Time,
}

/// One process in `/proc`; proc(5).
struct Process {
    parent: u32,
    own: Time,
    /// Of children that ended and were waited for.
    waited: Time,
}

impl Process {
    fn read(pid: u32) -> Option<Process> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // After the name and the state: the parent, then (eleventh and on) user, system and both of ended children.
        let fields: Vec<i64> =
            stat.rsplit(')').next()?.split_whitespace().skip(1).filter_map(|f| f.parse().ok()).collect();
        let ms = |at: usize| fields.get(at).map_or(0.0, |&ticks| ticks as f64 * 1e3 / TICKS);
        Some(Process {
            parent: u32::try_from(*fields.first()?).ok()?,
            own: Time { user_ms: ms(10), system_ms: ms(11) },
            waited: Time { user_ms: ms(12), system_ms: ms(13) },
        })
    }
}

/// Process ids of everything below this process, by parent.
pub(crate) fn descendants() -> Vec<u32> {
    let all: BTreeMap<u32, Vec<u32>> = processes().into_iter().fold(BTreeMap::new(), |mut all, (pid, p)| {
        all.entry(p.parent).or_insert_with(Vec::new).push(pid);
        all
    });
    let mut found = vec![std::process::id()];
    let mut at = 0;
    while let Some(pid) = found.get(at) {
        found.extend(all.get(pid).into_iter().flatten());
        at += 1;
    }
    found.split_off(1)
}

fn processes() -> BTreeMap<u32, Process> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, Process::read(pid)?))).collect()
}

impl Cost {
    pub(crate) fn now() -> Cost {
        let own = std::process::id();
        let all = processes();
        let mut cost = Cost::default();
        if let Some(process) = all.get(&own) {
            cost.supervisor = process.own;
        }
        // Each worker starts its zygote of solutions before that of tests.
        let zygotes: Vec<u32> = all.iter().filter(|(_, p)| p.parent == own).map(|(&pid, _)| pid).collect();
        for (index, zygote) in zygotes.iter().enumerate() {
            let below = if index % 2 == 0 { &mut cost.programs } else { &mut cost.tests };
            if let Some(process) = all.get(zygote) {
                cost.zygotes.add(process.own);
                below.add(process.waited);
            }
            for process in all.values().filter(|p| p.parent == *zygote) {
                below.add(process.own);
                below.add(process.waited);
            }
        }
        cost
    }

    fn times(&self) -> [(&'static str, Time); 4] {
        [
            ("programs", self.programs),
            ("tests", self.tests),
            ("zygotes", self.zygotes),
            ("supervisor", self.supervisor),
        ]
    }

    pub(crate) fn total_ms(&self) -> f64 {
        self.times().iter().map(|(_, t)| t.user_ms + t.system_ms).sum()
    }

    /// Milliseconds a run, by part: user, system.
    pub(crate) fn parts(&self, runs: usize) -> Value {
        let part = |t: Time| json!([t.user_ms / runs as f64, t.system_ms / runs as f64]);
        self.times().into_iter().map(|(name, time)| (name.to_owned(), part(time))).collect()
    }
}

impl Sub for Cost {
    type Output = Cost;

    fn sub(self, before: Cost) -> Cost {
        let less =
            |a: Time, b: Time| Time { user_ms: a.user_ms - b.user_ms, system_ms: a.system_ms - b.system_ms };
        Cost {
            supervisor: less(self.supervisor, before.supervisor),
            zygotes: less(self.zygotes, before.zygotes),
            programs: less(self.programs, before.programs),
            tests: less(self.tests, before.tests),
        }
    }
}
