//! Whoever asks is erased from everything that knows of them, or handed all of it; so is a whole team.

mod people;
mod races;
mod store;
mod teams;
mod world;
