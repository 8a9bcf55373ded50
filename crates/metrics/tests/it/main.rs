//! Metrics against the numbers of the published packages, and properties all of them share.

mod properties;
mod published;
mod vectors;
