//! Webhooks to a team's own servers.

mod delivery;
mod door;
mod events;
mod safety;
mod verified;
mod world;
