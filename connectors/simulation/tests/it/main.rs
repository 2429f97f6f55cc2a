//! The simulated world: effects, crashes, freezes, and the provider in it.

mod provider;
mod world;
