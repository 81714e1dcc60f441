//! Bugs planted on purpose: each breaks one promise, and each must be caught. This is what says
//! whether the tests beside it are worth anything.
//!
//! Each bug takes away every guard of its promise at once: a promise that two guards keep is not
//! broken by one that is missing. The binary, the store's simulation of a day and the tests of single
//! guards are built once more with the feature `planted`, under other names, so that nothing real is
//! overwritten.

mod build;
mod guards;

use std::time::Duration;

use testkit::checker::Violation;
use testkit::duo::Setup;
use testkit::load::Mix;

use crate::away::{ASLEEP, sleep_and_wake};
use crate::cuts::{self, Disk, by_turns, cut_again_and_again};
use crate::duplicates::send_over_faulty_wires;
use crate::kills::kill_again_and_again;
use crate::steer::speak_into_turns;
use crate::{Seen, asked, setup};
use build::{Planted, planted};

/// How often each bug must be caught; AFIELD_TEST_PLANTED asks for more.
const TIMES: u64 = 1;
/// Rounds in which it must show each time.
const ROUNDS: u64 = 8;
/// Kills in a round.
const KILLS: u64 = 3;
/// Power cuts in a round.
const CUTS: u64 = 4;
/// Commands in a round over faulty wires.
const COMMANDS: u64 = 120;
/// Turns in a round with words for them.
const TURNS: u64 = 2;
/// How long a sender waits for what a bug may have stopped.
const PATIENCE: Duration = Duration::from_secs(3);
/// Longer than a busy machine needs to start what is not due.
const DELAY: Duration = Duration::from_secs(2);

/// Where a bug shows from outside.
enum Fault {
    Kills,
    /// The same, and much of what is sent has to wait for its time.
    Delays,
    Power,
    Wires,
    /// Words into running turns.
    Words,
    /// A runner that sleeps for a moment: what it is sent lies in its order meanwhile.
    Nap,
    /// One that sleeps for longer than some commands live.
    Sleep,
}

impl Fault {
    async fn round(&self, setup: Setup, round: u64) -> Seen {
        let patience = Some(PATIENCE);
        let (all, plain) = (Mix { patience, ..Mix::ALL }, Mix { patience, ..Mix::PLAIN });
        match self {
            Self::Kills => kill_again_and_again(setup, all, KILLS, round).await,
            Self::Delays => {
                let mix = Mix { delayed: 50, delay: DELAY, ..all };
                kill_again_and_again(setup, mix, KILLS, round).await
            }
            Self::Power => {
                let mix = Mix { patience, ..cuts::MIX };
                cut_again_and_again(setup, Disk::Honest, mix, CUTS, by_turns).await.0
            }
            Self::Wires => send_over_faulty_wires(setup, COMMANDS, plain).await,
            Self::Words => speak_into_turns(setup, TURNS, PATIENCE).await,
            Self::Nap => sleep_and_wake(setup, Duration::ZERO).await,
            Self::Sleep => sleep_and_wake(setup, ASLEEP).await,
        }
    }
}

/// Each time the checker outside must name what the bug breaks.
async fn is_caught(bug: &str, fault: Fault, shows: fn(&Violation) -> bool) {
    let planted = tokio::task::spawn_blocking(planted).await.unwrap();
    for time in 0..asked("AFIELD_TEST_PLANTED", TIMES) {
        let first = time * ROUNDS;
        let round = catch(planted, bug, &fault, shows, first).await;
        println!("{bug} is caught in round {} of {ROUNDS}", round - first + 1);
    }
}

/// Lets a bug loose until it shows, and says in which round it did.
async fn catch(
    planted: &Planted,
    bug: &str,
    fault: &Fault,
    shows: fn(&Violation) -> bool,
    first: u64,
) -> u64 {
    let mut found = Vec::new();
    for round in first..first + ROUNDS {
        let mut setup = setup(planted.binary());
        setup.planted = bug.to_owned();
        found.extend(fault.round(setup, round).await.violations);
        if found.iter().any(shows) {
            return round;
        }
    }
    panic!("{bug} is not caught: {found:?}");
}

/// A test for each bug: its name, where it shows, and as what.
macro_rules! caught_from_outside {
    ($($bug:ident in $fault:ident as $shows:pat,)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $bug() {
            is_caught(stringify!($bug), Fault::$fault, |found| matches!(found, $shows)).await;
        }
    )*};
}

caught_from_outside! {
    // Acknowledged before it is committed; committed without being synced.
    commit in Kills as Violation::Lost { .. },
    fsync in Power as Violation::Lost { .. },
    // Only the first part of what a crash left in the redo log is carried out.
    redo in Kills as Violation::Lost { .. },
    // The runner starts before its journal is on disk, starts a repeated order, forgets what is over.
    journal in Power as Violation::StartedTwice { .. },
    redelivery in Wires as Violation::StartedTwice { .. },
    runner_fence in Wires as Violation::StartedTwice { .. },
    // The agent is given words again that came twice.
    steer in Words as Violation::SaidTwice { .. },
    // A key is not remembered; what was interrupted is started again.
    dedupe in Kills as Violation::Doubled { .. },
    retry in Kills as Violation::StartedAgain { .. },
    // Orders, times, holds and cancels that do not count.
    fifo in Nap as Violation::OutOfOrder { .. },
    early in Delays as Violation::StartedEarly { .. },
    expiry in Sleep as Violation::StartedLate { .. },
    hold in Kills as Violation::StartedHeld { .. },
    cancel in Kills as Violation::StartedCancelled { .. },
    promote in Kills as Violation::Stuck { .. },
    // Two commands lead one lane: the database refuses, and the product with it.
    heads in Nap as Violation::BrokeDown { .. },
    // A number is left out of the log; who comes back gets one event too few, one twice.
    gap in Kills as Violation::Gap { .. },
    resume in Kills as Violation::CutShort { .. } | Violation::Gap { .. },
    repeat in Kills as Violation::Repeated { .. },
}

/// A test for each bug of the store that its simulation of a day must find.
macro_rules! caught_by_the_simulation {
    ($($bug:ident,)*) => {$(
        #[test]
        fn $bug() {
            assert!(super::simulation_fails(stringify!($bug)), "not caught");
        }
    )*};
}

/// Most of the bugs of the store once more, and what no outsider can tell from a busy day (records
/// of an old attempt, records taken twice).
mod simulated {
    caught_by_the_simulation! {
        dedupe, fifo, heads, expiry, early, cancel, promote, gap, retry, store_fence, applied,
    }

    #[test]
    fn without_a_bug_it_passes() {
        assert!(!super::simulation_fails(""));
    }
}

fn simulation_fails(bug: &str) -> bool {
    planted().fails("offline", "a_day_away", bug)
}
