//! Guards that one test inside looks at: with the bug of their absence that test must fail.

use super::build::planted;

/// A bug, the test program and the test that must fail with it.
const GUARDS: [(&str, &str, &str); 7] = [
    // A command that was given to a runner, is bound or held is placed elsewhere.
    ("may_move", "conformance", "sqlite::what_may_have_begun_is_never_placed_again"),
    // Whoever takes the focus gets it, whatever they knew of its holder.
    ("focus", "conformance", "sqlite::a_focus_has_one_holder"),
    // The token of a notification answers twice; and after its time.
    ("one_tap_again", "conformance", "sqlite::a_token_answers_one_approval_once"),
    ("one_tap_expiry", "conformance", "sqlite::a_token_is_worth_what_its_device_is"),
    // An entry of the audit log is not chained to the one before it.
    ("audit", "conformance", "sqlite::the_audit_chain_is_whole_under_many_writers"),
    // A runner that keeps failing is chosen all the same.
    ("breaker", "fleet", "routing::a_runner_that_keeps_failing_is_left_out_and_tried_again"),
    // A session goes on where the files are others.
    ("session_move", "fleet", "moves::a_session_goes_on_elsewhere_only_at_the_same_clean_commit"),
];

#[test]
fn the_tests_of_guards_catch_their_absence() {
    let mut missed = Vec::new();
    for (bug, program, test) in GUARDS {
        assert!(!planted().fails(program, test, ""), "without a bug {test} passes");
        let caught = planted().fails(program, test, bug);
        println!("{bug}: {}, by {test} of {program}", if caught { "caught" } else { "NOT CAUGHT" });
        missed.extend((!caught).then_some(bug));
    }
    assert!(missed.is_empty(), "not caught: {missed:?}");
}
