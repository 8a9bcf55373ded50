//! pass@t: success against *tokens* spent, for self-repair (Olausson et al., arXiv 2306.09896, §3.3).
//!
//! For each task a large *repair tree* is frozen: initial programs, and below each of them repairs (a feedback and the
//! program it led to). A strategy (n_p initial programs, n_fr repairs of each) is measured by drawing many sub-trees
//! of that size: whether any program passes, and how many tokens the sub-tree cost. Both are averaged over draws and
//! then over tasks. The baseline without repair is n_fr = 0.
//!
//! pass@turns (success within t rounds of a dialogue) is another thing: `pass_at_turns`.

use crate::bootstrap::{Interval, bootstrap_share, random_below};

/// One program and what it cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Whether it passes the hidden tests.
    pub is_correct: bool,
    /// Tokens sampled for it; for a repair, its feedback's too.
    pub tokens: u64,
}

/// A program with its repairs, which may have repairs of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// The program.
    pub program: Attempt,
    /// Repairs of it; none where it seemed right.
    pub repairs: Vec<Branch>,
}

/// A way to spend tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strategy {
    /// Initial programs.
    pub initial: usize,
    /// Repairs of each program that failed.
    pub repairs: usize,
    /// Whether sampling ends at the first success: tokens after it are not counted (depth first).
    pub stops_at_success: bool,
}

/// One point of the curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PassAtT {
    /// Mean over tasks of the chance that a program passes, with its interval over tasks.
    pub pass: Interval,
    /// Mean tokens spent on a task.
    pub tokens: f64,
}

impl Strategy {
    /// Settings in one line.
    pub fn signature(&self, draws: usize, seed: u64) -> String {
        let Strategy { initial, repairs, stops_at_success } = self;
        format!(
            "pass@t|initial:{initial}|repairs:{repairs}|stop:{}|draws:{draws}-with-replacement|seed:{seed}",
            if *stops_at_success { "first-success" } else { "no" }
        )
    }

    /// The strategy's point over tasks' trees; `None` if there is no task, a tree is empty, or repairs are wanted of trees
    /// of which none has any. A program without repairs in its tree is not repaired.
    pub fn measure(&self, tasks: &[Vec<Branch>], draws: usize, seed: u64) -> Option<PassAtT> {
        let is_bare = tasks.iter().flatten().all(|branch| branch.repairs.is_empty());
        if draws == 0 || self.initial == 0 || (self.repairs > 0 && is_bare) || tasks.iter().any(Vec::is_empty)
        {
            return None;
        }
        let mut state = seed;
        let (mut passes, mut tokens) = (Vec::with_capacity(tasks.len()), 0.0);
        for tree in tasks {
            let (mut passed, mut spent) = (0_u64, 0_u64);
            for _ in 0..draws {
                let (is_solved, cost) = self.draw(tree, &mut state);
                passed += u64::from(is_solved);
                spent += cost;
            }
            passes.push(passed as f64 / draws as f64);
            tokens += spent as f64 / draws as f64;
        }
        Some(PassAtT { pass: bootstrap_share(&passes)?, tokens: tokens / tasks.len() as f64 })
    }

    /// One sub-tree, with replacement: whether it holds a correct program, and what it cost.
    fn draw(&self, tree: &[Branch], state: &mut u64) -> (bool, u64) {
        let (mut is_solved, mut cost) = (false, 0);
        for _ in 0..self.initial {
            self.spend(&tree[random_below(state, tree.len())], state, &mut is_solved, &mut cost);
        }
        (is_solved, cost)
    }

    /// A program and the repairs drawn below it; one that passes needs none.
    fn spend(&self, branch: &Branch, state: &mut u64, is_solved: &mut bool, cost: &mut u64) {
        if self.stops_at_success && *is_solved {
            return;
        }
        *cost += branch.program.tokens;
        *is_solved |= branch.program.is_correct;
        if branch.program.is_correct || branch.repairs.is_empty() {
            return;
        }
        for _ in 0..self.repairs {
            self.spend(&branch.repairs[random_below(state, branch.repairs.len())], state, is_solved, cost);
        }
    }
}

