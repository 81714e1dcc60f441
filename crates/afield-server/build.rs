//! Says where the web app's files are, and builds the server again when they were made anew: release builds
//! carry them.

use std::path::{Path, PathBuf};

fn main() -> std::io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    // Without `..`, or a debug build, which reads the files while it runs, finds none that came after it.
    let dist = Path::new("../../web").canonicalize()?.join("dist");
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo:rerun-if-changed={}", dist.display());
    }
    let built = format!(
        "#[derive(rust_embed::Embed)]\n#[folder = {dist:?}]\n#[allow_missing = true]\nstruct Built;\n"
    );
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo says where"));
    std::fs::write(out.join("built.rs"), built)
}
