//! Tasks that somebody else writes: the engine as a library, on a broker and a result store in memory.

mod canvas;
mod ends;
mod fuzz;
mod limits;
mod rig;
mod sample;

use rig::{Rig, SOON};
