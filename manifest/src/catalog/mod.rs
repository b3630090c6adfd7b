//! What is known about GPUs, drivers, patches and kernels, each row with its evidence.
