//! Placement, rule by rule, and a fleet under many commands.

use afield_proto::live::RunnerLoad;
use afield_proto::runner::AgentFacts;
use proptest::prelude::*;

use super::*;

fn offer(name: &str) -> Offer {
    let agent = AgentFacts {
        agent: AgentKind::Demo,
        available: true,
        version: None,
        note: None,
        can: Vec::new(),
    };
    let load = Some(RunnerLoad { free_slots: 4, ..RunnerLoad::default() });
    let facts = RunnerFacts {
        os: "linux".into(),
        agents: vec![agent],
        concurrency: 4,
        load,
        ..RunnerFacts::default()
    };
    let project =
        OfferedProject { id: ProjectId::generate(), path: format!("/{name}"), agent: None };
    Offer {
        runner_id: DeviceId::generate(),
        runner: name.into(),
        project: Some(project),
        facts: Some(Arc::new(facts)),
        labels: Arc::new([]),
        priority: 0,
        there: There::Online,
        broken: None,
    }
}

fn with_load(mut offer: Offer, percent: u32, free_slots: u32) -> Offer {
    let facts = Arc::make_mut(offer.facts.as_mut().unwrap());
    facts.load = Some(RunnerLoad { percent, free_slots, ..RunnerLoad::default() });
    offer
}

fn wish(mode: RouteMode) -> RouteWish {
    RouteWish { selector: "os = 'linux'".into(), path: None, mode, prefer: Vec::new() }
}

fn sifted(wish: &RouteWish, offers: &[Offer]) -> Sifted {
    let selector = Selector::parse(&wish.selector).unwrap();
    let agent = Some(AgentKind::Demo);
    let wanted =
        Wanted { wish, selector: &selector, agent, shell_line: false, only: None, lost: None };
    sift(&wanted, offers)
}

/// The name of the one that is chosen when so much waits at each.
fn placed(wish: &RouteWish, offers: &[Offer], queued: &[u64], chance: Chance) -> Option<String> {
    let sifted = sifted(wish, offers);
    let listed = shortlist(wish, offers, &sifted.fits, chance);
    let waits = |index: usize| Queued { on_runner: queued[index], in_project: 0 };
    let listed: Vec<_> = listed.into_iter().map(|index| (index, waits(index))).collect();
    let chosen = choose(wish, offers, &listed)?;
    Some(offers[chosen.0].runner.to_string())
}

#[test]
fn each_rejection_says_why() {
    let mut offers: Vec<_> = (0..8).map(|number| offer(&format!("r{number}"))).collect();
    offers[0].facts = None;
    Arc::make_mut(offers[1].facts.as_mut().unwrap()).os = "macos".into();
    offers[2].project = None;
    offers[3].broken = Some((Timestamp::from_unix_ms(0), 3));
    Arc::make_mut(offers[4].facts.as_mut().unwrap()).agents.clear();
    let wish = wish(RouteMode::Best);
    let selector = Selector::parse(&wish.selector).unwrap();
    let wanted = Wanted {
        wish: &wish,
        selector: &selector,
        agent: Some(AgentKind::Demo),
        shell_line: false,
        only: Some(offers[7].project.as_ref().unwrap().id),
        lost: Some(offers[5].runner_id),
    };
    let told = sift(&wanted, &offers);
    assert_eq!(told.fits, [7]);
    let whys: Vec<_> = told.rejected.iter().map(|(_, why)| why.as_str()).collect();
    for (why, word) in whys.iter().zip(["never", "os = 'linux'", "no project", "session"]) {
        assert!(why.contains(word), "{why}");
    }
    let told = sift(&Wanted { only: None, shell_line: true, ..wanted }, &offers);
    let whys: Vec<_> = told.rejected.iter().map(|(_, why)| why.as_str()).collect();
    for (why, word) in whys[3..].iter().zip(["3 times in a row", "shell", "lost", "shell"]) {
        assert!(why.contains(word), "{why}");
    }
    assert!(sifted(&wish, &offers).rejected.iter().any(|(_, why)| why.contains("agent demo")));
}

#[test]
fn connected_and_free_comes_before_busy_before_away() {
    let wish = wish(RouteMode::Best);
    let mut away = offer("away");
    away.there = There::Away;
    let busy = with_load(offer("busy"), 90, 0);
    let offers = [away, busy, offer("free")];
    let at = |offers: &[Offer]| placed(&wish, offers, &[0, 0, 9], Chance::default());
    assert_eq!(at(&offers).as_deref(), Some("free"));
    assert_eq!(at(&offers[..2]).as_deref(), Some("busy"));
    assert_eq!(at(&offers[..1]).as_deref(), Some("away"));
    assert_eq!(at(&[]), None);
}

