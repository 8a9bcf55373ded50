//! Keys and values of one sequence, in the layout that attention reads.

use super::attention::{Heads, key_panels_len, store_key};
use super::buffer::Buffer;

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

    fn start(&self, layer: usize, head: usize) -> usize {
        (layer * self.heads.keys + head) * 2 * self.capacity * self.heads.dim
    }

    /// Key panels and value rows of one key head.
    pub(crate) fn get(&self, layer: usize, head: usize) -> (&[f32], &[f32]) {
        let half = self.capacity * self.heads.dim;
        self.data[self.start(layer, head)..][..2 * half].split_at(half)
    }

    /// Stores the keys and values of one row of `qkv`.
    pub(crate) fn store(&mut self, layer: usize, position: usize, qkv_row: &[f32]) {
        let (heads, half) = (self.heads, self.capacity * self.heads.dim);
        for head in 0..heads.keys {
            let start = self.start(layer, head);
            let (keys, values) = self.data[start..start + 2 * half].split_at_mut(half);
            store_key(keys, position, &qkv_row[heads.key_at(head)..][..heads.dim]);
            let value = &qkv_row[heads.value_at(head)..][..heads.dim];
            values[position * heads.dim..][..heads.dim].copy_from_slice(value);
        }
    }

    /// Copies the first `positions` positions of another cache: a completion begins with its prompt's keys and values.
    pub(crate) fn copy_from(&mut self, other: &Cache, layers: usize, positions: usize) {
        let (dim, half) = (self.heads.dim, self.capacity * self.heads.dim);
        for layer in 0..layers {
            for head in 0..self.heads.keys {
                let start = self.start(layer, head);
                let (keys, values) = other.get(layer, head);
                let panels = key_panels_len(positions, dim);
                self.data[start..start + panels].copy_from_slice(&keys[..panels]);
                self.data[start + half..][..positions * dim].copy_from_slice(&values[..positions * dim]);
            }
        }
    }
}
