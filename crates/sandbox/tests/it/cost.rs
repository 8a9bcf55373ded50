//! What programs cost: the same twice, more for more work, nothing for start-up, and never by hearsay.

use hone_sandbox::{
    Comparison, CostMethod, CostProgram, Language, Limits, Measured, OutcomeClass, cost_methods,
};

use crate::sandbox;

fn program(language: Language, source: &str) -> CostProgram {
    CostProgram { language, source: source.into() }
}

fn is_offered(method: CostMethod) -> bool {
    cost_methods().iter().any(|report| report.method == method && report.is_available)
}

#[test]
fn a_solution_is_measured_against_its_reference_by_one_method() {
    let slow = program(
        Language::Python,
        "n = int(input())\ntotal = 0\nfor i in range(n + 1):\n    total += i\nprint(total)\n",
    );
    let fast = program(Language::Python, "n = int(input())\nprint(n * (n + 1) // 2)\n");
    let inputs = ["20000".to_owned(), "30000".to_owned()];
    let compare = || sandbox().compare_cost(&fast, &slow, &inputs, &Limits::default()).expect("runs");
    let first = compare();
    assert!(first.speedup().is_some_and(|speedup| speedup > 5.0), "{first:?}");
    let Comparison::Costs { solution, reference } = &first else { panic!("{first:?}") };
    assert_eq!(solution.method, reference.method);
    assert_eq!(solution.unit, solution.method.unit());
    if is_offered(CostMethod::Callgrind) && !is_offered(CostMethod::PerfEvent) {
        assert_eq!(solution.method, CostMethod::Callgrind);
        let Comparison::Costs { reference: again, .. } = compare() else { panic!("measured once") };
        let difference = (again.amount as f64 / reference.amount as f64 - 1.0).abs();
        assert!(difference < 1e-3, "{reference:?} {again:?}");
    }
}

#[test]
fn work_of_compiled_programs_is_counted_without_start_up() {
    if !is_offered(CostMethod::Callgrind) || is_offered(CostMethod::PerfEvent) {
        eprintln!("skipped: callgrind would not be chosen here");
        return;
    }
    let turns = |n: u32| {
        let source = format!("int main(void) {{ for (volatile int i = 0; i < {n}; i++); return 0; }}\n");
        match sandbox().measure_cost(&program(Language::C, &source), &[], &Limits::default()).expect("runs") {
            Measured::Cost(cost) => (cost.method, cost.amount),
            failed => panic!("{failed:?}"),
        }
    };
    let (method, few) = turns(100_000);
    let (_, many) = turns(1_000_000);
    assert_eq!(method, CostMethod::Callgrind);
    assert!((9.5..10.5).contains(&(many as f64 / few as f64)), "{few} {many}");
}

#[test]
fn what_hides_its_work_or_fails_is_not_counted() {
    let measure = |source: &str| {
        sandbox().measure_cost(&program(Language::Python, source), &[], &Limits::default()).expect("runs")
    };
    match measure("import sys\nsys.exit(3)\n") {
        Measured::Failed(outcome) => assert_eq!(outcome.exit_code, Some(3)),
        cost => panic!("{cost:?}"),
    }
    match measure("import os\nprint(os.urandom(4))\n") {
        Measured::Failed(outcome) => assert_eq!(outcome.class, OutcomeClass::WrongAnswer),
        cost => panic!("{cost:?}"),
    }
    let method = |source: &str| match measure(source) {
        Measured::Cost(cost) => cost.method,
        failed => panic!("{failed:?}"),
    };
    let report = "==1== Callgrind, a call-graph\\n==1== Events    : Ir\\n==1== Collected : 1\\n";
    let forged =
        format!("import os\ntry:\n    os.write(3, b'{report}')\nexcept OSError:\n    pass\nprint(1)\n");
    let in_a_child =
        "import os\nif os.fork() == 0:\n    sum(range(100000))\n    os._exit(0)\nos.wait()\nprint(1)\n";
    let executed = "import os\nos.execv('/bin/echo', ['echo', 'x'])\n";
    for source in [&forged, in_a_child, executed] {
        assert_ne!(method(source), CostMethod::Callgrind, "{source}");
    }
}
