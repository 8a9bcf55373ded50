use hone_sandbox::*;
fn main() {
    let text = std::fs::read_to_string(std::env::args().nth(1).unwrap()).unwrap();
    let sandbox = Sandbox::start(SandboxConfig { workers: 1, ..Default::default() }).unwrap();
    for round in 0..3 {
        for line in text.lines() {
            let v: serde_json::Value = serde_json::from_str(line).unwrap();
            let s = |k: &str| v[k].as_str().unwrap().to_owned();
            let j = sandbox
                .judge(&Submission {
                    solution: s("prompt") + &s("canonical_solution"),
                    tests: TestSuite::Check { code: s("test"), entry_point: s("entry_point") },
                    limits: Limits::default(),
                })
                .unwrap();
            if round > 0 {
                print!("{}", j.outcome.stderr);
            }
        }
    }
}
