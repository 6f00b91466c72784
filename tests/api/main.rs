//! The producer through HTTP and its command line.
