//! Where each name got its value from, at one point of a program.
//!
//! Two kinds, because Ruby's published table binds in place where all others bind in copies: `Copied` is a value,
//! shared until it is changed; `Aliased` is one table that all holders see change.

use std::cell::RefCell;
use std::rc::Rc;

use super::lists::{List, Lists};

/// Tokens each name's value may come from, by the name's number; an unbound name's list is empty.
pub(super) type Origins = Vec<List>;

/// What the walk needs of either kind; `clone` hands the bindings on.
pub(super) trait Bindings: Clone {
    fn new(origins: Origins) -> Self;
    fn get(&self, name: u32) -> List;
    fn set(&mut self, name: u32, token: u32);
    /// Bindings that changes to others' do not reach.
    fn into_detached(self) -> Self;
    fn with<T>(&self, look: impl FnOnce(&Origins) -> T) -> T;
}

#[derive(Clone)]
pub(super) struct Copied(Rc<Origins>);

impl Bindings for Copied {
    fn new(origins: Origins) -> Self {
        Copied(Rc::new(origins))
    }

    fn get(&self, name: u32) -> List {
        self.0[name as usize]
    }

    fn set(&mut self, name: u32, token: u32) {
        Rc::make_mut(&mut self.0)[name as usize] = List::one(token);
    }

    fn into_detached(self) -> Self {
        self
    }

    fn with<T>(&self, look: impl FnOnce(&Origins) -> T) -> T {
        look(&self.0)
    }
}

#[derive(Clone)]
pub(super) struct Aliased(Rc<RefCell<Origins>>);

impl Bindings for Aliased {
    fn new(origins: Origins) -> Self {
        Aliased(Rc::new(RefCell::new(origins)))
    }

    fn get(&self, name: u32) -> List {
        self.0.borrow()[name as usize]
    }

    fn set(&mut self, name: u32, token: u32) {
        self.0.borrow_mut()[name as usize] = List::one(token);
    }

    fn into_detached(self) -> Self {
        Aliased::new(
            Rc::try_unwrap(self.0).map_or_else(|shared| shared.borrow().clone(), RefCell::into_inner),
        )
    }

    fn with<T>(&self, look: impl FnOnce(&Origins) -> T) -> T {
        look(&self.0.borrow())
    }
}

/// Every way's origins of every name together, in the order of the tokens.
pub(super) fn merged<B: Bindings>(ways: &[B], lists: &mut Lists) -> B {
    let Some((first, others)) = ways.split_first() else { return B::new(Origins::new()) };
    let mut all = first.with(Clone::clone);
    for way in others {
        way.with(|origins| {
            for (known, more) in all.iter_mut().zip(origins) {
                if known != more && !more.is_empty() {
                    *known = if known.is_empty() { *more } else { lists.union(*known, *more) };
                }
            }
        });
    }
    B::new(all)
}
