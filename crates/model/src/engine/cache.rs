//! Keys and values of a prompt or of one completion, in the layout that attention reads.
#![expect(unsafe_code, reason = "heads written by parallel tasks")]

use super::attention::{Heads, key_panels_len, store_key};
use super::buffer::{Buffer, Shared};

/// Keys (panels of 32 positions) and values (rows) of every layer and key head, for up to `capacity` positions.
pub(crate) struct Cache {
    heads: Heads,
    capacity: usize,
    data: Buffer,
}

impl Cache {
    /// Room for `capacity` positions in `layers` layers.
    pub(crate) fn new(heads: Heads, layers: usize, capacity: usize) -> Cache {
        let capacity = capacity.next_multiple_of(32);
        Cache {
            heads,
            capacity,
            data: Buffer::zeros(layers * heads.keys * 2 * key_panels_len(capacity, heads.dim)),
        }
    }

    /// Positions it has room for.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Makes it hold what a cache of the same capacity holds.
    pub(crate) fn copy_from(&mut self, other: &Cache) {
        self.data.copy_from_slice(&other.data);
    }

    fn place(&self) -> Place {
        Place { heads: self.heads, half: self.capacity * self.heads.dim }
    }

    /// Key panels and value rows of one key head.
    pub(crate) fn get(&self, layer: usize, head: usize) -> (&[f32], &[f32]) {
        let place = self.place();
        self.data[place.start(layer, head)..][..2 * place.half].split_at(place.half)
    }

    /// Stores the keys and values of one row of `qkv`.
    pub(crate) fn store(&mut self, layer: usize, position: usize, qkv_row: &[f32]) {
        let place = self.place();
        for head in 0..self.heads.keys {
            let block = &mut self.data[place.start(layer, head)..][..2 * place.half];
            place.store(block, head, position, qkv_row);
        }
    }

    /// The cache as a place where tasks write, each for a key head of its own.
    pub(crate) fn shared(&mut self) -> SharedCache<'_> {
        SharedCache { place: self.place(), data: Shared::new(&mut self.data) }
    }
}

/// Where a key head of a layer lies: `half` floats of keys, then as many of values.
#[derive(Clone, Copy)]
struct Place {
    heads: Heads,
    half: usize,
}

impl Place {
    fn start(self, layer: usize, head: usize) -> usize {
        (layer * self.heads.keys + head) * 2 * self.half
    }

    fn store(self, block: &mut [f32], head: usize, position: usize, qkv_row: &[f32]) {
        let (heads, dim) = (self.heads, self.heads.dim);
        let (keys, values) = block.split_at_mut(self.half);
        store_key(keys, position, &qkv_row[heads.key_at(head)..][..dim]);
        values[position * dim..][..dim].copy_from_slice(&qkv_row[heads.value_at(head)..][..dim]);
    }
}

/// A cache during a parallel section.
pub(crate) struct SharedCache<'a> {
    place: Place,
    data: Shared<'a>,
}

impl<'a> SharedCache<'a> {
    /// Stores one row's key and value of one key head, and returns that head's key panels and value rows.
    ///
    /// # Safety
    /// No other task may use the same head of the same layer.
    pub(crate) unsafe fn extend(
        &self,
        layer: usize,
        head: usize,
        position: usize,
        qkv_row: &[f32],
    ) -> (&'a [f32], &'a [f32]) {
        // SAFETY: heads lie apart, and this one is the caller's alone.
        let block: &'a mut [f32] =
            unsafe { self.data.part(self.place.start(layer, head), 2 * self.place.half) };
        self.place.store(block, head, position, qkv_row);
        let block: &'a [f32] = block;
        block.split_at(self.place.half)
    }
}
