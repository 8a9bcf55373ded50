//! Integration tests of `hone-model`.

mod checkpoint;
mod default_model;
