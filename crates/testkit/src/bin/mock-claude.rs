//! The `mock-claude` program; everything is in [`testkit::mock_claude`].

fn main() {
    std::process::exit(testkit::mock_claude::run());
}
