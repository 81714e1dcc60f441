//! The suite both databases pass, case by case.
//!
//! A test binary calls [`for_each_case!`](crate::for_each_case) and gives every case an empty
//! [`Place`]. The cases see the store as the server does; only [`Place::raw`] goes behind its back,
//! to damage what is stored.

mod approvals;
mod commands;
mod damage;
mod engine;
mod history;
mod identity;
mod log;
mod projects;
mod records;
mod world;

pub use approvals::*;
pub use commands::*;
pub use damage::*;
pub use engine::*;
pub use history::*;
pub use identity::*;
pub use log::*;
pub use projects::*;
pub use records::*;
pub use world::{Place, World, at, note};

/// How a case ends.
pub type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Hands the names of all cases to a macro.
#[macro_export]
macro_rules! for_each_case {
    ($each:ident) => {
        $each! {
            every_statement_prepares,
            opening_again_continues,
            a_failed_operation_leaves_the_others_of_its_group,
            events_come_before_the_answer,
            a_probe_is_a_durable_write,
            the_owner_is_made_once,
            devices_are_found_by_their_token_and_thrown_out,
            a_link_is_used_once,
            runners_keep_their_facts,
            projects_do_not_nest,
            projects_are_limited,
            a_project_lives_and_goes,
            concurrent_projects_do_not_nest,
            a_command_is_accepted,
            a_repetition_gives_the_first_command,
            one_command_at_a_time,
            a_lease_is_given_again_until_it_starts,
            a_queued_command_is_cancelled,
            concurrent_submissions_start_one_command,
            records_are_applied_once,
            gaps_and_foreign_records_are_refused,
            a_stop_is_told_with_its_processes,
            a_lost_session_is_replaced,
            old_and_closed_attempts_are_told_so,
            reconciling_interrupts_what_is_gone,
            the_first_answer_counts,
            unanswered_approvals_are_withdrawn,
            answers_are_delivered_again,
            numbers_have_no_gaps,
            rotation_keeps_every_event,
            rotation_follows_the_limits,
            random_walks_equal_a_list,
            history_goes_both_ways_across_segments,
            history_is_filtered,
            history_belongs_to_its_org,
            a_corrupt_row_is_a_gap,
            a_corrupt_segment_is_a_gap,
            a_missing_row_is_a_gap,
        }
    };
}
