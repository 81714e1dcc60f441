//! A runner that is killed under load and finds the ends of its own files damaged: what a power
//! cut may leave behind a record that was never synced. Nothing is lost, nothing starts twice.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use testkit::duo::{Duo, Setup};
use testkit::load::Mix;
use testkit::random::Random;

use crate::{Progress, Seen, asked, judge, senders, setup, work_on};

/// How often the runner is killed and finds damage; AFIELD_TEST_DAMAGES asks for more.
const ROUNDS: u64 = 10;
/// Senders, as many as the runner works on at once.
const SENDERS: u64 = 4;
/// The most bytes of rubbish behind a file.
const RUBBISH_BYTES_MAX: u64 = 300;

/// More that is worked on when the runner dies.
const MIX: Mix = Mix { slow: 50, ..Mix::ALL };

/// Damages the end of whatever the runner left. How many files that were.
fn damage(data: &Path, random: &mut Random) -> u64 {
    let mut count = 0;
    for path in attempts(data) {
        let found = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        for file in found.filter(|file| file.is_file()) {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            count += match name.as_str() {
                name if name.starts_with("records-") => damage_records(&file, random),
                "ack" => overwrite(&file, &rubbish(random)),
                _ => 0,
            };
        }
    }
    count + append(&data.join("fences.log"), random)
}

fn attempts(data: &Path) -> Vec<PathBuf> {
    let found = std::fs::read_dir(data.join("attempts")).unwrap();
    found.map(|entry| entry.unwrap().path()).collect()
}

/// The first record says that the attempt started, and is on disk before it does: that one stays.
fn damage_records(path: &Path, random: &mut Random) -> u64 {
    let whole = std::fs::read(path).unwrap();
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let (Some(last), true) = (lines.last(), lines.len() > 1) else { return append(path, random) };
    let behind = whole.len() - last.len();
    let within = behind + usize::try_from(random.up_to(last.len() as u64 - 1)).unwrap();
    match random.up_to(2) {
        // It was written in part.
        0 => overwrite(path, &whole[..within]),
        // A byte of it is another one.
        1 => {
            let mut spoilt = whole.clone();
            spoilt[within] ^= 0x41;
            overwrite(path, &spoilt)
        }
        _ => append(path, random),
    }
}

fn rubbish(random: &mut Random) -> Vec<u8> {
    let length = 1 + random.up_to(RUBBISH_BYTES_MAX);
    // Blocks that were given to the file and never written are empty.
    let empty = random.chance(30);
    (0..length).map(|_| if empty { 0 } else { random.draw().to_le_bytes()[0] }).collect()
}

fn append(path: &Path, random: &mut Random) -> u64 {
    let mut file = File::options().append(true).create(true).open(path).unwrap();
    file.write_all(&rubbish(random)).unwrap();
    1
}

fn overwrite(path: &Path, bytes: &[u8]) -> u64 {
    std::fs::write(path, bytes).unwrap();
    1
}

/// Kills the runner again and again and damages what it left. How many files that were.
async fn damage_again_and_again(setup: Setup, rounds: u64, seed: u64) -> (Seen, u64) {
    let mut duo = Duo::start(setup).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    for sender in senders(&duo, SENDERS, MIX).await {
        let (url, token, stop) = (duo.url(), duo.token.clone(), Arc::clone(&stop));
        tasks.push(tokio::spawn(work_on(sender, url, token, stop)));
    }
    let (mut random, mut damaged) = (Random::new(seed), 0);
    let progress = Progress::of("damaged journals", rounds);
    for round in 0..rounds {
        progress.at(round);
        tokio::time::sleep(Duration::from_millis(100 + random.up_to(300))).await;
        duo.kill_runner().await;
        damaged += damage(&duo.path("runner"), &mut random);
        duo.start_runner();
        duo.runner_connected().await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut senders = Vec::new();
    for task in tasks {
        senders.push(task.await.unwrap());
    }
    (judge(&duo, senders).await, damaged)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_with_damaged_files_breaks_no_promise() {
    let (rounds, seed) =
        (asked("AFIELD_TEST_DAMAGES", ROUNDS), asked("AFIELD_TEST_SEED", 0xda3a6e));
    let setup = setup(env!("CARGO_BIN_EXE_afield").into());
    let (seen, damaged) = damage_again_and_again(setup, rounds, seed).await;
    assert_eq!(seen.violations, [], "seed {seed}");
    assert!(seen.acknowledged > 50 && seen.started > 20, "there was load: {seen:?}");
    assert!(damaged > rounds, "attempts were damaged, too: {damaged}");
}
