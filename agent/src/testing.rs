//! Short names for the examples of each room, for unit tests.

pub(crate) use crate::disk::examples::disk;
pub(crate) use crate::machine::examples::machine;
pub(crate) use crate::plan::examples::plan;
