//! The memory adapters and the Redis scripts, held against one suite.
