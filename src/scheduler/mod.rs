//! The scheduler: what is due is enqueued, once, however many schedulers run; and what nobody else does is done here.

pub mod campaigns;
pub mod cron;
pub mod declared;
pub mod due;
pub mod upkeep;
