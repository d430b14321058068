//! Who may do what: teams, and the keys that speak for them.

pub mod keys;
pub mod secrets;
pub mod teams;
