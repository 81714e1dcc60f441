//! Private database services for tests and benchmarks.
//!
//! A library beside the program, so that the benchmarks start the same services in the same way.

pub mod services;
