//! Streams on generated activities: every activity becomes a document, whatever it holds.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod activities;
mod documents;
