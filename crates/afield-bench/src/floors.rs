//! Floors: the least this machine needs for the same work, without any product around it.

pub(crate) mod answer;
pub(crate) mod log;
pub(crate) mod pipe;
pub(crate) mod relay;
pub(crate) mod rows;
pub(crate) mod steps;
