//! What kernels run on: threads and an instruction set.

use super::simd::Isa;
use super::threads::Pool;

/// Threads and instruction set of an engine. Neither changes a result.
pub(crate) struct Compute {
    /// The threads.
    pub(crate) pool: Pool,
    /// The instruction set.
    pub(crate) isa: Isa,
}

impl Compute {
    /// `threads` threads (0: one a core) on the best instruction set of this CPU.
    #[must_use]
    pub(crate) fn new(threads: usize) -> Compute {
        Compute { pool: Pool::new(threads), isa: Isa::detect() }
    }
}