/// Share of dialogues solved within `turns` turns, with its interval; `solved_at` is the turn (from 1) of each success.
pub fn pass_at_turns(solved_at: &[Option<usize>], turns: usize) -> Option<Interval> {
    let is_solved = |at: &Option<usize>| at.is_some_and(|at| at <= turns);
    let values: Vec<f64> = solved_at.iter().map(|at| f64::from(u8::from(is_solved(at)))).collect();
    bootstrap_share(&values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(is_correct: bool, tokens: u64) -> Attempt {
        Attempt { is_correct, tokens }
    }

    fn leaf(is_correct: bool, tokens: u64) -> Branch {
        Branch { program: attempt(is_correct, tokens), repairs: vec![] }
    }

    #[test]
    fn repairs_of_repairs_are_drawn_too() {
        let middle = Branch { program: attempt(false, 5), repairs: vec![leaf(true, 3)] };
        let tree = vec![Branch { program: attempt(false, 10), repairs: vec![middle] }];
        let point = |repairs: usize| {
            let strategy = Strategy { initial: 1, repairs, stops_at_success: false };
            strategy.measure(std::slice::from_ref(&tree), 10, 1).expect("a point")
        };
        assert_eq!((point(0).pass.value, point(0).tokens), (0.0, 10.0));
        assert_eq!((point(1).pass.value, point(1).tokens), (1.0, 18.0));
        // Two repairs, each with two of its own.
        assert_eq!(point(2).tokens, 10.0 + 2.0 * (5.0 + 2.0 * 3.0));
    }

    #[test]
    fn without_repairs_it_is_sampling_with_replacement() {
        // 3 of 10 programs are right: two draws solve with 1 − 0.7² = 0.51, at 2 · 10 tokens.
        let tree: Vec<Branch> =
            (0..10).map(|i| Branch { program: attempt(i < 3, 10), repairs: vec![] }).collect();
        let baseline = Strategy { initial: 2, repairs: 0, stops_at_success: false };
        let point = baseline.measure(&vec![tree; 20], 2_000, 7).expect("a point");
        assert!((point.pass.value - 0.51).abs() < 0.02, "{point:?}");
        assert_eq!(point.tokens, 20.0);
    }

    #[test]
    fn repairs_cost_tokens_unless_the_first_program_passes() {
        let right = Branch { program: attempt(true, 10), repairs: vec![leaf(false, 5)] };
        let wrong = Branch { program: attempt(false, 10), repairs: vec![leaf(true, 5)] };
        let strategy = Strategy { initial: 1, repairs: 2, stops_at_success: false };
        let measure = |strategy: Strategy, branch: &Branch| {
            let point = strategy.measure(&[vec![branch.clone()]], 10, 1).expect("a point");
            (point.pass.value, point.tokens)
        };
        assert_eq!(measure(strategy, &right), (1.0, 10.0));
        assert_eq!(measure(strategy, &wrong), (1.0, 20.0));
        assert_eq!(measure(Strategy { stops_at_success: true, ..strategy }, &wrong), (1.0, 15.0));
        assert_eq!(measure(Strategy { repairs: 0, ..strategy }, &wrong), (0.0, 10.0));
    }

    #[test]
    fn what_cannot_be_drawn_has_no_point() {
        let bare = vec![leaf(false, 1)];
        let strategy = Strategy { initial: 1, repairs: 1, stops_at_success: false };
        assert_eq!(strategy.measure(&[bare], 10, 1), None);
        assert_eq!(strategy.measure(&[], 10, 1), None);
        assert!(strategy.signature(10, 1).contains("repairs:1"));
    }

    #[test]
    fn turns_are_counted_from_one() {
        let solved = [Some(1), Some(3), None, Some(2)];
        let at = |turns| pass_at_turns(&solved, turns).map(|interval| interval.value);
        assert_eq!((at(1), at(2), at(3)), (Some(0.25), Some(0.5), Some(0.75)));
        assert_eq!(pass_at_turns(&[], 1), None);
    }
}
