"""Which tests are slow, and which have to stay in one process with which others.

`make test` runs all tests in several processes, `make check` only those that `--quick` leaves. A
place names a file of `tests`, and after `::` a class or a test in it, with all its parameters.
"""

from collections.abc import Sequence
from pathlib import Path

__all__ = [
    "ALONE",
    "BROWSING",
    "LONG",
    "MERGING",
    "SLOW",
    "TESTS",
    "group_of",
    "is_slow",
    "order_of",
    "place_of",
]

TESTS = Path(__file__).parents[1]

ALONE = (
    "test_embedded.py",
    "docs/test_pages.py::test_the_commands_of_a_page_run",
    "docs/test_pages.py::test_what_the_readme_makes",
    "cli/test_tune_command.py::test_two_processes_take_the_trajectory_of_one",
    "llm/test_limits.py",
    "novelty/test_on_ray.py::test_a_cluster_on_this_machine",
    "tune/test_divided_weights.py",
    "tune/test_gguf.py::test_the_embedded_model_answers_as_its_checkpoint_does",
    "tune/test_sharing.py::test_the_embedded_model_shares_exactly",
)
"""Take several cores, much memory or exact times. One process runs them, one after another."""

LONG = (
    "cli/test_report_command.py",
    "cli/test_report_hostile.py",
    "cli/test_tune_command.py",
    "docs/test_docs_build.py",
    "exports/test_export.py",
    "exports/test_hub.py",
    "recipes/test_experiment.py",
    "recipes/test_shipped_experiments.py",
    "report/test_report_charts.py",
    "report/test_report_page.py",
    "runs/test_run.py",
    "suite/test_suite_answers.py",
    "tune/test_gguf.py",
    "tune/test_tune_faults.py",
)
"""Files that take longer than others. They begin early: none of them ends long after all others."""

MERGING = ("recipes/test_merging.py", "recipes/test_merging_refused.py")
"""Files that share the shards of `grown_shards`. One process runs them."""

BROWSING = (
    "report/test_report_page.py::TestPhones::test_nothing_is_wider_than_a_phone",
    "report/test_report_page.py::test_print_shows_everything_and_is_light_and_without_navigation",
    "review/test_browser.py",
    "review/test_browser_pages.py",
    "review/test_view_browser.py",
)
"""Tests that share a browser. One process runs them."""

