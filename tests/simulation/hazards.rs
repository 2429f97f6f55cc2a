//! One test a hazard, by its number.
