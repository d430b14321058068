//! The wall between teams: what the database is asked, by whom, and that it holds against every statement.

mod doctor;
mod lint;
mod matrix;
