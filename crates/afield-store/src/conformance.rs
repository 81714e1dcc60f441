//! The suite both databases pass, case by case.
//!
//! A test binary calls [`for_each_case!`](crate::for_each_case) and gives every case an empty
//! [`Place`]. The cases see the store as the server does; only [`Place::raw`] goes behind its back,
//! to damage what is stored.

mod approvals;
mod audit;
mod commands;
mod damage;
mod device_messages;
mod engine;
mod handoff;
mod history;
mod identity;
mod lanes;
mod log;
mod migration;
mod pairing;
mod projects;
mod push;
mod queue;
mod queue_walk;
mod rearranging;
mod records;
mod retries;
mod routes;
mod search;
mod sessions;
mod shown;
mod state;
mod steering;
mod stopping;
mod uploads;
mod world;

pub use approvals::*;
pub use audit::*;
pub use commands::*;
pub use damage::*;
pub use device_messages::*;
pub use engine::*;
pub use handoff::*;
pub use history::*;
pub use identity::*;
pub use log::*;
pub use migration::*;
pub use pairing::*;
pub use projects::*;
pub use push::*;
pub use queue::*;
pub use queue_walk::*;
pub use rearranging::*;
pub use records::*;
pub use retries::*;
pub use routes::*;
pub use search::*;
pub use sessions::*;
pub use shown::*;
pub use state::*;
pub use steering::*;
pub use stopping::*;
pub use uploads::*;
pub use world::{Place, World, another_org, at, note};

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
            devices_are_labelled,
            devices_are_changed_as_they_were_seen,
            an_org_is_told_of_its_devices,
            runners_keep_their_facts,
            the_audit_log_tells_what_was_done,
            the_audit_log_goes_in_pages,
            the_audit_chain_is_whole_under_many_writers,
            tampering_with_the_audit_log_is_found,
            a_pairing_is_claimed_once,
            a_code_endures_few_tries,
            open_pairings_are_limited,
            a_pairing_is_decided_once,
            a_device_that_comes_back_is_no_ghost,
            a_revoked_device_pairs_nobody,
            a_link_lets_one_device_in_at_once,
            a_link_gives_what_its_maker_has_when_it_is_used,
            devices_are_changed_in_their_org,
            projects_do_not_nest,
            projects_are_limited,
            a_project_lives_and_goes,
            concurrent_projects_do_not_nest,
            a_command_is_accepted,
            a_repetition_gives_the_first_command,
            one_command_at_a_time,
            a_session_is_of_its_project,
            a_lease_is_given_again_until_it_starts,
            a_queued_command_is_cancelled,
            concurrent_submissions_start_one_command,
            a_lane_is_first_in_first_out,
            lanes_take_turns,
            slots_are_respected,
            the_more_urgent_goes_first,
            waiting_makes_urgent,
            an_early_command_waits_alone,
            what_waits_behind_others_expires,
            first_is_before_what_waits,
            immediate_means_nothing_else_waits,
            a_new_session_comes_in_its_turn,
            a_new_session_waits_for_what_is_next,
            a_kill_ends_with_what_it_stops,
            lists_are_whole,
            commands_are_moved,
            there_is_always_room_between_two,
            commands_change_lanes,
            kills_are_not_moved,
            waiting_commands_are_edited,
            an_edited_time_changes_the_lane,
            a_held_command_waits,
            holds_keep_back_what_they_name,
            what_waits_too_long_expires,
            what_was_leased_in_time_does_not_expire,
            the_last_end_given_counts,
            cancelled_commands_leave_their_lane,
            a_stop_reaches_what_never_began,
            cancelling_and_leasing_exclude_each_other,
            nothing_is_left_without_a_turn,
            a_person_decides_what_became_of_it,
            a_person_has_it_started_again,
            a_failed_command_is_tried_again,
            a_retry_that_comes_too_late_is_a_dead_letter,
            other_failures_are_final,
            safe_commands_survive_an_interruption,
            a_usage_limit_is_waited_for,
            dead_letters_are_put_back,
            a_dead_letter_is_corrected,
            what_did_not_succeed_is_put_back,
            what_starts_programs_is_put_back_with_the_scope_alone,
            dead_letters_are_forgotten,
            a_key_is_kept_for_good,
            a_long_result_is_stored_once,
            what_is_around_a_command_is_shown,
            the_chain_of_a_command_is_shown,
            old_commands_are_archived,
            uploads_are_kept_once_in_their_org,
            a_runner_gets_what_goes_with_its_commands,
            attachments_follow_their_command,
            unused_uploads_go,
            taking_and_removing_an_upload_exclude_each_other,
            words_go_into_the_running_turn,
            words_without_a_turn_are_first_in_the_queue,
            words_wait_and_are_cancelled,
            a_wider_turn_takes_words_of_those_who_could_begin_it,
            a_database_of_the_first_version_goes_on,
            the_waiting_room_is_out_of_sight,
            what_waits_is_placed_once,
            what_may_have_begun_is_never_placed_again,
            placing_and_leasing_exclude_each_other,
            a_route_lives_with_its_command,
            a_session_moves_between_idle_projects,
            a_session_is_known_by_its_turns,
            sessions_are_listed,
            random_walks_keep_the_promises,
            records_are_applied_once,
            lines_become_messages,
            gaps_and_foreign_records_are_refused,
            a_stop_is_told_with_its_processes,
            a_lost_session_is_replaced,
            old_and_closed_attempts_are_told_so,
            reconciling_interrupts_what_is_gone,
            reconciling_interrupts_what_the_server_has_lost,
            reconciling_interrupts_what_the_server_forgot_it_gave,
            a_refused_order_is_interrupted_and_raises_the_fence,
            what_was_given_before_a_restore_is_placed_by_a_person_alone,
            the_first_answer_counts,
            rules_are_checked_and_told,
            unanswered_approvals_are_withdrawn,
            answers_are_delivered_again,
            a_token_answers_one_approval_once,
            a_token_is_worth_what_its_device_is,
            state_is_written_in_one_order,
            a_draft_typed_twice_keeps_both_texts,
            state_is_limited,
            concurrent_writes_are_put_in_order,
            state_comes_in_pages,
            a_focus_has_one_holder,
            a_focus_moves_and_is_told,
            held_messages_come_once_and_in_order,
            held_messages_are_bounded_and_expire,
            subscribed_devices_are_found,
            a_subscription_has_one_device,
            deliveries_are_kept_for_a_while,
            numbers_have_no_gaps,
            rotation_keeps_every_event,
            what_is_not_rotated_is_known,
            random_walks_equal_a_list,
            history_goes_both_ways_across_segments,
            history_is_filtered,
            history_belongs_to_its_org,
            a_search_goes_through_all_projects,
            a_search_is_narrowed_and_stays_in_its_org,
            a_corrupt_row_is_a_gap,
            a_corrupt_segment_is_a_gap,
            a_missing_row_is_a_gap,
        }
    };
}
