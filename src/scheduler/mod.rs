//! Ticks: what is due, and when it is due next.

pub mod cron;
