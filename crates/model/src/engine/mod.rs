//! The fused CPU engine: forward, explicit backward, decode, all on kernels whose sums run in one fixed order.
