//! The parts that are processes of their own, so that their CPU time and memory can be read from outside.
//!
//! `consume_loop`, `publish_loop` and `bare_route` are ceilings: the least code on the same libraries that moves the
//! same bytes with the same promises.

pub(crate) mod bare_route;
pub(crate) mod consume_loop;
pub(crate) mod enqueue;
pub(crate) mod load;
pub(crate) mod noop_worker;
pub(crate) mod preload;
pub(crate) mod publish_loop;
