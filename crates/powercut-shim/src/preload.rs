//! The preloaded half: stands before the C library's writing and syncing functions in the program
//! under test, keeps the undo journal, and passes every call on to the kernel.
//!
//! Loaded by the dynamic linker; called by whatever the program is written in. It must change
//! nothing a program can see, and costs a program without [`crate::ROOT_VARIABLE`] one check.
#![expect(unsafe_code, reason = "replaces functions of the C library")]

mod calls;
mod system;
mod tracker;
