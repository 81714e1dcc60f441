//! The demonstration agent as a program of its own, for the tests of this crate.

fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let input = std::io::BufReader::new(std::io::stdin());
    afield_runner::demo::run(input, std::io::stdout(), &arguments, 0.0)
}
