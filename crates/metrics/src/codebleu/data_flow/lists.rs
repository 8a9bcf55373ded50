//! Short lists of numbers in one store, so that an edge or a binding holds a place in it instead of memory of its own.

/// A list in a `Lists`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct List {
    start: u32,
    length: u32,
}

impl List {
    pub(super) const EMPTY: List = List { start: 0, length: 0 };

    /// The list of one number, which must be less than the count its `Lists` was made for.
    pub(super) fn one(number: u32) -> List {
        List { start: number, length: 1 }
    }

    pub(super) fn is_empty(self) -> bool {
        self.length == 0
    }

    pub(super) fn len(self) -> usize {
        self.length as usize
    }
}

/// The numbers of all lists; the first ones are 0, 1, 2 …, which every list of one number shares.
#[derive(Debug)]
pub(super) struct Lists {
    numbers: Vec<u32>,
}

impl Lists {
    /// For numbers less than `count`.
    pub(super) fn new(count: u32) -> Lists {
        let mut numbers = Vec::with_capacity(2 * count as usize);
        numbers.extend(0..count);
        Lists { numbers }
    }

    pub(super) fn get(&self, list: List) -> &[u32] {
        &self.numbers[list.start as usize..][..list.len()]
    }

    pub(super) fn add(&mut self, numbers: impl IntoIterator<Item = u32>) -> List {
        let start = self.numbers.len();
        self.numbers.extend(numbers);
        match self.numbers[start..] {
            [] => List::EMPTY,
            [number] => {
                self.numbers.truncate(start);
                List::one(number)
            }
            _ => List { start: start as u32, length: (self.numbers.len() - start) as u32 },
        }
    }

    /// The numbers of both lists in order, each once.
    pub(super) fn union(&mut self, first: List, second: List) -> List {
        if first == second && first.len() <= 1 {
            return first;
        }
        let mut all = [self.get(first), self.get(second)].concat();
        all.sort_unstable();
        all.dedup();
        self.add(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_what_was_added() {
        let mut lists = Lists::new(4);
        let (long, one, none) = (lists.add([3, 1, 3]), lists.add([2]), lists.add([]));
        assert_eq!((lists.get(long), lists.get(one), lists.get(none)), (&[3, 1, 3][..], &[2][..], &[][..]));
        assert_eq!((one, none), (List::one(2), List::EMPTY));
        let both = lists.union(long, one);
        assert_eq!(lists.get(both), [1, 2, 3]);
        let alone = lists.union(long, List::EMPTY);
        assert_eq!(lists.get(alone), [1, 3]);
        assert_eq!(lists.union(one, one), one);
    }
}
