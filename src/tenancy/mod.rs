//! Who may do what: teams, and the keys that speak for them; and who did what.

pub mod audit;
pub mod flags;
pub mod keys;
pub mod quotas;
pub mod secrets;
pub mod settings;
pub mod teams;
