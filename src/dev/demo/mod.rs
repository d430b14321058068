//! The main job on real input, with everything going wrong that may, and the promises checked at the end.

pub mod verdict;
