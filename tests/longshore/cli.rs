//! The command line, run as an operator runs it: the real binary against a real database.

mod dead;
mod dead_plans;
mod fleet;
mod frame;
mod money;
mod operate;
