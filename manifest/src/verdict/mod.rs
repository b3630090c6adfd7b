//! Whether a GPU, a driver and a host go together: one pure function, with reasons.
