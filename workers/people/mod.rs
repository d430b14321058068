//! Erases what is known of a person or a team, or hands it over (docs/PRIVACY.md). What is asked for stands in
//! `longshore.people_requests` and not in a payload; what is to be looked through, the catalogue says.

pub mod erase_person;
pub mod erase_team;
mod export;
pub mod export_person;
pub mod export_team;
mod objects;
mod raw_files;
pub mod requests;
mod walk;
