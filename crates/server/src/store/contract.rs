//! What every backend promises, as tests over any [`Store`](super::Store).
//!
//! A backend runs them all by `contract_tests!(open)`, where `open` makes an empty store as an [`Opened`].
#![expect(clippy::wildcard_enum_match_arm, reason = "a test that meets another event fails, whichever it is")]

pub(super) mod conversations;
pub(super) mod lists;
pub(super) mod merging;
pub(super) mod messages;
pub(super) mod outbox;
pub(super) mod people;
pub(super) mod random;
pub(super) mod replay;
pub(super) mod setup;
pub(super) mod world;

use std::any::Any;
use std::sync::Arc;

use super::Store;

/// An empty store, and what must live as long as it (a directory, say).
pub(super) struct Opened {
    pub(super) store: Arc<dyn Store>,
    pub(super) _guard: Box<dyn Any>,
}

/// Makes one test of each promise for the backend that `$open` opens.
macro_rules! contract_tests {
    ($open:path) => {
        $crate::store::contract::contract_tests!($open, messages: [
            a_message_is_answered_with_its_places,
            a_key_sent_again_answers_the_first,
            a_key_belongs_to_its_sender_and_conversation,
            access_comes_before_key_and_key_before_status,
            a_visitor_message_reopens_a_resolved_conversation,
            nobody_acts_as_another_visitor,
            a_message_id_is_given_once,
            unknown_conversations_are_created_for_visitors_alone,
            edits_follow_the_rules,
            deletions_follow_the_rules,
            known_messages_are_found_within_the_scope,
            calls_commit_in_order_and_fail_alone,
        ]);
        $crate::store::contract::contract_tests!($open, replay: [
            two_numberings_interleave,
            replayed_messages_carry_their_newest_content,
            website_events_are_dense_across_conversations,
            heads_tell_which_websites_have_moved,
            pages_go_both_ways,
            notes_are_never_read_by_visitors,
        ]);
        $crate::store::contract::contract_tests!($open, conversations: [
            creation_is_idempotent_for_the_same_visitor,
            scopes_hide_what_is_outside,
            changes_make_events_only_of_what_changes,
            compare_and_set_of_the_assignee,
            marks_are_translated_clamped_and_never_go_back,
            snapshots_are_of_one_moment,
        ]);
        $crate::store::contract::contract_tests!($open, lists: [
            filters_and_order,
            pages_by_cursor_cover_everything_once,
            notes_move_nothing_in_a_visitors_list,
            unread_counts,
            search_by_prefix,
            search_syntax_is_harmless,
            lists_keep_to_their_scope,
            open_conversations_are_the_newest_twenty,
        ]);
        $crate::store::contract::contract_tests!($open, people: [
            visits_are_noted,
            teams_are_kept_per_website,
            identifying_a_new_person_keeps_the_visitor,
        ]);
        $crate::store::contract::contract_tests!($open, merging: [
            everything_moves_to_the_known_visitor,
            aliases_are_flat,
            two_known_people_are_never_one,
        ]);
        $crate::store::contract::contract_tests!($open, setup: [
            the_directory_is_read_whole,
            what_is_taken_or_missing_is_refused,
            revocations_only_move_forward,
            deleting_a_website_removes_what_is_its_own,
            places_of_what_was_deleted_are_not_given_again,
            deleting_an_organization_removes_what_is_its_own,
        ]);
        $crate::store::contract::contract_tests!($open, outbox: [
            events_are_queued_for_those_who_asked,
            deliveries_settle_and_come_again,
            a_delivery_is_sent_once_more,
            webhooks_belong_to_their_organization,
            webhooks_are_limited_however_many_come_at_once,
            nothing_is_sent_of_what_was_deleted,
            a_slow_webhook_takes_no_room_from_another,
            an_organization_leaves_room_for_others,
            what_begins_has_a_bound_in_bytes,
            unseen_messages_are_told_once,
            reading_cancels_what_is_unseen,
            unseen_messages_follow_the_setting,
            old_deliveries_are_removed,
            the_worker_is_woken,
        ]);
    };
    ($open:path, $module:ident: [$($name:ident),* $(,)?]) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $name() {
                    let opened = $open();
                    $crate::store::contract::$module::$name(std::sync::Arc::clone(&opened.store)).await;
                }
            )*
        }
    };
}

pub(super) use contract_tests;
