//! Who may do what: teams, and the keys that speak for them; and who did what.

pub mod audit;
pub mod keys;
pub mod secrets;
pub mod teams;
