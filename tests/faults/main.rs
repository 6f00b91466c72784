//! Servers and workers that are stopped, killed and started again.