#[test]
fn of_two_the_one_with_less_to_do_is_chosen() {
    let wish = wish(RouteMode::Best);
    let offers = [with_load(offer("hot"), 80, 1), with_load(offer("cool"), 5, 1)];
    let at = |queued: &[u64]| placed(&wish, &offers, queued, Chance::default());
    assert_eq!(at(&[1, 9]).as_deref(), Some("hot"), "what waits counts first");
    assert_eq!(at(&[3, 3]).as_deref(), Some("cool"), "then how busy the machine is");
}

#[test]
fn each_has_its_turn() {
    let wish = wish(RouteMode::RoundRobin);
    let offers = [offer("a"), offer("b"), offer("c")];
    let (mut last, mut seen) = (None, Vec::new());
    for _ in 0..6 {
        let chance = Chance { last, ..Chance::default() };
        let name = placed(&wish, &offers, &[5, 0, 0], chance).unwrap();
        last = offers.iter().find(|offer| *offer.runner == *name).map(|offer| offer.runner_id);
        seen.push(name);
    }
    assert_eq!(seen, ["a", "b", "c", "a", "b", "c"]);
}

#[test]
fn the_order_is_the_senders_or_that_of_the_priorities() {
    let mut wish = wish(RouteMode::Order);
    let mut offers = [offer("low"), offer("high"), offer("away")];
    (offers[1].priority, offers[2].priority) = (5, 9);
    offers[2].there = There::Away;
    let at = |wish: &RouteWish, offers: &[Offer]| placed(wish, offers, &[0; 3], Chance::default());
    assert_eq!(at(&wish, &offers).as_deref(), Some("high"));
    wish.prefer = vec![offers[2].runner_id, offers[0].runner_id];
    assert_eq!(at(&wish, &offers).as_deref(), Some("low"), "what is away is asked last");
    offers[0].there = There::Asleep;
    offers[1].there = There::Away;
    assert_eq!(at(&wish, &offers).as_deref(), Some("away"));
}

#[test]
fn a_record_is_bounded_and_names_what_matters() {
    let mut offers: Vec<_> = (0..2000).map(|number| offer(&format!("r{number}"))).collect();
    offers.iter_mut().skip(3).for_each(|offer| offer.facts = None);
    let wish = wish(RouteMode::Best);
    let sifted = sifted(&wish, &offers);
    let chosen = choose(&wish, &offers, &[(1, Queued::default())]);
    let now = Timestamp::from_unix_ms(5);
    let told = record(&offers, &sifted, chosen.as_ref(), (RouteCause::Submitted, now));
    assert_eq!((told.considered, told.fitted), (2000, 3));
    assert_eq!(told.candidates.len(), CANDIDATES_MAX);
    let verdicts: Vec<_> = told.candidates.iter().map(|it| it.verdict).take(4).collect();
    let fits = RouteVerdict::Fits;
    assert_eq!(verdicts, [RouteVerdict::Chosen, fits, fits, RouteVerdict::Rejected]);
    let nobody = record(&offers, &sifted, None, (RouteCause::Submitted, now));
    assert_eq!((nobody.runner_id, nobody.reason.as_str()), (None, "nobody fits now"));
}

proptest! {
    /// Two choices keep a fleet even: the fullest has little more than its share.
    #[test]
    fn many_commands_spread_over_the_fleet(seed in any::<u64>()) {
        let offers: Vec<_> = (0..50).map(|number| offer(&format!("r{number}"))).collect();
        let wish = wish(RouteMode::Best);
        let mut queued = vec![0_u64; offers.len()];
        let mut draw = seed;
        let mut next = || {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            draw >> 33
        };
        for _ in 0..1000 {
            let chance = Chance { draws: [next(), next()], last: None };
            let name = placed(&wish, &offers, &queued, chance).unwrap();
            let index = offers.iter().position(|offer| *offer.runner == *name).unwrap();
            queued[index] += 1;
        }
        let fullest = queued.iter().copied().max().unwrap();
        prop_assert!(fullest <= 26, "20 each on average, {} on one", fullest);
    }

    /// Whatever is drawn, only what fits is chosen, and something is whenever something fits.
    #[test]
    fn only_what_fits_is_chosen(fits in prop::collection::vec(any::<bool>(), 0..12), draws in any::<[u64; 2]>()) {
        let offers: Vec<_> = fits.iter().map(|fits| {
            let mut offer = offer("r");
            if !fits { offer.facts = None; }
            offer
        }).collect();
        for mode in [RouteMode::Best, RouteMode::RoundRobin, RouteMode::Order, RouteMode::Sticky] {
            let wish = wish(mode);
            let sifted = sifted(&wish, &offers);
            let listed = shortlist(&wish, &offers, &sifted.fits, Chance { draws, last: None });
            prop_assert!(listed.len() <= 2 && listed.iter().all(|index| fits[*index]));
            prop_assert_eq!(listed.is_empty(), sifted.fits.is_empty());
        }
    }
}
