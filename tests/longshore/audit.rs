//! What somebody with power did stands in a chain that nobody can change unseen.

mod chain;
mod deeds;
mod tampering;