SLOW = (
    "bootstrap/test_languages.py::TestAWholeRun::test_the_report_counts_words_by_script",
    "bootstrap/test_languages.py::TestAlongAxes::test_exports_and_the_report_have_every_text",
    "bootstrap/test_parse_any_reply.py::test_a_megabyte_is_read_within_seconds",
    "bootstrap/test_parse_any_reply.py::test_instances_have_no_white_space_around_them",
    "bootstrap/test_parse_any_reply.py::test_json_nested_to_any_depth_raises_nothing",
    "bootstrap/test_pipeline.py::test_a_refused_request_rejects_its_candidate",
    "bootstrap/test_pipeline.py::test_exactly_as_many_finished_tasks_as_asked_for",
    "bootstrap/test_pipeline.py::test_nothing_is_asked_twice",
    "bootstrap/test_pipeline.py::test_six_seeds_and_two_finished_tasks_are_shown",
    "bootstrap/test_pipeline.py"
    "::test_the_data_does_not_depend_on_how_many_are_in_flight_and_how_fast",
    "bootstrap/test_steering.py"
    "::TestSteering::test_a_choice_looks_at_few_values_though_many_pairs_are_aside",
    "cli/test_cli.py::test_an_interrupted_process_stops_in_order_and_says_how_to_go_on",
    "cli/test_cli.py::test_each_format_is_exported",
    "cli/test_cli.py::test_help_of_a_process_begins_with_its_name",
    "cli/test_cli.py::test_the_version_is_that_of_the_package",
    "cli/test_cli_encode.py",
    "cli/test_cli_output.py",
    "cli/test_cli_predict.py::TestBaselines::test_score_what_they_do_on_the_test_tasks",
    "cli/test_cli_probes.py::test_a_path_that_is_none_is_one_line",
    "cli/test_cli_runs.py::test_a_damaged_run_is_refused",
    "cli/test_cli_semantic.py::test_a_checkpoint_compares_too",
    "cli/test_compare_command.py::TestFigures",
    "cli/test_demo.py::test_what_is_not_installed_is_said_before_anything_runs",
    "cli/test_dry_runs.py::TestEveryStage::test_a_dry_run_refuses_what_the_run_refuses",
    "cli/test_evaluate_command.py::TestScores::test_the_published_answers_of_eight_models",
    "cli/test_flags.py::test_the_shell_completes_commands_flags_and_choices",
    "cli/test_pipes.py",
    "cli/test_predict_checkpoints.py",
    "cli/test_report_command.py",
    "cli/test_report_hostile.py",
    "cli/test_tune_command.py",
    "cli/test_tune_grown_data.py",
    "cli/test_verdicts_command.py::TestRatings::test_intervals_are_named_where_there_are_some",
    "cli/test_widths.py::test_tables_fit",
    "data/test_files.py::test_a_folder_that_is_replaced_is_there_at_every_moment",
    "data/test_files.py::test_what_a_killed_writer_leaves_is_removed_by_the_next",
    "data/test_settings_files.py::test_a_value_that_can_not_be_made_is_named_with_its_line",
    "data/test_settings_files.py::test_what_is_written_is_read_again",
    "data/test_superni_folders.py::test_many_files_are_not_held_together",
    "docs/test_docs_build.py",
    "docs/test_pages.py::test_a_block_that_fails_is_named",
    "docs/test_pages.py::test_the_commands_of_a_page_run",
    "docs/test_pages.py::test_what_the_readme_makes",
    "encode/test_encoding_fidelity.py::test_the_tokens_are_those_of_the_released_code",
    "encode/test_marks.py::test_no_message_forges_a_turn",
    "encode/test_task_encoding.py::test_a_huge_input_is_cut_and_a_huge_target_too",
    "encode/test_task_encoding.py::test_every_process_makes_the_same_examples",
    "evaluate/test_agreement.py::test_intervals_are_those_of_drawing_items_one_by_one",
    "evaluate/test_compare.py::test_95_of_100_intervals_hold_the_true_difference",
    "evaluate/test_gains.py::test_the_figure_says_where_there_are_no_intervals",
    "evaluate/test_metrics.py::test_a_very_long_text_against_a_short_one",
    "evaluate/test_metrics.py::test_each_metric_takes_its_own_best_reference",
    "evaluate/test_metrics.py::test_rouge_of_20_000_hostile_pairs_is_exactly_that_of_rouge_score",
    "evaluate/test_metrics.py::test_scores_need_no_package_that_takes_long_to_load",
    "evaluate/test_metrics.py::test_two_very_long_texts",
    "evaluate/test_remarks.py::test_answers_that_are_empty_or_cut_are_counted_at_the_figure",
    "evaluate/test_remarks.py::test_every_command_says_it_and_a_run_keeps_it",
    "exports/test_card.py::test_names_stay_names",
    "exports/test_hub.py",
    "exports/test_rewrite.py::test_the_file_reads_as_before_with_the_field",
    "infer/test_asking.py",
    "infer/test_checkpoint_answers.py",
    "infer/test_checkpoint_sizes.py",
    "infer/test_generate.py",
    "infer/test_likelihood.py",
    "infer/test_predict_run.py::test_killed_at_any_moment_it_ends_in_the_same_predictions",
    "infer/test_predictions_that_grow.py::TestInstancesChange::test_killed_in_between_and_changed_back",
    "infer/test_predictions_that_grow.py::TestTheListGrows::test_killed_while_it_grows",
    "infer/test_trials.py",
    "infer/test_worker_processes.py",
    "infer/test_workers.py",
    "inputs/test_training.py::test_it_is_said_wherever_there_is_a_figure",
    "llm/test_budget.py::test_a_run_stopped_by_budgets_ends_in_the_same_data",
    "llm/test_budget.py::test_another_address_goes_on_with_the_same_model",
    "llm/test_budget.py::test_tasks_whose_replies_are_there_are_finished_before_the_stop",
    "llm/test_connections.py::test_each_request_gets_its_own_answer",
    "llm/test_engine.py"
    "::test_late_replies_lower_the_requests_in_flight_and_prompt_ones_bring_them_back",
    "llm/test_gguf_file.py::test_a_model_that_would_end_the_process_is_one_line",
    "llm/test_gguf_file.py::test_tokens_twice_end_a_process_of_their_own",
    "llm/test_limits.py",
    "llm/test_local_wait.py"
    "::TestRequests::test_what_is_being_written_is_heard_and_the_reply_is_whole",
    "llm/test_manners.py::test_a_body_of_harmful_values_is_no_reply_and_asked_for_again",
    "llm/test_remote_code.py",
    "llm/test_replay.py::test_a_replay_ends_in_the_same_bytes_without_a_server",
    "llm/test_replies.py::test_a_reply_that_was_broken_off_is_asked_for_again",
    "llm/test_replies.py::test_what_unreadable_replies_cost_counts_towards_the_budget",
    "llm/test_retry.py::test_a_prompt_that_is_never_answered_is_given_up_while_others_are",
    "llm/test_retry.py::test_a_reply_that_is_not_whole_in_time_is_asked_again",
    "llm/test_retry.py::test_an_outage_ends_the_run_and_leaves_no_trace",
    "llm/test_retry.py::test_the_wait_may_be_given_as_a_date",
    "llm/test_secrecy.py::test_a_key_that_the_server_echoes_is_shown_to_nobody",
    "llm/test_sentence_models.py",
    "llm/test_servers.py::test_three_servers_give_the_data_of_one",
    "llm/test_wire.py::test_a_body_without_a_text_is_asked_again_then_a_failure",
    "llm/test_wire.py::test_a_chat_reply_without_text_is_none",
    "novelty/test_contamination.py::test_as_brute_force_finds_it",
    "novelty/test_meaning.py::test_many_equal_texts_are_nearest_to_the_first_of_them",
    "novelty/test_novelty.py::test_nearest_and_decision_are_those_of_brute_force",
    "novelty/test_novelty.py::test_real_instructions_are_compared_as_brute_force_does",
    "novelty/test_novelty_bulk.py",
    "novelty/test_on_ray.py::test_a_cluster_on_this_machine",
    "novelty/test_on_ray.py::test_no_cluster_at_the_address",
    "recipes/test_experiment.py",
    "recipes/test_experiment_bounds.py::test_an_experiment_that_runs_itself_comes_to_an_end",
    "recipes/test_growing_experiment.py",
    "recipes/test_measuring.py",
    "recipes/test_merging.py",
    "recipes/test_merging_different.py"
    "::test_tasks_are_compared_by_meaning_with_the_seeds_of_other_runs",
    "recipes/test_merging_different.py"
    "::test_what_later_rounds_showed_of_their_pools_keeps_its_text",
    "recipes/test_merging_refused.py",
    "recipes/test_selecting.py",
    "recipes/test_sharded_growth.py",
    "recipes/test_shipped_experiments.py",
    "recipes/test_sweeps.py::test_every_table_has_every_size",
    "recipes/test_worth_it.py::test_a_run_and_a_file_of_equal_price_are_compared",
    "report/test_data_reports.py::test_a_report_goes_beside_a_file",
    "report/test_data_reports.py::test_any_data_has_its_tables_and_figures",
    "report/test_data_reports.py::test_exports_and_runs_stand_beside_each_other",
    "report/test_data_reports.py::test_one_test_set_may_be_given_or_several",
    "report/test_data_reports.py::test_progress_is_told",
    "report/test_data_reports.py::test_rows_that_can_not_be_read_are_counted",
    "report/test_paper_tables.py::test_a_report_opens_on_the_differences_and_draws_the_sizes",
    "report/test_paper_tables.py::test_it_fits_a_terminal_of_80_columns",
    "report/test_report_addresses.py::test_no_server_of_a_bootstrap_is_in_the_report",
    "report/test_report_charts.py::TestForms::test_files_stand_alone",
    "report/test_report_charts.py::TestForms::test_ids_are_its_own_and_all_there",
    "report/test_report_charts.py"
    "::TestForms::test_in_a_page_it_follows_the_colour_scheme_and_has_a_name",
    "report/test_report_charts.py::TestForms::test_phones_have_a_drawing_of_their_own",
    "report/test_report_charts.py::TestForms::test_the_same_chart_gives_the_same_bytes",
    "report/test_report_charts.py::test_hostile_labels_are_texts",
    "report/test_report_charts.py::test_rows_for_phones_have_their_numbers_beside_their_names",
    "report/test_report_page.py"
    "::TestHostileTexts::test_it_is_shown_as_it_is_but_for_what_hides_or_turns_text",
    "report/test_report_page.py::TestHostileTexts::test_no_attribute_runs_or_loads_anything",
    "report/test_report_page.py::TestHostileTexts::test_nothing_but_our_own_elements",
    "report/test_report_page.py::TestPhones::test_nothing_is_wider_than_a_phone",
    "report/test_report_structure.py",
    "review/test_app.py::test_other_hosts_and_origins_are_refused_on_every_route",
    "review/test_blinding.py::test_a_program_does_not_tell_a_from_b",
    "review/test_browser.py",
    "review/test_browser_pages.py",
    "review/test_items.py::test_trl_takes_the_preferences",
    "review/test_offline.py::test_labels_of_items_that_have_changed_are_refused",
    "review/test_review_store.py::test_what_is_done_is_what_counts",
    "review/test_view.py",
    "review/test_view_browser.py",
    "review/test_view_predictions.py",
    "runs/test_again.py",
    "runs/test_axes_run.py::test_killed_it_goes_on_to_the_same_bytes",
    "runs/test_axes_run.py::test_requests_in_flight_change_nothing",
    "runs/test_axes_run.py::test_the_report_has_shares_what_is_set_aside_and_distances",
    "runs/test_batch_faults.py"
    "::test_a_batch_that_ended_is_said_and_the_same_command_asks_for_the_rest",
    "runs/test_batch_faults.py::test_a_batch_that_may_never_end_is_not_waited_for",
    "runs/test_batch_faults.py::test_a_server_that_fails_once_costs_nothing_twice",
    "runs/test_batch_money.py::test_engines_that_share_a_budget_reserve_in_one_place",
    "runs/test_batches.py::test_a_judge_that_is_the_same_model_shares_its_batches",
    "runs/test_batches.py::test_an_interrupted_command_leaves_its_batch_and_says_so",
    "runs/test_batches.py::test_each_stage_makes_the_same_as_by_live_requests",
    "runs/test_batches.py::test_killed_at_each_step_of_a_batch_nothing_is_paid_twice",
    "runs/test_best_gate.py::TestBest::test_stopped_it_goes_on_to_the_same_bytes",
    "runs/test_best_gate.py::TestBest::test_the_output_with_the_best_rating_is_kept",
    "runs/test_best_gate.py::TestBest::test_without_any_rating_nothing_passes",
    "runs/test_budget_kept.py::test_counting_waits_for_the_disk_once_for_many_requests",
    "runs/test_budget_kept.py::test_killed_again_and_again_a_run_asks_no_more_than_it_may",
    "runs/test_damaged_rows.py::test_a_damaged_result_is_named_and_others_are_shown",
    "runs/test_damaged_rows.py::test_a_damaged_value_is_named_and_the_rest_is_shown",
    "runs/test_damaged_rows.py::test_tokens_that_a_run_does_not_name_are_those_of_the_paper",
    "runs/test_damaged_rows.py::test_values_of_another_kind_are_told_by_every_reader",
    "runs/test_distill_run.py::test_a_watcher_hears_of_the_time_for_which_batches_are_waited_for",
    "runs/test_earlier_version.py::test_a_finished_run_goes_on_with_nothing_to_ask",
    "runs/test_earlier_version.py::test_a_finished_tuning_is_not_trained_again",
    "runs/test_earlier_version.py::test_a_killed_tuning_goes_on_with_the_same_trajectory",
    "runs/test_earlier_version.py::test_a_report_on_all_of_them",
    "runs/test_earlier_version.py::test_a_run_is_looked_at",
    "runs/test_earlier_version.py::test_a_tuned_model_answers_as_before",
    "runs/test_earlier_version.py::test_its_data_are_read_for_tuning",
    "runs/test_earlier_version.py::test_stages_of_an_experiment_go_on_with_nothing_to_ask",
    "runs/test_frames.py::test_a_run_is_read_as_it_was_asked",
    "runs/test_gate_kinds.py::TestLikelihood::test_a_checkpoint_says_what_it_says_when_measured",
    "runs/test_gate_kinds.py"
    "::TestLikelihood::test_a_server_without_likelihoods_ends_the_run_and_is_named",
    "runs/test_gate_kinds.py::TestLikelihood::test_a_text_that_is_too_long_is_not_decided_on",
    "runs/test_gate_kinds.py::TestLikelihood::test_another_checkpoint_is_another_run",
    "runs/test_gate_models.py"
    "::TestAJudgeOfKnownErrors::test_rates_prices_and_good_tasks_are_those_that_follow",
    "runs/test_gate_models.py::TestAddress::test_no_report_and_no_card_shows_it",
    "runs/test_gate_models.py::test_the_data_do_not_depend_on_which_reply_comes_first",
    "runs/test_gates.py::TestFromPython::test_a_rule_that_raises_stops_the_run_and_nothing_is_lost",
    "runs/test_gates.py::test_a_reply_of_a_judge_that_holds_no_answers_lets_nothing_pass",
    "runs/test_gates.py::test_killed_it_goes_on_to_the_same_bytes_and_asks_nothing_again",
    "runs/test_gates.py::test_the_data_do_not_depend_on_which_reply_comes_first",
    "runs/test_gates.py::test_what_a_judge_does_not_say_passes_nothing",
    "runs/test_going_on.py::test_damage_where_replies_are_read_otherwise",
    "runs/test_going_on.py::test_how_many_replies_are_read_does_not_grow_with_the_run",
    "runs/test_going_on.py::test_it_makes_the_same_as_reading_all_replies_again",
    "runs/test_going_on.py::test_records_that_are_not_as_they_were_retired_come_from_the_log",
    "runs/test_going_on.py::test_what_another_version_made_stays_as_it_is",
    "runs/test_going_on.py::test_where_replies_are_read_again_is_said",
    "runs/test_hostile.py::test_a_date_to_wait_for_is_waited_for",
    "runs/test_hostile.py::test_a_fault_that_stays_is_that_requests_failure_and_the_run_has_its_tasks",
    "runs/test_hostile.py::test_a_good_body_of_a_wrong_content_type_is_a_reply",
    "runs/test_hostile.py::test_a_passing_fault_costs_repetitions_and_nothing_else",
    "runs/test_hostile.py::test_a_reply_that_never_ends_is_cut_off_and_the_run_has_its_tasks",
    "runs/test_hostile.py::test_a_reply_that_once_never_ends_leaves_no_trace",
    "runs/test_hostile.py::test_harmful_characters_in_replies_are_data",
    "runs/test_hostile_ends.py",
    "runs/test_json_gate.py::TestSchema::test_many_items_are_compared_once",
    "runs/test_judge_address.py::test_a_password_in_any_address_is_neither_told_nor_kept",
    "runs/test_judge_address.py::test_an_address_that_only_the_run_names_is_told",
    "runs/test_lists_that_grow.py"
    "::TestTasksChange::test_until_it_is_done_again_a_changed_task_has_no_record",
    "runs/test_lists_that_grow.py::TestTheListGrows::test_killed_while_it_grows",
    "runs/test_places.py::test_the_checkpoint_of_a_gate_is_found_from_another_directory",
    "runs/test_resume.py",
    "runs/test_run.py::test_a_run_that_ended_early_goes_on_where_it_was",
    "runs/test_run.py::test_a_second_process_is_refused_until_the_first_is_gone",
    "runs/test_semantic.py::test_in_any_order_and_gone_on_with_it_is_the_same_and_asks_nothing_twice",
    "runs/test_semantic.py::test_killed_it_ends_in_the_same_bytes",
    "runs/test_semantic.py::test_shards_are_compared_by_meaning_when_they_are_merged",
    "runs/test_steps_run.py::TestCommands::test_precision_and_recall_of_the_checks",
    "runs/test_steps_run.py::test_killed_at_any_moment_it_ends_in_the_same_bytes",
    "runs/test_store.py::test_no_reply_brings_a_run_to_a_standstill",
    "runs/test_store.py::test_on_a_full_disk_no_answer_is_bought_again_at_each_start",
    "runs/test_store.py::test_show_tells_where_a_candidate_came_from",
    "runs/test_worktime.py::test_a_run_of_an_earlier_version_counts_from_its_first_request",
    "runs/test_worktime.py::test_a_run_that_was_interrupted_tells_the_speed_of_its_work",
    "runs/test_worktime.py::test_a_slow_run_that_retires_all_at_its_end",
    "stages/test_stages.py::TestEveryStage::test_data_set",
    "stages/test_stages.py::TestEveryStage::test_it_goes_on_as_it_was",
    "stages/test_stages.py::TestEveryStage::test_report",
    "stages/test_stages.py::TestEveryStage::test_requests",
    "stages/test_stages.py::TestEveryStage::test_show",
    "stages/test_stages.py::TestEveryStage::test_what_was_rejected",
    "steps/test_steps_check.py::test_real_definitions_said_in_steps_hold_what_they_hold",
    "steps/test_steps_differences.py::test_huge_texts_are_compared_as_a_whole",
    "steps/test_steps_examples.py::test_a_huge_reply_is_read_and_compared",
    "steps/test_steps_hostile.py",
    "steps/test_steps_stage.py::test_750_tasks_with_five_turns_each",
    "steps/test_steps_stage.py::test_results_do_not_depend_on_delays_and_numbers_in_flight",
    "steps/test_steps_stage.py::test_whatever_the_model_says_gives_a_result",
    "steps/test_steps_transform.py::test_every_process_makes_the_same_order",
    "test_campaigns.py::test_servers_that_misbehave",
    "test_embedded.py",
    "test_extending.py::test_a_section_of_the_report",
    "test_forking.py",
    "test_fuzz.py",
    "test_growth.py",
    "test_outcomes.py::test_a_reply_by_batch_has_the_outcome_of_a_live_one",
    "test_outcomes.py::test_a_reply_that_holds_no_answer_has_a_named_outcome",
    "test_plugins.py::test_its_commands_and_models_are_listed",
    "test_plugins.py::test_the_stages_of_an_experiment_know_them",
    "text/test_stemming.py::test_all_ends_after_all_starts",
    "text/test_tokenize.py::test_a_prompt_does_not_depend_on_the_target",
    "tune/test_chat_tuning.py",
    "tune/test_costs_and_reports.py",
    "tune/test_divided_weights.py",
    "tune/test_gguf.py",
    "tune/test_seq2seq.py",
    "tune/test_sharing.py",
    "tune/test_tune_faults.py",
    "tune/test_tune_result.py",
    "tune/test_tuning.py",
)
"""Load torch or Ray, start a browser or several processes, or take about a second or more."""


def place_of(nodeid: str) -> str:
    """Return the place of a test: its id in pytest, seen from `tests`, without parameters."""
    return nodeid.removeprefix("tests/").partition("[")[0]


def is_slow(place: str) -> bool:
    """Return whether `--quick` leaves out a test, or a whole file."""
    return _within(place, SLOW)


def group_of(place: str) -> str:
    """Return the tests with which a test stays in one process.

    Those of a file do: so what they share is made once, and is loaded in one process only.
    """
    if _within(place, ALONE):
        return "alone"
    if _within(place, BROWSING):
        return "browsing"
    if _within(place, MERGING):
        return "merging"
    return place.partition("::")[0]


def order_of(place: str) -> int:
    """Return what to sort tests by that several processes run: what takes longest comes first."""
    if (group := group_of(place)) == "alone":
        return 0
    return 1 if group == "browsing" or group in LONG else 2 if is_slow(place) else 3


def _within(place: str, places: Sequence[str]) -> bool:
    return any(place == other or place.startswith(f"{other}::") for other in places)
