//! What is promised of what messages say: looked at before they leave where that was asked for, written once, and by mail only to
//! those who may get one and can get out.

mod approvals;
mod email;
mod http;
mod texts;
mod world;
