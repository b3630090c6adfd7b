//! The words of the field: kernels, releases, PCI devices, boot loaders.
