//! Who is told, when, and in which words.

use afield_proto::Timestamp;
use afield_proto::device::Scopes;

use super::gather::{Due, Gather};
use super::words::message;
use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_ms(seconds * 1000)
}

fn notice(kind: PushKind, subject: Subject, what: &str) -> Notice {
    let (more, command_id) = (String::new(), None);
    let what = what.to_owned();
    Notice { kind, subject, what, more, command_id, approval: None, presence: None }
}

fn settings(quiet: Option<(&str, &str, bool)>) -> PushSettings {
    let quiet = quiet.map(|(from, to, urgent)| QuietHours {
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
        time_zone: "Europe/Berlin".into(),
        urgent,
    });
    PushSettings { quiet, ..PushSettings::default() }
}

fn listener(settings: &PushSettings, local: &str) -> Listener<'static> {
    let settings = Box::leak(Box::new(settings.clone()));
    Listener { settings, scopes: Scopes::all(), is_looking: false, local: local.parse().ok() }
}

#[test]
fn quiet_hours_go_over_midnight() {
    let night = settings(Some(("22:00", "07:00", false)));
    for (local, told) in
        [("21:59", true), ("22:00", false), ("03:00", false), ("06:59", false), ("07:00", true)]
    {
        assert_eq!(is_told(listener(&night, local), PushKind::Approval), told, "{local}");
    }
    let noon = settings(Some(("12:00", "13:00", false)));
    assert!(!is_told(listener(&noon, "12:30"), PushKind::Finished));
    assert!(is_told(listener(&noon, "13:00"), PushKind::Finished));
    let always = settings(Some(("00:00", "00:00", true)));
    assert!(!is_told(listener(&always, "12:30"), PushKind::Finished));
    assert!(is_told(listener(&always, "12:30"), PushKind::Question), "urgent things come");
    assert!(is_told(listener(&night, "of no known place"), PushKind::Finished));
}

#[test]
fn only_those_who_want_may_and_do_not_look_are_told() {
    let default = settings(None);
    let here = listener(&default, "12:00");
    assert!(is_told(here, PushKind::Finished) && !is_told(here, PushKind::Runner));
    assert!(!is_told(Listener { is_looking: true, ..here }, PushKind::Approval));
    let viewer = Listener { scopes: "view".parse().unwrap(), ..here };
    assert!(is_told(viewer, PushKind::Finished) && !is_told(viewer, PushKind::Approval));
    assert!(!is_told(Listener { scopes: Scopes::NONE, ..here }, PushKind::Finished));
}

#[test]
fn the_first_is_told_at_once_and_what_follows_together() {
    let mut gather = Gather::default();
    let (phone, tablet) = (DeviceId::generate(), DeviceId::generate());
    let shop = Subject::Project(ProjectId::generate());
    gather.add(phone, notice(PushKind::Finished, shop, "one"), at(0));
    assert_eq!(gather.due(at(0)).len(), 1);
    for (seconds, what) in [(1, "two"), (9, "three")] {
        gather.add(phone, notice(PushKind::Finished, shop, what), at(seconds));
        assert_eq!(gather.due(at(seconds)), []);
    }
    gather.add(tablet, notice(PushKind::Failure, shop, "other"), at(9));
    assert_eq!(gather.due(at(9))[0].device, tablet);
    assert_eq!(gather.next(), Some(at(10)));
    let due = gather.due(at(10));
    let told: Vec<_> = due[0].notices.iter().map(|notice| notice.what.as_str()).collect();
    assert_eq!(told, ["two", "three"]);
    gather.due(at(30));
    assert_eq!(gather.next(), None, "nothing is kept");
}

#[test]
fn what_an_agent_waits_for_is_hardly_gathered_and_forgotten_when_it_is_over() {
    let mut gather = Gather::default();
    let (phone, shop) = (DeviceId::generate(), Subject::Project(ProjectId::generate()));
    gather.add(phone, notice(PushKind::Finished, shop, "one"), at(0));
    gather.due(at(0));
    let id = ApprovalId::generate();
    let asked = Some(Asked { id, danger: None, is_plain: true });
    let ask = Notice { approval: asked, ..notice(PushKind::Approval, shop, "may it?") };
    gather.add(phone, ask.clone(), at(1));
    assert_eq!(gather.next(), Some(at(3)));
    gather.forget(id);
    assert_eq!(gather.due(at(3)), []);
    gather.add(phone, ask, at(20));
    assert_eq!(gather.due(at(20)).len(), 1);
}

#[test]
fn a_runner_that_is_back_soon_was_not_away() {
    let mut gather = Gather::default();
    let (phone, id) = (DeviceId::generate(), DeviceId::generate());
    let runner = |is_there| Notice {
        presence: Some(is_there),
        ..notice(PushKind::Runner, Subject::Runner(id), "")
    };
    gather.add(phone, runner(true), at(0));
    assert_eq!(gather.due(at(99)), [], "nobody knew that it was away");
    for (seconds, is_there) in [(100, false), (101, false), (130, true), (131, true)] {
        gather.add(phone, runner(is_there), at(seconds));
    }
    assert_eq!(gather.due(at(199)), []);
    gather.add(phone, runner(false), at(200));
    assert_eq!(gather.due(at(259)), []);
    assert_eq!(gather.due(at(260))[0].notices, [runner(false)]);
    gather.add(phone, runner(true), at(261));
    gather.add(phone, runner(true), at(262));
    assert_eq!(gather.due(at(300)), []);
    assert_eq!(gather.due(at(321))[0].notices, [runner(true)]);
}

#[test]
fn words_name_one_thing_or_count_many() {
    let id = ProjectId::generate();
    let shop = Subject::Project(id);
    let approval = ApprovalId::generate();
    let asked = Some(Asked { id: approval, danger: Some(DangerLevel::Normal), is_plain: true });
    let ask = Notice {
        approval: asked,
        more: "ls".into(),
        ..notice(PushKind::Approval, shop, "may Bash run?")
    };
    let due = |notices: &[Notice]| {
        let due = Due { device: DeviceId::generate(), subject: shop, notices: notices.to_vec() };
        message(&due, "shop\n", at(0))
    };
    let one = due(std::slice::from_ref(&ask));
    assert_eq!((one.title.as_str(), one.body.as_str()), ("shop\\u{a}: may Bash run?", "ls"));
    assert_eq!((one.approval_id, one.tag), (Some(approval), format!("approval:{approval}")));
    let done = notice(PushKind::Finished, shop, "done");
    let many = due(&[done.clone(), ask]);
    assert_eq!(many.title, "shop\\u{a}: one thing waits for you");
    assert_eq!(many.body, "done\nmay Bash run?: ls");
    assert_eq!((many.kind, many.approval_id), (Some(PushKind::Approval), None));
    assert_eq!((many.tag, many.count), (format!("project:{id}"), 2));
    assert_eq!(due(&[done.clone(), done]).title, "shop\\u{a}: 2 things happened");
}
