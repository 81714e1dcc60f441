//! Builds the server again when the web app was built anew: release builds carry its files.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Debug builds read the files while they run.
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo:rerun-if-changed=../../web/dist");
    }
}
