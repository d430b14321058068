//! The command line, run as an operator runs it: the real binary against a real database.

mod campaigns;
mod dead;
mod dead_plans;
pub mod fleet;
mod frame;
mod money;
mod operate;
mod settings;
