//! Vendors as they speak over HTTP, on this machine: they remember what they took, and misbehave on request.

pub mod apollo;
