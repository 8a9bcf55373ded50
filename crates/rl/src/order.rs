//! In which order tasks are drawn: a new shuffle every epoch, as a function of seed and position alone, so that a
//! run's place in it is one number.

/// One drawn task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Draw {
    /// Task index.
    pub(crate) task: usize,
    /// Task with its epoch in the upper half: a task drawn twice in a step gets different samples.
    pub(crate) key: u64,
}

/// The endless sequence of tasks.
#[derive(Debug, Clone)]
pub(crate) struct TaskOrder {
    seed: u64,
    tasks: usize,
    epoch: u64,
    permutation: Vec<usize>,
}

impl TaskOrder {
    /// The order of `tasks` (at least 1) under `seed`.
    pub(crate) fn new(seed: u64, tasks: usize) -> TaskOrder {
        assert!(tasks > 0, "an order needs a task");
        TaskOrder { seed, tasks, epoch: 0, permutation: shuffle(seed, 0, tasks) }
    }

    /// The task at a position.
    pub(crate) fn draw(&mut self, position: u64) -> Draw {
        let epoch = position / self.tasks as u64;
        if epoch != self.epoch {
            self.epoch = epoch;
            self.permutation = shuffle(self.seed, epoch, self.tasks);
        }
        let task = self.permutation[(position % self.tasks as u64) as usize];
        Draw { task, key: (epoch << 32) | task as u64 }
    }
}

/// Fisher–Yates over SplitMix64.
fn shuffle(seed: u64, epoch: u64, length: usize) -> Vec<usize> {
    let mut state = mix(seed ^ mix(epoch.wrapping_add(0x0DE2)));
    let mut permutation: Vec<usize> = (0..length).collect();
    for last in (1..length).rev() {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        // The upper half of a 128-bit product is uniform but for 2⁻⁶⁴ · length.
        let chosen = ((u128::from(mix(state)) * (last as u128 + 1)) >> 64) as usize;
        permutation.swap(last, chosen);
    }
    permutation
}

/// The finaliser of SplitMix64 (G. Steele et al., OOPSLA 2014).
pub(crate) fn mix(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(order: &mut TaskOrder, epoch: u64, tasks: u64) -> Vec<usize> {
        (epoch * tasks..(epoch + 1) * tasks).map(|position| order.draw(position).task).collect()
    }

    #[test]
    fn every_epoch_is_another_permutation() {
        let mut order = TaskOrder::new(7, 50);
        let (first, second) = (epoch(&mut order, 0, 50), epoch(&mut order, 1, 50));
        assert_ne!(first, second);
        assert_ne!(first, (0..50).collect::<Vec<_>>());
        for mut tasks in [first, second] {
            tasks.sort_unstable();
            assert_eq!(tasks, (0..50).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_position_alone_decides() {
        let mut walked = TaskOrder::new(7, 5);
        let all: Vec<Draw> = (0..23).map(|position| walked.draw(position)).collect();
        for position in (0..23).rev() {
            assert_eq!(TaskOrder::new(7, 5).draw(position), all[position as usize]);
        }
        assert_ne!(epoch(&mut TaskOrder::new(8, 50), 0, 50), epoch(&mut TaskOrder::new(7, 50), 0, 50));
    }

    #[test]
    fn one_task_drawn_twice_has_two_keys() {
        let mut order = TaskOrder::new(1, 1);
        assert_ne!(order.draw(0).key, order.draw(1).key);
    }

    #[test]
    fn shuffles_are_uniform() {
        let mut counts = [[0; 4]; 4];
        for seed in 0..4000 {
            for (place, task) in shuffle(seed, 0, 4).into_iter().enumerate() {
                counts[place][task] += 1;
            }
        }
        assert!(counts.iter().flatten().all(|&count| (880..1120).contains(&count)), "{counts:?}");
    }
}
